/**
 * Marks which Deployment holds the thread, in the first bytes of a file that control has opened and this process has
 * inherited, so that control can read the mark when this process is dead or hangs. A write costs 1.5 µs, so it happens
 * only when the Deployment changes; the end of the last guest is written a moment later, so that consecutive calls of
 * one handler cost nothing.
 */
import { writeSync } from 'node:fs';

/** Bytes of a Deployment's id, padded with zeros. */
export const busyMarkBytes = 64;

/**
 * Bytes after the id: a count that grows while guests get their turns and calls end, as a u32 in little-endian order.
 */
export const progressBytes = 4;
/** Turns between two writes of the count: 32 short turns take a millisecond, 32 whole slices 60. */
const progressEvery = 32;

/** Milliseconds without a guest after which the mark is removed. */
const idleMs = 25;

export class BusyMark {
  /** File descriptor of the mark file; null: there is none. */
  readonly #descriptor: number | null;
  readonly #idle = Buffer.alloc(busyMarkBytes);
  #current: Buffer = this.#idle;
  #timer: NodeJS.Timeout | null = null;
  #hasRun = false;
  #turns = 0;
  readonly #progress = Buffer.alloc(progressBytes);

  /** `descriptor`: descriptor of the shared file; null: no control watches. */
  constructor(descriptor: number | null) {
    this.#descriptor = descriptor;
  }

  /** Writes that the guest of `mark`, made by busyMarkOf, has the thread from now on. */
  enter(mark: Buffer): void {
    this.#hasRun = true;
    this.advance();
    if (this.#current === mark || this.#descriptor === null) return;
    this.#write(mark);
    this.#timer ??= setTimeout(() => this.#look(), idleMs);
  }

  /**
   * Counts a turn of a guest, or the end of a call, and writes the count now and then: control sees that a burst of
   * either, which may hold the loop for seconds, makes progress. Calls of thousands of connections that close together
   * end in one turn of the loop, without a turn of their guests.
   */
  advance(): void {
    this.#turns = (this.#turns + 1) >>> 0;
    if (this.#turns % progressEvery !== 0) return;
    this.#progress.writeUInt32LE(this.#turns);
    this.#writeAt(this.#progress, busyMarkBytes);
  }

  #look(): void {
    this.#timer = null;
    if (!this.#hasRun) {
      this.#write(this.#idle);
      return;
    }
    this.#hasRun = false;
    this.#timer = setTimeout(() => this.#look(), idleMs);
  }

  #write(mark: Buffer): void {
    this.#current = mark;
    this.#writeAt(mark, 0);
  }

  #writeAt(bytes: Buffer, position: number): void {
    try {
      if (this.#descriptor !== null) writeSync(this.#descriptor, bytes, 0, bytes.length, position);
    } catch {
      // A failed write loses only the reason of a later death.
    }
  }
}

/** Returns the mark of a spec, busyMarkBytes long: the beginning of `specId`, filled up with zeros. */
export function busyMarkOf(specId: string): Buffer {
  const mark = Buffer.alloc(busyMarkBytes);
  mark.write(specId.slice(0, busyMarkBytes), 'latin1');
  return mark;
}
