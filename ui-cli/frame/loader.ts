/** Data of a screen from the server: loaded repeatedly, kept when a load fails. */
import { PlatformError } from '../../src/protocol/errors.ts';

/** Milliseconds between loads; more frequent ones would cost the server and show a person no more. */
export const pollMs = 2_000;
/** Milliseconds up to which the pause doubles after failures. */
const pollMsMax = 30_000;

export interface LoaderOptions<T> {
  readonly load: (signal: AbortSignal) => Promise<T>;
  /** Milliseconds between loads; null: load once and on `refresh`. */
  readonly everyMs: number | null;
  readonly changed: () => void;
  readonly failed?: (error: PlatformError) => void;
  readonly loaded?: (data: T) => void;
}

/** Resolves after a due frame has been drawn: the first request loads Node's fetch, which takes 30 ms. */
export function afterFrame(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Loader<T> {
  /** Newest data; a failed load leaves it unchanged. */
  data: T | null = null;
  error: PlatformError | null = null;
  /** Time in Unix milliseconds at which `data` was loaded. */
  loadedMs: number | null = null;
  /** Start of the running load in Unix milliseconds; null: none runs. */
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

  /** Loads now and then repeatedly. Does nothing if it already does so. */
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
    // A listener may have stopped or restarted the loader.
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
