/** Implements CommonWA `resource`: opens, by URL, everything outside the guest. */
import { Errno } from '../../errno.ts';
import { readInto, writeFrom } from '../../io.ts';
import { closeDescriptor, openDescriptor, urlBytesMax } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { cwaRow, i32s } from './errno.ts';

const readWrite = { read: true, write: true };

/**
 * Opens the URL of `url_len` bytes at `url_ptr` for reading and writing. Returns its descriptor, the lowest free
 * number.
 *
 * Errors: -2 no URL (not UTF-8, a control character in it, longer than 4,096 bytes, or not as its scheme wants it); -3
 * refused by the platform, one descriptor too many included; -4 an unknown scheme, or nothing there. A URL that the
 * policy forbids ends the Process.
 */
export const resourceOpen = cwaRow({
  name: 'resource_open',
  params: i32s('url_ptr', 'url_len'),
  waits: true,
  run: (guest, pointer, length) => {
    guest.memory.check(pointer, length);
    if (length >>> 0 > urlBytesMax) return Errno.invalid;
    const url = guest.memory.strictText(pointer, length);
    return url === null ? Errno.invalid : openDescriptor(guest, url, readWrite);
  },
});

/**
 * Reads up to `data_len` bytes to `data_ptr`. Returns the number of bytes read, and writes no byte beyond it. Waits
 * until there is something to read.
 *
 * Errors: -5 the end; -2 no such descriptor.
 */
export const resourceRead = cwaRow({
  name: 'resource_read',
  params: i32s('fd', 'data_ptr', 'data_len'),
  waits: true,
  run: (guest, fd, pointer, length) => {
    const resource = guest.descriptors.get(fd);
    return resource === undefined ? Errno.badDescriptor : readInto(guest, resource, pointer, length);
  },
});

/**
 * Writes `data_len` bytes from `data_ptr`. Returns the number of bytes written, which is less only where the Resource
 * takes no more. Waits while the Resource is full.
 *
 * Errors: -2 no such descriptor; -1 the Resource takes no bytes.
 */
export const resourceWrite = cwaRow({
  name: 'resource_write',
  params: i32s('fd', 'data_ptr', 'data_len'),
  waits: true,
  run: (guest, fd, pointer, length) => {
    const resource = guest.descriptors.get(fd);
    return resource === undefined ? Errno.badDescriptor : writeFrom(guest, resource, pointer, length);
  },
});

const close = cwaRow({
  name: 'resource_close',
  params: i32s('fd'),
  waits: true,
  run: (guest, fd) => closeDescriptor(guest, fd),
});

/** The row of resource_close whose result is 0 or an error. */
export const resourceCloseWithResult = close;

/**
 * Closes the descriptor `fd`. Written bytes are committed first. A guest may import it with or without its result:
 * Olin's guests declare none.
 *
 * Errors: -2 no such descriptor, which is harmless; the error of a failed commit.
 */
export const resourceClose: Syscall = {
  ...close,
  result: null,
  run: (guest: Process, fd: number) => {
    const result = (close.run as (guest: Process, fd: number) => number | Promise<number>)(guest, fd); // its row
    return result instanceof Promise ? result.then(() => undefined) : undefined;
  },
};

/**
 * Commits or sends the bytes written to `fd`, as its scheme defines, and waits until that is done. Returns 0.
 *
 * Errors: -2 no such descriptor; the error of the Resource.
 */
export const resourceFlush = cwaRow({
  name: 'resource_flush',
  params: i32s('fd'),
  waits: true,
  run: (guest, fd) => guest.descriptors.get(fd)?.flush() ?? Errno.badDescriptor,
});
