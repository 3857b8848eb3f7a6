/**
 * Contents of several controls: durable in the database, and cached on this control's disk. A control that lacks an
 * Artifact reads it from the database and keeps it.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { Blobs } from '../../protocol/ports.ts';

export class SharedBlobs implements Blobs {
  readonly #local: Blobs;
  readonly #shared: Blobs;

  /** `local`: the disk of this control; `shared`: what all controls read. */
  constructor(options: { readonly local: Blobs; readonly shared: Blobs }) {
    this.#local = options.local;
    this.#shared = options.shared;
  }

  async get(name: string): Promise<Uint8Array> {
    try {
      return await this.#local.get(name);
    } catch (error) {
      // Missing or damaged on this disk.
      if (!(error instanceof PlatformError)) throw error;
      const bytes = await this.#shared.get(name).catch((other: unknown) => {
        throw other instanceof PlatformError && other.code === 'not_found' ? error : other;
      });
      await this.#local.put(name, bytes);
      return bytes;
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await Promise.all([this.#local.put(name, bytes), this.#shared.put(name, bytes)]);
  }

  /** Returns whether the content is where all controls can read it. */
  has(name: string): Promise<boolean> {
    return this.#shared.has(name);
  }

  async list(): Promise<readonly string[]> {
    const names = await Promise.all([this.#local.list(), this.#shared.list()]);
    return [...new Set(names.flat())];
  }

  async remove(name: string): Promise<void> {
    await this.#local.remove(name);
    await this.#shared.remove(name);
  }

  /**
   * Stores those contents of `names` that only this disk has where all controls can read them: contents of a version
   * that kept them on one disk. Returns their number.
   */
  async share(names: Iterable<string>): Promise<number> {
    const known = new Set(await this.#shared.list());
    let shared = 0;
    for (const name of names) {
      if (known.has(name)) continue;
      const bytes = await this.#local.get(name).catch((error: unknown) => {
        if (!(error instanceof PlatformError)) throw error;
        return null;
      });
      if (bytes === null) continue;
      await this.#shared.put(name, bytes);
      shared += 1;
    }
    return shared;
  }
}
