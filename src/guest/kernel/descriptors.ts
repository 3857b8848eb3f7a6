/** The open descriptors of one Process: numbers from 0, each of which stands for a Resource. */
import { Errno } from './errno.ts';
import type { Resource } from './resource.ts';

/** Most open descriptors of one Process. Real programs stay below 100; each descriptor may hold a socket. */
export const descriptorsMax = 1024;

/** Most descriptors for which a search in a list is faster than a Set. */
const fewMax = 8;

export class DescriptorTable {
  readonly #open: (Resource | undefined)[] = [];
  #count = 0;
  /** Number below which no number is free. */
  #lowest = 0;

  get count(): number {
    return this.#count;
  }

  get(fd: number): Resource | undefined {
    return this.#open[fd];
  }

  /** Opens the lowest free number for `resource`. Returns it, or Errno.tooManyOpen. */
  add(resource: Resource): number {
    if (this.#count >= descriptorsMax) return Errno.tooManyOpen;
    let fd = this.#lowest;
    while (this.#open[fd] !== undefined) fd += 1;
    this.#lowest = fd + 1;
    this.#open[fd] = resource;
    this.#count += 1;
    return fd;
  }

  /** Frees the number `fd` and returns its Resource, not closed; undefined where `fd` is not open. */
  remove(fd: number): Resource | undefined {
    const resource = this.#open[fd];
    if (resource === undefined) return undefined;
    this.#open[fd] = undefined;
    this.#count -= 1;
    if (fd < this.#lowest) this.#lowest = fd;
    return resource;
  }

  /** Makes `to` stand for `resource` (fd_renumber). Returns the Resource that `to` stood for before, not closed. */
  replace(to: number, resource: Resource): Resource | undefined {
    const before = this.#open[to];
    this.#open[to] = resource;
    if (before === undefined) this.#count += 1;
    return before;
  }

  /**
   * Returns whether any open descriptor stands for `resource`. Several may: after fd_renumber, or by Dagger's fd://N.
   */
  holds(resource: Resource): boolean {
    return this.#count > 0 && this.#open.includes(resource);
  }

  /** Returns the open Resources by number; undefined at numbers that are free. */
  list(): readonly (Resource | undefined)[] {
    return [...this.#open];
  }

  /** Frees all numbers, for the end of the Process. Returns their Resources, each once, not closed. */
  drain(): readonly Resource[] {
    const all =
      this.#count > fewMax ? [...new Set(this.#open)].filter((resource) => resource !== undefined) : this.#few();
    this.#open.length = 0;
    this.#count = 0;
    this.#lowest = 0;
    return all;
  }

  /** Does the same as drain, without a Set: most Processes end with two or three descriptors. */
  #few(): Resource[] {
    const all: Resource[] = [];
    if (this.#count === 0) return all;
    for (const resource of this.#open) if (resource !== undefined && !all.includes(resource)) all.push(resource);
    return all;
  }
}
