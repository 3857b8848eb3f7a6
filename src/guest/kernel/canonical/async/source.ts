/**
 * Streams and futures that the guest reads and the host fills.
 *
 * Spec: component-model, CanonicalABI.md "Stream State", "Future State".
 */
import { KIB } from '../../../../protocol/limits.ts';
import { Errno } from '../../errno.ts';
import type { Process } from '../../process.ts';
import { endOf } from '../../process-end.ts';
import type { Resource } from '../../resource.ts';
import { nothing, watch } from '../../watch.ts';
import { ReadableBase } from './copy-end.ts';
import { type CopyOptions, copyResult, type Destination, type Element } from './shared.ts';

interface PendingRead {
  readonly into: Destination;
  readonly options: CopyOptions;
}

/** Most bytes that are read from a Resource at once. */
const readBytesMax = 64 * KIB;

/**
 * A stream of bytes that the guest, or the host itself, reads from a Resource. Nothing is read before it is asked for.
 */
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
    const mine = this.#pending as PendingRead; // set above
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
  readonly #value: (() => Promise<unknown>) | null;
  readonly #dropped: () => void;
  #settled: { readonly value: unknown } | null = null;
  /** Settles when the value has come; null: it was not asked for yet. */
  #started: Promise<void> | null = null;
  #pending: PendingRead | null = null;

  /**
   * `value` is called at the first read. Its promise must not reject. Null: settle() brings the value. `dropped` is
   * called when the reader drops the future.
   */
  constructor(guest: Process, element: Element, value: (() => Promise<unknown>) | null, dropped: () => void = nothing) {
    super(element);
    this.#dropped = dropped;
    this.#guest = guest;
    this.#value = value;
  }

  /** Returns a future whose value is known. */
  static of(guest: Process, element: Element, value: unknown): FutureSource {
    const future = new FutureSource(guest, element, null);
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
    if (this.#value !== null) this.#started ??= this.#value().then((value) => this.settle(value));
  }

  /** Takes the value. Does nothing the second time. */
  settle(value: unknown): void {
    if (this.#settled !== null) return;
    this.#settled = { value };
    const pending = this.#pending;
    if (pending === null || this.#guest.end !== null) return;
    this.#pending = null;
    guarded(this.#guest, () => {
      pending.into.write([value]);
      pending.options.done(copyResult.completed);
    });
  }
}

/** Runs what belongs to the guest outside of its calls. A fault ends the Process. */
export function guarded(guest: Process, run: () => void): void {
  try {
    run();
  } catch (error) {
    guest.kill(endOf(error));
  }
}
