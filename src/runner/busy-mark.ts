/**
 * Which Deployment holds the thread now, where control can still read it when this process is dead or
 * hangs: the first bytes of a file that control has opened and this process has inherited. A write
 * costs 1.5 µs, so it happens only when the answer changes; that no guest runs any more is written a
 * moment later, so that one handler's calls in a row cost nothing.
 */
import { writeSync } from 'node:fs';

/** A Deployment's id, padded with zeros. */
export const busyMarkBytes = 64;

/** Behind the id: a count that grows while guests get their turns and calls end, a u32 in little-endian order. */
export const progressBytes = 4;
/** It is written every so many turns: 32 short ones take a millisecond, 32 whole slices 60. */
const progressEvery = 32;

/** After this long without a guest nobody is blamed any more. */
const idleMs = 25;

export class BusyMark {
  readonly #descriptor: number | null;
  readonly #idle = Buffer.alloc(busyMarkBytes);
  #current: Buffer = this.#idle;
  #timer: NodeJS.Timeout | null = null;
  #hasRun = false;
  #turns = 0;
  readonly #progress = Buffer.alloc(progressBytes);

  /** `descriptor` is that of the shared file; null: nobody watches. */
  constructor(descriptor: number | null) {
    this.#descriptor = descriptor;
  }

  /** Notes that the guest of `mark`, made by busyMarkOf, has the thread from now on. */
  enter(mark: Buffer): void {
    this.#hasRun = true;
    this.advance();
    if (this.#current === mark || this.#descriptor === null) return;
    this.#write(mark);
    this.#timer ??= setTimeout(() => this.#look(), idleMs);
  }

  /**
   * Counts a turn that a guest has had, or a call that has ended, and writes the count now and then: control sees that
   * a burst of either, which may hold the loop for seconds, is being worked off. The calls of thousands of connections
   * that close together end in one turn of the loop, and their guests get no turn before.
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
      // Only the blame for a death is lost.
    }
  }
}

export function busyMarkOf(specId: string): Buffer {
  const mark = Buffer.alloc(busyMarkBytes);
  mark.write(specId.slice(0, busyMarkBytes), 'latin1');
  return mark;
}
