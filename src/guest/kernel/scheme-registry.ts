/** The schemes of a runner or of a local run, by name. */
import type { Scheme, SchemeTable } from './process.ts';

export class SchemeRegistry implements SchemeTable {
  readonly #byName = new Map<string, Scheme>();

  /** Throws if two schemes have the same name. */
  constructor(schemes: readonly Scheme[]) {
    for (const scheme of schemes) {
      for (const name of scheme.names) {
        if (this.#byName.has(name)) throw new Error(`scheme ${name} is registered twice`);
        this.#byName.set(name, scheme);
      }
    }
  }

  /** Returns the scheme called `name` (lower case, without the colon); undefined if there is none. */
  find(name: string): Scheme | undefined {
    return this.#byName.get(name);
  }
}
