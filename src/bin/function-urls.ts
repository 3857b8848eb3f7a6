/** Makes the URLs of a function: under a host name of its own, and under a path of the platform's host. */
import { lookup } from 'node:dns/promises';
import { setTimeout } from 'node:timers/promises';

/** Milliseconds that a push waits for the resolver. */
const lookupMs = 1_000;
/**
 * Milliseconds for which a resolver's answer is reused. Functions share one wildcard, so one answer holds for all of
 * them.
 */
const rememberedMs = 60_000;

export interface FunctionUrlsOptions {
  /** Returns the public base URL of functions, which is known when the runners listen. */
  readonly runUrl: () => string;
  /** Resolves a host name or rejects; by default node:dns. */
  readonly resolve?: (hostname: string) => Promise<unknown>;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
}

export class FunctionUrls {
  readonly #options: FunctionUrlsOptions;
  #known: { readonly atMs: number; readonly resolves: Promise<boolean> } | null = null;

  constructor(options: FunctionUrlsOptions) {
    this.#options = options;
  }

  /** Returns `http://swift-otter.localhost:3003` */
  byHost(label: string): string {
    return this.#options.runUrl().replace('://', `://${label}.`);
  }

  /** Returns `http://localhost:3003/swift-otter/`, which needs no wildcard in the DNS. */
  byPath(label: string): string {
    return `${this.#options.runUrl()}/${label}/`;
  }

  /**
   * Returns the URLs to print after a push: the one by host, and the one by path when the host name does not resolve on
   * this machine.
   */
  async told(label: string): Promise<readonly string[]> {
    const url = this.byHost(label);
    return (await this.#resolves(new URL(url).hostname)) ? [url] : [url, this.byPath(label)];
  }

  #resolves(hostname: string): Promise<boolean> {
    const atMs = this.#options.now();
    if (this.#known === null || atMs - this.#known.atMs > rememberedMs) {
      const { resolve = lookup } = this.#options;
      const answered = resolve(hostname).then(
        () => true,
        () => false,
      );
      this.#known = { atMs, resolves: Promise.race([answered, setTimeout(lookupMs, false, { ref: false })]) };
    }
    return this.#known.resolves;
  }
}
