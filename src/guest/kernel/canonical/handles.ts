/**
 * The handles of one Process: the host resources (files, streams, requests) that its guest holds, the guest's own
 * resources, and what asynchronous calls make: ends of streams and futures, subtasks, waitable sets. Each component
 * instance of a composed component has a table of its own, whose numbers begin at 1.
 *
 * Spec: component-model, CanonicalABI.md "Table State", "Resource State".
 */
import type { ResourceType } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';

/** Most handles that one Process may have. Each handle keeps an object of the host alive. */
export const handlesMax = 4096;

declare const held: unique symbol;

/** A resource all of whose handles stand for a `Value`. The types alone know it. */
export interface ResourceOf<Value extends object> extends ResourceType {
  readonly [held]?: Value;
}

/** A host object that may hold more than memory. */
export interface Held {
  /** Releases what the object holds, at the end of the Process. The guest may have dropped the handle before. */
  close?(): Promise<unknown> | undefined;
}

interface Entry {
  readonly resource: ResourceType;
  readonly value: object;
  /** The call that got the handle, which is valid only until that call returns; null: the handle is owned. */
  readonly borrower: Loans | null;
  /** Number of calls in progress to which the handle is lent. */
  lends: number;
}

/** A handle that a copy in progress will take. Until then its owner has it, and cannot give it up. */
export class Hold {
  readonly #entry: Entry;
  readonly #remove: () => void;

  constructor(entry: Entry, remove: () => void) {
    this.#entry = entry;
    this.#remove = remove;
    entry.lends += 1;
  }

  take(): void {
    this.#entry.lends -= 1;
    this.#remove();
  }

  giveBack(): void {
    this.#entry.lends -= 1;
  }
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

/** What a call of one component instance by another has borrowed. */
export class Loans {
  /** Number of borrowed handles that the callee holds. */
  held = 0;
  readonly lent = new Lent();

  /** Throws GuestFault if the callee holds borrowed handles. */
  checkDropped(): void {
    if (this.held > 0)
      throw new GuestFault(`a call returns before it has dropped ${this.held} borrowed resource handles`);
  }
}

/** The handles of one component instance. */
class InstanceTable {
  /** Entries by handle. 0 is never a handle. */
  readonly #entries: (Entry | null)[] = [null];
  /** Handles that are free, besides new ones. */
  readonly #free: number[] = [];

  add(entry: Entry): number {
    const handle = this.#free.pop() ?? this.#entries.length;
    this.#entries[handle] = entry;
    return handle;
  }

  find(handle: number): Entry | null {
    return this.#entries[handle] ?? null;
  }

  remove(handle: number): void {
    this.#entries[handle] = null;
    this.#free.push(handle);
  }

  /** Adds the values of owned handles to `values`, in the order of their handles. */
  addValues(values: object[]): void {
    for (const entry of this.#entries) if (entry !== null && entry.borrower === null) values.push(entry.value);
  }
}

export class HandleTable {
  /** Table of instance 0, the only one of a component that is not composed. */
  #first = new InstanceTable();
  /** Tables of other instances by their numbers; null: there are none. */
  #others: Map<number, InstanceTable> | null = null;
  /** Table of the owner. */
  #current = this.#first;
  /** Number of the component instance whose call is in progress. */
  #owner = 0;
  /** Number of handles of all instances. */
  #size = 0;
  /** Takes the handles that the arguments of an asynchronous call borrow; null while there is no such call. */
  lent: Lent | null = null;
  /** Takes the handles that `take` would remove; null: they are removed. */
  holds: Hold[] | null = null;
  /**
   * What the synchronous calls of each component instance have borrowed, the innermost at the end; null: there were
   * none.
   */
  #loans: Map<number, Loans[]> | null = null;
  /**
   * Takes what the arguments of an asynchronous call between component instances borrow; null while there is no such
   * call.
   */
  taskLoans: Loans | null = null;

