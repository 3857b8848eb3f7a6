/** Reads the invocations of a handler as they come in, page by page, each invocation once. */
import { setTimeout } from 'node:timers/promises';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import type { Client } from './client.ts';

/** Milliseconds between two requests; more frequent ones would cost the server and show a person no more. */
const everyMs = 2_000;
/** Invocations on the server's largest page. */
const pageSize = 500;

export class Calls {
  readonly #client: () => Client;
  readonly #handler: string;
  /** Ids on the newest page; an id that has left it is never listed again. */
  #seen: ReadonlySet<string> = new Set();

  /** `client` returns the client for each request, because a login in between changes it. */
  constructor(client: () => Client, handler: string) {
    this.#client = client;
    this.#handler = handler;
  }

  /** Resolves to the ended invocations that no earlier page had, in the order of their ends. */
  async fresh(signal?: AbortSignal): Promise<readonly InvocationRecord[]> {
    const page = await this.#client().invocations(this.#handler, { limit: pageSize }, { signal });
    const ended = page.filter(hasEnded);
    const fresh = ended.filter(({ id }) => !this.#seen.has(id));
    this.#seen = new Set(ended.map(({ id }) => id));
    return fresh.toSorted((a, b) => endOf(a) - endOf(b));
  }

  /**
   * Yields new invocations until `signal` is aborted, a page every 2 s. Failed requests are repeated; the log's own
   * stream tells about a lost connection.
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
   * Resolves to at most `limit` ended invocations that `wanted` accepts, newest first. Reads at most `pagesMax` pages,
   * and none that started before `sinceMs`.
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

/** Pages that a search reads: all that the server keeps of a handler. */
const pagesMax = 20;

function hasEnded({ outcome }: InvocationRecord): boolean {
  return (outcome as string) !== 'running';
}

/** Returns the end of an invocation in Unix milliseconds. */
export function endOf({ startedMs, durationMs }: InvocationRecord): number {
  return startedMs + durationMs;
}
