/**
 * wasi:io/streams: reads and writes the Resources of the kernel. Functions without `blocking` in their names never
 * wait; pollables say when to call them again.
 */

import { KIB } from '../../../../../protocol/limits.ts';
import { borrow, func, list, own, result } from '../../../../component/wit.ts';
import { dropRow, type Err, type Ok, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import {
  type InputStream,
  inputStreamResource,
  type OutputStream,
  outputStreamResource,
  readBytesMax,
  type StreamError,
  streamErrorType,
  streamsName,
  type Waiting,
} from './guest-streams.ts';
import { Pollable, pollableResource } from './poll.ts';
import { outputWritten } from './sink.ts';

/** Most bytes of the functions that write and flush, as the interface defines. */
const blockingWriteBytesMax = 4096n;
const zeros = new Uint8Array(64 * KIB);

function then<T, U>(value: Waiting<T>, next: (value: T) => Waiting<U>): Waiting<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Returns the result of a read with the number of bytes in place of the bytes. */
function counted(read: Ok<Uint8Array> | Err<StreamError>): Ok<bigint> | Err<StreamError> {
  return read.tag === 'ok' ? ok(BigInt(read.value.length)) : read;
}

const input = { self: borrow(inputStreamResource) } as const;
const output = { self: borrow(outputStreamResource) } as const;
const doneOrError = result(null, streamErrorType);
const bytesOrError = result(list('u8'), streamErrorType);
const countOrError = result('u64', streamErrorType);

/**
 * Reads up to `len` bytes, at most 64 KiB. Returns an empty list if no byte has arrived.
 *
 * Errors: closed at the end; last-operation-failed.
 */
const inputStreamRead = witRow(
  '[method]input-stream.read',
  func({ ...input, len: 'u64' }, bytesOrError),
  (guest: Process, self: InputStream, length: bigint) => self.readNow(guest, length),
);

/**
 * Reads up to `len` bytes, at most 64 KiB, after waiting for the first one.
 *
 * Errors: closed at the end; last-operation-failed.
 */
const inputStreamBlockingRead = witRow(
  '[method]input-stream.blocking-read',
  func({ ...input, len: 'u64' }, bytesOrError),
  (guest: Process, self: InputStream, length: bigint) => self.readSoon(guest, length),
  { waits: true },
);

/**
 * Reads as input-stream.read does, and returns the number of bytes in place of the bytes.
 *
 * Errors: closed at the end; last-operation-failed.
 */
const inputStreamSkip = witRow(
  '[method]input-stream.skip',
  func({ ...input, len: 'u64' }, countOrError),
  (guest: Process, self: InputStream, length: bigint) => counted(self.readNow(guest, length)),
);

/**
 * Reads as input-stream.blocking-read does, and returns the number of bytes in place of the bytes.
 *
 * Errors: closed at the end; last-operation-failed.
 */
const inputStreamBlockingSkip = witRow(
  '[method]input-stream.blocking-skip',
  func({ ...input, len: 'u64' }, countOrError),
  (guest: Process, self: InputStream, length: bigint) => then(self.readSoon(guest, length), counted),
  { waits: true },
);

/** Returns a pollable that is ready when a read would return bytes or the end. It is a child of the stream. */
const inputStreamSubscribe = witRow(
  '[method]input-stream.subscribe',
  func(input, own(pollableResource)),
  (_guest: Process, self: InputStream) => new Pollable(self, () => self.readable()),
);

/** Drops an input-stream. */
const dropInputStream = dropRow(inputStreamResource);

/**
 * Returns the number of bytes that the next write may have, at most 64 KiB; 0 if there is no room now.
 *
 * Errors: closed; last-operation-failed for an earlier write or flush that failed.
 */
const outputStreamCheckWrite = witRow(
  '[method]output-stream.check-write',
  func(output, countOrError),
  (_guest: Process, self: OutputStream) => self.checkWrite(),
);

/**
 * Writes `contents`. Never waits. Traps for more bytes than check-write allowed.
 *
 * Errors: closed; last-operation-failed.
 */
const outputStreamWrite = witRow(
  '[method]output-stream.write',
  func({ ...output, contents: list('u8') }, doneOrError),
  (guest: Process, self: OutputStream, contents: Uint8Array) => {
    self.spend(contents.length);
    return self.write(guest, contents);
  },
);

/**
 * Writes `contents`, at most 4,096 bytes, flushes, and waits until that is done. Traps for more bytes.
 *
 * Errors: closed; last-operation-failed.
 */
const outputStreamBlockingWriteAndFlush = witRow(
  '[method]output-stream.blocking-write-and-flush',
  func({ ...output, contents: list('u8') }, doneOrError),
  (guest: Process, self: OutputStream, contents: Uint8Array) => {
    checkBlockingLength(BigInt(contents.length));
    return writeAndFlush(guest, self, contents);
  },
  { waits: true },
);

/**
 * Starts to flush written bytes. Never waits: check-write allows 0 bytes until the flush is done.
 *
 * Errors: closed; last-operation-failed.
 */
const outputStreamFlush = witRow(
  '[method]output-stream.flush',
  func(output, doneOrError),
  (guest: Process, self: OutputStream) => self.flush(guest),
);

/**
 * Flushes written bytes and waits until that is done.
 *
 * Errors: closed; last-operation-failed.
 */
const outputStreamBlockingFlush = witRow(
  '[method]output-stream.blocking-flush',
  func(output, doneOrError),
  (guest: Process, self: OutputStream) => {
    const flushed = self.flush(guest);
    return flushed.tag === 'err' ? flushed : self.settled();
  },
  { waits: true },
);

/** Returns a pollable that is ready when check-write would allow bytes or fail. It is a child of the stream. */
const outputStreamSubscribe = witRow(
  '[method]output-stream.subscribe',
  func(output, own(pollableResource)),
  (_guest: Process, self: OutputStream) =>
    new Pollable(self, () => (self.isClosed || self.sink.failed !== 0 ? null : self.sink.roomLater())),
);

/**
 * Writes `len` zero bytes, as output-stream.write writes bytes. Traps for more bytes than check-write allowed.
 *
 * Errors: closed; last-operation-failed.
 */
const outputStreamWriteZeroes = witRow(
  '[method]output-stream.write-zeroes',
  func({ ...output, len: 'u64' }, doneOrError),
  (guest: Process, self: OutputStream, length: bigint) => {
    const count = length > BigInt(zeros.length) ? Number.MAX_SAFE_INTEGER : Number(length);
    self.spend(count);
    return self.write(guest, zeros.subarray(0, count));
  },
);

/**
 * Writes `len` zero bytes, at most 4,096, flushes, and waits until that is done. Traps for more bytes.
 *
 * Errors: closed; last-operation-failed.
 */
const outputStreamBlockingWriteZeroesAndFlush = witRow(
  '[method]output-stream.blocking-write-zeroes-and-flush',
  func({ ...output, len: 'u64' }, doneOrError),
  (guest: Process, self: OutputStream, length: bigint) => {
    checkBlockingLength(length);
    return writeAndFlush(guest, self, zeros.subarray(0, Number(length)));
  },
  { waits: true },
);

/**
 * Reads up to `len` bytes from `src` and writes them. Returns their number; 0 if no byte of `src` has arrived or there
 * is no room. Never waits.
 *
 * Errors: closed if either stream has ended; last-operation-failed.
 */
const outputStreamSplice = witRow(
  '[method]output-stream.splice',
  func({ ...output, src: borrow(inputStreamResource), len: 'u64' }, countOrError),
  (guest: Process, self: OutputStream, source: InputStream, length: bigint) => splice(guest, self, source, length),
);

/**
 * Waits for room and for bytes of `src`, then splices as output-stream.splice does.
 *
 * Errors: closed if either stream has ended; last-operation-failed.
 */
const outputStreamBlockingSplice = witRow(
  '[method]output-stream.blocking-splice',
  func({ ...output, src: borrow(inputStreamResource), len: 'u64' }, countOrError),
  (guest: Process, self: OutputStream, source: InputStream, length: bigint) =>
    then(self.writable(guest), (status) =>
      status.tag === 'err' ? status : then(source.readSoon(guest, limited(length)), (read) => put(guest, self, read)),
    ),
  { waits: true },
);

/** Drops an output-stream. Bytes that it has taken are still written; they are not flushed. */
const dropOutputStream = dropRow(outputStreamResource);

function checkBlockingLength(length: bigint): void {
  if (length > blockingWriteBytesMax)
    throw new GuestFault(`a blocking write of ${length} bytes, at most ${blockingWriteBytesMax} are possible`);
}

function writeAndFlush(
  guest: Process,
  self: OutputStream,
  contents: Uint8Array,
): Waiting<Ok<undefined> | Err<StreamError>> {
  const written = self.write(guest, contents);
  if (written.tag === 'err') return written;
  const flushed = self.flush(guest);
  return flushed.tag === 'err' ? flushed : self.settled();
}

function splice(
  guest: Process,
  self: OutputStream,
  source: InputStream,
  length: bigint,
): Ok<bigint> | Err<StreamError> {
  const status = self.status();
  if (status.tag === 'err') return status;
  return self.sink.room() === 0 ? ok(0n) : put(guest, self, source.readNow(guest, limited(length)));
}

function limited(length: bigint): bigint {
  return length < BigInt(readBytesMax) ? length : BigInt(readBytesMax);
}

function put(
  guest: Process,
  self: OutputStream,
  read: Ok<Uint8Array> | Err<StreamError>,
): Ok<bigint> | Err<StreamError> {
  if (read.tag === 'err') return read;
  const written = self.write(guest, read.value);
  return written.tag === 'err' ? written : ok(BigInt(read.value.length));
}

export const ioStreams = {
  ...witInterface('wasi2', streamsName, [
    inputStreamRead,
    inputStreamBlockingRead,
    inputStreamSkip,
    inputStreamBlockingSkip,
    inputStreamSubscribe,
    dropInputStream,
    outputStreamCheckWrite,
    outputStreamWrite,
    outputStreamBlockingWriteAndFlush,
    outputStreamFlush,
    outputStreamBlockingFlush,
    outputStreamSubscribe,
    outputStreamWriteZeroes,
    outputStreamBlockingWriteZeroesAndFlush,
    outputStreamSplice,
    outputStreamBlockingSplice,
    dropOutputStream,
  ]),
  /** Writes the bytes that streams have taken before the guest returned. */
  after: (guest: Process): Promise<void> | undefined => {
    const written = outputWritten(guest);
    return written === null ? undefined : guest.wait(written);
  },
};
