/** Contact of a node with bus and controls: when its answers may be stale, and when it is cut off. */
import { nodeLimits } from './limits.ts';
import type { ReleaseCache } from './release-cache.ts';

export interface ContactOptions {
  /** Keeps the time of the last contact and the controls, for a start without any control. */
  readonly cache: ReleaseCache;
  /** Whether the bus is connected now. */
  readonly isConnected: () => boolean;
  /** Base URLs of the controls that are known now. */
  readonly urls: () => readonly string[];
  /** Called when answers of this node begin or cease to be stale. */
  readonly onStale: (isStale: boolean) => void;
  /** Called when there has been no contact for `nodeLimits.cutOffMs`. */
  readonly onCutOff: () => void;
  readonly report: (message: string, error: unknown) => void;
}

export class Contact {
  readonly #options: ContactOptions;
  #isStale = false;
  /** Monotonic time of the last sign of life of the bus or a control. */
  #contactMs = performance.now();
  /**
   * Monotonic time since which no control can tell what is released, so that Releases may be missed; null: the last
   * question was answered.
   */
  #unansweredSinceMs: number | null = null;

  constructor(options: ContactOptions) {
    this.#options = options;
  }

  /** Whether Releases may have been missed for `nodeLimits.staleMs`. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Whether a control answered the last question. */
  get isAnswered(): boolean {
    return this.#unansweredSinceMs === null;
  }

  /** Notes that a control has answered. */
  answered(): void {
    this.#contactMs = performance.now();
    this.#unansweredSinceMs = null;
    if (this.#isStale) this.watch();
  }

  /** Notes that no control answered what is released. */
  unanswered(): void {
    this.#unansweredSinceMs ??= performance.now();
  }

  /**
   * Compares the times with the clock; to be called every `nodeLimits.retryMs`. Answers are stale while no control
   * answers: the bus tells only that there is a Release, a control tells which.
   */
  watch(): void {
    const { isConnected, onStale, onCutOff } = this.#options;
    const nowMs = performance.now();
    if (isConnected()) this.#contactMs = nowMs;
    const silentMs = nowMs - this.#contactMs;
    if (silentMs < nodeLimits.retryMs) this.#keep();
    if (silentMs > nodeLimits.cutOffMs) onCutOff();
    const isStale = nowMs - (this.#unansweredSinceMs ?? nowMs) > nodeLimits.staleMs;
    if (isStale === this.#isStale) return;
    this.#isStale = isStale;
    onStale(isStale);
  }

  /** Keeps the time of the contact, once a minute, and the controls that are known. */
  #keep(): void {
    const { cache, report } = this.#options;
    const nowMs = Date.now();
    try {
      if (nowMs - lastContactMs(cache) > 60_000) keepContact(cache, nowMs);
      const urls = JSON.stringify(this.#options.urls());
      if (cache.fact('controls') !== urls) cache.setFact('controls', urls);
    } catch (error) {
      report('the time of the last contact cannot be kept on the disk', error);
    }
  }
}

/** Keeps the Unix milliseconds of a contact. */
export function keepContact(cache: ReleaseCache, nowMs: number): void {
  cache.setFact('contact', String(nowMs));
}

/** Returns the Unix milliseconds of the last contact that is kept, also of an earlier start; 0: none. */
export function lastContactMs(cache: ReleaseCache): number {
  return Number(cache.fact('contact') ?? 0);
}

/** Returns the base URLs of the controls that an earlier start knew. */
export function knownControls(cache: ReleaseCache): readonly string[] {
  const text = cache.fact('controls');
  return text === null ? [] : (JSON.parse(text) as string[]); // a file that this node has written
}
