/**
 * Decides which git operations run now. Pushes to one repository run one after the other, so that a hook's connection
 * belongs to one push only and the last accepted push is the live one. The numbers of running and of waiting operations
 * are bounded, in all and per user.
 */
import { PlatformError } from '../protocol/errors.ts';
import { BoundedQueue } from './bounded-queue.ts';

/**
 * Bounds on the operations that a Turnstile admits and keeps waiting; each is a number of operations, but for `turnMs`.
 */
export interface TurnstileLimits {
  /** Operations that run at once. */
  readonly operations: number;
  /** Operations of one user that run at once. */
  readonly operationsPerUser: number;
  /** Operations that wait at once. */
  readonly waiting: number;
  /** Operations of one user that wait at once, so that one user cannot fill the queue. */
  readonly waitingPerUser: number;
  /** Operations on one repository that wait at once. */
  readonly waitingPerRepository: number;
  /** Milliseconds that an operation may wait for its turn. */
  readonly turnMs: number;
}

interface Operation {
  readonly userId: string;
  /** Key of the repository that the operation needs alone; null: the operation shares it. */
  readonly exclusive: string | null;
}

export class Turnstile {
  readonly #limits: TurnstileLimits;
  readonly #byUser = new Map<string, number>();
  readonly #busy = new Set<string>();
  readonly #queue: BoundedQueue<Operation>;
  /** Number of operations that run. */
  #running = 0;

  constructor(limits: TurnstileLimits) {
    this.#limits = limits;
    this.#queue = new BoundedQueue({ max: limits.waiting, full: overloaded });
  }

  /** Number of operations that run now. */
  get running(): number {
    return this.#running;
  }

  /**
   * Waits for a turn and returns the function that ends it (calling it again does nothing). Throws
   * `overloaded` when too many operations wait, or when `turnMs` have passed; `bad_request` when `signal` aborts first.
   */
  async enter({ signal, ...operation }: Operation & { readonly signal: AbortSignal }): Promise<() => void> {
    if (signal.aborted) throw gone();
    if (this.#isTurn(operation)) this.#claim(operation);
    else {
      this.#checkPlaces(operation);
      await this.#queue.wait(operation, {
        abort: { signal, error: gone },
        limit: { ms: this.#limits.turnMs, error: () => waitedTooLong(this.#limits.turnMs) },
      });
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave(operation);
    };
  }

  #isTurn({ userId, exclusive }: Operation): boolean {
    return (
      this.#running < this.#limits.operations &&
      (this.#byUser.get(userId) ?? 0) < this.#limits.operationsPerUser &&
      (exclusive === null || !this.#busy.has(exclusive))
    );
  }

  #checkPlaces({ userId, exclusive }: Operation): void {
    const { waitingPerUser, waitingPerRepository } = this.#limits;
    const ofUser = this.#queue.count((other) => other.userId === userId);
    const ofRepository = exclusive === null ? 0 : this.#queue.count((other) => other.exclusive === exclusive);
    if (ofUser >= waitingPerUser || (exclusive !== null && ofRepository >= waitingPerRepository)) throw overloaded();
  }

  #leave({ userId, exclusive }: Operation): void {
    this.#running -= 1;
    const others = (this.#byUser.get(userId) ?? 1) - 1;
    if (others === 0) this.#byUser.delete(userId);
    else this.#byUser.set(userId, others);
    if (exclusive !== null) this.#busy.delete(exclusive);
    // Admits the first waiting operation that can run now, not the first one: an operation whose repository
    // or user is busy holds up no other.
    for (;;) {
      const next = this.#queue.admit((waiting) => this.#isTurn(waiting));
      if (next === undefined) return;
      this.#claim(next);
    }
  }

  #claim({ userId, exclusive }: Operation): void {
    this.#running += 1;
    this.#byUser.set(userId, (this.#byUser.get(userId) ?? 0) + 1);
    if (exclusive !== null) this.#busy.add(exclusive);
  }
}

function overloaded(): PlatformError {
  return new PlatformError('overloaded', 'too many pushes and fetches wait already; try again in a moment', {
    retryAfterSeconds: 5,
  });
}

function waitedTooLong(ms: number): PlatformError {
  return new PlatformError('overloaded', `no turn has come in ${Math.round(ms / 1_000)} s: others push and fetch`, {
    hints: ['try again in a moment'],
    retryAfterSeconds: 30,
  });
}

function gone(): PlatformError {
  return new PlatformError('bad_request', 'the client has gone');
}
