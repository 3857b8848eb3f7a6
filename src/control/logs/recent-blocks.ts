/** Keeps the bytes of the newest blocks in memory, so that reads of new lines need only the heads from the database. */
import { MIB } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';

/** Bytes of the blocks in memory; above it the oldest are forgotten. */
const recentBytes = 16 * MIB;
/** Bytes counted for a block besides its own. */
const overheadBytes = 200;

export class RecentBlocks {
  readonly #blocks = new Map<string, Uint8Array>();
  #bytes = 0;

  /** Keeps a block that has been stored. `first`: its first cursor; `lines`: its number of lines. */
  add(
    handlerId: HandlerId,
    { first, lines }: { readonly first: number; readonly lines: number },
    data: Uint8Array,
  ): void {
    // A copy: `data` is a view of the whole message in which it came.
    this.#blocks.set(keyOf(handlerId, first, lines), Uint8Array.from(data));
    this.#bytes += data.length + overheadBytes;
    for (const [key, oldest] of this.#blocks) {
      if (this.#bytes <= recentBytes) return;
      this.#blocks.delete(key);
      this.#bytes -= oldest.length + overheadBytes;
    }
  }

  /**
   * Returns the packed lines of a block that is still held, by its first cursor `first` and its number of lines;
   * undefined: it is not.
   */
  get(handlerId: HandlerId, first: number, lines: number): Uint8Array | undefined {
    return this.#blocks.get(keyOf(handlerId, first, lines));
  }
}

/** A merged block has the first cursor of one of its parts, and more lines. */
function keyOf(handlerId: HandlerId, first: number, lines: number): string {
  return `${handlerId} ${first} ${lines}`;
}
