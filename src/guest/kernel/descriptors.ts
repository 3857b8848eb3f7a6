/** One table per Process: the lowest free number, and a limit. */
import { Errno } from './errno.ts';
import type { Resource } from './resource.ts';

/** Open descriptors of one Process. Real programs stay below 100; each may hold a socket. */
export const descriptorsMax = 1024;

/** Up to here looking through a list is quicker than making a set. */
const fewMax = 8;

export class DescriptorTable {
  readonly #open: (Resource | undefined)[] = [];
  #count = 0;
  /** No number below it is free. */
  #lowest = 0;

  get count(): number {
    return this.#count;
  }

  get(fd: number): Resource | undefined {
    return this.#open[fd];
  }

  /** The new descriptor, or Errno.tooManyOpen. */
  add(resource: Resource): number {
    if (this.#count >= descriptorsMax) return Errno.tooManyOpen;
    let fd = this.#lowest;
    while (this.#open[fd] !== undefined) fd += 1;
    this.#lowest = fd + 1;
    this.#open[fd] = resource;
    this.#count += 1;
    return fd;
  }

  /** Takes the descriptor out of the table without closing what it points at. */
  remove(fd: number): Resource | undefined {
    const resource = this.#open[fd];
    if (resource === undefined) return undefined;
    this.#open[fd] = undefined;
    this.#count -= 1;
    if (fd < this.#lowest) this.#lowest = fd;
    return resource;
  }

  /** fd_renumber: `to` now points at `resource`; what it pointed at before is returned, unclosed. */
  replace(to: number, resource: Resource): Resource | undefined {
    const before = this.#open[to];
    this.#open[to] = resource;
    if (before === undefined) this.#count += 1;
    return before;
  }

  /** Whether another descriptor points at `resource` (fd_renumber, Dagger's fd://N). */
  holds(resource: Resource): boolean {
    return this.#count > 0 && this.#open.includes(resource);
  }

  /** Takes everything out, for the end of the Process. A Resource under two descriptors appears once. */
  drain(): readonly Resource[] {
    const all =
      this.#count > fewMax ? [...new Set(this.#open)].filter((resource) => resource !== undefined) : this.#few();
    this.#open.length = 0;
    this.#count = 0;
    this.#lowest = 0;
    return all;
  }

  /** As most Processes end: without a set for two or three. */
  #few(): Resource[] {
    const all: Resource[] = [];
    if (this.#count === 0) return all;
    for (const resource of this.#open) if (resource !== undefined && !all.includes(resource)) all.push(resource);
    return all;
  }
}
