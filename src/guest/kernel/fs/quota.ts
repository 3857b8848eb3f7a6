/**
 * Bounds the scratch of one Process, and the bytes of all Processes of a runner. An open file without a name counts as
 * no name: it costs a descriptor, and their number is small.
 */
import { MIB } from '../../../protocol/limits.ts';

export interface ScratchLimits {
  /** Most bytes of all files of a Process. Holes count, since they are stored as zeros. */
  readonly bytes: number;
  /**
   * Most names of files, directories and links, hard ones included. Each costs some hundred bytes outside the memory
   * of the guest.
   */
  readonly names: number;
}

/** Default limits: enough for an upload and its conversion, small beside a guest's memory (128 MiB by default). */
export const defaultScratch: ScratchLimits = { bytes: 64 * MIB, names: 4096 };

/** Bytes that many Processes share; each takes the bytes that it uses. */
export class ScratchPool {
  readonly bytesMax: number;
  #taken = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Bytes that Processes have taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes bytes. Returns false, and takes none, when fewer are left. */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.bytesMax) return false;
    this.#taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

export class Quota {
  readonly limits: ScratchLimits;
  readonly #pool: ScratchPool | null;
  #bytes = 0;
  #names = 0;
  #isReleased = false;

  constructor(limits: ScratchLimits, pool: ScratchPool | null) {
    this.limits = limits;
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get names(): number {
    return this.#names;
  }

  /** Number of bytes that may still be taken. */
  get bytesLeft(): number {
    return this.limits.bytes - this.#bytes;
  }

  /**
   * Takes `count` bytes, from the pool too. Returns false, and takes none, when fewer are left or the Process has
   * ended.
   */
  takeBytes(count: number): boolean {
    if (this.#isReleased) return false;
    if (this.#bytes + count > this.limits.bytes) return false;
    if (this.#pool !== null && !this.#pool.take(count)) return false;
    this.#bytes += count;
    return true;
  }

  giveBytes(count: number): void {
    if (this.#isReleased) return;
    this.#bytes -= count;
    this.#pool?.give(count);
  }

  takeName(): boolean {
    if (this.#names >= this.limits.names) return false;
    this.#names += 1;
    return true;
  }

  giveName(): void {
    this.#names -= 1;
  }

  /** Returns all bytes to the pool when the Process has ended. A later close returns none a second time. */
  release(): void {
    this.#isReleased = true;
    this.#pool?.give(this.#bytes);
    this.#bytes = 0;
    this.#names = 0;
  }
}
