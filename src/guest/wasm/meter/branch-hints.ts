/**
 * Custom section metadata.code.branch_hint (branch hinting proposal, part of the JavaScript
 * embedding): tells the engine that a check's slow path is not taken. Without it the engine keeps
 * values out of registers across the call that hardly ever happens.
 *
 *     vec(function index, vec(offset in the body, 1, 0 = unlikely))
 */

import { ByteWriter } from '../format/writer.ts';

export const branchHintSection = 'metadata.code.branch_hint';

/** Takes the hints of a function body. */
export interface HintSink {
  /** The `if` or `br_if` at `offset`, in bytes from the start of the body (its locals included), is unlikely to be taken. */
  add(offset: number): void;
}

export class BranchHints implements HintSink {
  readonly #functions = new ByteWriter(1024);
  readonly #current = new ByteWriter(64);
  #count = 0;
  #currentIndex = -1;
  #currentCount = 0;

  /** Hints that follow belong to function `index` of the rewritten module. Call in ascending order. */
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
