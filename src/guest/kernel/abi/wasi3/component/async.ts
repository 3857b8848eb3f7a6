/**
 * trisiel:component/async: the functions of the canonical ABI for asynchronous calls. A component defines them itself
 * (`canon waitable-set.new`); the linker binds each to a row. Those of waitable sets, subtasks, tasks and error
 * contexts are below; those of streams and futures, with a row for each type of values (`stream.read u8`), in
 * copy-rows.ts; those that only the linker's code calls in part-rows.ts.
 *
 * The task of the entry point is cancelled by nobody; other tasks are those of calls between parts (tasks.ts).
 *
 * Spec: component-model, CanonicalABI.md "canon waitable-set.new" to "canon error-context.drop".
 */

import { allElements } from '../../../canonical/async/elements.ts';
import { ErrorContext, errorContextResource } from '../../../canonical/async/error-context.ts';
import { subtaskResource } from '../../../canonical/async/subtask.ts';
import { PartSubtask } from '../../../canonical/async/task.ts';
import { tasksOf } from '../../../canonical/async/tasks.ts';
import {
  type Event,
  noEvent,
  WaitableSet,
  waitableOf,
  waitableSetResource,
} from '../../../canonical/async/waitable.ts';
import { beginLifting, lifter } from '../../../canonical/lift.ts';
import { lowerer } from '../../../canonical/lower.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Abi, SyscallResult } from '../../../syscall.ts';
import { callOf, deliver, lastEvent, row, setOf, waitFor } from './async-row.ts';
import { copyRows, spelledRow } from './copy-rows.ts';
import { partRows } from './part-rows.ts';

const moduleName = 'trisiel:component/async';

/** Writes handle and payload of `event` to `pointer`. Returns its code. */
function store(guest: Process, pointer: number, { code, handle, payload }: Event): number {
  guest.memory.setU32(pointer, handle);
  guest.memory.setU32(pointer + 4, payload);
  return code;
}

/** Resolves after other work of the runner. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits for an event of a set and stores it. */
function waitAndStore(guest: Process, handle: number, pointer: number): SyscallResult {
  const event = waitFor(guest, setOf(guest, handle));
  return event instanceof Promise
    ? event.then((later) => (guest.end === null ? store(guest, pointer, later) : undefined))
    : store(guest, pointer, event);
}

const waitableSetRows = [
  row('waitable-set.new', [], 'i32', (guest) => guest.component.handles.add(waitableSetResource, new WaitableSet())),
  row('waitable-set.wait', ['set', 'event'], 'i32', waitAndStore, true),
  row('waitable-set.poll', ['set', 'event'], 'i32', (guest, handle, pointer) =>
    store(guest, pointer, setOf(guest, handle).next(guest) ?? noEvent),
  ),
  row('waitable-set.drop', ['set'], null, (guest, handle) => {
    setOf(guest, handle).leave();
    guest.component.handles.take(waitableSetResource, handle);
    return undefined;
  }),
  row('waitable.join', ['waitable', 'set'], null, (guest, waitable, set) => {
    waitableOf(guest, waitable).join(set === 0 ? null : setOf(guest, set));
    return undefined;
  }),
];

const subtaskRows = [
  row('subtask.cancel', ['subtask'], 'i32', (guest, handle) => {
    const call = callOf(guest, handle);
    if (call instanceof PartSubtask) throw new GuestFault('a call of a part is cancelled as one of the host');
    call.checkAlone('a call is cancelled');
    call.cancel();
    return call.take().payload;
  }),
  row('subtask.drop', ['subtask'], null, (guest, handle) => {
    callOf(guest, handle).leave();
    guest.component.handles.take(subtaskResource, handle);
    return undefined;
  }),
];

/** Count of backpressure.inc that is too large: the count has 16 bits. */
const backpressureMax = 2 ** 16;

function addBackpressure(guest: Process, change: number): undefined {
  const tasks = tasksOf(guest);
  const { handles } = guest.component;
  const count = tasks.backpressure(handles.owner) + change;
  if (count < 0 || count >= backpressureMax) throw new GuestFault(`backpressure of ${count}`);
  tasks.setBackpressure(handles.owner, count);
  return undefined;
}

const taskRows = [
  row('task.cancel', [], null, (guest) => {
    tasksOf(guest).cancelled(guest.component.handles.owner);
    return undefined;
  }),
  // Backpressure holds back further calls of the component. Only other parts of it make some: a Process makes one call.
  row('backpressure.set', ['enabled'], null, (guest, enabled) => {
    tasksOf(guest).setBackpressure(guest.component.handles.owner, enabled === 0 ? 0 : 1);
    return undefined;
  }),
  row('backpressure.inc', [], null, (guest) => addBackpressure(guest, 1)),
  row('backpressure.dec', [], null, (guest) => addBackpressure(guest, -1)),
  row('thread.yield', [], 'i32', () => turn().then(() => 0), true),
  // What the linker's event loop calls with the result of the entry point or its callback: the code that says how to go
  // on, and for `wait` the handle of a waitable set above its four bits.
  row(
    'next-event',
    ['wanted'],
    'i32',
    (guest, wanted) => {
      const code = wanted & 15;
      if (code === 1) return turn().then(() => deliver(guest, noEvent));
      if (code !== 2) throw new GuestFault(`a callback returned the code ${code}`);
      const event = waitFor(guest, setOf(guest, wanted >>> 4));
      return event instanceof Promise ? event.then((later) => deliver(guest, later)) : deliver(guest, event);
    },
    true,
  ),
  row('event-handle', [], 'i32', (guest) => lastEvent(guest)?.handle ?? 0),
  row('event-payload', [], 'i32', (guest) => lastEvent(guest)?.payload ?? 0),
];

const text = lifter('string');
const textWriter = lowerer('string');

const errorContextRows = [
  row('error-context.new', ['message', 'message.length'], 'i32', (guest, pointer, length) => {
    beginLifting();
    const message = text.flat(guest, [pointer, length], 0) as string; // text lifts strings
    return guest.component.handles.add(errorContextResource, new ErrorContext(message));
  }),
  row('error-context.debug-message', ['context', 'message'], null, (guest, handle, pointer) => {
    const { message } = guest.component.handles.get(errorContextResource, handle);
    const start = guest.memory.check(pointer, 8);
    guest.component.allocations.begin();
    textWriter.store(guest, start, message);
    return undefined;
  }),
  // Passes an error context on to another part of a composed component: both hold it.
  row('error-context.pass', ['context', 'from', 'to'], 'i32', (guest, handle, from, to) => {
    const { handles } = guest.component;
    handles.owner = from;
    const context = handles.get(errorContextResource, handle);
    handles.owner = to;
    return handles.add(errorContextResource, context);
  }),
  row('error-context.drop', ['context'], null, (guest, handle) => {
    guest.component.handles.take(errorContextResource, handle);
    return undefined;
  }),
];

/** Returns the table. Call it when the tables of all interfaces have been made: their types have rows. */
export function asyncFunctions(): Abi {
  return {
    name: 'wasi3',
    modules: [moduleName],
    isOfLinker: true,
    make: spelledRow,
    syscalls: [
      ...waitableSetRows,
      ...subtaskRows,
      ...taskRows,
      ...partRows,
      ...errorContextRows,
      ...allElements().flatMap((element) => [...copyRows('stream', element), ...copyRows('future', element)]),
    ],
  };
}
