/**
 * Dagger, the first of the family: five calls on URLs. Guests declare i32 or i64 as they like;
 * descriptors 0, 1 and 2 are standard input, output and error (src/guest/kernel/abi/layout.ts). A
 * pointer outside the memory traps, but for the URL's, which is bad URL input.
 */
import { readInto, writeFrom } from '../../io.ts';
import { closeDescriptor, openDescriptor, urlBytesMax } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import type { Abi, Syscall } from '../../syscall.ts';
import { DaggerError, toDagger } from './errno.ts';

const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const descriptorPattern = /^fd:\/\/(\d{1,9})$/;

/** open(url_ptr, flags) -> descriptor. The URL ends with a NUL; flags are 0, every Resource opens for both. */
const open = row('open', ['url_ptr', 'flags'], (guest, pointer) => {
  const url = cString(guest, pointer);
  if (url === null) return DaggerError.badInput;
  const again = descriptorPattern.exec(url);
  if (again !== null) {
    const resource = guest.descriptors.get(Number(again[1]));
    return resource === undefined ? DaggerError.failed : translate(guest.descriptors.add(resource));
  }
  return translate(openDescriptor(guest, url, { read: true, write: true }));
});

/** close(fd) -> 0. Two descriptors of one Resource (fd://N) are closed one by one. */
const close = row('close', ['fd'], (guest, fd) => translate(closeDescriptor(guest, fd)));

/** read(fd, ptr, len) -> bytes read, 0 at the end. */
const read = row('read', ['fd', 'data_ptr', 'data_len'], (guest, fd, pointer, length) => {
  const resource = guest.descriptors.get(fd);
  return resource === undefined ? DaggerError.failed : translate(readInto(guest, resource, pointer, length));
});

/** write(fd, ptr, len) -> bytes written. */
const write = row('write', ['fd', 'data_ptr', 'data_len'], (guest, fd, pointer, length) => {
  const resource = guest.descriptors.get(fd);
  return resource === undefined ? DaggerError.failed : translate(writeFrom(guest, resource, pointer, length));
});

/** sync(fd) -> 0. For http: sends the request and waits for the response. */
const sync = row('sync', ['fd'], (guest, fd) => {
  const resource = guest.descriptors.get(fd);
  return resource === undefined ? DaggerError.failed : translate(resource.flush());
});

export const dagger: Abi = {
  name: 'dagger',
  modules: ['dagger'],
  syscalls: [open, close, read, write, sync, { ...sync, name: 'flush' }],
};

function row(
  name: string,
  params: readonly string[],
  run: (guest: Process, ...args: number[]) => MaybePromise<number>,
): Syscall {
  return {
    name,
    params: params.map((param) => ({ name: param, type: 'i32' })),
    result: 'i32',
    waits: true,
    looseInts: true,
    run,
  };
}

function translate(result: MaybePromise<number>): MaybePromise<number> {
  return result instanceof Promise ? result.then(toDagger) : toDagger(result);
}

/** The NUL-terminated URL; null where it is outside the memory, not UTF-8, without NUL or longer than urlBytesMax. */
function cString(guest: Process, pointer: number): string | null {
  const { all } = guest.memory;
  const start = pointer >>> 0;
  const bytes = all.subarray(start, start + urlBytesMax + 1);
  const end = bytes.indexOf(0);
  if (end < 0) return null;
  try {
    return strict.decode(bytes.subarray(0, end));
  } catch {
    return null;
  }
}