  /** Number of handles of all component instances. */
  get size(): number {
    return this.#size;
  }

  /**
   * Number of the component instance whose code calls the host. It reaches no handle of others. Stays 0 unless the
   * component is composed.
   */
  get owner(): number {
    return this.#owner;
  }

  set owner(owner: number) {
    if (owner === this.#owner) return;
    this.#owner = owner;
    this.#current = this.#tableOf(owner);
  }

  #tableOf(owner: number): InstanceTable {
    if (owner === 0) return this.#first;
    this.#others ??= new Map();
    let table = this.#others.get(owner);
    if (table === undefined) {
      table = new InstanceTable();
      this.#others.set(owner, table);
    }
    return table;
  }

  /** Returns a new handle for `value`. Throws GuestFault if the guest already holds handlesMax. */
  add<Value extends object>(resource: ResourceOf<Value>, value: NoInfer<Value>): number {
    return this.#add(this.#current, { resource, value, borrower: null, lends: 0 });
  }

  #add(table: InstanceTable, entry: Entry): number {
    if (this.#size >= handlesMax) throw new GuestFault(`more than ${handlesMax} resource handles at once`);
    this.#size += 1;
    return table.add(entry);
  }

  /** Returns the value of `handle`. Throws GuestFault if it is no handle of a `resource`. */
  get<Value extends object>(resource: ResourceOf<Value>, handle: number): Value {
    return this.#entry(resource, handle).value as Value; // `add` takes nothing else for this resource
  }

  /** Returns the value of `handle`, of any resource. Throws GuestFault if it is no handle. */
  any(handle: number): object {
    return this.#found(handle).value;
  }

  /**
   * Returns the value of `handle` as get does. While `lent` is set, the handle cannot be taken until it is given back.
   */
  borrow(resource: ResourceType, handle: number): object {
    const entry = this.#entry(resource, handle);
    this.lent?.add(entry);
    return entry.value;
  }

  /**
   * Removes `handle` and returns its value. Throws GuestFault if it is no handle of a `resource`, or is lent to a call
   * in progress. While `holds` is set, the handle is held instead. `check` throws if the value cannot be given away at
   * the moment when its handle is removed.
   */
  take<Value extends object>(
    resource: ResourceOf<Value>,
    handle: number,
    check: ((value: NoInfer<Value>) => void) | null = null,
  ): Value {
    const entry = this.#owned(this.#entry(resource, handle), handle);
    const value = entry.value as Value; // as in `get`
    if (this.holds === null) {
      check?.(value);
      this.#remove(handle);
    } else this.#hold(this.holds, entry, handle, check as ((value: object) => void) | null); // value is the entry's
    return value;
  }

  #hold(holds: Hold[], entry: Entry, handle: number, check: ((value: object) => void) | null): void {
    const table = this.#current;
    const remove = (): void => {
      check?.(entry.value);
      table.remove(handle);
      this.#size -= 1;
    };
    holds.push(new Hold(entry, remove));
  }

  /**
   * Removes `handle`. Returns its value, or null if the handle was borrowed: the value then lives on. Throws GuestFault
   * as take does.
   */
  drop<Value extends object>(resource: ResourceOf<Value>, handle: number): Value | null {
    const entry = this.#entry(resource, handle);
    if (entry.borrower === null) return this.take(resource, handle);
    this.#checkNotLent(entry, handle);
    this.#remove(handle);
    entry.borrower.held -= 1;
    return null;
  }

  /** Returns whether `handle` is owned, not borrowed. Throws GuestFault if it is no handle of a `resource`. */
  isOwned(resource: ResourceType, handle: number): boolean {
    return this.#entry(resource, handle).borrower === null;
  }

