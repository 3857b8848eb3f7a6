/**
 * Decides which requests of guests go to control now: a bounded number, shared among owners, so that the requests of
 * one owner's functions wait behind each other and not in front of everybody's.
 */
import { FairPlaces } from '../waiting/fair-places.ts';
import { busRequestsMax } from './limits.ts';

export class ControlTurns {
  readonly #places: FairPlaces;
  /** Requests that wait, by owner, in the order in which they came. An owner that has room has none. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /** `underway`: number of requests whose answers are awaited at a time. */
  constructor(underway: number) {
    this.#places = new FairPlaces(underway);
  }

  /**
   * Runs `request` in its turn. Returns, or rejects, as it does. Throws Error where busRequestsMax of the owner's wait.
   */
  async run<T>(ownerId: string, request: () => Promise<T>): Promise<T> {
    if (this.#places.room(ownerId) > 0) this.#places.take(ownerId, 1);
    else if ((this.#waiting.get(ownerId)?.size ?? 0) >= busRequestsMax)
      throw new Error('too many calls wait for control');
    else await this.#turnOf(ownerId);
    try {
      return await request();
    } finally {
      this.#places.give(ownerId, 1);
      this.#admit();
    }
  }

  /** Resolves when a place has been taken for the owner. */
  #turnOf(ownerId: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(ownerId) ?? new Set();
      this.#waiting.set(ownerId, waiting.add(resolve));
    });
  }

  #admit(): void {
    for (const [ownerId, waiting] of this.#waiting) {
      for (const resolve of waiting) {
        if (this.#places.room(ownerId) === 0) break;
        this.#places.take(ownerId, 1);
        waiting.delete(resolve);
        resolve();
      }
      if (waiting.size === 0) this.#waiting.delete(ownerId);
    }
  }
}
