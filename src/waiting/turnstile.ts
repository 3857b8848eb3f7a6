/**
 * Who may run git now. Pushes to one repository come one after the other, so that a hook's connection can
 * belong to one push only and the last accepted push is the live one; in all and per user there is a cap.
 */

import { PlatformError } from '../protocol/errors.ts';

/** Bounds on what a Turnstile admits and keeps waiting; each counts operations. */
export interface TurnstileLimits {
  /** Running at once, of everybody. */
  readonly operations: number;
  /** Running at once, of one user. */
  readonly operationsPerUser: number;
  /** Waiting at once, of everybody. */
  readonly waiting: number;
  /** Waiting at once for one repository. */
  readonly waitingPerRepository: number;
}

interface Waiting {
  readonly userId: string;
  /** Repository to have alone; null for a fetch. */
  readonly exclusive: string | null;
  readonly enter: () => void;
}

export class Turnstile {
  readonly #limits: TurnstileLimits;
  readonly #byUser = new Map<string, number>();
  readonly #busy = new Set<string>();
  #running = 0;
  #queue: Waiting[] = [];

  constructor(limits: TurnstileLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Waits for a turn; the returned function ends it (calling it again does nothing).
   * Throws `overloaded` when too many wait, `bad_request` when `signal` aborts first.
   */
  async enter(options: {
    readonly userId: string;
    readonly exclusive: string | null;
    readonly signal: AbortSignal;
  }): Promise<() => void> {
    const { userId, exclusive, signal } = options;
    if (signal.aborted) throw gone();
    if (this.#free(options)) this.#claim(options);
    else {
      const same = this.#queue.filter((other) => other.exclusive === exclusive).length;
      if (
        this.#queue.length >= this.#limits.waiting ||
        (exclusive !== null && same >= this.#limits.waitingPerRepository)
      )
        throw new PlatformError('overloaded', 'too many pushes and fetches wait already; try again in a moment', {
          retryAfterSeconds: 5,
        });
      await this.#wait({ userId, exclusive, signal });
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave({ userId, exclusive });
    };
  }

  #free({ userId, exclusive }: { userId: string; exclusive: string | null }): boolean {
    return (
      this.#running < this.#limits.operations &&
      (this.#byUser.get(userId) ?? 0) < this.#limits.operationsPerUser &&
      (exclusive === null || !this.#busy.has(exclusive))
    );
  }

  #wait(options: { userId: string; exclusive: string | null; signal: AbortSignal }): Promise<void> {
    return new Promise((resolve, reject) => {
      const { userId, exclusive, signal } = options;
      const abort = () => {
        this.#queue = this.#queue.filter((other) => other !== waiting);
        reject(gone());
      };
      const enter = () => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const waiting: Waiting = { userId, exclusive, enter };
      signal.addEventListener('abort', abort, { once: true });
      this.#queue.push(waiting);
    });
  }

  #leave({ userId, exclusive }: { userId: string; exclusive: string | null }): void {
    this.#running -= 1;
    const others = (this.#byUser.get(userId) ?? 1) - 1;
    if (others === 0) this.#byUser.delete(userId);
    else this.#byUser.set(userId, others);
    if (exclusive !== null) this.#busy.delete(exclusive);
    // First come, first served, among those whose turn it can be. Claimed for them here and now:
    // whoever arrives before they go on finds the place taken.
    for (;;) {
      const next = this.#queue.find((waiting) => this.#free(waiting));
      if (next === undefined) return;
      this.#queue = this.#queue.filter((other) => other !== next);
      this.#claim(next);
      next.enter();
    }
  }

  #claim({ userId, exclusive }: { userId: string; exclusive: string | null }): void {
    this.#running += 1;
    this.#byUser.set(userId, (this.#byUser.get(userId) ?? 0) + 1);
    if (exclusive !== null) this.#busy.add(exclusive);
  }
}

function gone(): PlatformError {
  return new PlatformError('bad_request', 'the client has gone');
}
