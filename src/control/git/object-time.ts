/**
 * Bounds the time that git works on the objects of one push. A pack of some KB can hold objects that take git hours:
 * each difference of 60 bytes may stand for a file of 128 MiB, which is written out and hashed.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { PushedObjects } from '../../protocol/push.ts';

export class ObjectTime {
  readonly #limitMs: number;
  readonly #over = new AbortController();
  #leftMs: number;
  /** When it began to run; null: it does not run. */
  #sinceMs: number | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** `limitMs`: milliseconds in all. It does not run yet. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#leftMs = limitMs;
  }

  /** Aborts when the time is used up, with the error for who pushes as its reason. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Lets the time run until `stop`. */
  start(): void {
    if (this.#sinceMs !== null) return;
    this.#sinceMs = performance.now();
    this.#timer = setTimeout(() => this.#over.abort(tooLong(this.#limitMs)), this.#leftMs);
  }

  stop(): void {
    if (this.#sinceMs === null) return;
    clearTimeout(this.#timer);
    this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - this.#sinceMs));
    this.#sinceMs = null;
  }

  /** Returns `objects`, for reads one after the other, each of which lets the time run. */
  counting(objects: PushedObjects): PushedObjects {
    const during = async <T>(read: () => Promise<T>): Promise<T> => {
      this.start();
      try {
        return await read();
      } finally {
        this.stop();
      }
    };
    return {
      list: (commit) => during(() => objects.list(commit)),
      read: (oid, bytesMax) => during(() => objects.read(oid, bytesMax)),
      about: (commit) => during(() => objects.about(commit)),
    };
  }
}

function tooLong(ms: number): PlatformError {
  return new PlatformError(
    'limit_exceeded',
    `git works longer than ${Math.ceil(ms / 1_000)} s on the objects of the push`,
    {
      hints: ['push part of the history at a time, or leave large files out of the repository'],
    },
  );
}
