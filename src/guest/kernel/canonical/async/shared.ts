/**
 * What streams and futures consist of: ends, the part that two ends share, and buffers between which it copies.
 *
 * Spec: component-model, CanonicalABI.md "Buffer State", "Stream State", "Future State".
 */
import type { WitType } from '../../../component/wit.ts';

/** Type of the values of a stream or future. */
export interface Element {
  /** Name by which import names tell elements apart: `u8`, `_` without a value. */
  readonly name: string;
  /** Null: the values carry nothing. */
  readonly type: WitType | null;
}

export type Kind = 'stream' | 'future';
export type Side = 'readable' | 'writable';

export const copyResult = { completed: 0, dropped: 1, cancelled: 2 } as const;
export type CopyResult = (typeof copyResult)[keyof typeof copyResult];

/** Values of one copy: octets of a stream of u8, otherwise the values, of which those without type are undefined. */
export type Chunk = Uint8Array | readonly unknown[];

export interface CopyBuffer {
  /** Number of values for which there is room, or that are left. */
  readonly remain: number;
  /** Whether the buffer had no values from the start. */
  readonly isEmpty: boolean;
}

/** Takes values. */
export interface Destination extends CopyBuffer {
  /** Stores values, at most `remain`. Bytes are copied before this returns. */
  write(chunk: Chunk): void;
}

/** Gives values. */
export interface Origin extends CopyBuffer {
  /** Returns the next `count` values, at most `remain`. Bytes are a view that is valid until the guest runs again. */
  read(count: number): Chunk;
}

export interface CopyOptions {
  /** Called when values have been copied and the buffer may take or give more. */
  readonly copied: () => void;
  /** Called once, when no more will be copied. */
  readonly done: (result: CopyResult) => void;
}

export interface Shared {
  readonly element: Element;
  /** Whether one of its ends is known to be gone; false where the host has made it, whose copies end with `dropped`. */
  readonly isDropped: boolean;
  /** Forgets `buffer`, from or to which values were copied: the event that says so has been delivered. */
  reclaim(buffer: CopyBuffer): void;
  /** Ends the copy in progress with `cancelled`. */
  cancel(): void;
  /** Ends the stream or future: one of its ends is gone. */
  drop(): void;
}

export interface Readable extends Shared {
  /**
   * Starts a copy of elements into `into`. Calls `options` when elements were copied and when the copy is done, at once
   * or later.
   */
  read(into: Destination, options: CopyOptions): void;
  /** Returns a new readable end for the guest. */
  readableEnd(kind: Kind): End;
}

export interface Writable extends Shared {
  /** Starts a copy of elements from `from`. Calls `options` as read does. */
  write(from: Origin, options: CopyOptions): void;
}

/** An end that the guest holds. */
export interface End {
  /** Handle under which the guest knows the end. */
  handle: number;
  readonly shared: Shared;
  /** Takes the end from the guest. Throws GuestFault if it copies, is done, or is in a waitable set. */
  passOn(): void;
}
