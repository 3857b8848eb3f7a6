/**
 * Implements Dagger: a few calls on URLs. Guests may declare any parameter or result as i32 or i64; descriptors 0, 1
 * and 2 are standard input, output and error (src/guest/kernel/abi/layout.ts). A pointer outside the memory traps,
 * except that of a URL, which is a bad URL.
 */
import { readInto, writeFrom } from '../../io.ts';
import { closeDescriptor, openDescriptor, urlBytesMax } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import type { Abi, Syscall } from '../../syscall.ts';
import { DaggerError, toDagger } from './errno.ts';

const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const descriptorPattern = /^fd:\/\/(\d{1,9})$/;

/**
 * Opens the NUL-terminated URL at `url_ptr` for reading and writing. Returns its descriptor, the lowest free number.
 * `flags` is ignored. `fd://N` opens the Resource of descriptor N again.
 *
 * Errors: -2 the URL is outside the memory, has no NUL, is not UTF-8 or longer than 4,096 bytes; -1 no URL, or it
 * cannot be opened; -3 an unknown scheme. A URL that the policy forbids ends the Process.
 */
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

/**
 * Closes the descriptor `fd`. Returns 0. A Resource with several descriptors (`fd://N`) is closed with the last of
 * them.
 *
 * Errors: -1 no such descriptor, or a failed commit of written bytes.
 */
const close = row('close', ['fd'], (guest, fd) => translate(closeDescriptor(guest, fd)));

/**
 * Reads up to `data_len` bytes to `data_ptr`. Returns the number of bytes read, 0 at the end. Waits until there is
 * something to read.
 *
 * Errors: -1 no such descriptor, or the read failed.
 */
const read = row('read', ['fd', 'data_ptr', 'data_len'], (guest, fd, pointer, length) => {
  const resource = guest.descriptors.get(fd);
  return resource === undefined ? DaggerError.failed : translate(readInto(guest, resource, pointer, length));
});

/**
 * Writes `data_len` bytes from `data_ptr`. Returns the number of bytes written. Waits while the Resource is full.
 *
 * Errors: -1 no such descriptor, or the write failed.
 */
const write = row('write', ['fd', 'data_ptr', 'data_len'], (guest, fd, pointer, length) => {
  const resource = guest.descriptors.get(fd);
  return resource === undefined ? DaggerError.failed : translate(writeFrom(guest, resource, pointer, length));
});

/**
 * Commits or sends the bytes written to `fd` and waits until that is done. Returns 0. On http: it sends the request and
 * waits for the response.
 *
 * Errors: -1 no such descriptor, or committing failed.
 */
const sync = row('sync', ['fd'], (guest, fd) => {
  const resource = guest.descriptors.get(fd);
  return resource === undefined ? DaggerError.failed : translate(resource.flush());
});

/** Does the same as sync; later members of the family use this name. */
const flush: Syscall = { ...sync, name: 'flush' };

export const dagger: Abi = {
  name: 'dagger',
  modules: ['dagger'],
  syscalls: [open, close, read, write, sync, flush],
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

/**
 * Returns the NUL-terminated URL at `pointer`; null if it is outside the memory, not UTF-8, without NUL or longer than
 * urlBytesMax.
 */
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
