/** WASI `sock_*`, on connections opened by URL (`/net/tcp/HOST:PORT`). There are no listening sockets. */
import { Errno } from '../../errno.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import { toWasi, Wasi } from './errno.ts';
import { putCount, receive, send } from './fd-data.ts';
import { iovecsAt } from './iovec.ts';
import { Right } from './rights.ts';
import { andThen, wasiRow } from './row.ts';
import { FileType, fileTypeOf, stateOf } from './state.ts';

/** witx: riflags, sdflags. */
const Receive = { peek: 1, waitall: 2 } as const;
const Shut = { read: 1, write: 2 } as const;

/** sock_accept(fd, flags, ro_fd: *u32) -> errno. inval: a connection does not listen. */
export const sockAccept = wasiRow('sock_accept', ['fd', 'flags', 'ro_fd'], false, (process: Process, fd: number) => {
  const socket = socketAt(process, fd, Right.sockAccept);
  return typeof socket === 'number' ? socket : Wasi.inval;
});

/** sock_recv(fd, ri_data, ri_data_len, ri_flags, ro_datalen: *u32, ro_flags: *u16) -> errno. notsup: peek, waitall. */
export const sockRecv = wasiRow(
  'sock_recv',
  ['fd', 'ri_data', 'ri_data_len', 'ri_flags', 'ro_datalen', 'ro_flags'],
  true,
  (
    process: Process,
    fd: number,
    iovs: number,
    count: number,
    flags: number,
    received: number,
    outFlags: number,
  ): MaybePromise<number> => {
    const socket = socketAt(process, fd, Right.fdRead);
    if (typeof socket === 'number') return socket;
    if ((flags & ~(Receive.peek | Receive.waitall)) !== 0) return Wasi.inval;
    if (flags !== 0) return Wasi.notsup;
    process.memory.check(received, 4);
    process.memory.check(outFlags, 2);
    const iovecs = iovecsAt(process, iovs, count);
    if (typeof iovecs === 'number') return toWasi(iovecs);
    return andThen(process, receive(process, socket, iovecs), (result) => {
      process.memory.setU16(outFlags, 0);
      return putCount(process, received, result);
    });
  },
);

/** sock_send(fd, si_data, si_data_len, si_flags, so_datalen: *u32) -> errno. si_flags must be 0. */
export const sockSend = wasiRow(
  'sock_send',
  ['fd', 'si_data', 'si_data_len', 'si_flags', 'so_datalen'],
  true,
  (process: Process, fd: number, iovs: number, count: number, flags: number, sent: number): MaybePromise<number> => {
    const socket = socketAt(process, fd, Right.fdWrite);
    if (typeof socket === 'number') return socket;
    if (flags !== 0) return Wasi.inval;
    process.memory.check(sent, 4);
    const iovecs = iovecsAt(process, iovs, count);
    if (typeof iovecs === 'number') return toWasi(iovecs);
    return andThen(process, send(process, socket, iovecs), (result) => putCount(process, sent, result));
  },
);

/** sock_shutdown(fd, how) -> errno. how: 1 no more reading, 2 no more writing (FIN), 3 both. */
export const sockShutdown = wasiRow(
  'sock_shutdown',
  ['fd', 'how'],
  true,
  (process: Process, fd: number, how: number): MaybePromise<number> => {
    const socket = socketAt(process, fd, Right.sockShutdown);
    if (typeof socket === 'number') return socket;
    if (how === 0 || (how & ~(Shut.read | Shut.write)) !== 0) return Wasi.inval;
    const half = { read: (how & Shut.read) !== 0, write: (how & Shut.write) !== 0 };
    return andThen(process, socket.shutdown?.(half) ?? Errno.notSupported, toWasi);
  },
);

/** What it is comes before what it may: notsock for a file, whatever its rights. */
function socketAt(process: Process, fd: number, right: number): Resource | number {
  const resource = process.descriptors.get(fd);
  if (resource === undefined) return Wasi.badf;
  if (fileTypeOf(resource) !== FileType.socketStream) return Wasi.notsock;
  return (stateOf(process, resource).rights & right) === right ? resource : Wasi.notcapable;
}
