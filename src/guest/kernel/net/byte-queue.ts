/**
 * Queues received bytes until they are read. Always copies them: a peer that sends one byte per chunk, or one byte of
 * body in 64 KiB of framing, would otherwise keep far more memory alive than `length` says. The caller bounds `length`.
 */
export class ByteQueue {
  #blocks: Uint8Array[] = [];
  /** Offset in the first block at which the next read starts. */
  #head = 0;
  /** Number of used bytes in the last block. */
  #tail = 0;
  #length = 0;

  /** Number of bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /** Copies `bytes` to the end. */
  push(bytes: Uint8Array): void {
    let rest = bytes;
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#tail < last.length) {
      const part = rest.subarray(0, last.length - this.#tail);
      last.set(part, this.#tail);
      this.#tail += part.length;
      rest = rest.subarray(part.length);
    }
    if (rest.length > 0) {
      const block = new Uint8Array(Math.max(blockBytesMin, rest.length));
      block.set(rest);
      this.#blocks.push(block);
      this.#tail = rest.length;
    }
    this.#length += bytes.length;
  }

  /** Fills `into` from its start. Returns the number of bytes read; 0 if the queue is empty. */
  read(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.#length > 0) {
      const block = this.#blocks[0] as Uint8Array;
      const end = this.#blocks.length === 1 ? this.#tail : block.length;
      const part = block.subarray(this.#head, Math.min(end, this.#head + into.length - done));
      into.set(part, done);
      done += part.length;
      this.#head += part.length;
      this.#length -= part.length;
      if (this.#head === end) {
        this.#blocks.shift();
        this.#head = 0;
      }
    }
    return done;
  }

  /** Empties the queue. Returns all its bytes in one array. */
  takeAll(): Uint8Array {
    const all = new Uint8Array(this.#length);
    this.read(all);
    return all;
  }

  clear(): void {
    this.#blocks = [];
    this.#head = 0;
    this.#length = 0;
  }
}

/** Fewest bytes of a block, which several small chunks share. */
const blockBytesMin = 4096;
