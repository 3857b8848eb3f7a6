/**
 * The handle table of one Process: the host resources (files, streams, requests) that its guest holds.
 *
 * Spec: component-model, CanonicalABI.md "Resource State".
 */
import type { ResourceType } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';

/** Most handles that one Process may have. Each handle keeps an object of the host alive. */
export const handlesMax = 4096;

/** A host object that may hold more than memory. */
export interface Held {
  /** Releases what the object holds, at the end of the Process. The guest may have dropped the handle before. */
  close?(): Promise<unknown> | undefined;
}

interface Entry {
  readonly resource: ResourceType;
  readonly value: object;
}

export class HandleTable {
  /** Entries by handle. 0 is never a handle. */
  readonly #entries: (Entry | null)[] = [null];
  readonly #free: number[] = [];

  get size(): number {
    return this.#entries.length - 1 - this.#free.length;
  }

  /** Returns a new handle for `value`. Throws GuestFault if the guest already holds handlesMax. */
  add(resource: ResourceType, value: object): number {
    if (this.size >= handlesMax) throw new GuestFault(`more than ${handlesMax} resource handles at once`);
    const handle = this.#free.pop() ?? this.#entries.length;
    this.#entries[handle] = { resource, value };
    return handle;
  }

  /** Returns the value of `handle`. Throws GuestFault if it is no handle of a `resource`. */
  get(resource: ResourceType, handle: number): object {
    const entry = this.#entries[handle];
    if (entry === undefined || entry === null) throw new GuestFault(`there is no resource handle ${handle >>> 0}`);
    if (entry.resource.id !== resource.id)
      throw new GuestFault(`resource handle ${handle} is a ${short(entry.resource)}, not a ${short(resource)}`);
    return entry.value;
  }

  /** Removes `handle` and returns its value. Throws GuestFault if it is no handle of a `resource`. */
  take(resource: ResourceType, handle: number): object {
    const value = this.get(resource, handle);
    this.#entries[handle] = null;
    this.#free.push(handle);
    return value;
  }

  /** Removes all handles and returns their values, in the order of the handles. */
  drain(): Held[] {
    const values = this.#entries.flatMap((entry) => (entry === null ? [] : [entry.value]));
    this.#entries.length = 1;
    this.#free.length = 0;
    return values;
  }
}

function short(resource: ResourceType): string {
  return resource.id.replace(/^.*#/, '');
}
