/**
 * The buffers between which streams and futures copy. A buffer of the guest is a range of its memory; a buffer of the
 * host keeps the values of one copy.
 *
 * Spec: component-model, CanonicalABI.md "Buffer State".
 */

import { KIB } from '../../../../protocol/limits.ts';
import { otherElement } from '../../../component/element-name.ts';
import { alignment, elementBytes, partsOf } from '../../../component/flatten.ts';
import type { TextEncoding } from '../../../component/wit.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';
import type { Hold } from '../handles.ts';
import { beginLifting, type Lifter, liftedBytes, lifter } from '../lift.ts';
import { type Lowerer, lowerer } from '../lower.ts';
import type { Unstored } from '../state.ts';
import type { Chunk, Destination, Element, Origin, Side } from './shared.ts';

/**
 * How the host reads and writes an element: its bytes in memory, their alignment in bytes, and the number of its parts.
 */
interface Layout {
  readonly bytes: number;
  readonly align: number;
  readonly parts: number;
  readonly lift: Lifter;
  readonly lower: Lowerer;
}

const layouts = new WeakMap<Element, Layout>();

/** Returns how values of `element` lie in memory; null without a value. */
function layoutOf(element: Element): Layout | null {
  const { type } = element;
  if (type === null) return null;
  let layout = layouts.get(element);
  if (layout === undefined) {
    layout = {
      bytes: elementBytes(type),
      align: alignment(type),
      parts: partsOf(type),
      lift: lifter(type),
      lower: lowerer(type),
    };
    layouts.set(element, layout);
  }
  return layout;
}

/** Returns whether values of `element` are numbers, which the guest may copy to itself. */
export function isNumeric({ type, name }: Element): boolean {
  return (
    (type === null && name !== otherElement) ||
    (typeof type === 'string' && !['bool', 'char', 'string', 'error-context'].includes(type))
  );
}

/** Most values of one buffer. */
const lengthMax = 2 ** 28 - 1;
/** Most values, other than bytes, that one copy moves: the host makes an object of each. */
export const valuesPerCopy = 4096;
/** Most bytes that one copy of a part of a composed component moves: the host keeps them. One value may take more. */
const partBytesPerCopy = 64 * KIB;
/** Bytes that each part of a value takes in the host, about. */
const partOverheadBytes = 16;

/**
 * A range of the guest's memory. In a composed component the range lies in the memory of one part, which the host
 * reaches only while the linker's code has selected it: the memory moves while other parts run. So the values that the
 * guest writes are taken when the copy begins, and one copy moves fewer values. Those that it reads are stored right
 * after the call of the writer; if the host is the writer, when the event is delivered, or after the next call of a
 * writer.
 */
export class GuestBuffer implements Destination, Origin, Unstored {
  readonly element: Element;
  readonly #guest: Process;
  readonly #pointer: number;
  /** Number of elements. */
  #length: number;
  readonly #layout: Layout | null;
  /** Encoding of the strings in this range. */
  readonly #encoding: TextEncoding;
  /** Values that were written and are not stored yet: they need allocations, handles, or the memory of the part. */
  readonly #stored: { readonly at: number; readonly value: unknown }[] = [];
  /** Bytes that were written and are not stored yet. */
  readonly #storedBytes: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  /** Number of the part whose memory it is; 0 in a component that is not composed. */
  readonly part: number;
  readonly #isOfPart: boolean;
  /** Values of the range, taken when the copy began; null: they are read when they are copied. */
  #taken: Chunk | null = null;
  /** Bytes of `#taken` that count as held by the Process: about those of its values. */
  #takenBytes = 0;
  /** Handles in the values that were taken and not copied, by the place of the value. */
  readonly #holds = new Map<number, readonly Hold[]>();
  /** Number of values copied so far. */
  progress = 0;

