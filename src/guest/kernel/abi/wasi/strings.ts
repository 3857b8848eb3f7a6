/** Writes lists of NUL-terminated strings, for args_* and environ_*. */
import type { GuestMemory } from '../../memory.ts';
import type { TextList } from '../../text-list.ts';
import { Wasi } from './errno.ts';

/** Writes the number of texts to `countPointer` and the sum of their bytes to `bytesPointer`, both u32. */
export function putSizes(memory: GuestMemory, list: TextList, countPointer: number, bytesPointer: number): number {
  memory.check(bytesPointer, 4);
  memory.setU32(countPointer, list.lengths.length);
  memory.setU32(bytesPointer, list.bytes.length);
  return Wasi.success;
}

/**
 * Writes the strings, one after the other, to `buffer`, and pointers to them to `pointers`. Throws GuestFault if they
 * do not fit into the memory.
 */
export function putStrings(memory: GuestMemory, list: TextList, pointers: number, buffer: number): number {
  memory.check(pointers, list.lengths.length * 4);
  let at = memory.check(buffer, list.bytes.length);
  memory.put(at, list.bytes);
  list.lengths.forEach((length, index) => {
    memory.setU32((pointers >>> 0) + index * 4, at);
    at += length;
  });
  return Wasi.success;
}
