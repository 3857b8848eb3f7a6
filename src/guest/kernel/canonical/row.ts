/**
 * Makes rows of host functions for components. A row states its interface type as the specification has it and is
 * written in JavaScript values; core signature, reading of arguments and writing of results follow from the type.
 *
 *     export const streams = witInterface('wasi2', 'wasi:io/streams@0.2', [
 *       witRow('[method]input-stream.blocking-read',
 *         func({ self: borrow(inputStream), len: 'u64' }, result(list('u8'), streamError)),
 *         (guest, self: InputStream, len: bigint) => …, { waits: true }),
 *       dropRow(inputStream),
 *     ]);
 *
 * Values:
 *
 *     bool                   boolean
 *     s8 to u32, f32, f64    number
 *     s64, u64               bigint
 *     char, string           string; a result may be octets (Uint8Array) instead, which are to be UTF-8
 *     list<u8>               Uint8Array. An argument is a view of guest memory: copy what outlives the call or a wait.
 *     list, tuple            array
 *     record                 object; field `last-update` has the key `lastUpdate`
 *     variant                { tag: 'case-name', value }, without `value` where the case has no payload
 *     enum                   its label
 *     flags                  ReadonlySet of the labels that are set
 *     option                 the value, or null
 *     result                 { tag: 'ok', value } or { tag: 'err', value }: ok(value), err(value)
 *     own, borrow            the object that was returned as own<…> before. An own argument has left the handle table.
 *     stream, future         an object of async/channel.ts or source.ts, a Readable
 *
 * A row that `waits` may return a promise; any other must not. GuestFault, thrown in a row, traps the guest.
 */

import type { AbiName } from '../../../protocol/nouns.ts';
import {
  alignment,
  elementBytes,
  flatAsyncParamsMax,
  flatParamsMax,
  flattenFunction,
  flattenType,
  hasLists,
} from '../../component/flatten.ts';
import { type FunctionType, func, own, type ResourceType, type WitType } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';
import type { Process } from '../process.ts';
import { endOf } from '../process-end.ts';
import type { Abi, Syscall, SyscallResult, SyscallValue } from '../syscall.ts';
import { Subtask, subtaskResource, subtaskState } from './async/subtask.ts';
import { Lent } from './handles.ts';
import { beginLifting, type CoreValue, lifter, spilledLifter } from './lift.ts';
import { lowerer } from './lower.ts';

/** A host object that is told when the guest drops its handle. */
export interface Droppable {
  drop?(guest: Process): void;
}

export interface Ok<T> {
  readonly tag: 'ok';
  readonly value: T;
}
export interface Err<E> {
  readonly tag: 'err';
  readonly value: E;
}

export function ok(): Ok<undefined>;
export function ok<T>(value: T): Ok<T>;
export function ok(value?: unknown): Ok<unknown> {
  return { tag: 'ok', value };
}

export function err(): Err<undefined>;
export function err<E>(value: E): Err<E>;
export function err(value?: unknown): Err<unknown> {
  return { tag: 'err', value };
}

type Run = (guest: Process, ...values: unknown[]) => unknown;

/** The functions of JavaScript values behind rows. */
const runs = new WeakMap<Syscall, Run>();

/** Returns the function of JavaScript values that `row`, made by witRow, calls. */
export function runOf(row: Syscall): Run {
  const run = runs.get(row);
  if (run === undefined) throw new Error(`${row.name} is no row of an interface`);
  return run;
}

export interface RowOptions {
  readonly waits?: boolean;
  /** Whether the guest's `realloc` may call the row, or code of the linker around it does. */
  readonly inRealloc?: boolean;
}

/** Makes a row. `name` is that of the component's import: `[method]input-stream.read`. */
export function witRow(
  name: string,
  type: FunctionType,
  run: (guest: Process, ...values: never[]) => unknown,
  { waits = false, inRealloc = false }: RowOptions = {},
): Syscall {
  const core = flattenFunction(type, 'lower');
  const params = flatNames(type);
  const row: Syscall = {
    name,
    params: core.params.map((coreType, index) => ({ name: params[index] ?? 'result', type: coreType })),
    result: core.results[0] ?? null,
    waits,
    wit: type,
    run: adapted(type, run as Run, inRealloc) as Syscall['run'], // a row's own types follow from its interface type
  };
  runs.set(row, run as Run); // as above
  return row;
}

