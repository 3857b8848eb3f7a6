/** CommonWA `resource`: everything outside the guest, opened by URL. */
import { Errno } from '../../errno.ts';
import { readInto, writeFrom } from '../../io.ts';
import { closeDescriptor, openDescriptor, urlBytesMax } from '../../open.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { cwaRow, i32s } from './errno.ts';

const readWrite = { read: true, write: true };

/**
 * resource_open(url_ptr, url_len) -> descriptor. -2: no URL (not UTF-8, a NUL inside, longer than
 * urlBytesMax); -3: refused by the platform; -4: unknown scheme, or nothing there. A URL that the
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

/** resource_read(fd, ptr, len) -> bytes read, never more written than that. -2: bad descriptor; -5: the end. */
export const resourceRead = cwaRow({
  name: 'resource_read',
  params: i32s('fd', 'data_ptr', 'data_len'),
  waits: true,
  run: (guest, fd, pointer, length) => {
    const resource = guest.descriptors.get(fd);
    return resource === undefined ? Errno.badDescriptor : readInto(guest, resource, pointer, length);
  },
});

/** resource_write(fd, ptr, len) -> bytes written. -2: bad descriptor. */
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

/** resource_close(fd) -> 0; closing what is not open is -2 and harmless. */
export const resourceCloseWithResult = close;

/** resource_close(fd), as Olin's guests declare it. */
export const resourceClose: Syscall = {
  ...close,
  result: null,
  run: (guest: Process, fd: number) => {
    const result = (close.run as (guest: Process, fd: number) => number | Promise<number>)(guest, fd);
    return result instanceof Promise ? result.then(() => undefined) : undefined;
  },
};

/** resource_flush(fd) -> 0, or an error. */
export const resourceFlush = cwaRow({
  name: 'resource_flush',
  params: i32s('fd'),
  waits: true,
  run: (guest, fd) => guest.descriptors.get(fd)?.flush() ?? Errno.badDescriptor,
});
