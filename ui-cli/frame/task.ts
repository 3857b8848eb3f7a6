import { PlatformError } from '../../src/protocol/errors.ts';

/** How often the elapsed time on the screen moves. */
const tickMs = 100;

/** Something under way that a person waits for: what it is at, since when, and how to stop it. */
export class Task {
  readonly startedMs = Date.now();
  readonly abort = new AbortController();
  step: string;
  /** Somebody wanted to start something else meanwhile. */
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

/** A mistake of ours in one action must not cost the screen with everything else on it. */
export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PlatformError('internal', `this failed unexpectedly: ${message}`, { cause: error });
}
