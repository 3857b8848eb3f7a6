/**
 * Functions of trisiel:component/async for streams and futures: one row for each function and type of values.
 *
 * Spec: component-model, CanonicalABI.md "canon stream.new" to "canon future.drop-writable".
 */
import { elementName, lastWord, spelledType } from '../../../../component/element-name.ts';
import { GuestBuffer } from '../../../canonical/async/buffer.ts';
import { makeEnds } from '../../../canonical/async/channel.ts';
import { blocked, type CopyEnd } from '../../../canonical/async/copy-end.ts';
import { endResource } from '../../../canonical/async/end-handles.ts';
import type { Element, Kind, Side } from '../../../canonical/async/shared.ts';
import type { Waitable } from '../../../canonical/async/waitable.ts';
import type { CoreValue } from '../../../canonical/lift.ts';
import type { Process } from '../../../process.ts';
import type { Syscall, SyscallResult } from '../../../syscall.ts';
import { checkEnds, row } from './async-row.ts';

/** Delivers the event of `waitable` as the result of the call, after waiting for it. */
function payloadOf(guest: Process, waitable: Waitable): SyscallResult {
  if (waitable.hasEvent) return waitable.take().payload;
  guest.component.checkMayWait();
  checkEnds(guest);
  return waitable.happened().then(() => waitable.take().payload);
}

/**
 * Returns the rows of streams or futures of one type of values. Names end in `word`, by which the linker knows the
 * type.
 */
export function copyRows(kind: Kind, element: Element, word = element.name): readonly Syscall[] {
  const name = (operation: string) => `${kind}.${operation} ${word}`;
  // The count is read for streams alone.
  const copyParams = kind === 'stream' ? ['end', 'values', 'count'] : ['end', 'value'];
  const copy = (side: Side, operation: string): readonly Syscall[] => {
    const resource = endResource(kind, side, element);
    // Each end is a CopyEnd.
    const endOf = (guest: Process, handle: number): CopyEnd => guest.component.handles.get(resource, handle) as CopyEnd;
    const start = (guest: Process, handle: number, pointer: number, count: number): CopyEnd => {
      const end = endOf(guest, handle);
      end.copy(new GuestBuffer(guest, element, side, pointer, kind === 'stream' ? count : 1));
      return end;
    };
    const begin = (guest: Process, handle: number, pointer: number, count: number): number => {
      const end = start(guest, handle, pointer, count);
      return end.hasEvent ? end.take().payload : blocked;
    };
    const checkAlone = (guest: Process, handle: number, what: string): void => endOf(guest, handle).checkAlone(what);
    const cancel = (guest: Process, handle: number): number => {
      const end = endOf(guest, handle);
      end.cancel();
      return end.take().payload;
    };
    const waiting = `a ${kind} is used that waits`;
    return [
      row(
        name(operation),
        copyParams,
        'i32',
        (guest, handle, pointer, count) => {
          checkAlone(guest, handle, waiting);
          return payloadOf(guest, start(guest, handle, pointer, count));
        },
        true,
      ),
      row(name(`${operation} async`), copyParams, 'i32', begin),
      // Begins a copy for whose end the linker's code waits.
      row(name(`${operation} begin`), copyParams, 'i32', (guest, handle, pointer, count) => {
        checkAlone(guest, handle, waiting);
        return begin(guest, handle, pointer, count);
      }),
      row(name(`cancel-${operation}`), ['end'], 'i32', (guest, handle) => {
        checkAlone(guest, handle, waiting);
        return cancel(guest, handle);
      }),
      row(name(`cancel-${operation} async`), ['end'], 'i32', (guest, handle) => cancel(guest, handle)),
      row(name(`drop-${side}`), ['end'], null, (guest, handle) => {
        endOf(guest, handle).leave();
        guest.component.handles.take(resource, handle);
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
export function spelledRow(name: string): Syscall | undefined {
  const word = lastWord(name);
  const type = spelledType(word);
  if (type === null) return undefined;
  const kind = name.startsWith('stream.') ? 'stream' : 'future';
  return copyRows(kind, { name: elementName(type), type }, word).find((one) => one.name === name);
}
