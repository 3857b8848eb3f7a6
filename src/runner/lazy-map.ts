/** A map that is filled at its first use: most guests never ask for their environment. */
export class LazyMap implements ReadonlyMap<string, string> {
  #make: (() => Map<string, string>) | null;
  #map: Map<string, string> | null = null;

  constructor(make: () => Map<string, string>) {
    this.#make = make;
  }

  get #all(): Map<string, string> {
    if (this.#map === null) {
      this.#map = this.#make === null ? new Map() : this.#make();
      this.#make = null;
    }
    return this.#map;
  }

  get size(): number {
    return this.#all.size;
  }

  get(key: string): string | undefined {
    return this.#all.get(key);
  }

  has(key: string): boolean {
    return this.#all.has(key);
  }

  forEach(callback: (value: string, key: string, map: ReadonlyMap<string, string>) => void): void {
    this.#all.forEach(callback);
  }

  entries(): MapIterator<[string, string]> {
    return this.#all.entries();
  }

  keys(): MapIterator<string> {
    return this.#all.keys();
  }

  values(): MapIterator<string> {
    return this.#all.values();
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.#all.entries();
  }
}
