/** What holds for the functions of Users in this runner: who is suspended, and how many calls may be in flight. */
import { PlatformError } from '../protocol/errors.ts';
import type { OwnerState } from '../protocol/messages.ts';

/** A User for whom something holds. */
export interface LimitedOwner {
  isSuspended: boolean;
  /** Invocations in flight in this runner at most. */
  callsMax: number;
  /** Counted since something holds; the dispatcher counts. */
  inFlight: number;
}

export class OwnerLimits {
  /** Users for whom nothing holds have no entry. */
  readonly #owners = new Map<string, LimitedOwner>();

  set({ ownerId, isSuspended, callsMax }: OwnerState): void {
    const max = callsMax ?? Number.POSITIVE_INFINITY;
    const known = this.#owners.get(ownerId);
    if (!isSuspended && callsMax === null) this.#owners.delete(ownerId);
    else if (known === undefined) this.#owners.set(ownerId, { isSuspended, callsMax: max, inFlight: 0 });
    else {
      known.isSuspended = isSuspended;
      known.callsMax = max;
    }
  }

  /**
   * Returns the User whose calls are to be counted, null where nothing holds. Throws `suspended`, and `overloaded` where
   * the User's share of this runner is full.
   */
  admit(ownerId: string): LimitedOwner | null {
    const owner = this.#owners.get(ownerId);
    if (owner === undefined) return null;
    if (owner.isSuspended)
      throw new PlatformError('suspended', 'This function is not served: the account that it belongs to is suspended.');
    if (owner.inFlight >= owner.callsMax)
      throw new PlatformError('overloaded', 'The owner of this function has too many invocations in flight.', {
        retryAfterSeconds: 1,
      });
    return owner;
  }
}
