/**
 * Gives free pages of the SQLite file back to the file system, in steps: each step is one short write transaction on
 * the connection for log lines, and other writers run between steps.
 *
 * PostgreSQL does not need this: its autovacuum reuses the room of removed rows.
 */
import { type Kysely, sql } from 'kysely';
import { MIB } from '../../protocol/limits.ts';
import type { Schema } from './schema.ts';

export const vacuumLimits = {
  /** Free bytes that stay in the file for new rows; without them the file would grow again at once. */
  keptBytes: 8 * MIB,
  /** Pages given back by one statement: 400 KiB, which delays other writers by about 2 ms. */
  stepPages: 100,
  /** Milliseconds between two steps. */
  pauseMs: 20,
  /** Milliseconds between two checks for free pages. */
  lookMs: 60_000,
} as const;

export interface VacuumOptions {
  readonly db: Kysely<Schema>;
  readonly onError: (error: unknown) => void;
  /** Bytes, `vacuumLimits.keptBytes` by default. */
  readonly keptBytes?: number;
}

export class Vacuum {
  readonly #db: Kysely<Schema>;
  readonly #keptBytes: number;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: VacuumOptions) {
    this.#db = options.db;
    this.#keptBytes = options.keptBytes ?? vacuumLimits.keptBytes;
    const look = () => void this.run().catch(options.onError);
    this.#timer = setInterval(look, vacuumLimits.lookMs);
    this.#timer.unref();
  }

  /** Gives back all free pages beyond `keptBytes`. Resolves when that is done, or after a call of `close`. */
  run(): Promise<void> {
    this.#running ??= this.#giveBack().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Ends a run after its current step. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#running?.catch(() => {});
  }

  async #giveBack(): Promise<void> {
    const pageBytes = await this.#number('page_size');
    const keptPages = Math.floor(this.#keptBytes / pageBytes);
    let gaveBack = false;
    while (!this.#closed) {
      const surplus = (await this.#number('freelist_count')) - keptPages;
      if (surplus <= 0) break;
      await sql.raw(`pragma incremental_vacuum(${Math.min(surplus, vacuumLimits.stepPages)})`).execute(this.#db);
      gaveBack = true;
      await new Promise((resolve) => setTimeout(resolve, vacuumLimits.pauseMs));
    }
    // Copies the write-ahead log into the file, which shortens the file itself.
    if (gaveBack) await sql`pragma wal_checkpoint(passive)`.execute(this.#db);
  }

  async #number(pragma: 'page_size' | 'freelist_count'): Promise<number> {
    const { rows } = await sql.raw<Record<string, number>>(`pragma ${pragma}`).execute(this.#db);
    return Number(rows[0]?.[pragma]);
  }
}

/**
 * Rewrites a file that was made without incremental vacuum, which needs as much free disk as the file has data, and
 * calls `onRewrite` before. Returns false for a file that needs no rewriting. Throws SqlError on failure; the file is
 * then unchanged.
 */
export async function allowGivingBack(db: Kysely<Schema>, onRewrite: () => void): Promise<boolean> {
  const { rows } = await sql<{ auto_vacuum: number }>`pragma auto_vacuum`.execute(db);
  if (rows[0]?.auto_vacuum === incremental) return false;
  onRewrite();
  await sql`pragma auto_vacuum = incremental`.execute(db);
  await sql`vacuum`.execute(db);
  return true;
}

/** Value of SQLite's pragma for `auto_vacuum = incremental`. */
const incremental = 2;
