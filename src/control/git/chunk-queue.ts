/** Bytes that arrive in chunks of any size and are read in pieces of any size. Chunks are kept, not copied. */
export class ChunkQueue {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Number of bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    this.#length += chunk.length;
  }

  /** Returns the first `count` bytes, at most `length`, which stay in the queue. */
  peek(count: number): Buffer {
    let [first = Buffer.alloc(0)] = this.#chunks;
    if (first.length < count) {
      first = Buffer.concat(this.#chunks);
      this.#chunks = [first];
    }
    return first.subarray(0, count);
  }

  /** Removes the first `count` bytes, at most `length`, and returns them. */
  take(count: number): Buffer {
    const taken = this.peek(count);
    const left = this.#chunks[0]?.subarray(taken.length) ?? taken;
    if (left.length === 0) this.#chunks.shift();
    else this.#chunks[0] = left;
    this.#length -= taken.length;
    return taken;
  }
}
