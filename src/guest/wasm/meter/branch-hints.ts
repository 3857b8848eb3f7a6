/**
 * Writes the custom section metadata.code.branch_hint (branch hinting proposal, part of the JavaScript embedding),
 * which tells the engine that the slow path of a check is unlikely. Without hints the engine keeps values out of
 * registers across the call that hardly ever happens.
 *
 *     vec(function index, vec(offset in the body, 1, 0 = unlikely))
 */

import { ByteWriter } from '../format/writer.ts';

export const branchHintSection = 'metadata.code.branch_hint';

/** Receives the branch hints of one function body. */
export interface HintSink {
  /**
   * Notes that the `if` or `br_if` at `offset` is unlikely to be taken. The offset is in bytes from the start of the
   * body, its locals included.
   */
  add(offset: number): void;
}

export class BranchHints implements HintSink {
  readonly #functions = new ByteWriter(1024);
  readonly #current = new ByteWriter(64);
  #count = 0;
  #currentIndex = -1;
  #currentCount = 0;

  /** Starts the hints of function `index` of the rewritten module. Indices must ascend from call to call. */
  beginFunction(index: number): void {
    this.#flush();
    this.#currentIndex = index;
  }

  add(offset: number): void {
    this.#current.u32(offset);
    this.#current.u8(1);
    this.#current.u8(0);
    this.#currentCount++;
  }

  #flush(): void {
    if (this.#currentCount > 0) {
      this.#functions.u32(this.#currentIndex);
      this.#functions.u32(this.#currentCount);
      this.#functions.raw(this.#current.view());
      this.#count++;
    }
    this.#current.length = 0;
    this.#currentCount = 0;
  }

  write(writer: ByteWriter): void {
    this.#flush();
    if (this.#count === 0) return;
    writer.section(0, () => {
      writer.name(branchHintSection);
      writer.u32(this.#count);
      writer.raw(this.#functions.view());
    });
  }
}
