/** Encodes lists of NUL-terminated strings: args_* and environ_*. */
import { type GuestMemory, type GuestText, octetsOf, utf8 } from '../../memory.ts';
import type { Process } from '../../process.ts';
import { Wasi } from './errno.ts';

interface EncodedList {
  readonly strings: readonly Uint8Array[];
  readonly bytes: number;
}

/** Lists that have been encoded: a guest calls twice, for the sizes and for the strings. */
const argsOf = new WeakMap<Process, EncodedList>();
const environOf = new WeakMap<Process, EncodedList>();

export function encodedArgs(guest: Process): EncodedList {
  let list = argsOf.get(guest);
  if (list === undefined) {
    list = encode(guest.options.args);
    argsOf.set(guest, list);
  }
  return list;
}

export function encodedEnviron(guest: Process): EncodedList {
  let list = environOf.get(guest);
  if (list === undefined) {
    list = encode(Array.from(guest.options.env, ([key, value]) => pairOf(key, value)));
    environOf.set(guest, list);
  }
  return list;
}

function pairOf(key: string, value: GuestText): GuestText {
  return typeof value === 'string' ? `${key}=${value}` : Buffer.concat([utf8(`${key}=`), value]);
}

function encode(texts: readonly GuestText[]): EncodedList {
  const strings = texts.map((text) =>
    typeof text === 'string' ? utf8(`${text}\0`) : Buffer.concat([octetsOf(text), Buffer.alloc(1)]),
  );
  return { strings, bytes: strings.reduce((sum, string) => sum + string.length, 0) };
}

export function putSizes(memory: GuestMemory, list: EncodedList, countPointer: number, bytesPointer: number): number {
  memory.check(bytesPointer, 4);
  memory.setU32(countPointer, list.strings.length);
  memory.setU32(bytesPointer, list.bytes);
  return Wasi.success;
}

/**
 * Writes pointers to `pointers` and the strings, one after the other, to `buffer`. Throws GuestFault where there is
 * no room.
 */
export function putStrings(memory: GuestMemory, list: EncodedList, pointers: number, buffer: number): number {
  memory.check(pointers, list.strings.length * 4);
  let at = memory.check(buffer, list.bytes);
  list.strings.forEach((string, index) => {
    memory.setU32((pointers >>> 0) + index * 4, at);
    memory.put(at, string);
    at += string.length;
  });
  return Wasi.success;
}
