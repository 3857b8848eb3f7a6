/**
 * Artifacts and bundles on the node's disk, fetched from controls when they are first needed. What every label needs is
 * fetched beforehand, so that cold functions start while no control can be reached.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { PlatformError } from '../protocol/errors.ts';
import type { Blobs } from '../protocol/ports.ts';
import type { Controls } from './controls.ts';
import { nodeLimits } from './limits.ts';

export interface BlobCacheOptions {
  readonly store: Blobs;
  readonly controls: Pick<Controls, 'blob'>;
  readonly report: (message: string, error: unknown) => void;
}

export class BlobCache {
  readonly #options: BlobCacheOptions;
  /** Fetches that run, by name. */
  readonly #fetching = new Map<string, Promise<Uint8Array>>();
  /** Times of the last use in this process, by name, in milliseconds of performance.now(). */
  readonly #usedMs = new Map<string, number>();
  #wanted: readonly string[] = [];
  #isFilling = false;
  #isClosed = false;
  #isFull = false;

  constructor(options: BlobCacheOptions) {
    this.#options = options;
  }

  /** Returns the bytes of a blob. Throws `not_found` when no control has it, `unavailable` when none answers. */
  async get(name: string): Promise<Uint8Array> {
    this.#usedMs.set(name, performance.now());
    const kept = await this.#options.store.get(name).catch((error: unknown) => {
      if (error instanceof PlatformError) return null; // Missing or damaged: it is fetched.
      throw error;
    });
    if (kept !== null) return kept;
    let fetching = this.#fetching.get(name);
    if (fetching === undefined) {
      fetching = this.#fetch(name).finally(() => this.#fetching.delete(name));
      this.#fetching.set(name, fetching);
    }
    return fetching;
  }

  /**
   * Fetches those of `names` that are missing, one after the other, and removes others from the disk that have not been
   * used for `nodeLimits.blobKeptMs`: a push may have prepared what it releases in a moment.
   */
  fill(names: ReadonlySet<string>): void {
    this.#wanted = [...names];
    if (this.#isFilling) return;
    this.#isFilling = true;
    void this.#fill()
      .catch((error: unknown) => this.#options.report('Artifacts could not be fetched beforehand', error))
      .finally(() => {
        this.#isFilling = false;
      });
  }

  close(): void {
    this.#isClosed = true;
  }

  async #fill(): Promise<void> {
    const { store } = this.#options;
    for (let names: readonly string[] = []; names !== this.#wanted && !this.#isClosed; ) {
      names = this.#wanted;
      for (const name of names) {
        if (this.#isClosed || names !== this.#wanted) break;
        if (await store.has(name)) continue;
        // What cannot be fetched now is fetched when it is called.
        await this.get(name).catch(() => delay(100));
      }
      if (names !== this.#wanted) continue;
      const needed = new Set(names);
      const oldestMs = performance.now() - nodeLimits.blobKeptMs;
      for (const name of await store.list()) {
        if (names !== this.#wanted) break;
        if (needed.has(name) || (this.#usedMs.get(name) ?? Number.NEGATIVE_INFINITY) > oldestMs) continue;
        this.#usedMs.delete(name);
        await store.remove(name);
      }
      for (const [name, ms] of this.#usedMs) if (ms <= oldestMs) this.#usedMs.delete(name);
    }
  }

  async #fetch(name: string): Promise<Uint8Array> {
    const { store, controls, report } = this.#options;
    const bytes = await controls.blob(name);
    await store.put(name, bytes).then(
      () => {
        this.#isFull = false;
      },
      (error: unknown) => {
        // A full disk does not stop the node: the bytes are used, and fetched again next time.
        if (!this.#isFull) report('Artifacts cannot be kept on the disk of this node', error);
        this.#isFull = true;
      },
    );
    return bytes;
  }
}