/**
 * Returns the row under which a component imports `row` asynchronously (CanonicalABI.md "canon lower"). The call never
 * waits. Returns 2 if the host function has returned, else 1 + 16 × the handle of a new subtask, whose event says when
 * it has.
 */
export function asyncRow(row: Syscall): Syscall {
  const type = row.wit;
  if (type === undefined) throw new Error(`${row.name} is no row of an interface`);
  const run = runOf(row);
  const core = flattenFunction(type, 'lower', 'async');
  const start = withArguments(type, flatAsyncParamsMax, run);
  const hasResult = type.result !== null && flattenType(type.result).length > 0;
  const store = hasResult ? memoryFinisher(type.result) : null;
  const call = (guest: Process, ...args: CoreValue[]): number => {
    const { component } = guest;
    component.allocations.checkCall();
    const { encoding } = component;
    const lent = new Lent();
    const subtask = new Subtask(lent);
    component.handles.lent = lent;
    component.cancelled = subtask.signal;
    let returned: unknown;
    try {
      returned = start(guest, args);
    } finally {
      component.handles.lent = null;
      component.cancelled = null;
    }
    const finish = (value: unknown): void => {
      component.withEncoding(encoding, () => store?.(guest, args, value));
    };
    if (!(returned instanceof Promise)) {
      finish(returned);
      lent.giveBack();
      return subtaskState.returned;
    }
    subtask.handle = component.handles.add(subtaskResource, subtask);
    returned.then(
      (value: unknown) => {
        if (guest.end !== null || !subtask.returned(() => finish(value))) release(value);
      },
      (error: unknown) => guest.kill(endOf(error)),
    );
    return subtaskState.started | (subtask.handle << 4);
  };
  return {
    name: `[async-lower]${row.name}`,
    params: core.params.map((coreType, index) => ({ name: `${index}`, type: coreType })),
    result: 'i32',
    waits: false,
    run: call as Syscall['run'],
  };
}

/** Closes the resources in the result of a call that the guest has cancelled. */
function release(value: unknown): void {
  if (Array.isArray(value)) for (const one of value) release(one);
  else if (typeof value === 'object' && value !== null) {
    if ('tag' in value) release((value as { readonly value?: unknown }).value);
    else if ('close' in value && typeof value.close === 'function') value.close();
  }
}

/** Makes the row that drops handles of `resource`. Calls drop() of the object if it has one. */
export function dropRow(resource: ResourceType): Syscall {
  const name = `[resource-drop]${resource.id.replace(/^.*#/, '')}`;
  const row = witRow(name, func({ self: own(resource) }), (guest, value: Droppable) => value.drop?.(guest));
  // Not the row's own reading of the argument: a part of a composed component also drops handles that it has borrowed.
  const drop = (guest: Process, handle: number): void =>
    // Its drop, if it has one, is ours.
    (guest.component.handles.drop(resource, handle) as Droppable | null)?.drop?.(guest);
  const dropping: Syscall = { ...row, run: drop as Syscall['run'] }; // a handle is a number
  runs.set(dropping, runOf(row));
  return dropping;
}

/** Makes the table of one interface. `name` is without the last number of the version: `wasi:io/streams@0.2`. */
export function witInterface(abi: AbiName, name: string, rows: readonly Syscall[]): Abi {
  return { name: abi, modules: [name], syscalls: rows };
}

/** Returns the names of the core parameters: `contents` and `contents.length`, `self`, `value.2`. */
function flatNames(type: FunctionType): string[] {
  const names = type.params.flatMap(({ name, type: of }) =>
    flattenType(of).map((_, index) => {
      const isList = of === 'string' || (typeof of !== 'string' && of.kind === 'list');
      return index === 0 ? name : isList ? `${name}.length` : `${name}.${index}`;
    }),
  );
  return names.length > flattenFunction(type, 'lower').params.length ? ['arguments'] : names;
}

