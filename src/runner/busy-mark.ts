/**
 * Which Deployment holds the thread now, where control can still read it when this process is dead or
 * hangs: the first bytes of a file that control has opened and this process has inherited. A write
 * costs 1.5 µs, so it happens only when the answer changes, and once more per turn of the event loop.
 */
import { writeSync } from 'node:fs';

/** A Deployment's id, padded with zeros. */
export const busyMarkBytes = 64;

export class BusyMark {
  readonly #descriptor: number | null;
  readonly #idle = Buffer.alloc(busyMarkBytes);
  #current: Buffer = this.#idle;
  #isArmed = false;

  /** null: nobody watches. */
  constructor(descriptor: number | null) {
    this.#descriptor = descriptor;
  }

  /** The guest of `mark`, made by busyMarkOf, runs from now until the event loop turns. */
  enter(mark: Buffer): void {
    if (this.#current === mark || this.#descriptor === null) return;
    this.#write(mark);
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(() => {
      this.#isArmed = false;
      this.#write(this.#idle);
    });
  }

  #write(mark: Buffer): void {
    this.#current = mark;
    try {
      if (this.#descriptor !== null) writeSync(this.#descriptor, mark, 0, busyMarkBytes, 0);
    } catch {
      // Only the blame for a death is lost.
    }
  }
}

export function busyMarkOf(deploymentId: string): Buffer {
  const mark = Buffer.alloc(busyMarkBytes);
  mark.write(deploymentId.slice(0, busyMarkBytes), 'latin1');
  return mark;
}
