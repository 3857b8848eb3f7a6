/**
 * Asynchronous calls of one part of a composed component by another. Each makes a task of the callee. Code of the linker
 * (src/guest/component/task-glue.ts) runs tasks; this says which one may run, and what the caller learns of it.
 *
 *     starting --admitted--> started --task.return--> returned --the core function ends--> (gone)
 *        |                      +------task.cancel--> cancelled -----------^
 *        +--subtask.cancel--> cancelled before it started
 *
 * A task whose callback asked for an event runs when the event is there, one that yielded in the next round. A part runs one
 * task at a time: the linker puts a task off whose part is in the middle of a call.
 *
 * Spec: component-model, CanonicalABI.md "Task State", "Subtask State", "canon lift", "canon lower".
 */
import { GuestFault } from '../../memory.ts';
import { Wakeup } from '../../net/wakeup.ts';
import type { Process } from '../../process.ts';
import { Loans } from '../handles.ts';
import type { StateOf } from '../state.ts';
import { mayHostWake } from './deadlock.ts';
import { subtaskResource } from './subtask.ts';
import { type Event, eventCode, noEvent, Waitable, WaitableSet, waitableSetResource } from './waitable.ts';

/** Most tasks of one Process that have not ended. */
export const tasksMax = 4096;

/** Host work (Process.work) of looking at one task, in bytes moved. */
const taskWork = 64;

/** Codes of the events of a call. */
const callState = {
  starting: 0,
  started: 1,
  returned: 2,
  cancelledBeforeStarted: 3,
  cancelledBeforeReturned: 4,
} as const;

/** Code of the event that tells a task of its cancellation. */
const taskCancelled = 6;

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

export class Task {
  readonly id: number;
  /** Number of the place in the linked component that makes the call. */
  readonly site: number;
  readonly caller: number;
  readonly callee: number;
  /** Core arguments of the call. */
  readonly args: bigint[] = [];
  /** What the task has borrowed of its caller, until the caller learns that it has returned. */
  readonly loans = new Loans();
  /** Core result of a call whose caller waits; one in memory is stored there. */
  result = 0n;
  context: readonly [number, number] = [0, 0];
  state: number = callState.starting;
  call: PartSubtask | null = null;
  #waits: WaitableSet | 'turn' | null = null;
  cancel: 'none' | 'requested' | 'delivered' = 'none';
  /** Whether the task is put off until a part ends a call. */
  isPutOff = false;
  isOver = false;
  /** Whether the caller has gone on. */
  isAnswered = false;

  /** The task that made the call; null: that of the entry point, or one that a part ran on behalf of another. */
  readonly parent: Task | null;

  constructor(id: number, site: number, { caller, callee, parent }: Pick<Task, 'caller' | 'callee' | 'parent'>) {
    this.id = id;
    this.parent = parent;
    this.site = site;
    this.caller = caller;
    this.callee = callee;
  }

  /** What the task waits for; null: it runs, or has not started. */
  get waits(): WaitableSet | 'turn' | null {
    return this.#waits;
  }

  set waits(waits: WaitableSet | 'turn' | null) {
    if (this.#waits instanceof WaitableSet) this.#waits.waiting -= 1;
    if (waits instanceof WaitableSet) waits.waiting += 1;
    this.#waits = waits;
  }

  get isResolved(): boolean {
    return this.state >= callState.returned;
  }

  /** Whether the task can go on after its wait. */
  get isReady(): boolean {
    if (this.waits === null || this.isPutOff) return false;
    return this.waits === 'turn' || this.cancel === 'requested' || this.waits.hasEvent;
  }
}

const state: StateOf<Tasks> = { make: () => new Tasks() };

/** Returns the tasks of `guest`. */
export function tasksOf(guest: Process): Tasks {
  return guest.component.of(state);
}

class Tasks {
  readonly #tasks = new Map<number, Task>();
  /** Tasks that have not started, in the order of their calls. */
  readonly #queue = new Set<Task>();
  /** The task that each part runs. */
  readonly #running = new Map<number, Task>();
  readonly #backpressure = new Map<number, number>();
  /** Tasks that the linker's code is running, one after the other. */
  #round: Task[] = [];
  #picked: Task | null = null;
  #begun: Task | null = null;
  #ids = 0;
  readonly #changed = new Wakeup();

