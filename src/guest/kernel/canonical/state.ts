/** State of a Process for the guest of a linked component. */
import type { TextEncoding } from '../../component/wit.ts';
import { GuestFault } from '../memory.ts';
import { Allocations } from './allocations.ts';
import { HandleTable } from './handles.ts';
import type { EncodedText } from './text.ts';

/** Values for a part that does not make the call, which are stored as soon as the linker's code selects its memory. */
export interface Unstored {
  /** Number of the part (component instance) that gets the values. */
  readonly part: number;
  store(): void;
}

/** A value of the handle table that outlives calls of the guest: an end of a stream or future. */
interface End {
  readonly isEnd: true;
  close(): void;
}

/** Number of subjects made so far. */
let subjects = 0;

/**
 * What one subject keeps of each Process: the name of its state, which `make` makes. Made once, when modules are
 * loaded.
 */
export class StateOf<T> {
  readonly make: () => T;
  /** Place of the state among those of a Process. */
  readonly index: number;

  constructor(make: () => T) {
    this.make = make;
    this.index = subjects;
    subjects += 1;
  }
}

export class ComponentState {
  /**
   * States of subjects by their index, see of(). They are no WeakMap by Process: V8 keeps the values of a WeakMap alive
   * in each collection of the young generation, and what they refer to, which is the whole invocation.
   */
  readonly #states: unknown[] = [];
  readonly handles = new HandleTable();
  readonly allocations = new Allocations();
  #unstored: Set<Unstored> | null = null;
  /**
   * Encoding of the strings of the call in progress. Code of the linker sets it for a call that has another one than
   * UTF-8.
   */
  encoding: TextEncoding = 'utf8';
  /** Text on its way from one part to another, in the encoding of the receiver; null: there is none. */
  transcoded: EncodedText | null = null;
  /** Waits for a function of the host while other tasks of a composed component run; null: there are none. */
  waiting: (<T>(promise: Promise<T>) => Promise<T>) | null = null;
  /**
   * Stores the result of a function for which a task has waited: other parts may have moved the memory of its own
   * meanwhile, so code of the linker first selects it anew. Null: there is none.
   */
  storeResult: (() => void) | null = null;
  /** Signal that is aborted when the guest cancels the call that is being started; null for a call without that. */
  cancelled: AbortSignal | null = null;

  /** Whether the call in progress is made by a function whose type is not asynchronous. */
  mustNotWait = false;

  get unstored(): Set<Unstored> {
    this.#unstored ??= new Set();
    return this.#unstored;
  }

  /** Throws GuestFault if the call in progress must not wait. */
  checkMayWait(): void {
    if (this.mustNotWait) throw new GuestFault('a function waits whose type is not asynchronous');
  }

  /** Returns the state of a subject, made at the first use. */
  of<T>(subject: StateOf<T>): T {
    const found = this.known(subject);
    if (found !== undefined) return found;
    const made = subject.make();
    while (this.#states.length <= subject.index) this.#states.push(undefined);
    this.#states[subject.index] = made;
    return made;
  }

  /** Returns the state of a subject; undefined before its first use. */
  known<T>(subject: StateOf<T>): T | undefined {
    return this.#states[subject.index] as T | undefined; // made by this subject in `of`
  }

  /** Calls `act` with strings in `encoding`, which a call had when it began. */
  withEncoding(encoding: TextEncoding, act: () => void): void {
    const before = this.encoding;
    this.encoding = encoding;
    try {
      act();
    } finally {
      this.encoding = before;
    }
  }

  /**
   * Ends all streams and futures whose ends the guest holds. Called when the guest has returned: the host then reads
   * what has been written, and no more comes.
   */
  giveUpEnds(): void {
    // isEnd says so.
    for (const value of this.handles.values()) if ((value as Partial<End>).isEnd === true) (value as End).close();
  }
}
