/**
 * Rests between slow instances of one owner. Making an instance holds the thread and cannot be sliced: a module whose
 * every call needs a new one would keep it for itself.
 */
import { PlatformError } from '../protocol/errors.ts';
import { restLimits } from './limits.ts';

export class InstanceRests {
  /** Monotonic milliseconds at which the next slow instance of an owner may be made. */
  readonly #freeMs = new Map<string, number>();

  /**
   * Books an instance that takes `takesMs` milliseconds. Returns the milliseconds to wait before it is made. Throws
   * `overloaded` when that is longer than restLimits.waitMs. `nowMs`: monotonic milliseconds.
   */
  book(ownerId: string, takesMs: number, nowMs = performance.now()): number {
    if (takesMs < restLimits.restFromMs) return 0;
    for (const [id, freeMs] of this.#freeMs) if (freeMs <= nowMs) this.#freeMs.delete(id);
    const startMs = this.#freeMs.get(ownerId) ?? nowMs;
    const waitMs = startMs - nowMs;
    if (waitMs > restLimits.waitMs)
      throw new PlatformError('overloaded', 'Too many calls wait for an instance, which takes long to make.', {
        retryAfterSeconds: 5,
      });
    this.#freeMs.set(ownerId, startMs + takesMs * (1 + restLimits.restFactor));
    return waitMs;
  }
}
