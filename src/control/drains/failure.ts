/**
 * Why lines could not be handed over. The message is shown to the drain's owner, so it repeats nothing of the request.
 */

import { NetworkFailure } from '../../guest/kernel/net/failure.ts';
import { messageOf } from '../../protocol/errors.ts';

const messageChars = 300;

export class DrainFailure extends Error {
  override readonly name = 'DrainFailure';
  /** Milliseconds after which the receiver wants the next attempt; 0: it says nothing. */
  readonly retryAfterMs: number;
  /** Whether the receiver takes no batch of this size. */
  readonly isTooLarge: boolean;

  constructor(message: string, { retryAfterMs = 0, isTooLarge = false } = {}) {
    super(message.slice(0, messageChars));
    this.retryAfterMs = retryAfterMs;
    this.isTooLarge = isTooLarge;
  }

  static of(error: unknown): DrainFailure {
    if (error instanceof DrainFailure) return error;
    if (error instanceof NetworkFailure) return new DrainFailure(error.message);
    // Errors of Node name address and port at most.
    return new DrainFailure(messageOf(error));
  }
}
