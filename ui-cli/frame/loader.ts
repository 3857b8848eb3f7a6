/** Data from the server that a screen shows: loaded now, again every so often, kept when that fails. */
import { PlatformError } from '../../src/protocol/errors.ts';

/** Polling faster tells a person nothing and costs the server. */
export const pollMs = 2_000;
/** After failures, the pause doubles up to this. */
const pollMsMax = 30_000;

export interface LoaderOptions<T> {
  readonly load: (signal: AbortSignal) => Promise<T>;
  /** Milliseconds between loads; null loads once and on `refresh`. */
  readonly everyMs: number | null;
  readonly changed: () => void;
  readonly failed?: (error: PlatformError) => void;
  readonly loaded?: (data: T) => void;
}

/** The first request loads Node's fetch, 30 ms; a frame that is due goes first. */
export function afterFrame(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Loader<T> {
  /** The newest data that came; a failed refresh leaves it. */
  data: T | null = null;
  error: PlatformError | null = null;
  /** Unix milliseconds of `data`. */
  loadedMs: number | null = null;
  /** A load is under way since then. */
  sinceMs: number | null = null;
  readonly #options: LoaderOptions<T>;
  #timer: NodeJS.Timeout | undefined;
  #abort: AbortController | null = null;
  #failures = 0;

  constructor(options: LoaderOptions<T>) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#abort !== null || this.#timer !== undefined;
  }

  /** Loads now and keeps loading. Harmless when it does already. */
  start(): void {
    if (!this.running) this.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#abort?.abort();
    this.#abort = null;
    this.sinceMs = null;
  }

  refresh(): void {
    this.stop();
    void this.#load();
  }

  async #load(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.sinceMs = Date.now();
    this.#options.changed();
    try {
      await afterFrame();
      const data = await this.#options.load(abort.signal);
      if (abort.signal.aborted) return;
      this.data = data;
      this.error = null;
      this.loadedMs = Date.now();
      this.#failures = 0;
      this.#options.loaded?.(data);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof PlatformError)) throw error;
      this.error = error;
      this.#failures += 1;
      this.#options.failed?.(error);
    }
    // A listener may have stopped or restarted us.
    if (abort.signal.aborted) return;
    this.#abort = null;
    this.sinceMs = null;
    const { everyMs } = this.#options;
    if (everyMs !== null) {
      const inMs = this.#failures === 0 ? everyMs : Math.min(pollMsMax, everyMs * 2 ** Math.min(this.#failures - 1, 6));
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#load();
      }, inMs);
    }
    this.#options.changed();
  }
}
