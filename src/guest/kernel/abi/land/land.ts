/**
 * Implements Land: four calls on files in memory. Names are paths in the file system of the Process; relative ones
 * begin in scratch (`/tmp`). The file `stdin` holds the input; the file `stdout` is the output once the guest has
 * ended. There are no error numbers: a call that fails ends the Process with a message that names the call.
 */
import { Errno } from '../../errno.ts';
import { pathBytesMax, pathWork } from '../../fs/node.ts';
import { OpenFile } from '../../fs/open-file.ts';
import { type Opened, openPath } from '../../fs/operations.ts';
import { readInto, writeFrom } from '../../io.ts';
import { closeDescriptor } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import type { Abi, Syscall } from '../../syscall.ts';
import { explain } from './explain.ts';
import { inputName, isInputRead, readInput, writeOutput } from './standard-files.ts';

/**
 * Opens the file whose NUL-terminated name is at `name_ptr`, and makes a missing file. Returns its descriptor, the
 * lowest free number; the first is 0. `flags` is ignored: every file is opened for reading and, in scratch, for
 * writing. Relative names begin in `/tmp`.
 */
const open = row('open', ['name_ptr', 'flags'], (guest, pointer) => {
  const name = guest.memory.cString(pointer, pathBytesMax);
  if (name === null) return fail(guest, `open(0x${(pointer >>> 0).toString(16)})`, 'the name has no end');
  guest.work(name.length * pathWork);
  const call = `open("${name}")`;
  if (!isInputRead(guest) && name.split('/').pop() === inputName) {
    return readInput(guest).then((result) => opened(guest, name, call, result));
  }
  return opened(guest, name, call, 0);
});

/** Closes the descriptor `fd`. Returns 0. */
const close = row('close', ['fd'], (guest, fd) => {
  const call = `close(${fd})`;
  return settle(guest, call, closeDescriptor(guest, fd));
});

/** Reads up to `data_len` bytes to `data_ptr`. Returns the number of bytes read, 0 at the end. */
const read = row('read', ['fd', 'data_ptr', 'data_len'], (guest, fd, pointer, length) => {
  const call = `read(${fd}, 0x${(pointer >>> 0).toString(16)}, ${length >>> 0})`;
  return settle(guest, call, readInto(guest, resourceAt(guest, fd, call), pointer, length));
});

/** Writes all of the `data_len` bytes at `data_ptr`. Returns `data_len`. */
const write = row('write', ['fd', 'data_ptr', 'data_len'], (guest, fd, pointer, length) => {
  const call = `write(${fd}, 0x${(pointer >>> 0).toString(16)}, ${length >>> 0})`;
  const written = writeFrom(guest, resourceAt(guest, fd, call), pointer, length);
  const check = (count: number): number =>
    count >= 0 && count < length >>> 0 ? fail(guest, call, explain(Errno.noSpace)) : settled(guest, call, count);
  return written instanceof Promise ? written.then(check) : check(written);
});

export const land: Abi = {
  name: 'land',
  modules: ['env'],
  syscalls: [open, close, read, write],
  after: writeOutput,
};

function opened(guest: Process, name: string, call: string, input: number): number {
  if (guest.end !== null) return Errno.closed;
  if (input < 0) return fail(guest, call, `reading the input: ${explain(input)}`);
  const file = openFile(guest, name);
  if (typeof file === 'number') return fail(guest, call, explain(file));
  if (file.kind === 'directory') return fail(guest, call, explain(Errno.isDirectory));
  const fd = guest.descriptors.add(new OpenFile(file.handle, { read: true, write: file.mayWrite }));
  if (fd < 0) file.handle.close();
  return settled(guest, call, fd);
}

function openFile(guest: Process, name: string): (Opened & { readonly mayWrite: boolean }) | number {
  const { base, rest } = name.startsWith('/') ? guest.files.place(name) : { base: guest.files.scratch, rest: name };
  const options = { read: true, follow: true, exclusive: false, truncate: false, directory: false };
  const writable = openPath(base, rest, { ...options, write: true, create: true });
  if (typeof writable !== 'number') return { ...writable, mayWrite: true };
  if (writable !== Errno.readOnly) return writable;
  const readOnly = openPath(base, rest, { ...options, write: false, create: false });
  // A missing file that cannot be made is reported as read-only: its directory takes no new files.
  if (readOnly === Errno.notFound) return Errno.readOnly;
  return typeof readOnly === 'number' ? readOnly : { ...readOnly, mayWrite: false };
}

function resourceAt(guest: Process, fd: number, call: string): Resource {
  return guest.descriptors.get(fd) ?? fail(guest, call, explain(Errno.badDescriptor));
}

function settle(guest: Process, call: string, result: MaybePromise<number>): MaybePromise<number> {
  if (result instanceof Promise) return result.then((value) => settled(guest, call, value));
  return settled(guest, call, result);
}

function settled(guest: Process, call: string, result: number): number {
  if (result >= 0) return result;
  return result === Errno.end ? 0 : fail(guest, call, explain(result));
}

function fail(guest: Process, call: string, why: string): never {
  return guest.endNow({ kind: 'trap', message: `land: ${call}: ${why}` });
}

function row(
  name: string,
  params: readonly string[],
  run: (guest: Process, ...args: number[]) => MaybePromise<number>,
): Syscall {
  const types = params.map((param) => ({ name: param, type: 'i32' as const }));
  return { name, params: types, result: 'i32', waits: true, looseInts: true, run };
}
