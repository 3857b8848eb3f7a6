/**
 * trisiel:component/async: the functions of the canonical ABI for asynchronous calls. A component defines them itself
 * (`canon waitable-set.new`); the linker binds each to a row below. Functions of streams and futures have one row for
 * each type of values: `stream.read u8`.
 *
 * The task of the entry point is cancelled by nobody; other tasks are those of calls between parts (tasks.ts).
 *
 * Spec: component-model, CanonicalABI.md "canon waitable-set.new" to "canon error-context.drop".
 */
import { elementName, lastWord, spelledType } from '../../../../component/element-name.ts';
import { GuestBuffer } from '../../../canonical/async/buffer.ts';
import { makeEnds } from '../../../canonical/async/channel.ts';
import { blocked, type CopyEnd } from '../../../canonical/async/copy-end.ts';
import { mayHostWake } from '../../../canonical/async/deadlock.ts';
import { allElements } from '../../../canonical/async/elements.ts';
import { endResource } from '../../../canonical/async/end-handles.ts';
import { ErrorContext, errorContextResource } from '../../../canonical/async/error-context.ts';
import type { Element, Kind, Side } from '../../../canonical/async/shared.ts';
import { type Subtask, subtaskResource } from '../../../canonical/async/subtask.ts';
import { callState, PartSubtask, type Task } from '../../../canonical/async/task.ts';
import { tasksOf } from '../../../canonical/async/tasks.ts';
import {
  type Event,
  noEvent,
  type Waitable,
  WaitableSet,
  waitableOf,
  waitableSetResource,
} from '../../../canonical/async/waitable.ts';
import { beginLifting, type CoreValue, lifter } from '../../../canonical/lift.ts';
import { lowerer } from '../../../canonical/lower.ts';
import type { StateOf } from '../../../canonical/state.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Abi, Syscall, SyscallResult } from '../../../syscall.ts';

const moduleName = 'trisiel:component/async';

type Core = 'i32' | 'i64';

function row(
  name: string,
  params: readonly string[],
  result: Core | null,
  run: (guest: Process, ...args: number[]) => SyscallResult,
  waits = false,
): Syscall {
  return {
    name,
    params: params.map((param) => ({ name: param, type: 'i32' as const })),
    result,
    waits,
    run: (guest: Process, ...args: number[]) => {
      guest.component.allocations.checkCall();
      try {
        return run(guest, ...args);
      } finally {
        guest.component.mustNotWait = false;
      }
    },
  };
}

function setOf(guest: Process, handle: number): WaitableSet {
  return guest.component.handles.get(waitableSetResource, handle);
}

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

/** Throws GuestFault if the guest begins a wait that nothing can end: it runs no code then that could. */
function checkEnds(guest: Process): void {
  if (!mayHostWake(guest)) throw new GuestFault('the guest waits for what cannot happen');
}

