/**
 * INSERT of many rows in one statement, with the SQL of a few batch sizes compiled once: building
 * it anew for each batch costs more time on the event loop than the database takes off it.
 */
import { type CompiledQuery, type Kysely, type Selectable, sql } from 'kysely';
import type { Schema } from './schema.ts';

/** Rows in one statement, largest first. 256 rows x 20 columns stay below every dialect's parameter bound. */
const sizes = [256, 64, 16, 4, 1] as const;

export class BatchInsert<Table extends keyof Schema & string> {
  readonly #table: Table;
  readonly #columns: readonly (keyof Schema[Table] & string)[];
  readonly #ifNew: readonly (keyof Schema[Table] & string)[];
  /** By dialect: two databases of one process may speak different ones. */
  readonly #compiled = new WeakMap<object, Map<number, CompiledQuery>>();

  /** Makes an insert for one table. `ifNew`: rows whose values in these columns exist already are left out. */
  constructor(options: {
    readonly table: Table;
    readonly columns: readonly (keyof Schema[Table] & string)[];
    readonly ifNew?: readonly (keyof Schema[Table] & string)[];
  }) {
    this.#table = options.table;
    this.#columns = options.columns;
    this.#ifNew = options.ifNew ?? [];
  }

  /** Inserts `rows` in order. Call it inside a transaction: a batch may take several statements. */
  async insert(db: Kysely<Schema>, rows: readonly Selectable<Schema[Table]>[]): Promise<void> {
    let at = 0;
    for (const size of sizes) {
      for (; rows.length - at >= size; at += size) {
        const parameters: unknown[] = [];
        for (let row = at; row < at + size; row += 1)
          for (const column of this.#columns) parameters.push((rows[row] as Readonly<Record<string, unknown>>)[column]);
        await db.executeQuery({ ...this.#compile(db, size), parameters });
      }
    }
  }

  #compile(db: Kysely<Schema>, size: number): CompiledQuery {
    const dialect = db.getExecutor().adapter;
    const compiledBySize = this.#compiled.get(dialect) ?? new Map<number, CompiledQuery>();
    this.#compiled.set(dialect, compiledBySize);
    const known = compiledBySize.get(size);
    if (known !== undefined) return known;
    const row = sql`(${sql.join(this.#columns.map(() => 0))})`;
    const columns = sql.join(this.#columns.map((column) => sql.ref(column)));
    const values = sql.join(Array.from({ length: size }, () => row));
    const tail =
      this.#ifNew.length === 0
        ? sql``
        : sql` on conflict (${sql.join(this.#ifNew.map((column) => sql.ref(column)))}) do nothing`;
    const compiled = sql`insert into ${sql.table(this.#table)} (${columns}) values ${values}${tail}`.compile(db);
    compiledBySize.set(size, compiled);
    return compiled;
  }
}
