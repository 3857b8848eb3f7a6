/** What a database reads for a query, from its plan. */
import { CompiledQuery, Kysely } from 'kysely';
import { Sqlite3Dialect } from '../../src/control/db/dialects/sqlite3.ts';
import type { Schema } from '../../src/control/db/schema.ts';
import type { TestDialect } from './database.ts';

interface Compiled {
  compile(): CompiledQuery<unknown>;
}

/** Brings the statistics of tables up to date, as the servers do by themselves after a while. */
export async function analyze(db: Kysely<Schema>, ...tables: readonly string[]): Promise<void> {
  for (const table of tables) await db.executeQuery(CompiledQuery.raw(`analyze ${table}`));
}

/**
 * Returns the steps of SQLite's plan: SCAN reads every row of a table or index, SEARCH those that a range of an index
 * leads to, USE TEMP B-TREE sorts.
 */
export async function sqliteSteps(db: Kysely<Schema>, query: Compiled): Promise<readonly string[]> {
  const { sql, parameters } = query.compile();
  const { rows: files } = await db.executeQuery(CompiledQuery.raw('pragma database_list'));
  const { file } = (files as readonly { readonly file: string }[])[0]!;
  // A connection of its own: SQLite keeps the view of the data that an explained statement has seen until it is closed.
  const apart = new Kysely<Schema>({ dialect: new Sqlite3Dialect({ file, synchronous: 'normal', readOnly: true }) });
  try {
    const { rows } = await apart.executeQuery(CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]));
    return (rows as readonly { readonly detail: string }[]).map(({ detail }) => detail);
  } finally {
    await apart.destroy();
  }
}

interface PlanNode {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Runs a query on PostgreSQL and returns the number of rows of `table` that it has read. */
export async function postgresRowsRead(db: Kysely<Schema>, table: string, query: Compiled): Promise<number> {
  const { sql, parameters } = query.compile();
  const { rows } = await db.executeQuery(CompiledQuery.raw(`explain (analyze, format json) ${sql}`, [...parameters]));
  const [{ 'QUERY PLAN': plans }] = rows as [{ readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }];
  const read = (node: PlanNode): number => {
    const own =
      node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
    const below = (node.Plans ?? []).reduce((sum, plan) => sum + read(plan), 0);
    return below + (node['Relation Name'] === table ? own * node['Actual Loops'] : 0);
  };
  return read(plans[0].Plan);
}

/**
 * Fails where a query reads more than `most` rows of a table: on PostgreSQL as counted, on SQLite where its plan reads
 * a whole table, index or state, or sorts. `indexes`: those that SQLite may search.
 */
export async function expectFewRows(
  { name }: TestDialect,
  db: Kysely<Schema>,
  query: Compiled,
  options: { readonly table: string; readonly most: number; readonly indexes: readonly string[] },
): Promise<void> {
  if (name === 'postgres') {
    const read = await postgresRowsRead(db, options.table, query);
    if (read > options.most) throw new Error(`${read} rows of ${options.table} are read`);
    return;
  }
  for (const step of await sqliteSteps(db, query)) {
    const index = /\bINDEX (\w+)/.exec(step)?.[1];
    const isFine = index === undefined || index.startsWith('sqlite_autoindex') || options.indexes.includes(index);
    if (!isFine || step.includes('TEMP B-TREE') || /^SCAN (?!waiting|own|\(|\d+ CONSTANT)/.test(step))
      throw new Error(`too much is read: ${step}`);
  }
}
