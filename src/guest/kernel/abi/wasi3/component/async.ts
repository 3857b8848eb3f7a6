/**
 * trisiel:component/async: the functions of the canonical ABI for asynchronous calls. A component defines them itself
 * (`canon waitable-set.new`); the linker binds each to a row below. Functions of streams and futures have one row for
 * each type of values: `stream.read u8`.
 *
 * A Process runs one task, that of its entry point, which nobody cancels.
 *
 * Spec: component-model, CanonicalABI.md "canon waitable-set.new" to "canon error-context.drop".
 */
import type { ResourceType } from '../../../../component/wit.ts';
import { GuestBuffer } from '../../../canonical/async/buffer.ts';
import { makeEnds } from '../../../canonical/async/channel.ts';
import { blocked, type CopyEnd } from '../../../canonical/async/copy-end.ts';
import { allElements } from '../../../canonical/async/elements.ts';
import { endResource } from '../../../canonical/async/end-handles.ts';
import type { Element, Kind, Side } from '../../../canonical/async/shared.ts';
import { type Subtask, subtaskResource } from '../../../canonical/async/subtask.ts';
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
    run: run as Syscall['run'],
  };
}

function setOf(guest: Process, handle: number): WaitableSet {
  return guest.component.handles.get(waitableSetResource, handle) as WaitableSet;
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

const waitableSetRows = [
  row('waitable-set.new', [], 'i32', (guest) => guest.component.handles.add(waitableSetResource, new WaitableSet())),
  row(
    'waitable-set.wait',
    ['set', 'event'],
    'i32',
    (guest, handle, pointer) => {
      const event = setOf(guest, handle as number).wait(guest);
      return event instanceof Promise
        ? event.then((later) => (guest.end === null ? store(guest, pointer as number, later) : undefined))
        : store(guest, pointer as number, event);
    },
    true,
  ),
  row('waitable-set.poll', ['set', 'event'], 'i32', (guest, handle, pointer) =>
    store(guest, pointer as number, setOf(guest, handle as number).next(guest) ?? noEvent),
  ),
  row('waitable-set.drop', ['set'], null, (guest, handle) => {
    setOf(guest, handle as number).leave();
    guest.component.handles.take(waitableSetResource, handle as number);
    return undefined;
  }),
  row('waitable.join', ['waitable', 'set'], null, (guest, waitable, set) => {
    waitableOf(guest, waitable as number).join(set === 0 ? null : setOf(guest, set as number));
    return undefined;
  }),
];

const subtaskRows = [
  row('subtask.cancel', ['subtask'], 'i32', (guest, handle) => {
    const subtask = guest.component.handles.get(subtaskResource, handle as number) as Subtask;
    subtask.cancel();
    return subtask.take().payload;
  }),
  row('subtask.drop', ['subtask'], null, (guest, handle) => {
    (guest.component.handles.get(subtaskResource, handle as number) as Subtask).leave();
    guest.component.handles.take(subtaskResource, handle as number);
    return undefined;
  }),
];

/** Count of backpressure.inc that is too large: the count has 16 bits. */
const backpressureMax = 2 ** 16;
const backpressure = new WeakMap<Process, number>();

function addBackpressure(guest: Process, change: number): undefined {
  const count = (backpressure.get(guest) ?? 0) + change;
  if (count < 0 || count >= backpressureMax) throw new GuestFault(`backpressure of ${count}`);
  backpressure.set(guest, count);
  return undefined;
}

/** The event that next-event has delivered last. */
const delivered = new WeakMap<Process, Event>();

function deliver(guest: Process, event: Event): number {
  delivered.set(guest, event);
  return event.code;
}

const taskRows = [
  row('task.cancel', [], null, () => {
    throw new GuestFault('task.cancel of a task that nobody has cancelled');
  }),
  // Backpressure holds back further calls of the component. There are none: a Process makes one call.
  row('backpressure.set', ['enabled'], null, () => undefined),
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
      const code = (wanted as number) & 15;
      if (code === 1) return turn().then(() => deliver(guest, noEvent));
      if (code !== 2) throw new GuestFault(`a callback returned the code ${code}`);
      const event = setOf(guest, (wanted as number) >>> 4).wait(guest);
      return event instanceof Promise ? event.then((later) => deliver(guest, later)) : deliver(guest, event);
    },
    true,
  ),
  row('event-handle', [], 'i32', (guest) => delivered.get(guest)?.handle ?? 0),
  row('event-payload', [], 'i32', (guest) => delivered.get(guest)?.payload ?? 0),
];

