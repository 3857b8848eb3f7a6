/**
 * Which Deployment holds the thread now, where control can still read it when this process is dead or
 * hangs: the first bytes of a file that control has opened and this process has inherited. A write
 * costs 1.5 µs, so it happens only when the answer changes; that no guest runs any more is written a
 * moment later, so that one handler's calls in a row cost nothing.
 */
import { writeSync } from 'node:fs';

/** A Deployment's id, padded with zeros. */
export const busyMarkBytes = 64;

/** After this long without a guest nobody is blamed any more. */
const idleMs = 25;

export class BusyMark {
  readonly #descriptor: number | null;
  readonly #idle = Buffer.alloc(busyMarkBytes);
  #current: Buffer = this.#idle;
  #timer: NodeJS.Timeout | null = null;
  #hasRun = false;

  /** null: nobody watches. */
  constructor(descriptor: number | null) {
    this.#descriptor = descriptor;
  }

  /** The guest of `mark`, made by busyMarkOf, has the thread from now on. */
  enter(mark: Buffer): void {
    this.#hasRun = true;
    if (this.#current === mark || this.#descriptor === null) return;
    this.#write(mark);
    this.#timer ??= setTimeout(() => this.#look(), idleMs);
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
