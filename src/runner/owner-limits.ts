/** Limits of Users in this runner: who is suspended, and how many calls may be in flight. */
import { PlatformError } from '../protocol/errors.ts';
import type { OwnerState } from '../protocol/messages.ts';

/** A User who is suspended or limited. */
export interface LimitedOwner {
  isSuspended: boolean;
  /** Greatest number of invocations in flight in this runner. */
  callsMax: number;
  /** Invocations in flight, counted by the dispatcher since the User has an entry. */
  inFlight: number;
}

export class OwnerLimits {
  /** Entries of limited Users only. */
  readonly #owners = new Map<string, LimitedOwner>();

  /** Changes what holds for a User. `callsMax` is a number of invocations in this runner; null: no limit. */
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
   * Returns the User whose calls must be counted; null: no limit applies. Throws `suspended`, and `overloaded` when the
   * User's share of this runner is full.
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
