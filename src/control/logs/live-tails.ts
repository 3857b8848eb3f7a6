/** All live readers of a log, by handler: passes lines just stored to those of their handler. */
import type { HandlerId } from '../../protocol/names.ts';
import type { LogHandler } from '../../protocol/ports.ts';
import { lastOf, type NumberedBlock } from './batch-writer.ts';
import { allLines } from './block-search.ts';
import { foldCase } from './log-filter.ts';
import { LogTail, type LogTailOptions, tailLimits } from './log-tail.ts';

/** Tails of one handler, whose name their lines carry. */
interface HandlerTails {
  readonly name: string;
  readonly all: Set<LogTail>;
}

export class LiveTails {
  readonly #byHandler = new Map<string, HandlerTails>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Makes a tail, which is removed when it is closed. */
  add(handler: LogHandler, options: Omit<LogTailOptions, 'bytesMax' | 'onClose'>): LogTail {
    const tail: LogTail = new LogTail({
      ...options,
      bytesMax: () => Math.min(tailLimits.bytes, tailLimits.allBytes / this.#count),
      onClose: () => this.#remove(handler.id, tail),
    });
    const tails = this.#byHandler.get(handler.id) ?? { name: handler.name, all: new Set() };
    this.#byHandler.set(handler.id, tails);
    tails.all.add(tail);
    this.#count += 1;
    return tail;
  }

  /** Passes lines just stored to the tails of their handler. Blocks are unpacked once for all of them. */
  push(handlerId: HandlerId, blocks: readonly NumberedBlock[]): void {
    const tails = this.#byHandler.get(handlerId);
    if (tails === undefined) return;
    for (const block of blocks) {
      const { first, lines: count, lastMs, data } = block;
      const stored = { first_cursor: first, last_cursor: lastOf(block), lines: count, last_ms: lastMs, data };
      const lines = allLines(stored, tails.name);
      const texts: string[] = [];
      const folded = (index: number): string => {
        texts[index] ??= foldCase(lines[index]?.text ?? '');
        return texts[index];
      };
      for (const tail of tails.all) tail.push(lines, folded);
    }
  }

  /** Tells the tails of a handler that lines of it were lost. */
  lost(handlerId: HandlerId, count: number): void {
    for (const tail of this.#byHandler.get(handlerId)?.all ?? []) tail.lost(count);
  }

  /** Tells all tails that the lines up to `cursor` are stored, and that not all of them were pushed. */
  extend(cursor: number): void {
    for (const tails of this.#byHandler.values()) for (const tail of tails.all) tail.extend(cursor);
  }

  close(): void {
    for (const tails of [...this.#byHandler.values()]) for (const tail of [...tails.all]) tail.close();
  }

  #remove(handlerId: string, tail: LogTail): void {
    const tails = this.#byHandler.get(handlerId);
    if (tails?.all.delete(tail) !== true) return;
    this.#count -= 1;
    if (tails.all.size === 0) this.#byHandler.delete(handlerId);
  }
}
