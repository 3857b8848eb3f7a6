/**
 * Reads and writes the memory of a guest; no other code of the kernel does. Checks every pointer and length against the
 * size that the memory has for the guest now. An access outside throws GuestFault, which traps the guest. Views are
 * taken anew after every operation that may have grown the memory: the buffer of a memory that has grown is detached
 * and has length 0 (docs/safety.md).
 *
 * The memory may be larger than its size for the guest, by a reserve that the guest grows into. A memory does not
 * shrink while a guest runs, so the last known size is a lower bound: the reserve is read again only for an access
 * beyond it.
 */
import { PAGE_BYTES } from '../../protocol/limits.ts';

/** Thrown for an argument that the ABI has no error number for. The Process ends as trapped. */
export class GuestFault extends Error {
  override readonly name = 'GuestFault';
}

/** Text for the guest: a string, written as UTF-8, or octets that may not be UTF-8, written as they are. */
export type GuestText = string | Uint8Array;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();

export class GuestMemory {
  readonly #memory: WebAssembly.Memory | null;
  #reserve: { readonly value: number } = { value: 0 };
  /** The bytes of the guest at the last look; length 0 if the memory has grown since. */
  #bytes: Uint8Array;
  #view: DataView;
  /** The part of the memory that pointers mean; null: all of it. */
  #window: { readonly base: number; readonly bytes: number } | null = null;