class ErrorContext {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

const errorContextResource: ResourceType = { kind: 'resource', id: `${moduleName}#error-context` };
const text = lifter('string');
const textWriter = lowerer('string');
/** Most characters that an error context keeps of its message. */
const messageCharsMax = 1024;

const errorContextRows = [
  row('error-context.new', ['message', 'message.length'], 'i32', (guest, pointer, length) => {
    beginLifting();
    const message = text.flat(guest, [pointer as number, length as number], 0) as string;
    return guest.component.handles.add(errorContextResource, new ErrorContext(message.slice(0, messageCharsMax)));
  }),
  row('error-context.debug-message', ['context', 'message'], null, (guest, handle, pointer) => {
    const { message } = guest.component.handles.get(errorContextResource, handle as number) as ErrorContext;
    const start = guest.memory.check(pointer as number, 8);
    guest.component.allocations.begin();
    textWriter.store(guest, start, message);
    return undefined;
  }),
  row('error-context.drop', ['context'], null, (guest, handle) => {
    guest.component.handles.take(errorContextResource, handle as number);
    return undefined;
  }),
];

function endOf(guest: Process, kind: Kind, side: Side, element: Element, handle: number): CopyEnd {
  return guest.component.handles.get(endResource(kind, side, element), handle) as CopyEnd;
}

/** Delivers the event of `waitable` as the result of the call, after waiting for it. */
function payloadOf(waitable: Waitable): SyscallResult {
  return waitable.hasEvent ? waitable.take().payload : waitable.happened().then(() => waitable.take().payload);
}

/** Returns the rows of streams or futures of one type of values. Names end in that of the type. */
function copyRows(kind: Kind, element: Element): readonly Syscall[] {
  const name = (operation: string) => `${kind}.${operation} ${element.name}`;
  const copyParams = kind === 'stream' ? ['end', 'values', 'count'] : ['end', 'value'];
  const copy = (side: Side, operation: string): readonly Syscall[] => {
    const start = (guest: Process, args: readonly number[]): CopyEnd => {
      const [handle, pointer, count] = args as [number, number, number];
      const end = endOf(guest, kind, side, element, handle);
      end.copy(new GuestBuffer(guest, element, side, pointer, kind === 'stream' ? count : 1));
      return end;
    };
    const cancel = (guest: Process, handle: number): number => {
      const end = endOf(guest, kind, side, element, handle);
      end.cancel();
      return end.take().payload;
    };
    return [
      row(name(operation), copyParams, 'i32', (guest, ...args) => payloadOf(start(guest, args)), true),
      row(name(`${operation} async`), copyParams, 'i32', (guest, ...args) => {
        const end = start(guest, args);
        return end.hasEvent ? end.take().payload : blocked;
      }),
      row(name(`cancel-${operation}`), ['end'], 'i32', (guest, handle) => cancel(guest, handle as number)),
      row(name(`drop-${side}`), ['end'], null, (guest, handle) => {
        endOf(guest, kind, side, element, handle as number).leave();
        guest.component.handles.take(endResource(kind, side, element), handle as number);
        return undefined;
      }),
    ];
  };
  return [
    row(name('new'), [], 'i64', (guest): CoreValue => {
      const { readable, writable } = makeEnds(guest, kind, element);
      return BigInt(readable) | (BigInt(writable) << 32n);
    }),
    ...copy('readable', 'read'),
    ...copy('writable', 'write'),
  ];
}

/** Returns the table. Call it when the tables of all interfaces have been made: their types have rows. */
export function asyncFunctions(): Abi {
  return {
    name: 'wasi3',
    modules: [moduleName],
    isOfLinker: true,
    syscalls: [
      ...waitableSetRows,
      ...subtaskRows,
      ...taskRows,
      ...errorContextRows,
      ...allElements().flatMap((element) => [...copyRows('stream', element), ...copyRows('future', element)]),
    ],
  };
}
