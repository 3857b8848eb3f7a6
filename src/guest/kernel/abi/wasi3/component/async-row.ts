/**
 * What the tables of trisiel:component/async share: the form of their rows, and the waitable sets, calls and events
 * that several of them use.
 */
import { mayHostWake } from '../../../canonical/async/deadlock.ts';
import { type Subtask, subtaskResource } from '../../../canonical/async/subtask.ts';
import type { PartSubtask } from '../../../canonical/async/task.ts';
import { type Event, type WaitableSet, waitableSetResource } from '../../../canonical/async/waitable.ts';
import { StateOf } from '../../../canonical/state.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Syscall, SyscallResult } from '../../../syscall.ts';

type Core = 'i32' | 'i64';

/**
 * Returns the row of a function with parameters of type i32. Its call throws GuestFault while `realloc` runs, and ends
 * the effect of `must-not-wait` and `unwaiting`.
 */
export function row(
  name: string,
  params: readonly string[],
  result: Core | null,
  run: (guest: Process, a: number, b: number, c: number) => SyscallResult,
  waits = false,
): Syscall {
  return {
    name,
    params: params.map((param) => ({ name: param, type: 'i32' as const })),
    result,
    waits,
    // No row has more than three parameters, and those that have fewer look at no more.
    run: (guest: Process, a: number, b: number, c: number) => {
      guest.component.allocations.checkCall();
      try {
        return run(guest, a, b, c);
      } finally {
        guest.component.mustNotWait = false;
      }
    },
  };
}

/** Returns the waitable set of `handle`. Throws GuestFault if there is none. */
export function setOf(guest: Process, handle: number): WaitableSet {
  return guest.component.handles.get(waitableSetResource, handle);
}

/**
 * Returns the call of the host, or of another part of a composed component, of `handle`. Throws GuestFault if there is
 * none.
 */
export function callOf(guest: Process, handle: number): Subtask | PartSubtask {
  return guest.component.handles.get(subtaskResource, handle) as Subtask | PartSubtask; // nothing else is added
}

/** Throws GuestFault if the guest begins a wait that nothing can end: it runs no code then that could. */
export function checkEnds(guest: Process): void {
  if (!mayHostWake(guest)) throw new GuestFault('the guest waits for what cannot happen');
}

/**
 * Returns the next event of `set`, after waiting for it. Throws GuestFault if the guest must not wait, or nothing can
 * end the wait.
 */
export function waitFor(guest: Process, set: WaitableSet): Event | Promise<Event> {
  if (!set.hasEvent) {
    guest.component.checkMayWait();
    checkEnds(guest);
  }
  return set.wait(guest);
}

/** The event that deliver has delivered last. */
const delivered = new StateOf<{ event: Event | null }>(() => ({ event: null }));

/** Returns the code of `event`, and keeps its handle and payload for event-handle and event-payload. */
export function deliver(guest: Process, event: Event): number {
  guest.component.of(delivered).event = event;
  return event.code;
}

/** Returns the event that was delivered last; null: none was. */
export function lastEvent(guest: Process): Event | null {
  return guest.component.of(delivered).event;
}