  /** `memory` is null for a module without a memory: every access then throws, except one of length 0 at 0. */
  constructor(memory: WebAssembly.Memory | null) {
    this.#memory = memory;
    this.#bytes = memory === null ? new Uint8Array(0) : new Uint8Array(memory.buffer);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Sets the global with the pages of the reserve. Called when the memory has its initial size. */
  attach(reserve: { readonly value: number }): void {
    this.#reserve = reserve;
    this.#window = null;
    this.#refresh();
  }

  /**
   * Makes all pointers mean offsets in the `bytes` bytes from `base` on, until the next call; null: in the whole
   * memory. A composed component calls this before each call of the host, with the part of the memory that the caller
   * has.
   */
  select(window: { readonly base: number; readonly bytes: number } | null): void {
    this.#window = window;
    this.#refresh();
  }

  /**
   * All bytes of the memory, also of a composed component. Valid until the guest runs again or a promise is awaited.
   */
  get all(): Uint8Array {
    return this.#memory === null ? this.#bytes : new Uint8Array(this.#memory.buffer, 0, this.#length);
  }

  get #length(): number {
    return (this.#memory?.buffer.byteLength ?? 0) - this.#reserve.value * PAGE_BYTES;
  }

  get view(): DataView {
    if (this.#bytes.length === 0) this.#refresh();
    return this.#view;
  }

  /** Size in pages, as `memory.size` returns it. */
  get pages(): number {
    return this.#length / PAGE_BYTES;
  }

  /**
   * Returns a view of `length` bytes at `pointer`, both i32 of either sign. Throws GuestFault for a range outside.
   */
  bytes(pointer: number, length: number): Uint8Array {
    const start = this.check(pointer, length);
    return this.#bytes.subarray(start, start + (length >>> 0));
  }

  /**
   * Returns `pointer` as an unsigned number. Throws GuestFault unless [pointer, pointer + length) lies inside the
   * memory.
   */
  check(pointer: number, length: number): number {
    const start = pointer >>> 0;
    const size = length >>> 0;
    // A buffer of length 0 may be detached.
    if (start + size > this.#bytes.length || this.#bytes.length === 0) {
      this.#refresh();
      if (start + size > this.#bytes.length) throw outside(start, size, this.#bytes.length);
    }
    return start;
  }

  /** Returns the text of `length` bytes at `pointer`. Sequences that are not UTF-8 become U+FFFD. */
  text(pointer: number, length: number): string {
    return this.#shortAscii(pointer, length) ?? decoder.decode(this.bytes(pointer, length));
  }

  /** Returns the text of `length` bytes at `pointer`; null if they are not UTF-8. */
  strictText(pointer: number, length: number): string | null {
    const short = this.#shortAscii(pointer, length);
    if (short !== null) return short;
    const bytes = this.bytes(pointer, length);
    try {
      return strictDecoder.decode(bytes);
    } catch {
      return null;
    }
  }

  /** Returns the NUL-terminated text at `pointer`; null without a NUL within `bytesMax` bytes. */
  cString(pointer: number, bytesMax: number): string | null {
    this.#refresh();
    const start = this.check(pointer, 0);
    const end = this.#bytes.indexOf(0, start);
    if (end < 0 || end - start > bytesMax) return null;
    return decoder.decode(this.#bytes.subarray(start, end));
  }

  /** Copies `bytes` to `pointer`. */
  put(pointer: number, bytes: Uint8Array): void {
    this.bytes(pointer, bytes.length).set(bytes);
  }

  /** Writes `text` as UTF-8 to `pointer`. It must fit into `length` bytes. */
  putText(pointer: number, text: string, length: number): void {
    encoder.encodeInto(text, this.bytes(pointer, length));
  }

  /** Writes `text`, for which isShortAscii is true, to `pointer`. */
  putAscii(pointer: number, text: string): void {
    const start = this.check(pointer, text.length);
    for (let i = 0; i < text.length; i += 1) this.#bytes[start + i] = text.charCodeAt(i);
  }

  setU8(pointer: number, value: number): void {
    const start = this.check(pointer, 1);
    this.#bytes[start] = value;
  }

  setU16(pointer: number, value: number): void {
    const start = this.check(pointer, 2);
    this.#view.setUint16(start, value, true);
  }

  setU32(pointer: number, value: number): void {
    const start = this.check(pointer, 4);
    this.#view.setUint32(start, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    const start = this.check(pointer, 8);
    this.#view.setBigUint64(start, value, true);
  }

  u8(pointer: number): number {
    const start = this.check(pointer, 1);
    return this.#bytes[start] as number;
  }

  u16(pointer: number): number {
    const start = this.check(pointer, 2);
    return this.#view.getUint16(start, true);
  }

  u32(pointer: number): number {
    const start = this.check(pointer, 4);
    return this.#view.getUint32(start, true);
  }

  u64(pointer: number): bigint {
    const start = this.check(pointer, 8);
    return this.#view.getBigUint64(start, true);
  }

  /** Returns the text of `length` bytes at `pointer` if it is ASCII and has at most shortBytes, else null. */
  #shortAscii(pointer: number, length: number): string | null {
    const start = this.check(pointer, length);
    const end = start + (length >>> 0);
    if (end - start > shortBytes) return null;
    const bytes = this.#bytes;
    let text = '';
    let at = start;
    // Four characters at a time take half the time of one after the other.
    for (; at + 4 <= end; at += 4) {
      // Inside the memory, as checked above.
      const [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]] as [number, number, number, number];
      if ((a | b | c | d) > 0x7f) return null;
      text += String.fromCharCode(a, b, c, d);
    }
    for (; at < end; at += 1) {
      const byte = bytes[at] as number; // as above
      if (byte > 0x7f) return null;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #refresh(): void {
    if (this.#memory === null) return;
    const { buffer } = this.#memory;
    const base = Math.min(this.#window?.base ?? 0, this.#length);
    const length = Math.min(this.#window?.bytes ?? this.#length, this.#length - base);
    if (length === this.#bytes.length && buffer === this.#bytes.buffer && base === this.#bytes.byteOffset) return;
    this.#bytes = new Uint8Array(buffer, base, length);
    this.#view = new DataView(buffer, base, length);
  }
}

/**
 * Most bytes that a loop decodes and encodes faster than TextDecoder and TextEncoder, if they are ASCII: names and
 * paths.
 */
const shortBytes = 48;

/**
 * Returns whether `text` is ASCII, and so short that a loop writes it faster than TextEncoder makes an array of it,
 * which is memory outside of V8's heap.
 */
export function isShortAscii(text: string): boolean {
  if (text.length > shortBytes) return false;
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Returns `text` in UTF-8; an unpaired surrogate becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Returns the octets of `text` as the memory of a guest holds them. */
export function octetsOf(text: GuestText): Uint8Array {
  return typeof text === 'string' ? encoder.encode(text) : text;
}

function outside(start: number, size: number, total: number): GuestFault {
  return new GuestFault(
    `pointer 0x${start.toString(16)} with length ${size} lies outside the memory of ${total} bytes`,
  );
}
