/**
 * wasi:io/streams: reads and writes the Resources of the kernel. Functions without `blocking` in their names never
 * wait; pollables say when to call them again.
 */
import { KIB } from '../../../../../protocol/limits.ts';
import { borrow, func, hostResource, list, own, result, variant } from '../../../../component/wit.ts';
import { dropRow, type Err, err, type Ok, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { isNow } from '../../../watch.ts';
import { HostObject } from '../host-object.ts';
import { type ErrorCodes, errorResource, IoError } from './error.ts';
import { Pollable, pollableResource } from './poll.ts';
import { outputWritten, type Sink, sinkOf } from './sink.ts';

const name = 'wasi:io/streams@0.2';
export const inputStreamResource = hostResource(name, 'input-stream');
export const outputStreamResource = hostResource(name, 'output-stream');

export const streamErrorType = variant({ 'last-operation-failed': own(errorResource), closed: null });
export type StreamError =
  | { readonly tag: 'last-operation-failed'; readonly value: IoError }
  | { readonly tag: 'closed' };

/** Most bytes of one read. */
const readBytesMax = 64 * KIB;
/** Most bytes of the functions that write and flush, as the interface defines. */
const blockingWriteBytesMax = 4096n;
const zeros = new Uint8Array(64 * KIB);

const closed = err({ tag: 'closed' } as const);
const none = new Uint8Array(0);

/** Returns text and codes of an Errno, for the error of a stream. */
export type Explain = (errno: number) => { readonly text: string; readonly codes: ErrorCodes };

const plain: Explain = (errno) => ({ text: words.get(errno) ?? `failed with error ${-errno}`, codes: {} });

const words: ReadonlyMap<number, string> = new Map(
  Object.entries(Errno).map(([word, errno]) => [
    errno,
    `failed: ${word.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`,
  ]),
);

export interface StreamOptions {
  /** Object of which the stream is a child. */
  readonly parent?: HostObject;
  readonly explain?: Explain;
  /** Whether the Process ends only after all bytes of the output-stream have been written. */
  readonly isAwaited?: boolean;
  /** Called once, when the stream is closed. */
  readonly onClose?: () => void;
}

/** Shared base of both kinds of streams. After the end of a stream every operation fails. */
abstract class Stream extends HostObject {
  readonly #explain: Explain;
  #onClose: (() => void) | undefined;
  /** Whether the stream has ended, with or without an error. */
  isClosed = false;
  /** Errno of a stream that has ended without an error. */
  protected abstract readonly endErrno: number;

  constructor(options: StreamOptions) {
    super(options.parent ?? null);
    this.#explain = options.explain ?? plain;
    this.#onClose = options.onClose;
  }

  override close(): undefined {
    this.isClosed = true;
    const onClose = this.#onClose;
    this.#onClose = undefined;
    onClose?.();
  }

  /** Closes the stream with `errno`. Returns the error of the interface. */
  protected failed(errno: number): Err<StreamError> {
    this.isClosed = true;
    if (errno === this.endErrno) return closed;
    const { text, codes } = this.#explain(errno);
    return err({ tag: 'last-operation-failed', value: new IoError(text, codes) });
  }
}

export class InputStream extends Stream {
  readonly what = 'input-stream';
  protected readonly endErrno = Errno.end;
  readonly #resource: Resource;

  constructor(resource: Resource, options: StreamOptions = {}) {
    super(options);
    this.#resource = resource;
  }

  /** Reads up to `length` bytes. If none has arrived, returns a promise to wait for before the next call. */
  read(guest: Process, length: bigint): Ok<Uint8Array> | Err<StreamError> | Promise<void> {
    if (this.isClosed) return closed;
    if (length === 0n) return ok(none);
    const buffer = Buffer.allocUnsafe(length < BigInt(readBytesMax) ? Number(length) : readBytesMax);
    const count = this.#resource.read(buffer);
    if (typeof count !== 'number') return count;
    if (count < 0) return this.failed(count);
    guest.account(this.#resource.scheme, count, 0);
    return ok(buffer.subarray(0, count));
  }

  /** Reads up to `length` bytes: no bytes if none has arrived. */
  readNow(guest: Process, length: bigint): Ok<Uint8Array> | Err<StreamError> {
    const got = this.read(guest, length);
    if (!(got instanceof Promise)) return got;
    // Gives a rejection of the promise a handler.
    isNow(got);
    return ok(none);
  }

  /** Reads up to `length` bytes, at least one: waits until one arrives. A `length` of 0 reads nothing. */
  readSoon(guest: Process, length: bigint): Waiting<Ok<Uint8Array> | Err<StreamError>> {
    const got = this.read(guest, length);
    return got instanceof Promise ? this.#readLater(guest, length, got) : got;
  }

  readable(): Promise<void> | null {
    return this.isClosed ? null : (this.#resource.readable?.() ?? null);
  }

  async #readLater(guest: Process, length: bigint, first: Promise<void>): Promise<Ok<Uint8Array> | Err<StreamError>> {
    for (let waiting = first; ; ) {
      await waiting;
      if (guest.end !== null) return closed;
      const got = this.read(guest, length);
      if (!(got instanceof Promise)) return got;
      waiting = got;
    }
  }
}

export class OutputStream extends Stream {
  readonly what = 'output-stream';
  protected readonly endErrno = Errno.closed;
  readonly sink: Sink;
  /** Number of bytes that check-write has granted and no write has used. */
  #permit = 0;
  #hasLeft = false;

  constructor(guest: Process, resource: Resource, options: StreamOptions = {}) {
    super(options);
    this.sink = sinkOf(guest, resource, options);
  }

  override close(): undefined {
    super.close();
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.sink.leave();
  }

  /** Returns the number of bytes that may be written now; 0 without room. */
  checkWrite(): Ok<bigint> | Err<StreamError> {
    const status = this.status();
    if (status.tag === 'err') return status;
    this.#permit = this.sink.room();
    return ok(BigInt(this.#permit));
  }

  /** Uses `length` bytes of the permit. Throws GuestFault if it was smaller. */
  spend(length: number): void {
    if (length > this.#permit)
      throw new GuestFault(`a write of ${length} bytes where check-write allowed ${this.#permit}`);
    this.#permit -= length;
  }

  write(guest: Process, bytes: Uint8Array): Ok<undefined> | Err<StreamError> {
    const before = this.status();
    if (before.tag === 'err') return before;
    this.sink.write(guest, bytes);
    return this.status();
  }

  flush(guest: Process): Ok<undefined> | Err<StreamError> {
    const before = this.status();
    if (before.tag === 'err') return before;
    this.sink.flush(guest);
    return this.status();
  }

  /** Returns the status once all requested operations are done. */
  settled(): Waiting<Ok<undefined> | Err<StreamError>> {
    const { pending } = this.sink;
    return pending === null ? this.status() : pending.then(() => this.settled());
  }

  /** Returns the status once the stream has room. */
  writable(guest: Process): Waiting<Ok<undefined> | Err<StreamError>> {
    const status = this.status();
    const waiting = status.tag === 'err' ? null : this.sink.roomLater();
    if (waiting === null || isNow(waiting)) return status;
    return waiting.then(() => (guest.end === null ? this.writable(guest) : closed));
  }

  status(): Ok<undefined> | Err<StreamError> {
    if (this.isClosed) return closed;
    return this.sink.failed === 0 ? ok() : this.failed(this.sink.failed);
  }
}

type Waiting<T> = T | Promise<T>;

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
  ...witInterface('wasi2', name, [
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
