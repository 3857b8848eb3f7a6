/**
 * Inserts many rows with one statement. The SQL for a few batch sizes is compiled once: compiling it for each batch
 * would cost more time on the event loop than the insert itself.
 */
import { type CompiledQuery, type Kysely, type Selectable, sql } from 'kysely';
import type { Schema } from './schema.ts';

/**
 * Numbers of rows in one statement, largest first. 256 rows x 20 columns stay below the parameter bound of each
 * dialect.
 */
const sizes = [256, 64, 16, 4, 1] as const;

export class BatchInsert<Table extends keyof Schema & string> {
  readonly #table: Table;
  readonly #columns: readonly (keyof Schema[Table] & string)[];
  readonly #ifNew: readonly (keyof Schema[Table] & string)[];
  /** Compiled SQL by dialect and batch size: two databases of one process may use different dialects. */
  readonly #compiled = new WeakMap<object, Map<number, CompiledQuery>>();

  /**
   * Makes an insert for one table. `ifNew`: rows are skipped when a row with the same values in these columns exists.
   */
  constructor(options: {
    readonly table: Table;
    readonly columns: readonly (keyof Schema[Table] & string)[];
    readonly ifNew?: readonly (keyof Schema[Table] & string)[];
  }) {
    this.#table = options.table;
    this.#columns = options.columns;
    this.#ifNew = options.ifNew ?? [];
  }

  /** Inserts `rows` in order. Must run in a transaction: a batch may take several statements. */
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
