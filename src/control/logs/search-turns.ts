/** Lets each user search one log at a time, so that one user's searches cost others at most one statement's wait. */
import { PlatformError } from '../../protocol/errors.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';

/** Searches of one user that wait for their turn: a screen's, its refreshes', and those of all 50 log streams. */
const waitingMax = 64;

export class SearchTurns {
  readonly #mutex = new KeyedMutex();
  readonly #waiting = new Map<string, number>();

  /** Runs `search` after the searches of the same user that came before. Throws `rate_limited` where too many wait. */
  async run<T>(userId: string, search: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(userId) ?? 0;
    if (waiting >= waitingMax)
      throw new PlatformError('rate_limited', 'too many of your log searches wait already', { retryAfterSeconds: 1 });
    this.#waiting.set(userId, waiting + 1);
    try {
      return await this.#mutex.run(userId, search);
    } finally {
      const left = (this.#waiting.get(userId) ?? 1) - 1;
      if (left === 0) this.#waiting.delete(userId);
      else this.#waiting.set(userId, left);
    }
  }
}
