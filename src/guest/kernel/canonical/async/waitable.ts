/**
 * What the guest of a component waits for: waitables, each with at most one event to deliver, and sets of them.
 *
 * Spec: component-model, CanonicalABI.md "Waitable State".
 */
import { GuestFault } from '../../memory.ts';
import { Wakeup } from '../../net/wakeup.ts';
import type { Process } from '../../process.ts';
import type { ResourceOf } from '../handles.ts';

/** Codes of events. */
export const eventCode = {
  none: 0,
  subtask: 1,
  streamRead: 2,
  streamWrite: 3,
  futureRead: 4,
  futureWrite: 5,
} as const;

/**
 * An event of a waitable (CanonicalABI.md "canon waitable-set.wait"). `code` is an eventCode; `payload` is a state of a
 * subtask, or the result of a copy: copyResult in the low 4 bits, the count of elements above.
 */
export interface Event {
  readonly code: number;
  /** Handle of the waitable; 0 for the event `none`. */
  readonly handle: number;
  readonly payload: number;
}

export const noEvent: Event = { code: eventCode.none, handle: 0, payload: 0 };

/** Host work (Process.work) of looking at one waitable, in bytes moved. */
const waitableWork = 64;

export abstract class Waitable {
  /** The eventCode of its events. */
  protected abstract readonly code: number;
  /** Handle under which the guest knows the waitable. Set once, when it enters the handle table. */
  handle = 0;
  readonly #changed = new Wakeup();
  #set: WaitableSet | null = null;
  /** Makes the payload of the event that waits for its delivery; null: there is none. */
  #event: (() => number) | null = null;

  get hasEvent(): boolean {
    return this.#event !== null;
  }

  get isInSet(): boolean {
    return this.#set !== null;
  }

  /** Throws GuestFault in a waitable set, which might deliver the event that `what` waits for. */
  checkAlone(what: string): void {
    if (this.#set !== null) throw new GuestFault(`${what}, which is in a waitable set`);
  }

  /** Whether what the waitable stands for has ended, and its event says so. */
  get isSettled(): boolean {
    return this.hasEvent;
  }

  /** Tells of new events. */
  get changed(): Wakeup {
    return this.#changed;
  }

  /**
   * Sets the event; replaces an event that has not been delivered. `deliver` is called at the delivery: it may write to
   * the guest's memory and request allocations. Returns the payload.
   */
  happen(deliver: () => number): void {
    this.#event = deliver;
    this.#changed.wake();
    this.#set?.changed.wake();
  }

  /** Delivers the event. Must be called only if hasEvent. */
  take(): Event {
    const deliver = this.#event as () => number; // callers ask hasEvent before
    this.#event = null;
    return { code: this.code, handle: this.handle, payload: deliver() };
  }

  /** Resolves when there is an event. Never resolves after the end of the Process. */
  async happened(): Promise<void> {
    while (this.#event === null) await this.#changed.wait();
  }

  /** Whether a call waits for this waitable alone. */
  isAwaited = false;

  /** Enters `set`, or none, and leaves the set before. Throws GuestFault while a call waits for the waitable alone. */
  join(set: WaitableSet | null): void {
    if (this.isAwaited) throw new GuestFault('what a call waits for is put into a waitable set');
    this.#set?.elements.delete(this);
    this.#set = set;
    set?.elements.add(this);
    if (this.hasEvent) set?.changed.wake();
  }

  /** Leaves the handle table. Throws GuestFault if the specification traps. */
  leave(): void {
    this.join(null);
  }
}

export const waitableSetResource: ResourceOf<WaitableSet> = {
  kind: 'resource',
  id: 'trisiel:component/async#waitable-set',
};

export class WaitableSet {
  readonly elements = new Set<Waitable>();
  readonly changed = new Wakeup();
  /** Number of tasks whose callbacks wait for the set. */
  waiting = 0;

  get hasEvent(): boolean {
    for (const element of this.elements) if (element.hasEvent) return true;
    return false;
  }

  /** Delivers an event of an element. Returns null if no element has one. */
  next(guest: Process): Event | null {
    guest.work(this.elements.size * waitableWork);
    for (const element of this.elements) {
      if (!element.hasEvent) continue;
      // The element goes to the end, so that one that always has an event does not hide the others.
      this.elements.delete(element);
      this.elements.add(element);
      return element.take();
    }
    return null;
  }

  /**
   * Delivers an event of an element; without one, resolves when the first comes. Resolves to noEvent when the Process
   * ends.
   */
  wait(guest: Process): Event | Promise<Event> {
    return this.next(guest) ?? this.#later(guest);
  }

  async #later(guest: Process): Promise<Event> {
    for (;;) {
      await this.changed.wait();
      if (guest.end !== null) return noEvent;
      const event = this.next(guest);
      if (event !== null) return event;
    }
  }

  /** Checks that the set may be dropped. Throws GuestFault if it has waitables, or a task waits for it. */
  leave(): void {
    if (this.elements.size > 0) throw new GuestFault('a waitable set is dropped that has waitables');
    if (this.waiting > 0) throw new GuestFault('a waitable set is dropped that a task waits for');
  }
}

/** Returns the waitable of `handle`. Throws GuestFault if it is none. */
export function waitableOf(guest: Process, handle: number): Waitable {
  const value = guest.component.handles.any(handle);
  if (!(value instanceof Waitable)) throw new GuestFault(`handle ${handle} is nothing that can be waited for`);
  return value;
}