  /** Throws GuestFault for a range that is not aligned or lies outside of the memory. */
  constructor(guest: Process, element: Element, side: Side, pointer: number, length: number) {
    this.#guest = guest;
    this.element = element;
    this.#encoding = guest.component.encoding;
    this.part = guest.component.handles.owner;
    this.#isOfPart = this.part !== 0;
    const most = element.type === 'u8' ? partBytesPerCopy : valuesPerCopy;
    this.#length = this.#isOfPart ? Math.min(length >>> 0, most) : length >>> 0;
    if (this.#length > lengthMax) throw new GuestFault(`a copy of ${this.#length} values, at most ${lengthMax}`);
    const layout = layoutOf(element);
    this.#layout = layout;
    this.#pointer = pointer >>> 0;
    if (layout === null || this.#length === 0) return;
    const bytes = this.#length * layout.bytes;
    if (bytes > 0xffff_ffff) throw new GuestFault(`a copy of ${bytes} bytes`);
    guest.memory.check(this.#pointer, bytes);
    if (this.#pointer % layout.align !== 0)
      throw new GuestFault(`values at 0x${this.#pointer.toString(16)}, not aligned to ${layout.align}`);
    if (!this.#isOfPart || side === 'readable') return;
    this.#taken = this.#load(this.#pointer, this.#length, true).slice();
    this.#length = this.#taken.length;
  }

  get remain(): number {
    return this.#length - this.progress;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  read(count: number): Chunk {
    const from = this.progress;
    const start = this.#at();
    this.progress += count;
    if (this.#taken === null) return this.#load(start, count, false);
    for (let place = from; place < this.progress && this.#holds.size > 0; place += 1) {
      for (const hold of this.#holds.get(place) ?? []) hold.take();
      this.#holds.delete(place);
    }
    return this.#taken.slice(from, this.progress);
  }

  /**
   * Gives up what was taken: handles in values that were not copied go back to the part. Called once, when the copy has
   * ended.
   */
  giveBack(): void {
    this.#guest.held.give(this.#takenBytes);
    this.#takenBytes = 0;
    for (const holds of this.#holds.values()) for (const hold of holds) hold.giveBack();
    this.#holds.clear();
  }

  /**
   * Reads `count` values. `isHolding`: handles in them stay with the part until the values are copied, and fewer values
   * are read if these take more than partBytesPerCopy. Throws GuestFault if the Process holds too much.
   */
  #load(start: number, count: number, isHolding: boolean): Chunk {
    const { type, name } = this.element;
    const layout = this.#layout;
    if (type === 'u8') {
      if (isHolding) this.#keep(count);
      return this.#guest.memory.bytes(start, count);
    }
    if (name === otherElement) throw new GuestFault('values of a type that cannot be copied');
    if (layout === null) return new Array<undefined>(count).fill(undefined);
    this.#guest.work(count * layout.bytes);
    beginLifting();
    const values: unknown[] = [];
    let bytes = 0;
    this.#guest.component.withEncoding(this.#encoding, () => {
      for (let index = 0; index < count; index += 1) {
        const load = (): unknown => layout.lift.load(this.#guest, start + index * layout.bytes);
        values.push(isHolding ? this.#hold(index, load) : load());
        if (!isHolding) continue;
        bytes = liftedBytes() + values.length * layout.parts * partOverheadBytes;
        if (bytes >= partBytesPerCopy) break;
      }
    });
    if (isHolding) this.#keep(bytes);
    return values;
  }

  /** Counts what was taken as held by the Process. */
  #keep(bytes: number): void {
    takeHeld(this.#guest, bytes);
    this.#takenBytes = bytes;
  }

  #hold(place: number, load: () => unknown): unknown {
    const { handles } = this.#guest.component;
    const holds: Hold[] = [];
    handles.holds = holds;
    try {
      return load();
    } finally {
      handles.holds = null;
      if (holds.length > 0) this.#holds.set(place, holds);
    }
  }

  write(chunk: Chunk): void {
    const start = this.#at();
    this.progress += chunk.length;
    if (this.#isOfPart) this.#guest.component.unstored.add(this);
    if (chunk instanceof Uint8Array) {
      if (!this.#isOfPart) this.#guest.memory.put(start, chunk);
      else {
        takeHeld(this.#guest, chunk.length);
        this.#storedBytes.push({ at: start, bytes: chunk.slice() });
      }
      return;
    }
    const layout = this.#layout;
    if (layout === null) return;
    // Numbers need no allocation, so they are stored at once: kept until the delivery they would take many times their
    // room in the guest's memory.
    const isStoredNow = isNumeric(this.element) && !this.#isOfPart;
    chunk.forEach((value, index) => {
      const at = start + index * layout.bytes;
      if (isStoredNow) layout.lower.store(this.#guest, at, value);
      else this.#stored.push({ at, value });
    });
  }

  /** Stores what was written, and requests allocations for it. The memory of the part must be selected. */
  store(): void {
    const { component, memory } = this.#guest;
    component.unstored.delete(this);
    for (const { at, bytes } of this.#storedBytes.splice(0)) {
      this.#guest.held.give(bytes.length);
      memory.put(at, bytes);
    }
    const layout = this.#layout;
    if (layout === null || this.#stored.length === 0) return;
    if (!isNumeric(this.element)) component.allocations.begin();
    component.withEncoding(this.#encoding, () => {
      for (const { at, value } of this.#stored.splice(0)) layout.lower.store(this.#guest, at, value);
    });
  }

  #at(): number {
    return this.#pointer + this.progress * (this.#layout?.bytes ?? 0);
  }
}

/** Throws GuestFault if the Process holds too much with `bytes` more. */
function takeHeld(guest: Process, bytes: number): void {
  if (!guest.held.take(bytes)) throw new GuestFault('the invocation holds too many values of copies');
}

/** Keeps what the host reads from a stream or future. */
export class HostDestination implements Destination {
  readonly isEmpty = false;
  /** Number of elements that it takes. */
  readonly #most: number;
  readonly #chunks: Chunk[] = [];
  /** Number of elements in `#chunks`. */
  #length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get remain(): number {
    return this.#most - this.#length;
  }

  /** The values read; null if there are none. */
  get chunk(): Chunk | null {
    const [first] = this.#chunks;
    if (first === undefined) return null;
    if (this.#chunks.length === 1) return first;
    return first instanceof Uint8Array
      ? Buffer.concat(this.#chunks as Uint8Array[]) // chunks of one stream are alike
      : (this.#chunks as unknown[][]).flat(); // as above
  }

  write(chunk: Chunk): void {
    this.#length += chunk.length;
    this.#chunks.push(chunk.slice());
  }
}
