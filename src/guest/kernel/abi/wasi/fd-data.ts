/** Implements the WASI calls `fd_*` that move data: read, write, seek and sync. */
import { Errno } from '../../errno.ts';
import { OpenDirectory, OpenFile } from '../../fs/open-file.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise, Resource } from '../../resource.ts';
import type { Syscall } from '../../syscall.ts';
import { isNow } from '../../watch.ts';
import { toWasi, Wasi } from './errno.ts';
import { callBytesMax, type Iovec, iovecsAt, readStream, writeStream } from './iovec.ts';
import { Right } from './rights.ts';
import { andThen, wasiRow } from './row.ts';
import { FdFlag, fileAt, resourceAt, stateOf } from './state.ts';
import type { WasiVersion } from './version.ts';

/** Largest file offset that arithmetic on doubles keeps exact. */
const offsetMax = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Reads into the `iovs_len` buffers at `iovs`, one after the other. Writes the number of bytes read (u32) to `nread`, 0
 * at the end. Waits for the first byte.
 *
 *     iovs -> [buf][len] [buf][len]
 *
 * Errors: again nothing there now, with the nonblock flag; badf not open for reading; inval more than 1,024 buffers.
 */
export const fdRead = wasiRow(
  'fd_read',
  ['fd', 'iovs', 'iovs_len', 'nread'],
  true,
  (guest: Process, fd: number, iovs: number, count: number, nread: number): MaybePromise<number> => {
    const resource = dataAt(guest, fd, Right.fdRead);
    if (typeof resource === 'number') return resource;
    guest.memory.check(nread, 4);
    const iovecs = iovecsAt(guest, iovs, count);
    if (typeof iovecs === 'number') return toWasi(iovecs);
    return andThen(guest, receive(guest, resource, iovecs), (result) => putCount(guest, nread, result));
  },
);

/**
 * Writes the `iovs_len` buffers at `iovs`, one after the other, and the number of bytes written (u32) to `nwritten`.
 * Waits until everything has been taken.
 *
 * Errors: again no room now, with the nonblock flag; badf not open for writing; inval more than 1,024 buffers; nospc
 * scratch is full.
 */
export const fdWrite = wasiRow(
  'fd_write',
  ['fd', 'iovs', 'iovs_len', 'nwritten'],
  true,
  (guest: Process, fd: number, iovs: number, count: number, nwritten: number): MaybePromise<number> => {
    const resource = dataAt(guest, fd, Right.fdWrite);
    if (typeof resource === 'number') return resource;
    guest.memory.check(nwritten, 4);
    const iovecs = iovecsAt(guest, iovs, count);
    if (typeof iovecs === 'number') return toWasi(iovecs);
    return andThen(guest, send(guest, resource, iovecs), (result) => putCount(guest, nwritten, result));
  },
);

/**
 * Reads into the `iovs_len` buffers at `iovs` from the file's byte `offset` on. Writes the number of bytes read (u32)
 * to `nread`, 0 at the end. Leaves the file's position alone.
 *
 * Errors: spipe a stream; badf not open for reading.
 */
export const fdPread = wasiRow(
  'fd_pread',
  ['fd', 'iovs', 'iovs_len', 'offset:i64', 'nread'],
  false,
  (guest: Process, fd: number, iovs: number, count: number, offset: bigint, nread: number) =>
    atOffset(guest, { fd, iovs, count, offset, result: nread }, Right.fdRead, (file, bytes, position) =>
      file.mayRead ? file.handle.read(bytes, position) : Errno.denied,
    ),
);

/**
 * Writes the `iovs_len` buffers at `iovs` to the file at byte `offset`, as POSIX requires even if append is set. Writes
 * the number of bytes written (u32) to `nwritten`. Leaves the file's position alone.
 *
 * Errors: spipe a stream; badf not open for writing.
 */
export const fdPwrite = wasiRow(
  'fd_pwrite',
  ['fd', 'iovs', 'iovs_len', 'offset:i64', 'nwritten'],
  false,
  (guest: Process, fd: number, iovs: number, count: number, offset: bigint, nwritten: number) =>
    atOffset(guest, { fd, iovs, count, offset, result: nwritten }, Right.fdWrite, (file, bytes, position) =>
      file.mayWrite ? file.handle.write(bytes, position) : Errno.denied,
    ),
);

/**
 * Moves the file's position by `offset` (signed) from the place that `whence` names, and writes the new position (u64)
 * to `newoffset`. `whence` is 0 set, 1 cur, 2 end; in wasi_unstable 0 cur, 1 end, 2 set.
 *
 * Errors: inval another whence, or a position before the file's start; overflow past 2^53; spipe a stream.
 */
