/**
 * One end of a stream or future that the guest holds.
 *
 *     idle --read or write--> copying --its event is delivered--> idle | done
 *      |                         +--cancel, which delivers the event--> idle | done
 *      +--the other end is dropped, and the event that tells of it delivered--> done
 *
 * Spec: component-model, CanonicalABI.md "Stream State", "canon {stream,future}.read/write".
 */
import { GuestFault } from '../../memory.ts';
import type { GuestBuffer } from './buffer.ts';
import {
  type CopyBuffer,
  type CopyOptions,
  type CopyResult,
  copyResult,
  type Destination,
  type Element,
  type End,
  type Kind,
  type Readable,
  type Side,
  type Writable,
} from './shared.ts';
import { eventCode, Waitable } from './waitable.ts';

/** Returned in place of a result by a copy that has not ended: its event will say how it ended. */
export const blocked = -1;

const codes = {
  stream: { readable: eventCode.streamRead, writable: eventCode.streamWrite },
  future: { readable: eventCode.futureRead, writable: eventCode.futureWrite },
} as const;

export class CopyEnd extends Waitable implements End {
  protected readonly code: number;
  /** Tells ends from other values of the handle table. */
  readonly isEnd = true;
  readonly kind: Kind;
  readonly side: Side;
  readonly shared: Readable | Writable;
  #state: 'idle' | 'copying' | 'done' = 'idle';
  /** Whether no more will be copied by the copy in progress. */
  #isOver = false;

  constructor(kind: Kind, side: Side, shared: Readable | Writable) {
    super();
    this.kind = kind;
    this.side = side;
    this.shared = shared;
    this.code = codes[kind][side];
  }

  /** Whether a copy is in progress that may still come to an end, or further. */
  get isCopying(): boolean {
    return this.#state === 'copying' && !this.#isOver;
  }

  /** Whether the end waits in a waitable set for the other one to be dropped. */
  get isListening(): boolean {
    return this.#state === 'idle' && this.isInSet && !this.hasEvent;
  }

  /**
   * Tells the guest that the other end has been dropped, unless an event that says so or the end of a copy is there.
   */
  otherDropped(): void {
    if (this.#state === 'done' || this.hasEvent) return;
    this.happen(() => {
      this.#state = 'done';
      return copyResult.dropped;
    });
  }

  passOn(): void {
    if (this.#state !== 'idle')
      throw new GuestFault(`an end of a ${this.kind} is passed on while it copies, or after its end`);
    this.checkAlone(`an end of a ${this.kind} is passed on`);
  }

  /** Starts a copy. Throws GuestFault if one is in progress, or the end is done. */
  copy(buffer: GuestBuffer): void {
    if (this.#state !== 'idle') throw new GuestFault(`a ${this.kind} is used whose end is ${this.#state}`);
    this.#state = 'copying';
    this.#isOver = false;
    const options = {
      copied: () => this.#happen(buffer, copyResult.completed, () => this.shared.reclaim(buffer)),
      done: (result: CopyResult) => {
        this.#isOver = true;
        this.#happen(buffer, result, () => undefined);
      },
    };
    if (this.side === 'readable')
      (this.shared as Readable).read(buffer, options); // callers give buffers of the end's side
    else (this.shared as Writable).write(buffer, options); // as above
  }

  /**
   * Cancels the copy in progress, of which a part may have been copied. Its event exists when this returns, and the
   * caller takes it at once. Throws GuestFault if no copy is in progress.
   */
  cancel(): void {
    if (this.#state !== 'copying')
      throw new GuestFault(`a copy of a ${this.kind} is cancelled that is not in progress`);
    if (!this.#isOver) this.shared.cancel();
  }

  override leave(): void {
    if (this.#state === 'copying') throw new GuestFault(`an end of a ${this.kind} is dropped while it copies`);
    if (this.kind === 'future' && this.side === 'writable' && this.#state !== 'done')
      throw new GuestFault('the writable end of a future is dropped without a value');
    this.#state = 'done';
    this.shared.drop();
    super.leave();
  }

  /** Gives the end up at the end of the Process. */
  close(): undefined {
    this.#state = 'done';
    this.shared.drop();
  }

  #happen(buffer: GuestBuffer, ended: CopyResult, reclaim: () => void): void {
    this.happen(() => {
      reclaim();
      // A stream may have been dropped since; the value of a future counts for more.
      const result = this.kind === 'stream' && this.shared.isDropped ? copyResult.dropped : ended;
      const isOver = result === copyResult.dropped || (this.kind === 'future' && result === copyResult.completed);
      this.#state = isOver ? 'done' : 'idle';
      if (this.side === 'readable') buffer.store();
      else buffer.giveBack();
      return this.kind === 'future' ? result : result | (buffer.progress << 4);
    });
  }
}

/** Base class of the parts of streams and futures that can be read. */
export abstract class ReadableBase implements Readable {
  readonly element: Element;

  constructor(element: Element) {
    this.element = element;
  }

  readableEnd(kind: Kind): CopyEnd {
    return new CopyEnd(kind, 'readable', this);
  }

  get isDropped(): boolean {
    return false;
  }

  reclaim(_buffer: CopyBuffer): void {}

  abstract cancel(): void;
  abstract drop(): void;
  abstract read(into: Destination, options: CopyOptions): void;
}
