/**
 * The parts of streams and futures that their two ends share. A channel connects two ends of the guest, or an end of
 * the guest with the host; a source is read by the guest and filled by the host.
 *
 * Spec: component-model, CanonicalABI.md "Stream State", "Future State".
 */
import { KIB } from '../../../../protocol/limits.ts';
import { Errno } from '../../errno.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';
import { endOf } from '../../process-end.ts';
import type { Resource } from '../../resource.ts';
import { nothing, watch } from '../../watch.ts';
import { GuestBuffer, HostDestination, isNumeric, valuesPerCopy } from './buffer.ts';
import { CopyEnd, ReadableBase } from './copy-end.ts';
import { addEnd } from './end-handles.ts';
import {
  type CopyBuffer,
  type CopyOptions,
  type CopyResult,
  copyResult,
  type Destination,
  type Element,
  type Kind,
  type Origin,
  type Readable,
  type Writable,
} from './shared.ts';

interface Pending extends CopyOptions {
  readonly buffer: CopyBuffer & Partial<Destination & Origin>;
}

interface PendingRead {
  readonly into: Destination;
  readonly options: CopyOptions;
}

/** Part shared by the ends of a stream that the guest has made. */
export class StreamChannel extends ReadableBase implements Writable {
  #isDropped = false;
  #pending: Pending | null = null;

  cancel(): void {
    this.#finishPending(copyResult.cancelled);
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#finishPending(copyResult.dropped);
  }

  read(into: Destination, options: CopyOptions): void {
    const pending = this.#other(into, options);
    if (pending === null) return;
    if (pending.buffer.remain > 0) {
      if (into.remain > 0) {
        this.#copy(pending.buffer as unknown as Origin, into);
        pending.copied();
      }
      options.done(copyResult.completed);
      return;
    }
    this.#finishPending(copyResult.completed);
    this.#pending = { buffer: into as Pending['buffer'], ...options };
  }

  write(from: Origin, options: CopyOptions): void {
    const pending = this.#other(from, options);
    if (pending === null) return;
    if (pending.buffer.remain > 0) {
      if (from.remain > 0) {
        this.#copy(from, pending.buffer as unknown as Destination);
        pending.copied();
      }
      options.done(copyResult.completed);
      return;
    }
    if (from.isEmpty && pending.buffer.isEmpty) {
      options.done(copyResult.completed);
      return;
    }
    this.#finishPending(copyResult.completed);
    this.#pending = { buffer: from as Pending['buffer'], ...options };
  }

  override reclaim(buffer: CopyBuffer): void {
    if (this.#pending?.buffer === buffer) this.#pending = null;
  }

  /** Returns the copy of the other end; null if there is none, in which case this one has ended or waits. */
  #other(buffer: CopyBuffer, options: CopyOptions): Pending | null {
    if (this.#isDropped) {
      options.done(copyResult.dropped);
      return null;
    }
    const pending = this.#pending;
    if (pending === null) {
      this.#pending = { buffer: buffer as Pending['buffer'], ...options };
      return null;
    }
    if (pending.buffer instanceof GuestBuffer && buffer instanceof GuestBuffer && !isNumeric(this.element))
      throw new GuestFault('values that are not numbers are copied within one component');
    return pending;
  }

  #copy(from: Origin, into: Destination): void {
    const most = this.element.type === 'u8' ? Number.POSITIVE_INFINITY : valuesPerCopy;
    into.write(from.read(Math.min(from.remain, into.remain, most)));
  }

  #finishPending(result: CopyResult): void {
    const pending = this.#pending;
    this.#pending = null;
    pending?.done(result);
  }
}

/** Part shared by the ends of a future that the guest has made. */
export class FutureChannel extends ReadableBase implements Writable {
  #isDropped = false;
  #pending: Pending | null = null;

  cancel(): void {
    this.#finishPending(copyResult.cancelled);
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#finishPending(copyResult.dropped);
  }

  read(into: Destination, options: CopyOptions): void {
    this.#meet(into, options, (other) => into.write((other as unknown as Origin).read(1)));
  }

  write(from: Origin, options: CopyOptions): void {
    this.#meet(from, options, (other) => (other as unknown as Destination).write(from.read(1)));
  }

  #meet(buffer: CopyBuffer, options: CopyOptions, copy: (other: CopyBuffer) => void): void {
    if (this.#isDropped) {
      options.done(copyResult.dropped);
      return;
    }
    const pending = this.#pending;
    if (pending === null) {
      this.#pending = { buffer: buffer as Pending['buffer'], ...options };
      return;
    }
    if (pending.buffer instanceof GuestBuffer && buffer instanceof GuestBuffer && !isNumeric(this.element))
      throw new GuestFault('a value that is no number is copied within one component');
    copy(pending.buffer);
    this.#finishPending(copyResult.completed);
    options.done(copyResult.completed);
  }

  #finishPending(result: CopyResult): void {
    const pending = this.#pending;
    this.#pending = null;
    pending?.done(result);
  }
}

/** Most bytes that are read from a Resource at once. */
const readBytesMax = 64 * KIB;

/** A stream of bytes that the guest, or the host itself, reads from a Resource. Nothing is read before it is asked for. */
export class ResourceSource extends ReadableBase {
  readonly #guest: Process;
  readonly #resource: Resource;
  readonly #ended: (errno: number | null) => void;
  #pending: PendingRead | null = null;
  #unwatch = nothing;
  #isOver = false;

  /**
   * `ended` is called once: with Errno.end or another Errno when the Resource has ended, with null when the reader has
   * dropped the stream before.
   */
  constructor(guest: Process, element: Element, resource: Resource, ended: (errno: number | null) => void) {
    super(element);
    this.#guest = guest;
    this.#resource = resource;
    this.#ended = ended;
  }