export function fdSeek({ whence }: WasiVersion): Syscall {
  return wasiRow(
    'fd_seek',
    ['fd', 'offset:i64', 'whence', 'newoffset'],
    false,
    (guest: Process, fd: number, offset: bigint, origin: number, newOffset: number) => {
      // witx: a seek by 0 from cur needs the right fd_tell only, and the right fd_seek implies it.
      const isTell = origin === whence.cur && offset === 0n;
      const file = isTell ? toldAt(guest, fd) : fileAt(guest, fd, Right.fdSeek);
      if (typeof file === 'number') return file;
      let from = 0;
      if (origin === whence.cur) from = file.position;
      else if (origin === whence.end) {
        const stat = file.handle.stat();
        if (typeof stat === 'number') return toWasi(stat);
        from = stat.size;
      } else if (origin !== whence.set) return Wasi.inval;
      const target = BigInt(from) + offset;
      if (target < 0n) return Wasi.inval;
      if (target > offsetMax) return Wasi.overflow;
      guest.memory.setU64(newOffset, target);
      file.position = Number(target);
      return Wasi.success;
    },
  );
}

/**
 * Writes the file's position (u64) to `offset`.
 *
 * Errors: spipe a stream.
 */
export const fdTell = wasiRow('fd_tell', ['fd', 'offset'], false, (guest: Process, fd: number, pointer: number) => {
  const file = toldAt(guest, fd);
  if (typeof file === 'number') return file;
  guest.memory.setU64(pointer, BigInt(file.position));
  return Wasi.success;
});

/**
 * Makes the file at least `offset + len` bytes long; new bytes are zeros.
 *
 * Errors: inval `len` is 0; badf not open for writing; fbig or nospc past what scratch holds; spipe no file.
 */
export const fdAllocate = wasiRow(
  'fd_allocate',
  ['fd', 'offset:i64', 'len:i64'],
  false,
  (guest: Process, fd: number, offset: bigint, length: bigint) => {
    const file = fileAt(guest, fd, Right.fdAllocate);
    if (typeof file === 'number') return file;
    const end = BigInt.asUintN(64, offset) + BigInt.asUintN(64, length);
    if (length === 0n) return Wasi.inval;
    if (!file.mayWrite) return Wasi.badf;
    if (end > offsetMax) return Wasi.fbig;
    return resize(guest, file, () => file.handle.allocate(Number(end)));
  },
);

/**
 * Accepts advice, 0 to 5, on how a range of a file will be used. Has no effect: all bytes are in memory already.
 *
 * Errors: inval another advice, or a range that no file can have; spipe no file.
 */
export const fdAdvise = wasiRow(
  'fd_advise',
  ['fd', 'offset:i64', 'len:i64', 'advice'],
  false,
  (guest: Process, fd: number, offset: bigint, length: bigint, advice: number) => {
    const file = fileAt(guest, fd, Right.fdAdvise);
    if (typeof file === 'number') return file;
    const isRange = BigInt.asUintN(64, offset) + BigInt.asUintN(64, length) < 1n << 64n;
    return isRange && advice >= 0 && advice <= 5 ? Wasi.success : Wasi.inval;
  },
);

/**
 * Commits or sends written bytes, as the Resource defines, and waits until that is done: http sends its request, a
 * queue publishes.
 *
 * Errors: the error of a failed commit.
 */
export const fdSync = wasiRow('fd_sync', ['fd'], true, (guest: Process, fd: number) => flush(guest, fd, Right.fdSync));

/** Does the same as fd_sync. */
export const fdDatasync = wasiRow('fd_datasync', ['fd'], true, (guest: Process, fd: number) =>
  flush(guest, fd, Right.fdDatasync),
);

function flush(guest: Process, fd: number, right: number): MaybePromise<number> {
  const resource = resourceAt(guest, fd, right);
  return typeof resource === 'number' ? resource : andThen(guest, resource.flush(), toWasi);
}

/**
 * Changes the size of a file by `change`. Counts the added zeros and the dropped bytes as host work. Returns an errno
 * of WASI.
 */
export function resize(guest: Process, file: OpenFile, change: () => number): number {
  const before = file.handle.stat();
  const result = change();
  const after = file.handle.stat();
  if (typeof before !== 'number' && typeof after !== 'number') guest.work(Math.abs(after.size - before.size));
  return toWasi(result);
}

/**
 * Returns the Resource that `fd` reads from or writes to, or an errno of WASI: badf, as read(2) and write(2), for a
 * descriptor that was not opened for it, such as a directory.
 */
export function dataAt(guest: Process, fd: number, right: number): Resource | number {
  const resource = resourceAt(guest, fd, right);
  return resource === Wasi.notcapable || resource instanceof OpenDirectory ? Wasi.badf : resource;
}

