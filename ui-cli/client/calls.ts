/** Invocations of a handler as they come in: a page now and then, each invocation once. */
import { setTimeout } from 'node:timers/promises';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import type { Client } from './client.ts';

/** Polling faster costs the server and tells a person nothing. */
const everyMs = 2_000;
/** The server's largest page. */
const pageSize = 500;

export class Calls {
  readonly #client: () => Client;
  readonly #handler: string;
  /** Ids of the newest page; an id that leaves it is never listed again. */
  #seen: ReadonlySet<string> = new Set();

  /** `client` is asked for at each request: a login in between changes it. */
  constructor(client: () => Client, handler: string) {
    this.#client = client;
    this.#handler = handler;
  }

  /** Resolves to the ended invocations that no earlier page had, the one that ended first in front. */
  async fresh(signal?: AbortSignal): Promise<readonly InvocationRecord[]> {
    const page = await this.#client().invocations(this.#handler, { limit: pageSize }, { signal });
    const ended = page.filter(hasEnded);
    const fresh = ended.filter(({ id }) => !this.#seen.has(id));
    this.#seen = new Set(ended.map(({ id }) => id));
    return fresh.toSorted((a, b) => endOf(a) - endOf(b));
  }

  /**
   * Gives what comes until `signal` is aborted, a page every 2 s. What fails for a while is asked for again; the log's
   * own stream tells a person of a lost connection.
   */
  async *follow(signal: AbortSignal): AsyncGenerator<readonly InvocationRecord[]> {
    while (!signal.aborted) {
      await setTimeout(everyMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        yield await this.fresh(signal);
      } catch (error) {
        if (!signal.aborted && !(error instanceof PlatformError)) throw error;
      }
    }
  }

  /**
   * Resolves to at most `limit` ended invocations that `wanted` accepts, newest first. Looks through `pagesMax` pages
   * and no further back than `sinceMs`.
   */
  async search(options: {
    readonly limit: number;
    readonly sinceMs: number;
    readonly wanted: (record: InvocationRecord) => boolean;
  }): Promise<readonly InvocationRecord[]> {
    const found: InvocationRecord[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < pagesMax; pages += 1) {
      const page = await this.#client().invocations(this.#handler, { limit: pageSize, after });
      found.push(
        ...page.filter((record) => hasEnded(record) && endOf(record) >= options.sinceMs && options.wanted(record)),
      );
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize || found.length >= options.limit) break;
      if (last.startedMs < options.sinceMs) break;
      after = last.id;
    }
    return found.slice(0, options.limit);
  }
}

/** Pages that a search looks through: all that the server keeps of a handler. */
const pagesMax = 20;

function hasEnded({ outcome }: InvocationRecord): boolean {
  return (outcome as string) !== 'running';
}

/** When an invocation ended, in Unix milliseconds. */
export function endOf({ startedMs, durationMs }: InvocationRecord): number {
  return startedMs + durationMs;
}
