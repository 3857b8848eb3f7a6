/**
 * The handle table of one Process: the host resources (files, streams, requests) that its guest holds, the guest's own
 * resources, and what asynchronous calls make: ends of streams and futures, subtasks, waitable sets.
 *
 * Spec: component-model, CanonicalABI.md "Table State", "Resource State".
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
  /** Number of calls in progress to which the handle is lent. */
  lends: number;
}

/** Handles that a call in progress has borrowed. */
export class Lent {
  readonly #entries: Entry[] = [];

  add(entry: Entry): void {
    entry.lends += 1;
    this.#entries.push(entry);
  }

  /** Gives all handles back. */
  giveBack(): void {
    for (const entry of this.#entries.splice(0)) entry.lends -= 1;
  }
}

export class HandleTable {
  /** Entries by handle. 0 is never a handle. */
  readonly #entries: (Entry | null)[] = [null];
  readonly #free: number[] = [];
  /** Takes the handles that the arguments of an asynchronous call borrow; null while there is no such call. */
  lent: Lent | null = null;

  get size(): number {
    return this.#entries.length - 1 - this.#free.length;
  }

  /** Returns a new handle for `value`. Throws GuestFault if the guest already holds handlesMax. */
  add(resource: ResourceType, value: object): number {
    if (this.size >= handlesMax) throw new GuestFault(`more than ${handlesMax} resource handles at once`);
    const handle = this.#free.pop() ?? this.#entries.length;
    this.#entries[handle] = { resource, value, lends: 0 };
    return handle;
  }

  /** Returns the value of `handle`. Throws GuestFault if it is no handle of a `resource`. */
  get(resource: ResourceType, handle: number): object {
    return this.#entry(resource, handle).value;
  }

  /** Returns the value of `handle`, of any resource. Throws GuestFault if it is no handle. */
  any(handle: number): object {
    return this.#found(handle).value;
  }

  /** Returns the value of `handle` as get does. While `lent` is set, the handle cannot be taken until it is given back. */
  borrow(resource: ResourceType, handle: number): object {
    const entry = this.#entry(resource, handle);
    this.lent?.add(entry);
    return entry.value;
  }

  /**
   * Removes `handle` and returns its value. Throws GuestFault if it is no handle of a `resource`, or is lent to a call
   * in progress.
   */
  take(resource: ResourceType, handle: number): object {
    const { value, lends } = this.#entry(resource, handle);
    if (lends > 0) throw new GuestFault(`resource handle ${handle} is given up while a call in progress borrows it`);
    this.#entries[handle] = null;
    this.#free.push(handle);
    return value;
  }

  /** Returns the values of all handles. */
  values(): object[] {
    return this.#entries.flatMap((entry) => (entry === null ? [] : [entry.value]));
  }

  /** Removes all handles and returns their values, in the order of the handles. */
  drain(): Held[] {
    const values = this.values();
    this.#entries.length = 1;
    this.#free.length = 0;
    return values;
  }

  #entry(resource: ResourceType, handle: number): Entry {
    const entry = this.#found(handle);
    if (entry.resource.id !== resource.id)
      throw new GuestFault(`resource handle ${handle} is a ${short(entry.resource)}, not a ${short(resource)}`);
    return entry;
  }

  #found(handle: number): Entry {
    const entry = this.#entries[handle];
    if (entry === undefined || entry === null) throw new GuestFault(`there is no resource handle ${handle >>> 0}`);
    return entry;
  }
}

function short(resource: ResourceType): string {
  return resource.id.replace(/^.*#/, '');
}