/** Returns the function of core values that reads the arguments, calls `run` and writes the result. */
function adapted(
  type: FunctionType,
  run: Run,
  inRealloc: boolean,
): (guest: Process, ...args: CoreValue[]) => SyscallResult {
  const call = withArguments(type, flatParamsMax, run);
  const finish = finisher(type);
  const isStored = type.result !== null && flattenType(type.result).length > 1;
  const finishLater = (guest: Process, args: readonly CoreValue[], returned: Promise<unknown>): SyscallResult => {
    // A guest whose Process has ended takes no result: its memory may belong to another Process by then.
    const { component } = guest;
    if (component.waiting !== null && type.async) {
      return component.waiting(returned).then((value) => {
        if (guest.end !== null) return undefined;
        if (!isStored) return finish(guest, args, value);
        component.storeResult = () => finish(guest, args, value);
        return undefined;
      });
    }
    return returned.then((value) => (guest.end === null ? finish(guest, args, value) : undefined));
  };
  return (guest, ...args) => {
    if (!inRealloc) guest.component.allocations.checkCall();
    const returned = call(guest, args);
    return returned instanceof Promise ? finishLater(guest, args, returned) : finish(guest, args, returned);
  };
}

/**
 * Returns a function that reads the arguments of a function and calls `run` with them; more than `flatMax` core values
 * lie in memory. Up to three arguments take no array: almost every call has as few.
 */
function withArguments(
  type: FunctionType,
  flatMax: number,
  run: Run,
): (guest: Process, args: readonly CoreValue[]) => unknown {
  const types = type.params.map((param) => param.type);
  const flatCount = types.reduce((sum, of) => sum + flattenType(of).length, 0);
  if (flatCount > flatMax) {
    const spilled = spilledLifter(types);
    return (guest, args) => {
      beginLifting();
      return run(guest, ...spilled(guest, args[0] as number)); // a pointer
    };
  }
  const lifters = types.map(lifter);
  const [a, b, c, d] = lifters;
  if (a === undefined) return (guest) => run(guest);
  if (b === undefined) {
    return (guest, args) => {
      beginLifting();
      return run(guest, a.flat(guest, args, 0));
    };
  }
  const atB = a.count;
  if (c === undefined) {
    return (guest, args) => {
      beginLifting();
      return run(guest, a.flat(guest, args, 0), b.flat(guest, args, atB));
    };
  }
  const atC = atB + b.count;
  if (d === undefined) {
    return (guest, args) => {
      beginLifting();
      return run(guest, a.flat(guest, args, 0), b.flat(guest, args, atB), c.flat(guest, args, atC));
    };
  }
  return (guest, args) => {
    beginLifting();
    let at = 0;
    const values = lifters.map((one) => {
      const value = one.flat(guest, args, at);
      at += one.count;
      return value;
    });
    return run(guest, ...values);
  };
}

/** Returns a function that writes the result of a call: as a core value, or to memory at the last argument. */
function finisher(type: FunctionType): (guest: Process, args: readonly CoreValue[], value: unknown) => SyscallValue {
  const returned = type.result;
  if (returned === null || flattenType(returned).length === 0) return () => undefined;
  if (flattenType(returned).length === 1) {
    const writer = lowerer(returned);
    return (guest, _args, value) => writer.flat(guest, value);
  }
  return memoryFinisher(returned);
}

/** Returns a function that writes a result to memory at the last argument. */
function memoryFinisher(
  returned: WitType,
): (guest: Process, args: readonly CoreValue[], value: unknown) => SyscallValue {
  const writer = lowerer(returned);
  const bytes = elementBytes(returned);
  const align = alignment(returned);
  const isAllocating = hasLists(returned);
  return (guest, args, value) => {
    if (isAllocating) guest.component.allocations.begin();
    const pointer = guest.memory.check(args[args.length - 1] as number, bytes); // a pointer
    if (pointer % align !== 0) throw new GuestFault(`a result at 0x${pointer.toString(16)}, not aligned to ${align}`);
    writer.store(guest, pointer, value);
    return undefined;
  };
}
