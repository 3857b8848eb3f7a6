/**
 * Merges small blocks of a handler into larger ones, in steps between the inserts. Lines keep their cursors.
 *
 * A handler that writes a line a minute gets a block for each line, so that the line is stored at once. Blocks have
 * ranks by size. Neighbours become one block when `fanIn` of them have the same rank and no greater one is among them,
 * so each line is packed again a few times at most.
 */
import { KIB } from '../../protocol/limits.ts';
import { blockLimits } from '../../protocol/log-block.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Database } from '../db/database.ts';
import { GrowthWatch } from '../db/growth-watch.ts';
import { type BlockSize, blocksOf, insertBlocks, rowOf, type StoredBlock, sizesOf } from './block-rows.ts';
import type { mergeBlocks } from './block-search.ts';

export const mergeLimits = {
  /**
   * Lines, and UTF-16 units of text, from which a block has rank 1, 2 and 3. Blocks of rank 3 are not merged: a full
   * batch of a busy handler (logLimits.batchLines) must be one, or all its lines are packed twice.
   */
  ranks: [
    { lines: 16, chars: 2 * KIB },
    { lines: 128, chars: 16 * KIB },
    { lines: 512, chars: 64 * KIB },
  ],
  /** Blocks of one rank that become one. */
  fanIn: 16,
  /** Blocks merged in one step; its transaction takes some milliseconds that an insert may have to wait. */
  stepBlocks: 64,
  /** Newest blocks of a handler that are looked at. */
  lookedAt: 1_024,
  /** Stored blocks of a handler after which it is looked at again. */
  newBlocks: 32,
  /** Milliseconds between two steps. */
  pauseMs: 50,
  /** Damaged blocks that are remembered; one that is forgotten is read, and reported, again. */
  damaged: 1_000,
} as const;

export interface LogMergerOptions {
  readonly db: Database;
  readonly merge: (blocks: readonly StoredBlock[]) => Promise<ReturnType<typeof mergeBlocks>>;
  readonly onError: (error: unknown) => void;
}

/** Blocks were merged or removed by another control, or by retention, since they were read. */
class BlocksChanged extends Error {}

export class LogMerger {
  readonly #options: LogMergerOptions;
  readonly #watch: GrowthWatch;
  /** First cursors of damaged blocks, which stay as they are. Known only until the next start. */
  readonly #damaged = new Set<number>();
  #closed = false;

  constructor(options: LogMergerOptions) {
    this.#options = options;
    this.#watch = new GrowthWatch({
      slack: 1,
      trim: (handlerId) => this.#mergeAll(handlerId),
      onError: options.onError,
    });
  }

  /** Tells that blocks of a handler have been stored. */
  grown(handlerId: HandlerId, blocks: number): void {
    this.#watch.grown(handlerId, blocks / mergeLimits.newBlocks);
  }

  /** Resolves when no handler is due. */
  idle(): Promise<void> {
    return this.#watch.idle();
  }

  /** Ends after the current step. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#watch.close();
  }

  async #mergeAll(handlerId: HandlerId): Promise<void> {
    const range = { handlerId, after: 0, upTo: Number.MAX_SAFE_INTEGER, direction: 'newest first' } as const;
    while (!this.#closed) {
      const all = { ...range, filter: { requests: true }, limit: mergeLimits.lookedAt };
      const sizes = await sizesOf(this.#options.db.reader, all);
      const group = groupToMerge(sizes.reverse(), (one) => (this.#damaged.has(one.first_cursor) ? 3 : rankOf(one)));
      if (group === null || !(await this.#mergeOne(handlerId, group))) return;
      await new Promise((resolve) => setTimeout(resolve, mergeLimits.pauseMs));
    }
  }

  #leaveOut(firstCursor: number): void {
    for (const oldest of this.#damaged) {
      if (this.#damaged.size < mergeLimits.damaged) break;
      this.#damaged.delete(oldest);
    }
    this.#damaged.add(firstCursor);
  }

  /** Merges one group. Returns false when it has changed meanwhile: a later growth looks again. */
  async #mergeOne(handlerId: HandlerId, heads: readonly BlockSize[]): Promise<boolean> {
    const { db, merge, onError } = this.#options;
    const blocks = await blocksOf(db.reader, handlerId, heads);
    if (blocks === null || this.#closed) return false;
    const result = await merge(blocks);
    if ('damaged' in result) {
      this.#leaveOut(result.damaged);
      onError(new Error(`a block of log lines of handler ${handlerId}, at cursor ${result.damaged}, is damaged`));
      return true;
    }
    const [first, last] = [heads[0] as BlockSize, heads.at(-1) as BlockSize];
    const cursors = { first: first.first_cursor, last: last.last_cursor };
    try {
      await db.relaxed.transaction().execute(async (trx) => {
        const gone = await trx
          .deleteFrom('log_blocks')
          .where('handler_id', '=', handlerId)
          .where('first_cursor', '>=', cursors.first)
          .where('last_cursor', '<=', cursors.last)
          .returning('lines')
          .execute();
        const lines = gone.reduce((sum, row) => sum + row.lines, 0);
        if (gone.length !== heads.length || lines !== result.merged.lines) throw new BlocksChanged();
        await insertBlocks.insert(trx, [rowOf({ handlerId, ...result.merged }, cursors)]);
      });
      return true;
    } catch (error) {
      if (error instanceof BlocksChanged) return false;
      throw error;
    }
  }
}

/**
 * Returns the oldest neighbours that should become one block; null: none. `heads` are in the order of their cursors.
 * Lower ranks go first, so that new small blocks are not packed into a large one again and again.
 */
export function groupToMerge<Head extends Pick<BlockSize, 'lines' | 'text_chars'>>(
  heads: readonly Head[],
  rank: (head: Head) => number,
): readonly Head[] | null {
  for (let most = 0; most < mergeLimits.ranks.length; most += 1) {
    let run: Head[] = [];
    for (const head of [...heads, null]) {
      if (head !== null && rank(head) <= most) {
        run.push(head);
        continue;
      }
      if (run.filter((one) => rank(one) === most).length >= mergeLimits.fanIn) {
        const group = fitting(run);
        if (group.length > 1) return group;
      }
      run = [];
    }
  }
  return null;
}

/** Returns the rank of a block by its size. */
export function rankOf({ lines, text_chars }: Pick<BlockSize, 'lines' | 'text_chars'>): number {
  return mergeLimits.ranks.filter((least) => lines >= least.lines || text_chars >= least.chars).length;
}

/** Returns as many of the first blocks as fit into one. */
function fitting<Head extends Pick<BlockSize, 'lines' | 'text_chars'>>(run: readonly Head[]): readonly Head[] {
  let lines = 0;
  let chars = 0;
  const group: Head[] = [];
  for (const head of run) {
    lines += head.lines;
    chars += head.text_chars;
    const isFull = lines > blockLimits.lines || chars > blockLimits.textChars;
    if (isFull || group.length === mergeLimits.stepBlocks) break;
    group.push(head);
  }
  return group;
}
