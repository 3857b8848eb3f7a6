import { messageOf, PlatformError } from '../../src/protocol/errors.ts';

/** Milliseconds between updates of the elapsed time on the screen. */
const tickMs = 100;

/** A running action that a user waits for: its present step, its start, and a way to cancel it. */
export class Task {
  readonly startedMs = Date.now();
  readonly abort = new AbortController();
  step: string;
  /** Whether the user has tried to start another action meanwhile. */
  isInTheWay = false;
  readonly #ticker: NodeJS.Timeout;

  constructor(step: string, tick: () => void) {
    this.step = step;
    this.#ticker = setInterval(tick, tickMs);
  }

  get cancelled(): boolean {
    return this.abort.signal.aborted;
  }

  cancel(): void {
    this.abort.abort();
  }

  end(): void {
    clearInterval(this.#ticker);
  }
}

/** Converts any error: a mistake in one action must not end the whole interface. */
export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const message = messageOf(error);
  return new PlatformError('internal', `this failed unexpectedly: ${message}`, { cause: error });
}
