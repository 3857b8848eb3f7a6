/**
 * A call of one part of a composed component by another of which one side is asynchronous, and what its caller holds of
 * it.
 */
import { GuestFault } from '../../memory.ts';
import type { Wakeup } from '../../net/wakeup.ts';
import { Loans } from '../handles.ts';
import { eventCode, Waitable, WaitableSet } from './waitable.ts';

/** Codes of the events of a call. */
export const callState = {
  starting: 0,
  started: 1,
  returned: 2,
  cancelledBeforeStarted: 3,
  cancelledBeforeReturned: 4,
} as const;

/** What the caller of a task holds. */
export class PartSubtask extends Waitable {
  protected readonly code = eventCode.subtask;
  readonly task: Task;
  #isKnown = false;

  constructor(task: Task) {
    super();
    this.task = task;
  }

  override get isSettled(): boolean {
    return this.hasEvent && this.task.isResolved;
  }

  /** Whether the caller has learned of the end. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** Makes the event that tells the caller of `state`, a callState. */
  tell(state: number): void {
    this.happen(() => {
      if (state >= callState.returned) {
        this.#isKnown = true;
        this.task.loans.lent.giveBack();
      }
      return state;
    });
  }

  override leave(): void {
    if (!this.#isKnown) throw new GuestFault('a call is dropped whose end is not known');
    super.leave();
  }
}

/** A wait of a task inside its function, on the stack of its own. */
export interface Parked {
  readonly isReady: () => boolean;
  /** Whether the task only lets others go first. */
  readonly isTurn: boolean;
  /** What tells of changes of `isReady`, besides those of tasks. */
  readonly changed: readonly Wakeup[];
  readonly go: () => void;
}

export class Task {
  readonly id: number;
  /** Number of the place in the linked component that makes the call. */
  readonly site: number;
  /** Number of the part that is called. */
  readonly callee: number;
  /** Whether it runs, and waits inside, only while no other such task of the callee does: it is not lifted stackful. */
  readonly isExclusive: boolean;
  /** Core arguments of the call. */
  readonly args: bigint[] = [];
  /** What the task has borrowed of its caller, until the caller learns that it has returned. */
  readonly loans = new Loans();
  /** Core result of a call whose caller waits; one in memory is stored there. */
  result = 0n;
  /** The two context slots of the task, i32 each (CanonicalABI.md "canon context.get"). */
  context: readonly [number, number] = [0, 0];
  /** How far the call is, a callState. */
  state: number = callState.starting;
  call: PartSubtask | null = null;
  cancel: 'none' | 'requested' | 'delivered' = 'none';
  /** The wait inside; null: it runs, or waits outside of its functions, or has not started. */
  parked: Parked | null = null;
  /** The task that goes on as soon as this one waits or ends; null: any task. */
  resumer: Task | null = null;
  isOver = false;
  /** Whether the caller has gone on. */
  isAnswered = false;
  #waits: WaitableSet | 'turn' | null = null;

  constructor(id: number, { site, callee, isExclusive }: Pick<Task, 'site' | 'callee' | 'isExclusive'>) {
    this.id = id;
    this.site = site;
    this.callee = callee;
    this.isExclusive = isExclusive;
  }

  /** What the callback of the task waits for; null: it runs, or has not started. */
  get waits(): WaitableSet | 'turn' | null {
    return this.#waits;
  }

  set waits(waits: WaitableSet | 'turn' | null) {
    if (this.#waits instanceof WaitableSet) this.#waits.waiting -= 1;
    if (waits instanceof WaitableSet) waits.waiting += 1;
    this.#waits = waits;
  }

  /** Whether the task has to learn of its cancellation: one that has returned does not any more. */
  get isCancelPending(): boolean {
    return this.cancel === 'requested' && !this.isResolved;
  }

  get isResolved(): boolean {
    return this.state >= callState.returned;
  }

  /** Whether the task only lets others go first. */
  get isTurn(): boolean {
    return this.parked === null ? this.#waits === 'turn' && !this.isCancelPending : this.parked.isTurn;
  }

  /** Whether what the callback, or the wait inside, waits for is there. */
  get isReady(): boolean {
    if (this.parked !== null) return this.parked.isReady();
    if (this.#waits === null) return false;
    return this.#waits === 'turn' || this.isCancelPending || this.#waits.hasEvent;
  }
}