  /**
   * Makes a task, whose arguments `push` adds. Returns its number. Throws GuestFault for a callee that waits, directly or
   * through others, for the task that calls.
   */
  begin(site: number, caller: number, callee: number): number {
    if (this.#tasks.size >= tasksMax) throw new GuestFault(`more than ${tasksMax} asynchronous calls between parts`);
    const parent = this.running(caller);
    for (let one = parent; one !== null; one = one.parent)
      if (one.caller === callee) throw new GuestFault('a part is called while a call of its own is in progress');
    this.#ids += 1;
    const task = new Task(this.#ids, site, { caller, callee, parent });
    this.#tasks.set(task.id, task);
    this.#begun = task;
    return task.id;
  }

  push(value: bigint): void {
    this.#begun?.args.push(value);
  }

  of(id: number): Task {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new GuestFault(`there is no task ${id}`);
    return task;
  }

  /** Returns whether the callee takes calls now. */
  admits(task: Task): boolean {
    if (this.backpressure(task.callee) > 0) return false;
    for (const { callee } of this.#queue) if (callee === task.callee) return false;
    return true;
  }

  queue(task: Task): void {
    this.#queue.add(task);
  }

  /** Accounts the host work of looking at every task. */
  look(guest: Process): void {
    guest.work(this.#tasks.size * taskWork);
  }

  backpressure(part: number): number {
    return this.#backpressure.get(part) ?? 0;
  }

  setBackpressure(part: number, count: number): void {
    this.#backpressure.set(part, count);
    this.#changed.wake();
  }

  /** Says that the task begins, with its arguments taken, or goes on. */
  enter(task: Task): void {
    this.#running.set(task.callee, task);
    task.waits = null;
    if (task.state !== callState.starting) return;
    this.#queue.delete(task);
    task.state = callState.started;
    task.call?.tell(callState.started);
  }

  /** Takes what the core function returned: how the task goes on. Throws GuestFault for a task that ends unresolved. */
  leave(guest: Process, task: Task, code: number): void {
    this.#running.delete(task.callee);
    for (const one of this.#tasks.values()) one.isPutOff = false;
    const how = code & 15;
    if (how === 0) {
      if (!task.isResolved) throw new GuestFault('a task ends without task.return');
      task.isOver = true;
      if (task.isAnswered) this.#tasks.delete(task.id);
      return;
    }
    if (how === 1) task.waits = 'turn';
    else if (how === 2) task.waits = guest.component.handles.get(waitableSetResource, code >>> 4);
    else throw new GuestFault(`a callback returned the code ${how}`);
  }

  /** Takes the event with which the task goes on. */
  take(guest: Process, task: Task): Event {
    if (task.cancel === 'requested') {
      task.cancel = 'delivered';
      return { ...noEvent, code: taskCancelled };
    }
    return task.waits instanceof WaitableSet ? (task.waits.next(guest) ?? noEvent) : noEvent;
  }

  /** Returns the task that `part` runs; null: that of the entry point. */
  running(part: number): Task | null {
    return this.#running.get(part) ?? null;
  }

  /** Throws GuestFault if the task has returned, or was cancelled. */
  checkUnresolved(task: Task): void {
    if (task.isResolved) throw new GuestFault('a task returns that has returned or was cancelled');
  }

  returned(task: Task): void {
    this.#resolve(task, callState.returned);
  }

  /** Resolves the task that `part` runs without a result. Throws GuestFault unless the task knows of its cancellation. */
  cancelled(part: number): void {
    const task = this.running(part);
    if (task?.cancel !== 'delivered') throw new GuestFault('task.cancel of a task that nobody has cancelled');
    this.checkUnresolved(task);
    this.#resolve(task, callState.cancelledBeforeReturned);
  }

  #resolve(task: Task, state: number): void {
    task.loans.checkDropped();
    task.state = state;
    task.call?.tell(state);
    this.#changed.wake();
  }

  /** Returns what an asynchronous call returns: its state, with the handle of the call above it unless it has returned. */
  status(guest: Process, task: Task): number {
    this.#answer(task);
    if (task.isResolved) return task.state;
    task.call = new PartSubtask(task);
    task.call.handle = guest.component.handles.add(subtaskResource, task.call);
    return task.state | (task.call.handle << 4);
  }

  /** Returns the core result of a call whose caller has waited. */
  takeResult(task: Task): bigint {
    this.#answer(task);
    return task.result;
  }

  /** Says that the caller goes on. A task that has ended is then forgotten. */
  #answer(task: Task): void {
    task.isAnswered = true;
    if (task.isResolved) task.loans.lent.giveBack();
    if (task.isOver) this.#tasks.delete(task.id);
  }

  /** Asks a call to end. A task that has not started ends at once. */
  cancel({ task, isKnown }: PartSubtask): void {
    if (isKnown) throw new GuestFault('a call is cancelled whose end is known');
    if (task.isResolved || task.cancel !== 'none') return;
    if (task.state === callState.starting) {
      this.#queue.delete(task);
      this.#tasks.delete(task.id);
      this.#resolve(task, callState.cancelledBeforeStarted);
      return;
    }
    task.cancel = 'requested';
    this.#changed.wake();
  }

  /** Starts a round: every task that can run now runs once, those that have not started in the order of their calls. */
  beginRound(): void {
    this.#round = [...this.#tasks.values()].filter((task) => task.isReady || this.#canStart(task));
  }

  /** Returns the next task of the round as 2 × (its site + 1), plus 1 if it has started; 0 at the end. */
  next(): number {
    for (;;) {
      const task = this.#round.shift();
      if (task === undefined) return 0;
      const starts = this.#canStart(task);
      if (!starts && !task.isReady) continue;
      this.#picked = task;
      return 2 * (task.site + 1) + (starts ? 0 : 1);
    }
  }

  get picked(): Task {
    if (this.#picked === null) throw new GuestFault('no task was picked');
    return this.#picked;
  }

  /** Puts the picked task off: its part is in the middle of a call. */
  putOff(): void {
    this.picked.isPutOff = true;
  }

  /** Lets tasks that were put off be tried again: the part that waits now is another one. */
  retry(): void {
    for (const task of this.#tasks.values()) task.isPutOff = false;
  }

  #canStart(task: Task): boolean {
    return (
      task.state === callState.starting &&
      !task.isPutOff &&
      this.backpressure(task.callee) === 0 &&
      this.#queue.has(task)
    );
  }

  /**
   * Returns 0 when `isDone()`, and 1 when a task can run; waits for either. `changed` are what else tells of a change. Never
   * resolves after the end of the Process. Rejects with GuestFault if all parts wait for each other.
   */
  idle(guest: Process, isDone: () => boolean, changed: readonly Wakeup[]): number | Promise<number> {
    return this.#look(isDone) ?? this.#later(guest, isDone, changed);
  }

  /** Whether no task goes on after it has returned. */
  get areDone(): boolean {
    for (const task of this.#tasks.values()) if (task.isResolved && !task.isOver) return false;
    return true;
  }

  #look(isDone: () => boolean): number | null {
    if (isDone()) return 0;
    for (const task of this.#tasks.values())
      if ((task.isReady && task.waits !== 'turn') || this.#canStart(task)) return 1;
    return null;
  }

  async #later(guest: Process, isDone: () => boolean, changed: readonly Wakeup[]): Promise<number> {
    for (;;) {
      const waiting = [...this.#tasks.values()].filter(({ isPutOff }) => !isPutOff);
      if (waiting.some(({ waits }) => waits === 'turn')) {
        await new Promise((resolve) => setImmediate(resolve));
        return isDone() ? 0 : 1;
      }
      if (!mayHostWake(guest)) throw new GuestFault('all parts wait for each other: none of them can go on');
      const sets = waiting.flatMap(({ waits }) => (waits instanceof WaitableSet ? [waits.changed] : []));
      await Promise.race([this.#changed, ...changed, ...sets].map((one) => one.wait()));
      const found = this.#look(isDone);
      if (found !== null) return found;
    }
  }
}
