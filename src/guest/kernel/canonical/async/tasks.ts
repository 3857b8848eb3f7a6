/**
 * Asynchronous calls of one part of a composed component by another. Each makes a task of the callee, which runs on a
 * stack of its own while code of it runs. One task runs at a time: it hands the thread on where it waits, so code of
 * the guest never meets other code of the guest in the middle of a function.
 *
 *     starting --admitted--> started --task.return--> returned --the core function ends--> (gone)
 *        |                      +------task.cancel--> cancelled -----------^
 *        +--subtask.cancel--> cancelled before it started
 *
 * A call runs the task until it waits or ends; then its caller goes on. Of the tasks that wait, one that can go on is
 * taken when the running one waits, that which ran last at the end. A task whose callback has returned has no stack.
 *
 * Spec: component-model, CanonicalABI.md "Thread State", "Task State", "Subtask State", "canon lift", "canon lower".
 */
import { GuestFault } from '../../memory.ts';
import { Wakeup } from '../../net/wakeup.ts';
import type { Process } from '../../process.ts';
import { endOf } from '../../process-end.ts';
import { StateOf } from '../state.ts';
import { mayHostWake } from './deadlock.ts';
import { subtaskResource } from './subtask.ts';
import { callState, type Parked, PartSubtask, Task } from './task.ts';
import { type Event, noEvent, WaitableSet, waitableSetResource } from './waitable.ts';

/** Most tasks of one Process that have not ended. */
export const tasksMax = 4096;

/** Stacks of the tasks of one Process that run, or wait inside a function. */
export const taskStacks = {
  max: 128,
  /**
   * Bytes that each counts as held for the guest (Process.held): the pages that a stack of ordinary depth has touched.
   */
  bytes: 65_536,
} as const;

/** Host work (Process.work) of looking at one task, in bytes moved. */
const taskWork = 64;

/** Code of the event that tells a task of its cancellation. */
const taskCancelled = 6;

const state = new StateOf<{ tasks: Tasks | null }>(() => ({ tasks: null }));

/** Returns the tasks of `guest`. */
export function tasksOf(guest: Process): Tasks {
  const held = guest.component.of(state);
  held.tasks ??= new Tasks(guest);
  return held.tasks;
}

class Tasks {
  readonly #guest: Process;
  readonly #tasks = new Map<number, Task>();
  /** Tasks that have not ended, and the entry point; that which ran last is at the end. */
  readonly #order = new Set<Task>();
  /** Tasks that have not started, in the order of their calls. */
  readonly #queue = new Set<Task>();
  /** The task of each part beside which no other exclusive one runs. */
  readonly #exclusive = new Map<number, Task>();
  readonly #backpressure = new Map<number, number>();
  #entry = new Task(0, { site: -1, callee: -1, isExclusive: false });
  #current = this.#entry;
  #begun: Task | null = null;
  /** Id of the newest task. */
  #ids = 0;
  #stacks = 0;
  /** Number of tasks that wait for a function of the host. */
  #hostCalls = 0;
  readonly #changed = new Wakeup();

  constructor(guest: Process) {
    this.#guest = guest;
  }

  /** Says that the entry point of `part` begins, or goes on after a wait. */
  enterEntry(part: number, isExclusive: boolean): void {
    this.#entry = new Task(0, { site: -1, callee: part, isExclusive });
    this.#entry.state = callState.started;
    this.#current = this.#entry;
    this.#guest.component.waiting = (promise) => this.#hostCall(promise);
    this.#order.add(this.#entry);
    this.#take(this.#entry);
  }

