/**
 * Rests between slow instances of one owner. Making an instance holds the thread and cannot be sliced: a module whose
 * every call needs a new one would keep it for itself.
 */
import { PlatformError } from '../protocol/errors.ts';
import { restLimits } from './limits.ts';
import type { SlotPool } from './pool.ts';

export class InstanceRests {
  /** Monotonic milliseconds at which the next slow instance of an owner may be made. */
  readonly #freeMs = new Map<string, number>();

  /**
   * Waits until an instance of `pool` may be made that takes `takesMs` milliseconds, or until another call returns one.
   * Returns true in the first case. Throws `overloaded` when neither happens in restLimits.waitMs.
   */
  async wait(ownerId: string, takesMs: number, pool: Pick<SlotPool, 'spareWithin'>): Promise<boolean> {
    const restMs = this.book(ownerId, takesMs);
    if (restMs === 0) return true;
    const hasCome = await pool.spareWithin(restMs);
    if (restMs !== null && hasCome) this.#giveBack(ownerId, takesMs);
    if (restMs === null && !hasCome)
      throw new PlatformError('overloaded', 'Too many calls wait for an instance, which takes long to make.', {
        retryAfterSeconds: 5,
      });
    return !hasCome;
  }

  /**
   * Books an instance that takes `takesMs` milliseconds. Returns the milliseconds to wait before it is made; null: they
   * would be more than restLimits.waitMs, and nothing is booked. `nowMs`: monotonic milliseconds.
   */
  book(ownerId: string, takesMs: number, nowMs = performance.now()): number | null {
    if (takesMs < restLimits.restFromMs) return 0;
    for (const [id, freeMs] of this.#freeMs) if (freeMs <= nowMs) this.#freeMs.delete(id);
    const startMs = this.#freeMs.get(ownerId) ?? nowMs;
    const waitMs = startMs - nowMs;
    if (waitMs > restLimits.waitMs) return null;
    this.#freeMs.set(ownerId, startMs + periodMs(takesMs));
    return waitMs;
  }

  /** Gives a booking back whose instance is not needed any more. */
  #giveBack(ownerId: string, takesMs: number): void {
    const freeMs = this.#freeMs.get(ownerId);
    if (freeMs !== undefined) this.#freeMs.set(ownerId, freeMs - periodMs(takesMs));
  }
}

/** Returns the milliseconds from one instance to the next. */
function periodMs(takesMs: number): number {
  return takesMs * (1 + restLimits.restFactor);
}
