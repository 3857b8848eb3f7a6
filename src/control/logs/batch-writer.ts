/** Stores batches of blocks in one transaction, each batch once, with cursors in the order of commits. */
import { type LogBlock, packByHandler } from '../../protocol/log-block.ts';
import type { DroppedLines } from '../../protocol/messages.ts';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import { isCount } from '../../protocol/plausible-blocks.ts';
import type { LogBatchId } from '../../protocol/ports.ts';
import type { Database } from '../db/database.ts';
import { advanceOrigin } from '../db/origins.ts';
import { existingHandlers } from '../handlers/existing-handlers.ts';
import { insertBlocks, rowOf } from './block-rows.ts';
import { type Cursors, CursorsTaken } from './cursors.ts';
import { lossLine } from './pending-lines.ts';

export interface Batch {
  readonly blocks: readonly LogBlock[];
  readonly dropped: DroppedLines;
  readonly id: LogBatchId | null;
}

/** A block whose first line has the cursor `first`. */
export type NumberedBlock = LogBlock & { readonly first: number };

/** Result of one transaction. */
export interface Stored<B extends Batch> {
  readonly blocks: readonly NumberedBlock[];
  /** Number of lines of handlers that do not exist. */
  readonly unknown: number;
  /** Batches that had been stored before. */
  readonly known: ReadonlySet<B>;
  /** Lost lines by handler id that the stored lines report. */
  readonly lost: ReadonlyMap<HandlerId, number>;
}

export class BatchWriter {
  readonly #db: Database;
  readonly #cursors: Cursors;
  readonly #now: () => number;

  /** `now`: Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly cursors: Cursors; readonly now: () => number }) {
    this.#db = options.db;
    this.#cursors = options.cursors;
    this.#now = options.now;
  }

  /**
   * Stores the batches, and one line for each handler of which lines were lost: those of `earlier`, and those that the
   * batches report. `newest`: the newest cursor as far as the caller knows.
   */
  async store<B extends Batch>(
    batches: readonly B[],
    { earlier, newest }: { readonly earlier: ReadonlyMap<HandlerId, number>; readonly newest: number },
  ): Promise<Stored<B>> {
    let count = earlier.size;
    for (const { blocks, dropped } of batches) count += linesOf(blocks) + Object.keys(dropped).length;
    let last = newest;
    for (;;) {
      await this.#cursors.reserve(last, count);
      try {
        return await this.#storeOnce(batches, earlier);
      } catch (error) {
        if (!(error instanceof CursorsTaken)) throw error;
        last = error.last;
      }
    }
  }

  #storeOnce<B extends Batch>(batches: readonly B[], earlier: ReadonlyMap<HandlerId, number>): Promise<Stored<B>> {
    return this.#db.relaxed.transaction().execute(async (trx) => {
      const known = new Set<B>();
      for (const batch of batches)
        if (batch.id !== null && !(await advanceOrigin(trx, batch.id, this.#now()))) known.add(batch);
      const fresh = batches.filter((batch) => !known.has(batch));
      const lost = new Map(earlier);
      for (const { dropped } of fresh)
        for (const [id, count] of Object.entries(dropped))
          if (isCount(count)) lost.set(handlerIdOf(id), (lost.get(handlerIdOf(id)) ?? 0) + count);
      const pending = [
        ...fresh.flatMap((batch) => batch.blocks),
        ...packByHandler([...lost].map(([handlerId, count]) => lossLine(handlerId, count, this.#now()))),
      ];
      // Read each time: a handler may have been purged, and a runner that a guest has taken over may invent ids.
      const existing = await existingHandlers(
        trx,
        pending.map(({ handlerId }) => handlerId),
      );
      const owned = pending.filter(({ handlerId }) => existing.has(handlerId));
      const count = linesOf(owned);
      const unknown = linesOf(pending) - count;
      if (count === 0) return { blocks: [], unknown, known, lost };
      const taken = await this.#cursors.take(trx, count);
      if ('last' in taken) throw new CursorsTaken(taken.last);
      let first = taken.first;
      const blocks = owned.map((block): NumberedBlock => {
        first += block.lines;
        return { ...block, first: first - block.lines };
      });
      await insertBlocks.insert(
        trx,
        blocks.map((block) => rowOf(block, { first: block.first, last: lastOf(block) })),
      );
      return { blocks, unknown, known, lost };
    });
  }
}

/** Returns the number of lines of all blocks. */
export function linesOf(blocks: readonly Pick<LogBlock, 'lines'>[]): number {
  return blocks.reduce((sum, { lines }) => sum + lines, 0);
}

/** Returns the cursor of a block's last line. */
export function lastOf({ first, lines }: Pick<NumberedBlock, 'first' | 'lines'>): number {
  return first + lines - 1;
}