  /** Makes a task, whose arguments `push` adds. Returns its number. */
  begin(site: number, callee: number, isExclusive: boolean): number {
    if (this.#tasks.size >= tasksMax) throw new GuestFault(`more than ${tasksMax} asynchronous calls between parts`);
    this.#ids += 1;
    const task = new Task(this.#ids, { site, callee, isExclusive });
    this.#tasks.set(task.id, task);
    this.#order.add(task);
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

  /** The task whose code runs. */
  get current(): Task {
    return this.#current;
  }

  /** Returns the task of a call that runs in `part`; null: that of the entry point, or a call without a task. */
  running(part: number): Task | null {
    return this.#current !== this.#entry && this.#current.callee === part ? this.#current : null;
  }

  backpressure(part: number): number {
    return this.#backpressure.get(part) ?? 0;
  }

  setBackpressure(part: number, count: number): void {
    this.#backpressure.set(part, count);
    this.#changed.wake();
  }

  /** Runs a task until it waits or ends, or queues it while its callee takes no calls. */
  start(id: number): undefined | Promise<undefined> {
    const task = this.of(id);
    let isFirst = true;
    for (const { callee } of this.#queue) if (callee === task.callee) isFirst = false;
    if (isFirst && this.#isFree(task) && this.backpressure(task.callee) === 0) return this.#switchTo(task);
    this.#queue.add(task);
    return undefined;
  }

  /** Says that the current task begins, with its arguments taken, or goes on. */
  enter(task: Task): void {
    task.waits = null;
    if (task.state !== callState.starting) return;
    task.state = callState.started;
    task.call?.tell(callState.started);
  }

  /** Takes what the core function returned: how the task goes on. Throws GuestFault for a task that ends unresolved. */
  leave(task: Task, code: number): void {
    this.#giveUp(task);
    const how = code & 15;
    if (how === 0) {
      if (!task.isResolved) throw new GuestFault('a task ends without task.return');
      task.isOver = true;
      this.#order.delete(task);
      if (task.isAnswered) this.#tasks.delete(task.id);
      return;
    }
    task.waits = this.#wanted(how, code);
  }

  #wanted(how: number, code: number): WaitableSet | 'turn' {
    if (how === 1) return 'turn';
    if (how !== 2) throw new GuestFault(`a callback returned the code ${how}`);
    return this.#guest.component.handles.get(waitableSetResource, code >>> 4) as WaitableSet;
  }

  /** Takes the event with which the callback of a task goes on. */
  take(task: Task): Event {
    if (task.isCancelPending) {
      task.cancel = 'delivered';
      return { ...noEvent, code: taskCancelled };
    }
    return task.waits instanceof WaitableSet ? (task.waits.next(this.#guest) ?? noEvent) : noEvent;
  }

  /** Waits as the callback of the entry point asks. */
  waitEntry(code: number): undefined | Promise<undefined> {
    const entry = this.#entry;
    this.#giveUp(entry);
    const wanted = this.#wanted(code & 15, code);
    entry.waits = wanted;
    if (wanted === 'turn') return this.wait({ isReady: () => this.#isFree(entry), isTurn: true });
    return this.wait({ isReady: () => this.#isFree(entry) && wanted.hasEvent, changed: [wanted.changed] });
  }

  /** Returns the event with which the callback of the entry point goes on. */
  eventOfEntry(): Event {
    const entry = this.#entry;
    this.#take(entry);
    const { waits } = entry;
    entry.waits = null;
    return waits instanceof WaitableSet ? (waits.next(this.#guest) ?? noEvent) : noEvent;
  }

  /** Throws GuestFault if the task has returned, or was cancelled. */
  checkUnresolved(task: Task): void {
    if (task.isResolved) throw new GuestFault('a task returns that has returned or was cancelled');
  }

  returned(task: Task): void {
    this.#resolve(task, callState.returned);
  }

  /**
   * Resolves the task that `part` runs without a result. Throws GuestFault unless the task knows of its cancellation.
   */
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

  /**
   * Returns what an asynchronous call returns: its state, with the handle of the call above it unless it has returned.
   */
  status(task: Task): number {
    this.#answer(task);
    if (task.isResolved) return task.state;
    task.call = new PartSubtask(task);
    task.call.handle = this.#guest.component.handles.add(subtaskResource, task.call);
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

  /**
   * Asks a call to end. A task that has not started ends at once; the callback of one that waits is told at once, and
   * runs until it waits or ends. One that waits inside learns of it when it has returned to its callback.
   */
  cancel({ task, isKnown }: PartSubtask): undefined | Promise<undefined> {
    if (isKnown) throw new GuestFault('a call is cancelled whose end is known');
    if (task.cancel !== 'none') throw new GuestFault('a call is cancelled twice');
    if (task.isResolved) return undefined;
    if (this.#queue.delete(task)) {
      this.#tasks.delete(task.id);
      this.#order.delete(task);
      this.#resolve(task, callState.cancelledBeforeStarted);
      return undefined;
    }
    task.cancel = 'requested';
    return task.waits !== null && this.#isFree(task) ? this.#switchTo(task) : undefined;
  }

  /** Waits until `isReady()`, while other tasks run. */
  wait(wait: Pick<Parked, 'isReady'> & Partial<Parked>): undefined | Promise<undefined> {
    if (wait.isTurn !== true) {
      if (wait.isReady()) return undefined;
      this.#guest.component.checkMayWait();
    }
    return this.#park(wait);
  }

  /** Waits until no task goes on after it has returned. */
  waitForAll(): undefined | Promise<undefined> {
    this.#giveUp(this.#entry);
    return this.wait({
      isReady: () => {
        for (const task of this.#order) if (task !== this.#entry && task.isResolved) return false;
        return true;
      },
    });
  }

  /** Waits for a function of the host. Handles and encoding are those of the caller again when this resolves. */
  async #hostCall<T>(promise: Promise<T>): Promise<T> {
    const { component } = this.#guest;
    const { encoding } = component;
    const { owner } = component.handles;
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
      this.#hostCalls -= 1;
      this.#changed.wake();
    });
    settled.catch(() => undefined);
    this.#hostCalls += 1;
    await this.#park({ isReady: () => isSettled });
    component.encoding = encoding;
    component.handles.owner = owner;
    return settled;
  }

  /** Whether no other exclusive task of its part keeps the task from running. */
  #isFree({ callee, isExclusive }: Task, holder = this.#exclusive.get(callee)): boolean {
    return !isExclusive || holder === undefined;
  }

  #take(task: Task): void {
    if (task.isExclusive) this.#exclusive.set(task.callee, task);
  }

  #giveUp(task: Task): void {
    if (this.#exclusive.get(task.callee) === task) this.#exclusive.delete(task.callee);
  }

  /** Runs `task` until it waits or ends; then the current one goes on. */
  #switchTo(task: Task): Promise<undefined> {
    const resumer = this.#current;
    task.resumer = resumer;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const go = () => resolve(undefined);
    resumer.parked = { isReady: () => false, isTurn: false, changed: [], go };
    this.#run(task);
    return promise;
  }

  /** Lets the current task wait. */
  #park({ isReady, isTurn = false, changed = [] }: Partial<Parked>): Promise<undefined> {
    const task = this.#current;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const go = () => resolve(undefined);
    task.parked = { isReady: isReady ?? (() => true), isTurn, changed, go };
    this.#handOn(task);
    return promise;
  }

  /** Gives the thread of a task that waits or has ended to the one that it belongs to now. */
  #handOn(task: Task): void {
    const { resumer } = task;
    task.resumer = null;
    if (resumer !== null) {
      this.#run(resumer);
      return;
    }
    const next = this.#next(false);
    if (next === null) void this.#runLater();
    else this.#run(next);
  }

  #run(task: Task): void {
    this.#current = task;
    this.#order.delete(task);
    this.#order.add(task);
    const { parked } = task;
    if (parked !== null) {
      task.parked = null;
      parked.go();
      return;
    }
    this.#queue.delete(task);
    this.#take(task);
    if (this.#stacks >= taskStacks.max)
      throw new GuestFault(`more than ${taskStacks.max} asynchronous calls between parts run or wait inside at once`);
    if (!this.#guest.held.take(taskStacks.bytes))
      throw new GuestFault('the host keeps too much for the guest to begin an asynchronous call between parts');
    this.#stacks += 1;
    void this.#guest.runTask().then(() => {
      this.#stacks -= 1;
      this.#guest.held.give(taskStacks.bytes);
      if (this.#guest.end === null) this.#guarded(() => this.#handOn(task));
    });
  }

  /** Returns the task that goes on next, or begins; null: none can. */
  #next(withTurns: boolean): Task | null {
    this.#guest.work(this.#order.size * taskWork);
    for (const task of this.#order) if ((withTurns || !task.isTurn) && this.#canRun(task)) return task;
    return null;
  }

  #canRun(task: Task): boolean {
    if (this.#queue.has(task)) return this.backpressure(task.callee) === 0 && this.#isFree(task);
    if (task.parked !== null) return task.parked.isReady();
    return task.isReady && this.#isFree(task);
  }

  async #runLater(): Promise<void> {
    for (;;) {
      let next = this.#next(false);
      if (next === null && this.#next(true) !== null) {
        await new Promise((resolve) => setImmediate(resolve));
        next = this.#next(true);
      }
      if (this.#guest.end !== null) return;
      if (next !== null) {
        const task = next;
        this.#guarded(() => this.#run(task));
        return;
      }
      if (this.#hostCalls === 0 && !mayHostWake(this.#guest)) {
        this.#guest.kill(endOf(new GuestFault('all parts wait for each other: none of them can go on')));
        return;
      }
      const changed = [...this.#order].flatMap(({ waits, parked }) =>
        parked === null ? (waits instanceof WaitableSet ? [waits.changed] : []) : parked.changed,
      );
      await Promise.race([this.#changed, ...changed].map((one) => one.wait()));
    }
  }

  /** Runs what belongs to the guest outside of its calls. A fault ends the Process. */
  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#guest.kill(endOf(error));
    }
  }
}
