/**
 * Reads a value that is wholly known, then returns the end, for meta: and kv:, and standard input that is given as
 * bytes.
 */
import { Errno } from '../errno.ts';

export class ValueReader {
  #rest: Uint8Array;

  constructor(value: Uint8Array) {
    this.#rest = value;
  }

  /** Reads into `into` from its start. Returns the number of bytes, 0 for an empty `into`; Errno.end at the end. */
  read(into: Uint8Array): number {
    if (into.length === 0) return 0;
    if (this.#rest.length === 0) return Errno.end;
    const part = this.#rest.subarray(0, into.length);
    into.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }
}
