/**
 * Keeps the names of a directory. Each name has a cookie that stays the same while the name exists, so a listing can go
 * on from a cookie although other names were added or removed.
 */
import type { DirectoryEntry, FsNode } from './node.ts';

export type ListedNode = FsNode & { readonly ino: bigint };

interface Entry<T> {
  readonly name: string;
  /** Number that grows with each name that is added. */
  readonly cookie: number;
  readonly node: T;
}

export class Entries<T extends ListedNode> {
  readonly #byName = new Map<string, Entry<T>>();
  /** Entries in ascending order of their cookies. */
  readonly #ordered: Entry<T>[] = [];
  /** Cookie of the next name that is added. */
  #nextCookie = 0;

  /** Number of names. */
  get size(): number {
    return this.#ordered.length;
  }

  get(name: string): T | undefined {
    return this.#byName.get(name)?.node;
  }

  set(name: string, node: T): void {
    this.delete(name);
    const entry = { name, node, cookie: this.#nextCookie };
    this.#nextCookie += 1;
    this.#byName.set(name, entry);
    this.#ordered.push(entry);
  }

  delete(name: string): void {
    const entry = this.#byName.get(name);
    if (entry === undefined) return;
    this.#byName.delete(name);
    this.#ordered.splice(this.#position(entry.cookie), 1);
  }

  *[Symbol.iterator](): IterableIterator<readonly [string, T]> {
    for (const { name, node } of this.#ordered) yield [name, node];
  }

  /** Returns the first entry at or after `cookie`; null at the end. */
  at(cookie: number): DirectoryEntry | null {
    const entry = this.#ordered[this.#position(cookie)];
    if (entry === undefined) return null;
    return { name: entry.name, kind: entry.node.kind, ino: entry.node.ino, next: entry.cookie + 1 };
  }

  /** Returns the index of the first entry whose cookie is not below `cookie`. */
  #position(cookie: number): number {
    let low = 0;
    let high = this.#ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ordered[middle] as Entry<T>).cookie < cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
