/**
 * The parts of streams and futures that the guest has made. A channel connects two ends of the guest, or an end of the
 * guest with the host: the copy of one end waits for that of the other.
 *
 * Spec: component-model, CanonicalABI.md "Stream State", "Future State".
 */
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';
import { GuestBuffer, isNumeric, valuesPerCopy } from './buffer.ts';
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
  type Side,
  type Writable,
} from './shared.ts';

interface Pending {
  readonly options: CopyOptions;
  readonly buffer: Destination | Origin;
}

/** The copy that a read meets: an end has one copy at a time, so it is a write. */
function originOf({ buffer }: Pending): Origin {
  return buffer as Origin; // see above
}

/** The copy that a write meets, which is a read. */
function destinationOf({ buffer }: Pending): Destination {
  return buffer as Destination; // see above
}

/** What channels of streams and of futures have in common: the copy that waits for the other end. */
export abstract class GuestChannel extends ReadableBase implements Writable {
  protected pending: Pending | null = null;
  #isDropped = false;
  /**
   * The ends that the guest has got. One that the host has taken back since hears of the other end too, which does
   * nothing.
   */
  readonly #ends: Partial<Record<Side, CopyEnd>> = {};
  /**
   * Says what is wrong with a copy of other values than numbers within one component, or one part of a composed one.
   */
  protected abstract readonly notNumeric: string;

  abstract write(from: Origin, options: CopyOptions): void;

  override get isDropped(): boolean {
    return this.#isDropped;
  }

  override readableEnd(kind: Kind): CopyEnd {
    return this.#add(super.readableEnd(kind));
  }

  writableEnd(kind: Kind): CopyEnd {
    return this.#add(new CopyEnd(kind, 'writable', this));
  }

  #add(end: CopyEnd): CopyEnd {
    this.#ends[end.side] = end;
    if (this.#isDropped) end.otherDropped();
    return end;
  }

  cancel(): void {
    this.finishPending(copyResult.cancelled);
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.finishPending(copyResult.dropped);
    this.#ends.readable?.otherDropped();
    this.#ends.writable?.otherDropped();
  }

  /**
   * Returns the copy of the other end; null if there is none, in which case this one has ended or waits. Throws
   * GuestFault for two ends of one part unless the elements are numbers, as CanonicalABI.md "Stream State" says.
   */
  protected other(buffer: Destination | Origin, options: CopyOptions): Pending | null {
    if (this.#isDropped) {
      options.done(copyResult.dropped);
      return null;
    }
    const { pending } = this;
    if (pending === null) {
      this.wait(buffer, options);
      return null;
    }
    const isWithinOne =
      pending.buffer instanceof GuestBuffer && buffer instanceof GuestBuffer && pending.buffer.part === buffer.part;
    if (isWithinOne && !isNumeric(this.element)) throw new GuestFault(this.notNumeric);
    return pending;
  }

  protected wait(buffer: Destination | Origin, options: CopyOptions): void {
    this.pending = { buffer, options };
  }

  protected finishPending(result: CopyResult): void {
    const { pending } = this;
    this.pending = null;
    pending?.options.done(result);
  }
}

/** Part shared by the ends of a stream that the guest has made. */
class StreamChannel extends GuestChannel {
  protected readonly notNumeric = 'values that are not numbers are copied within one component';

  read(into: Destination, options: CopyOptions): void {
    const pending = this.other(into, options);
    if (pending === null) return;
    if (pending.buffer.remain > 0) {
      if (into.remain > 0) {
        this.#copy(originOf(pending), into);
        pending.options.copied();
      }
      options.done(copyResult.completed);
      return;
    }
    this.finishPending(copyResult.completed);
    this.wait(into, options);
  }

  write(from: Origin, options: CopyOptions): void {
    const pending = this.other(from, options);
    if (pending === null) return;
    if (pending.buffer.remain > 0) {
      if (from.remain > 0) {
        this.#copy(from, destinationOf(pending));
        pending.options.copied();
      }
      options.done(copyResult.completed);
      return;
    }
    if (from.isEmpty && pending.buffer.isEmpty) {
      options.done(copyResult.completed);
      return;
    }
    this.finishPending(copyResult.completed);
    this.wait(from, options);
  }

  override reclaim(buffer: CopyBuffer): void {
    if (this.pending?.buffer === buffer) this.pending = null;
  }

  #copy(from: Origin, into: Destination): void {
    const most = this.element.type === 'u8' ? Number.POSITIVE_INFINITY : valuesPerCopy;
    into.write(from.read(Math.min(from.remain, into.remain, most)));
  }
}

/** Part shared by the ends of a future that the guest has made. */
class FutureChannel extends GuestChannel {
  protected readonly notNumeric = 'a value that is no number is copied within one component';

  read(into: Destination, options: CopyOptions): void {
    this.#meet(into, options, (other) => into.write(originOf(other).read(1)));
  }

  write(from: Origin, options: CopyOptions): void {
    this.#meet(from, options, (other) => destinationOf(other).write(from.read(1)));
  }

  #meet(buffer: Destination | Origin, options: CopyOptions, copy: (other: Pending) => void): void {
    const pending = this.other(buffer, options);
    if (pending === null) return;
    copy(pending);
    this.finishPending(copyResult.completed);
    options.done(copyResult.completed);
  }
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
    writable: addEnd(guest, kind, 'writable', element, shared.writableEnd(kind)),
  };
}
