/** The streams that a guest holds: an input-stream or output-stream on a Resource of the kernel. */
import { KIB } from '../../../../../protocol/limits.ts';
import { hostResource, own, variant } from '../../../../component/wit.ts';
import { type Err, err, type Ok, ok } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { isNow } from '../../../watch.ts';
import { HostObject } from '../host-object.ts';
import { type ErrorCodes, errorResource, IoError } from './error.ts';
import { type Sink, sinkOf } from './sink.ts';

/** Name of the interface that defines both resources. */
export const streamsName = 'wasi:io/streams@0.2';
export const inputStreamResource = hostResource(streamsName, 'input-stream');
export const outputStreamResource = hostResource(streamsName, 'output-stream');

export const streamErrorType = variant({ 'last-operation-failed': own(errorResource), closed: null });
export type StreamError =
  | { readonly tag: 'last-operation-failed'; readonly value: IoError }
  | { readonly tag: 'closed' };

/** Most bytes of one read. */
export const readBytesMax = 64 * KIB;
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
  /** Sink of an output-stream; absent: that which all streams of its Resource share. */
  readonly sink?: Sink;
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
    this.sink = options.sink ?? sinkOf(guest, resource, options);
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

export type Waiting<T> = T | Promise<T>;