  /**
   * Passes `handle` of the current owner on to component instance `to`. Returns its handle. `resource` is null for a
   * resource of the host, whose type is checked when the handle is used. Throws GuestFault as take does.
   */
  pass(resource: ResourceType | null, handle: number, to: number): number {
    const entry = this.#owned(resource === null ? this.#found(handle) : this.#entry(resource, handle), handle);
    this.#remove(handle);
    return this.#add(this.#tableOf(to), entry);
  }

  /**
   * Returns a handle for component instance `to` that borrows `handle`, until `to` drops it. The lender cannot give
   * `handle` up until the call of `to` returns.
   */
  lend(resource: ResourceType | null, handle: number, to: number): number {
    const entry = resource === null ? this.#found(handle) : this.#entry(resource, handle);
    const borrower = this.#noteLent(entry, to);
    const borrowed = this.#add(this.#tableOf(to), { ...entry, borrower, lends: 0 });
    borrower.held += 1;
    return borrowed;
  }

  /** Returns the value of `handle`, which is lent to component instance `to` as its bare value, without a handle. */
  lendValue<Value extends object>(resource: ResourceOf<Value>, handle: number, to: number): Value {
    const entry = this.#entry(resource, handle);
    this.#noteLent(entry, to);
    return entry.value as Value; // as in `get`
  }

  #noteLent(entry: Entry, to: number): Loans {
    const loans = this.taskLoans ?? this.#loans?.get(to)?.at(-1);
    if (loans === undefined) throw new GuestFault(`a handle is lent to component instance ${to}, which nobody calls`);
    loans.lent.add(entry);
    return loans;
  }

  /** Begins a synchronous call of component instance `owner`, to which handles may be lent. */
  beginCall(owner: number): void {
    this.#loans ??= new Map();
    const calls = this.#loans.get(owner);
    if (calls === undefined) this.#loans.set(owner, [new Loans()]);
    else calls.push(new Loans());
  }

  /**
   * Gives back the handles that were lent to the call of component instance `owner` that began last, and returns.
   * Throws GuestFault if `owner` still holds any of them.
   */
  endCall(owner: number): void {
    const calls = this.#loans?.get(owner);
    calls?.at(-1)?.checkDropped();
    calls?.pop()?.lent.giveBack();
  }

  #checkNotLent(entry: Entry, handle: number): void {
    if (entry.lends > 0)
      throw new GuestFault(`resource handle ${handle} is given up while a call in progress borrows it`);
  }

  #owned(entry: Entry, handle: number): Entry {
    this.#checkNotLent(entry, handle);
    if (entry.borrower !== null) throw new GuestFault(`resource handle ${handle} is given up, but only borrowed`);
    return entry;
  }

  #remove(handle: number): void {
    this.#current.remove(handle);
    this.#size -= 1;
  }

  /** Returns the values of all handles. */
  values(): object[] {
    const values: object[] = [];
    this.#first.addValues(values);
    if (this.#others !== null) for (const table of this.#others.values()) table.addValues(values);
    return values;
  }

  /** Removes all handles and returns their values, those of each component instance in the order of its handles. */
  drain(): Held[] {
    const values = this.values();
    this.#first = new InstanceTable();
    this.#others = null;
    this.#owner = 0;
    this.#current = this.#first;
    this.#size = 0;
    this.#loans = null;
    this.taskLoans = null;
    return values;
  }

  #entry(resource: ResourceType, handle: number): Entry {
    const entry = this.#found(handle);
    // Most types are one object; each part of a component that spells a type out has one of its own.
    if (entry.resource !== resource && entry.resource.id !== resource.id)
      throw new GuestFault(`resource handle ${handle} is ${short(entry.resource)}, not ${short(resource)}`);
    return entry;
  }

  #found(handle: number): Entry {
    const entry = this.#current.find(handle);
    if (entry === null) throw new GuestFault(`there is no resource handle ${handle >>> 0}`);
    return entry;
  }
}

/** Returns the name of a resource type with its article. */
function short(resource: ResourceType): string {
  const name = resource.id.replace(/^.*#/, '');
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;
}