function waitFor(guest: Process, set: WaitableSet): Event | Promise<Event> {
  if (!set.hasEvent) {
    guest.component.checkMayWait();
    checkEnds(guest);
  }
  return set.wait(guest);
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

/** A call of the host, or of another part of a composed component. */
function callOf(guest: Process, handle: number): Subtask | PartSubtask {
  return guest.component.handles.get(subtaskResource, handle) as Subtask | PartSubtask; // nothing else is added
}

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

/** The event that next-event has delivered last. */
const delivered: StateOf<{ event: Event | null }> = { make: () => ({ event: null }) };

function deliver(guest: Process, event: Event): number {
  guest.component.of(delivered).event = event;
  return event.code;
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
  row('event-handle', [], 'i32', (guest) => guest.component.of(delivered).event?.handle ?? 0),
  row('event-payload', [], 'i32', (guest) => guest.component.of(delivered).event?.payload ?? 0),
];

/** Keeps other tasks from putting `waitable` into a set, which would take its event, until `wait` has ended. */
function claimed(waitable: Waitable, wait: () => undefined | Promise<undefined>): undefined | Promise<undefined> {
  waitable.isAwaited = true;
  const ended = (): undefined => {
    waitable.isAwaited = false;
  };
  return wait()?.then(ended) ?? ended();
}

/** What the linker's code for calls between parts calls; a component cannot define these functions. */
const partRows = [
  row('task-begin', ['site', 'callee', 'exclusive'], 'i32', (guest, site, callee, exclusive) =>
    tasksOf(guest).begin(site, callee, exclusive === 1),
  ),
  {
    name: 'task-push',
    params: [{ name: 'value', type: 'i64' as const }],
    result: null,
    waits: false,
    run: (guest: Process, value: bigint) => {
      tasksOf(guest).push(value);
      return undefined;
    },
  },
  row('task-arg', ['task', 'index'], 'i64', (guest, id, index) => taskOf(guest, id).args[index] ?? 0n),
  // Runs the task until it waits or ends, or queues it.
  row('task-start', ['task'], null, (guest, id) => tasksOf(guest).start(id), true),
  row('task-current', [], 'i32', (guest) => tasksOf(guest).current.id),
  row('task-place', ['task'], 'i32', (guest, id) => taskOf(guest, id).site),
  row('task-started', ['task'], 'i32', (guest, id) => (taskOf(guest, id).state === callState.starting ? 0 : 1)),
  row('task-enter', ['task'], null, (guest, id) => {
    tasksOf(guest).enter(taskOf(guest, id));
    return undefined;
  }),
  // Handles that are lent from now on are lent to the task; 0: to the synchronous call in progress.
  row('task-lends', ['task'], null, (guest, id) => {
    guest.component.handles.taskLoans = id === 0 ? null : taskOf(guest, id).loans;
    return undefined;
  }),
  row('task-keep', ['task', 'first', 'second'], null, (guest, id, first, second) => {
    taskOf(guest, id).context = [first, second];
    return undefined;
  }),
  row('task-context', ['task', 'slot'], 'i32', (guest, id, slot) => taskOf(guest, id).context[slot === 0 ? 0 : 1]),
  row('task-leave', ['task', 'code'], null, (guest, id, code) => {
    tasksOf(guest).leave(taskOf(guest, id), code);
    return undefined;
  }),
  row('task-take', ['task'], 'i32', (guest, id) => deliver(guest, tasksOf(guest).take(taskOf(guest, id)))),
  // Number of the task that a part runs; 0: that of the entry point.
  row('task-running', ['part'], 'i32', (guest, part) => tasksOf(guest).running(part)?.id ?? 0),
  row('task-site', ['task'], 'i32', (guest, id) => {
    const task = taskOf(guest, id);
    tasksOf(guest).checkUnresolved(task);
    return task.site;
  }),
  {
    name: 'task-result',
    params: [
      { name: 'task', type: 'i32' as const },
      { name: 'value', type: 'i64' as const },
    ],
    result: null,
    waits: false,
    run: (guest: Process, id: number, value: bigint) => {
      taskOf(guest, id).result = value;
      return undefined;
    },
  },
  row('task-returned', ['task'], null, (guest, id) => {
    tasksOf(guest).returned(taskOf(guest, id));
    return undefined;
  }),
  row('task-status', ['task'], 'i32', (guest, id) => tasksOf(guest).status(taskOf(guest, id))),
  row('task-take-result', ['task'], 'i64', (guest, id) => tasksOf(guest).takeResult(taskOf(guest, id))),
  row('entry-begin', ['part', 'exclusive'], null, (guest, part, exclusive) => {
    tasksOf(guest).enterEntry(part, exclusive === 1);
    return undefined;
  }),
  row('entry-wait', ['wanted'], null, (guest, wanted) => tasksOf(guest).waitEntry(wanted), true),
  row('entry-event', ['wanted'], 'i32', (guest) => deliver(guest, tasksOf(guest).eventOfEntry())),
  // These wait until what is asked for is there, while other tasks run.
  row(
    'idle-set',
    ['set'],
    null,
    (guest, handle) => {
      const set = setOf(guest, handle);
      set.waiting += 1;
      const waiting = tasksOf(guest).wait({ isReady: () => set.hasEvent, changed: [set.changed] });
      const ended = (): undefined => {
        set.waiting -= 1;
      };
      return waiting === undefined ? ended() : waiting.then(ended);
    },
    true,
  ),
  row(
    'idle-waitable',
    ['waitable'],
    null,
    (guest, handle) => {
      const waitable = waitableOf(guest, handle);
      return claimed(waitable, () =>
        tasksOf(guest).wait({ isReady: () => waitable.isSettled, changed: [waitable.changed] }),
      );
    },
    true,
  ),
  row(
    'idle-task',
    ['task'],
    null,
    (guest, id) => {
      const task = taskOf(guest, id);
      return tasksOf(guest).wait({ isReady: () => task.isResolved });
    },
    true,
  ),
  row('idle-turn', [], null, (guest) => tasksOf(guest).wait({ isReady: () => true, isTurn: true }), true),
  row('idle-end', [], null, (guest) => tasksOf(guest).waitForAll(), true),
  // Stores the result of the host function for which the task has waited, in memory that is selected now.
  row('store-result', [], null, ({ component }) => {
    const store = component.storeResult;
    component.storeResult = null;
    store?.();
    return undefined;
  }),
  row('must-not-wait', [], null, (guest) => {
    guest.component.mustNotWait = true;
    guest.component.checkMayWait();
    return undefined;
  }),
  // Says that the next call must not wait.
  {
    name: 'unwaiting',
    params: [],
    result: null,
    waits: false,
    run: (guest: Process) => {
      guest.component.mustNotWait = true;
      return undefined;
    },
  },
  // Number of a part whose memory gets what another one has written; 0: there is none. `copy-store` stores what one copy has
  // brought, for which it may ask for allocations.
  row('copy-part', [], 'i32', (guest) => {
    for (const { part } of guest.component.unstored) return part;
    return 0;
  }),
  row('copy-store', [], null, (guest) => {
    const { unstored, handles } = guest.component;
    for (const one of unstored) {
      if (one.part !== handles.owner) continue;
      one.store();
      break;
    }
    return undefined;
  }),
  // The payload of the event of a waitable; -1: it has not ended.
  row('waitable-take', ['waitable'], 'i32', (guest, handle) => {
    const waitable = waitableOf(guest, handle);
    return waitable.isSettled ? waitable.take().payload : blocked;
  }),
  // Asks a call to end. Waits while a task runs that learns of it.
  row(
    'subtask-cancel',
    ['subtask'],
    null,
    (guest, handle) => {
      const call = callOf(guest, handle);
      call.checkAlone('a call is cancelled');
      if (call instanceof PartSubtask) return claimed(call, () => tasksOf(guest).cancel(call));
      call.cancel();
      return undefined;
    },
    true,
  ),
];

function taskOf(guest: Process, id: number): Task {
  return tasksOf(guest).of(id);
}

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

function endOf(guest: Process, kind: Kind, side: Side, element: Element, handle: number): CopyEnd {
  return guest.component.handles.get(endResource(kind, side, element), handle) as CopyEnd; // each End is one
}

/** Delivers the event of `waitable` as the result of the call, after waiting for it. */
function payloadOf(guest: Process, waitable: Waitable): SyscallResult {
  if (waitable.hasEvent) return waitable.take().payload;
  guest.component.checkMayWait();
  checkEnds(guest);
  return waitable.happened().then(() => waitable.take().payload);
}

/** Returns the rows of streams or futures of one type of values. Names end in `word`, by which the linker knows the type. */
function copyRows(kind: Kind, element: Element, word = element.name): readonly Syscall[] {
  const name = (operation: string) => `${kind}.${operation} ${word}`;
  const copyParams = kind === 'stream' ? ['end', 'values', 'count'] : ['end', 'value'];
  const copy = (side: Side, operation: string): readonly Syscall[] => {
    const start = (guest: Process, args: readonly number[]): CopyEnd => {
      const [handle, pointer, count] = args as [number, number, number]; // copyParams; the count is read for streams alone
      const end = endOf(guest, kind, side, element, handle);
      end.copy(new GuestBuffer(guest, element, side, pointer, kind === 'stream' ? count : 1));
      return end;
    };
    const begin = (guest: Process, args: readonly number[]): number => {
      const end = start(guest, args);
      return end.hasEvent ? end.take().payload : blocked;
    };
    const checkAlone = (guest: Process, handle: number, what: string): void =>
      endOf(guest, kind, side, element, handle).checkAlone(what);
    const cancel = (guest: Process, handle: number): number => {
      const end = endOf(guest, kind, side, element, handle);
      end.cancel();
      return end.take().payload;
    };
    const waiting = `a ${kind} is used that waits`;
    return [
      row(
        name(operation),
        copyParams,
        'i32',
        (guest, ...args) => {
          checkAlone(guest, args[0] as number, waiting);
          return payloadOf(guest, start(guest, args));
        },
        true,
      ),
      row(name(`${operation} async`), copyParams, 'i32', (guest, ...args) => begin(guest, args)),
      // Begins a copy for whose end the linker's code waits.
      row(name(`${operation} begin`), copyParams, 'i32', (guest, ...args) => {
        checkAlone(guest, args[0] as number, waiting);
        return begin(guest, args);
      }),
      row(name(`cancel-${operation}`), ['end'], 'i32', (guest, handle) => {
        checkAlone(guest, handle, waiting);
        return cancel(guest, handle);
      }),
      row(name(`cancel-${operation} async`), ['end'], 'i32', (guest, handle) => cancel(guest, handle)),
      row(name(`drop-${side}`), ['end'], null, (guest, handle) => {
        endOf(guest, kind, side, element, handle).leave();
        guest.component.handles.take(endResource(kind, side, element), handle);
        return undefined;
      }),
    ];
  };
  return [
    // Passes the readable end on to another part of a composed component.
    row(name('pass'), ['end', 'from', 'to'], 'i32', (guest, handle, from, to) => {
      const { handles } = guest.component;
      handles.owner = from;
      const resource = endResource(kind, 'readable', element);
      const end = handles.get(resource, handle);
      end.passOn();
      end.handle = handles.pass(resource, handle, to);
      return end.handle;
    }),
    row(name('new'), [], 'i64', (guest): CoreValue => {
      const { readable, writable } = makeEnds(guest, kind, element);
      return BigInt(readable) | (BigInt(writable) << 32n);
    }),
    ...copy('readable', 'read'),
    ...copy('writable', 'write'),
  ];
}

/** Makes the row of a function whose name spells its type out; undefined for other names. */
function spelledRow(name: string): Syscall | undefined {
  const word = lastWord(name);
  const type = spelledType(word);
  if (type === null) return undefined;
  const kind = name.startsWith('stream.') ? 'stream' : 'future';
  return copyRows(kind, { name: elementName(type), type }, word).find((one) => one.name === name);
}

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
