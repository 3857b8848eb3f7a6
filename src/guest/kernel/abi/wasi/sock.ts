/** Implements WASI `sock_*` on connections opened by URL (`/net/tcp/HOST:PORT`). There are no listening sockets. */
import { Errno } from '../../errno.ts';
import { OpenDirectory } from '../../fs/open-file.ts';
import { readInto, retry } from '../../io.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import { toWasi, Wasi } from './errno.ts';
import { putCount, receive, send } from './fd-data.ts';
import { type Iovec, iovecsAt } from './iovec.ts';
import { NetResource } from './net.ts';
import { Right } from './rights.ts';
import { andThen, wasiRow } from './row.ts';
import { FileType, fileTypeOf, stateOf } from './state.ts';

/** Flags of sock_recv (witx: riflags) and of sock_shutdown (sdflags). */
const Receive = { peek: 1, waitall: 2 } as const;
const Shut = { read: 1, write: 2 } as const;

/**
 * Refuses: there are no listening sockets.
 *
 * Errors: inval always, for a connection; notsock no connection.
 */
export const sockAccept = wasiRow('sock_accept', ['fd', 'flags', 'ro_fd'], false, (guest: Process, fd: number) => {
  const socket = socketAt(guest, fd, Right.sockAccept);
  return typeof socket === 'number' ? socket : Wasi.inval;
});

/**
 * Reads from a connection into the `ri_data_len` buffers at `ri_data`. Writes the number of bytes (u32) to `ro_datalen`
 * and 0 (u16) to `ro_flags`. `ri_flags` are 1 peek, into the first buffer, and 2 waitall, until all buffers are full or
 * the stream ends.
 *
 * Errors: inval another flag; notsock no connection.
 */
export const sockRecv = wasiRow(
  'sock_recv',
  ['fd', 'ri_data', 'ri_data_len', 'ri_flags', 'ro_datalen', 'ro_flags'],
  true,
  (
    guest: Process,
    fd: number,
    iovs: number,
    count: number,
    flags: number,
    received: number,
    outFlags: number,
  ): MaybePromise<number> => {
    const socket = socketAt(guest, fd, Right.fdRead);
    if (typeof socket === 'number') return socket;
    if ((flags & ~(Receive.peek | Receive.waitall)) !== 0) return Wasi.inval;
    guest.memory.check(received, 4);
    guest.memory.check(outFlags, 2);
    const iovecs = iovecsAt(guest, iovs, count);
    if (typeof iovecs === 'number') return toWasi(iovecs);
    return andThen(guest, receiveAs(guest, socket, iovecs, flags), (result) => {
      guest.memory.setU16(outFlags, 0);
      return putCount(guest, received, result);
    });
  },
);

/**
 * Writes the `si_data_len` buffers at `si_data` to a connection, and the number of bytes (u32) to `so_datalen`.
 *
 * Errors: inval `si_flags` is not 0; notsock no connection.
 */
export const sockSend = wasiRow(
  'sock_send',
  ['fd', 'si_data', 'si_data_len', 'si_flags', 'so_datalen'],
  true,
  (guest: Process, fd: number, iovs: number, count: number, flags: number, sent: number): MaybePromise<number> => {
    const socket = socketAt(guest, fd, Right.fdWrite);
    if (typeof socket === 'number') return socket;
    if (flags !== 0) return Wasi.inval;
    guest.memory.check(sent, 4);
    const iovecs = iovecsAt(guest, iovs, count);
    if (typeof iovecs === 'number') return toWasi(iovecs);
    return andThen(guest, send(guest, socket, iovecs), (result) => putCount(guest, sent, result));
  },
);

/**
 * Ends one or both directions of a connection: `how` is 1 no more reading, 2 no more writing (FIN), 3 both.
 *
 * Errors: inval another value; notsock no connection; notsup it cannot be closed by halves.
 */
export const sockShutdown = wasiRow(
  'sock_shutdown',
  ['fd', 'how'],
  true,
  (guest: Process, fd: number, how: number): MaybePromise<number> => {
    const socket = socketAt(guest, fd, Right.sockShutdown);
    if (typeof socket === 'number') return socket;
    if (how === 0 || (how & ~(Shut.read | Shut.write)) !== 0) return Wasi.inval;
    const half = { read: (how & Shut.read) !== 0, write: (how & Shut.write) !== 0 };
    return andThen(guest, socket.shutdown?.(half) ?? Errno.notSupported, toWasi);
  },
);

function receiveAs(guest: Process, socket: Resource, iovecs: readonly Iovec[], flags: number): MaybePromise<number> {
  if ((flags & Receive.peek) !== 0) {
    const [first] = iovecs;
    if (!(socket instanceof NetResource)) return Errno.notSupported;
    if (first === undefined) return 0;
    return retry(guest, () => socket.peek(guest.memory.bytes(first.pointer, first.length)));
  }
  return (flags & Receive.waitall) === 0 ? receive(guest, socket, iovecs) : receiveAll(guest, socket, iovecs);
}

async function receiveAll(guest: Process, socket: Resource, iovecs: readonly Iovec[]): Promise<number> {
  let done = 0;
  for (const { pointer, length } of iovecs) {
    for (let filled = 0; filled < length; ) {
      const count = await readInto(guest, socket, pointer + filled, length - filled);
      if (guest.end !== null) return Errno.closed;
      if (count <= 0) return done > 0 ? done : count;
      filled += count;
      done += count;
    }
  }
  return done;
}

/**
 * Returns the connection `fd`, which must have the right asked for; an errno of WASI otherwise. notsock for a file,
 * whatever its rights. badf for a directory, as for every call that moves data: a program has not opened descriptor 3
 * itself, and where other hosts preopen nothing it is badf for them.
 */
function socketAt(guest: Process, fd: number, right: number): Resource | number {
  const resource = guest.descriptors.get(fd);
  if (resource === undefined || resource instanceof OpenDirectory) return Wasi.badf;
  if (fileTypeOf(resource) !== FileType.socketStream) return Wasi.notsock;
  return (stateOf(guest, resource).rights & right) === right ? resource : Wasi.notcapable;
}
