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
 *     list<u8>               Uint8Array. An argument is a view of guest memory: copy what outlives the call, or any wait.
 *     list, tuple            array
 *     record                 object; field `last-update` has the key `lastUpdate`
 *     variant                { tag: 'case-name', value }, without `value` where the case has no payload
 *     enum                   its label
 *     flags                  ReadonlySet of the labels that are set
 *     option                 the value, or null
 *     result                 { tag: 'ok', value } or { tag: 'err', value }: ok(value), err(value)
 *     own, borrow            the object that was returned as own<…> before. An own argument has left the handle table.
 *     stream, future         number
 *
 * A row that `waits` may return a promise; any other must not. GuestFault, thrown in a row, traps the guest.
 */

import type { AbiName } from '../../../protocol/nouns.ts';
import { alignment, elementBytes, flattenFunction, flattenType, hasLists } from '../../component/flatten.ts';
import { type FunctionType, func, own, type ResourceType } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';
import type { Process } from '../process.ts';
import type { Abi, Syscall, SyscallResult, SyscallValue } from '../syscall.ts';
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

/** Makes a row. `name` is that of the component's import: `[method]input-stream.read`. */
export function witRow(
  name: string,
  type: FunctionType,
  run: (guest: Process, ...values: never[]) => unknown,
  { waits = false }: { readonly waits?: boolean } = {},
): Syscall {
  const core = flattenFunction(type, 'lower');
  const params = flatNames(type);
  return {
    name,
    params: core.params.map((coreType, index) => ({ name: params[index] ?? 'result', type: coreType })),
    result: core.results[0] ?? null,
    waits,
    wit: type,
    run: adapted(type, run as Run) as Syscall['run'],
  };
}

/** Makes the row that drops handles of `resource`. Calls drop() of the object if it has one. */
export function dropRow(resource: ResourceType): Syscall {
  const type = func({ self: own(resource) });
  return witRow(`[resource-drop]${resource.id.replace(/^.*#/, '')}`, type, (guest, value: Droppable) => {
    value.drop?.(guest);
  });
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
function adapted(type: FunctionType, run: Run): (guest: Process, ...args: CoreValue[]) => SyscallResult {
  const types = type.params.map((param) => param.type);
  const flatCount = types.reduce((sum, of) => sum + flattenType(of).length, 0);
  const core = flattenFunction(type, 'lower');
  const isSpilled = flatCount > core.params.length;
  const lifters = types.map(lifter);
  const spilled = isSpilled ? spilledLifter(types) : null;
  const finish = finisher(type);
  const lift = (guest: Process, args: readonly CoreValue[]): unknown[] => {
    beginLifting();
    if (spilled !== null) return spilled(guest, args[0] as number);
    let at = 0;
    return lifters.map((one) => {
      const value = one.flat(guest, args, at);
      at += one.count;
      return value;
    });
  };
  return (guest, ...args) => {
    const returned = run(guest, ...lift(guest, args));
    if (!(returned instanceof Promise)) return finish(guest, args, returned);
    // A guest whose Process has ended takes no result: its memory may belong to another Process by then.
    return returned.then((value) => (guest.end === null ? finish(guest, args, value) : undefined));
  };
}

/** Returns a function that writes the result of a call: as a core value, or to memory at the last argument. */
function finisher(type: FunctionType): (guest: Process, args: readonly CoreValue[], value: unknown) => SyscallValue {
  const returned = type.result;
  if (returned === null || flattenType(returned).length === 0) return () => undefined;
  const writer = lowerer(returned);
  if (flattenType(returned).length === 1) return (guest, _args, value) => writer.flat(guest, value);
  const bytes = elementBytes(returned);
  const align = alignment(returned);
  const isAllocating = hasLists(returned);
  return (guest, args, value) => {
    if (isAllocating) guest.component.allocations.begin();
    const pointer = guest.memory.check(args[args.length - 1] as number, bytes);
    if (pointer % align !== 0) throw new GuestFault(`a result at 0x${pointer.toString(16)}, not aligned to ${align}`);
    writer.store(guest, pointer, value);
    return undefined;
  };
}