function toldAt(guest: Process, fd: number): OpenFile | number {
  const file = fileAt(guest, fd, 0);
  if (typeof file === 'number') return file;
  return (stateOf(guest, file).rights & (Right.fdTell | Right.fdSeek)) !== 0 ? file : Wasi.notcapable;
}

/**
 * Reads from a file or a stream, as its flags require. Returns the number of bytes read, 0 at the end; an Errno; or
 * `again`, with the nonblock flag, when there is nothing to read now.
 */
export function receive(guest: Process, resource: Resource, iovecs: readonly Iovec[]): MaybePromise<number> {
  if (resource instanceof OpenFile) {
    const count = eachIovec(guest, iovecs, (bytes) => {
      const read = resource.read(bytes);
      return read === Errno.end ? 0 : read;
    });
    if (count > 0) guest.account(resource.scheme, count, 0);
    return count;
  }
  if (isNonblocking(guest, resource) && !isNow(resource.readable?.() ?? null)) return again;
  return readStream(guest, resource, iovecs);
}

/**
 * Writes to a file or a stream, as its flags require. Returns the number of bytes written; an Errno; or `again`, with
 * the nonblock flag, when there is no room now.
 */
export function send(guest: Process, resource: Resource, iovecs: readonly Iovec[]): MaybePromise<number> {
  if (resource instanceof OpenFile) {
    const count = eachIovec(guest, iovecs, (bytes) => resource.write(bytes));
    if (count > 0) guest.account(resource.scheme, 0, count);
    // Only a folder of the host needs the commit; other files are in memory.
    const isSynchronised = (stateOf(guest, resource).flags & (FdFlag.dsync | FdFlag.sync)) !== 0;
    const synced = count > 0 && isSynchronised ? resource.flush() : 0;
    return synced < 0 ? synced : count;
  }
  if (isNonblocking(guest, resource) && !isNow(resource.writable?.() ?? null)) return again;
  return writeStream(guest, resource, iovecs);
}

/**
 * Result of a read that would have to wait, with the nonblock flag. It is not in Errno: no other ABI has such a read.
 */
const again = -1000;

function isNonblocking(guest: Process, resource: Resource): boolean {
  return (stateOf(guest, resource).flags & FdFlag.nonblock) !== 0;
}

/**
 * Fills or sends one buffer after the other, until one is not done in full or callBytesMax bytes are done. Returns the
 * sum, or the Errno of the first buffer.
 */
function eachIovec(guest: Process, iovecs: readonly Iovec[], move: (bytes: Uint8Array) => number): number {
  let done = 0;
  for (const { pointer, length } of iovecs) {
    const count = move(guest.memory.bytes(pointer, Math.min(length, callBytesMax - done)));
    if (count < 0) return done > 0 ? done : count;
    done += count;
    if (count < length) break;
  }
  return done;
}

interface OffsetCall {
  readonly fd: number;
  readonly iovs: number;
  readonly count: number;
  /** Offset in the file, in bytes. */
  readonly offset: bigint;
  /** Pointer to which the number of bytes is written. */
  readonly result: number;
}

function atOffset(
  guest: Process,
  call: OffsetCall,
  right: number,
  move: (file: OpenFile, bytes: Uint8Array, position: number) => number,
): number {
  // witx: fd_pread and fd_pwrite also need the right fd_seek.
  const file = fileAt(guest, call.fd, Right.fdSeek);
  if (typeof file === 'number') return file;
  if ((stateOf(guest, file).rights & right) === 0) return Wasi.badf;
  guest.memory.check(call.result, 4);
  const iovecs = iovecsAt(guest, call.iovs, call.count);
  if (typeof iovecs === 'number') return toWasi(iovecs);
  if (call.offset < 0n) return Wasi.inval;
  if (call.offset > offsetMax) return Wasi.fbig;
  let position = Number(call.offset);
  const result = eachIovec(guest, iovecs, (bytes) => {
    const count = move(file, bytes, position);
    if (count > 0) position += count;
    return count;
  });
  if (result > 0) guest.account(file.scheme, right === Right.fdRead ? result : 0, right === Right.fdRead ? 0 : result);
  return putCount(guest, call.result, result);
}

/**
 * Writes `result` of receive or send to `pointer` as a u32, 0 for Errno.end. Returns an errno of WASI: success, or that
 * of `result`, with nothing written.
 */
export function putCount(guest: Process, pointer: number, result: number): number {
  if (result === again) return Wasi.again;
  if (result < 0 && result !== Errno.end) return toWasi(result);
  guest.memory.setU32(pointer, Math.max(0, result));
  return Wasi.success;
}