  cancel(): void {
    const pending = this.#pending;
    this.#pending = null;
    this.#unwatch();
    pending?.options.done(copyResult.cancelled);
  }

  drop(): void {
    this.#pending = null;
    this.#unwatch();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended(null);
  }

  read(into: Destination, options: CopyOptions): void {
    if (this.#isOver) options.done(copyResult.dropped);
    else {
      this.#pending = { into, options };
      this.#attempt();
    }
  }

  #attempt(): void {
    const mine = this.#pending as PendingRead;
    const { into, options } = mine;
    const waiting = into.remain === 0 ? (this.#resource.readable?.() ?? null) : this.#copy(into);
    if (waiting === null) {
      this.#pending = null;
      options.done(this.#isOver ? copyResult.dropped : copyResult.completed);
      return;
    }
    this.#unwatch = watch(waiting, () => {
      if (this.#pending !== mine || this.#guest.end !== null) return;
      guarded(this.#guest, () => this.#attempt());
    });
  }

  /** Reads once. Returns a promise if no bytes have arrived, else null. */
  #copy(into: Destination): Promise<void> | null {
    const bytes = Buffer.allocUnsafe(Math.min(into.remain, readBytesMax));
    const count = this.#resource.read(bytes);
    if (typeof count !== 'number') return count;
    if (count > 0) {
      this.#guest.account(this.#resource.scheme, count, 0);
      into.write(bytes.subarray(0, count));
      return null;
    }
    this.#isOver = true;
    this.#ended(count === 0 ? Errno.end : count);
    return null;
  }
}

/** Most values that one read of a ValueSource returns. */
const valuesPerRead = 64;

/** A stream whose values the host makes one after the other, without waiting. */
export class ValueSource extends ReadableBase {
  readonly #next: (most: number) => readonly unknown[];
  #isOver = false;

  /** `next` returns up to `most` values; none at the end. */
  constructor(element: Element, next: (most: number) => readonly unknown[]) {
    super(element);
    this.#next = next;
  }

  cancel(): void {}

  drop(): void {
    this.#isOver = true;
  }

  read(into: Destination, { done }: CopyOptions): void {
    if (into.remain > 0 && !this.#isOver) {
      const values = this.#next(Math.min(into.remain, valuesPerRead));
      if (values.length > 0) into.write(values);
      else this.#isOver = true;
    }
    done(this.#isOver ? copyResult.dropped : copyResult.completed);
  }
}

/** A future whose value comes from the host. */
export class FutureSource extends ReadableBase {
  readonly #guest: Process;
  readonly #value: () => Promise<unknown>;
  readonly #dropped: () => void;
  #settled: { readonly value: unknown } | null = null;
  /** Settles when the value has come; null: it was not asked for yet. */
  #started: Promise<void> | null = null;
  #pending: PendingRead | null = null;

  /**
   * `value` is called at the first read. Its promise must not reject. `dropped` is called when the reader drops the
   * future.
   */
  constructor(guest: Process, element: Element, value: () => Promise<unknown>, dropped: () => void = () => undefined) {
    super(element);
    this.#dropped = dropped;
    this.#guest = guest;
    this.#value = value;
  }

  /** Returns a future whose value is known. */
  static of(guest: Process, element: Element, value: unknown): FutureSource {
    const future = new FutureSource(guest, element, () => Promise.resolve(value));
    future.#settled = { value };
    return future;
  }

  cancel(): void {
    const pending = this.#pending;
    this.#pending = null;
    pending?.options.done(copyResult.cancelled);
  }

  drop(): void {
    this.#pending = null;
    this.#dropped();
  }

  read(into: Destination, options: CopyOptions): void {
    if (this.#settled !== null) {
      into.write([this.#settled.value]);
      options.done(copyResult.completed);
      return;
    }
    this.#pending = { into, options };
    this.#started ??= this.#value().then((value) => {
      this.#settled = { value };
      const pending = this.#pending;
      if (pending === null || this.#guest.end !== null) return;
      this.#pending = null;
      guarded(this.#guest, () => {
        pending.into.write([value]);
        pending.options.done(copyResult.completed);
      });
    });
  }
}

/** Runs what belongs to the guest outside of its calls. A fault ends the Process. */
function guarded(guest: Process, run: () => void): void {
  try {
    run();
  } catch (error) {
    guest.kill(endOf(error));
  }
}

/** Reads the next values of a stream for the host, at most `most`. Resolves to null at the end. */
export async function readChunk(stream: Readable, most: number): Promise<Uint8Array | readonly unknown[] | null> {
  for (;;) {
    const into = new HostDestination(most);
    const result = await new Promise<CopyResult>((done) => {
      stream.read(into, { copied: () => done(copyResult.completed), done });
    });
    stream.reclaim(into);
    if (into.chunk !== null) return into.chunk;
    if (result !== copyResult.completed) return null;
  }
}

/** Reads the value of a future for the host. Resolves to undefined if its writer is gone. */
export async function readValue(future: Readable): Promise<unknown> {
  const chunk = await readChunk(future, 1);
  return chunk === null ? undefined : chunk[0];
}

/** Makes a stream or future of the guest. Returns the handles of its ends. */
export function makeEnds(
  guest: Process,
  kind: Kind,
  element: Element,
): { readonly readable: number; readonly writable: number } {
  const shared = kind === 'stream' ? new StreamChannel(element) : new FutureChannel(element);
  return {
    readable: addEnd(guest, kind, 'readable', element, shared.readableEnd(kind)),
    writable: addEnd(guest, kind, 'writable', element, new CopyEnd(kind, 'writable', shared)),
  };
}
