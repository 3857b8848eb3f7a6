/** All running Invocations: their deadlines, memory pressure, and connections that close. */
import type { Socket } from 'node:net';
import type { AbortReason, Invocation } from './invocation.ts';
import { tickMs } from './limits.ts';
import type { MemoryBudget } from './memory-budget.ts';

/** Memories measured in one tick, which takes about 0.1 ms. With 10,000 in flight each is measured twice a second. */
const accountedPerTick = 512;

const first: unique symbol = Symbol('first invocation of this connection');

interface TrackedSocket extends Socket {
  [first]?: Invocation | null;
}

export class InFlight {
  /** Invocations in no order; each one stores its index. */
  readonly #all: Invocation[] = [];
  readonly #budget: MemoryBudget;
  #timer: NodeJS.Timeout | null = null;
  /** Index of the next memory to measure. */
  #next = 0;
  #dueMs = 0;
  #stallMs = 0;
  #onEmpty: (() => void) | null = null;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** Number of invocations in flight. */
  get size(): number {
    return this.#all.length;
  }

  /** Adds an invocation, whose request came on `socket`, after those that were pipelined before it. */
  add(invocation: Invocation, socket: Socket): void {
    invocation.place = this.#all.length;
    this.#all.push(invocation);
    const tracked: TrackedSocket = socket;
    invocation.nextOnSocket = tracked[first] ?? null;
    tracked[first] = invocation;
    if (this.#timer === null) this.#start();
  }

  /** Removes an invocation that has ended. */
  delete(invocation: Invocation, socket: Socket): void {
    const last = this.#all.pop();
    if (last !== undefined && last !== invocation) {
      this.#all[invocation.place] = last;
      last.place = invocation.place;
    }
    const tracked: TrackedSocket = socket;
    let before = tracked[first] ?? null;
    if (before === invocation) tracked[first] = invocation.nextOnSocket;
    else {
      // Searches the requests that were pipelined on the connection.
      while (before !== null && before.nextOnSocket !== invocation) before = before.nextOnSocket;
      if (before !== null) before.nextOnSocket = invocation.nextOnSocket;
    }
    if (this.#all.length === 0) this.#onEmpty?.();
  }

  isIdle(socket: Socket): boolean {
    const tracked: TrackedSocket = socket;
    return (tracked[first] ?? null) === null;
  }

  /** Returns whether bytes written to `socket` now would be read as the answer to the request that is arriving. */
  mayAnswer(socket: Socket): boolean {
    const tracked: TrackedSocket = socket;
    const one = tracked[first] ?? null;
    return one === null || (one.nextOnSocket === null && one.isReceiving);
  }

  /** Ends one Invocation for its owner; does nothing when it has ended. */
  cancel(id: string): void {
    this.#all.find((invocation) => invocation.id === id)?.cancel();
  }

  /** Returns the id of the call of `socket` that began last; null: none runs. */
  idOn(socket: Socket): string | null {
    const tracked: TrackedSocket = socket;
    return tracked[first]?.id ?? null;
  }

  /** Ends all Invocations of a connection that has closed, or on which nothing more can be read. */
  abortAll(socket: Socket, reason: AbortReason): void {
    const tracked: TrackedSocket = socket;
    for (let one = tracked[first] ?? null; one !== null; one = one.nextOnSocket) one.abort(reason);
  }

  /** Marks every connection to be closed after its answer, unless the answer has begun. */
  closeAfterAnswer(): void {
    for (const { response } of this.#all) response.shouldKeepAlive = false;
  }

  /** Resolves when no Invocation runs. */
  async empty(): Promise<void> {
    if (this.#all.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /**
   * Returns the longest delay of the clock's tick since the last call, in milliseconds: the event loop was held as
   * long.
   */
  takeStallMs(): number {
    const stallMs = this.#stallMs;
    this.#stallMs = 0;
    return stallMs;
  }

  #start(): void {
    this.#dueMs = performance.now() + tickMs;
    this.#timer = setTimeout(() => this.#tick(), tickMs);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#stallMs = Math.max(this.#stallMs, nowMs - this.#dueMs);
    this.#timer = null;
    for (const invocation of this.#all) invocation.tick(nowMs);
    // Measures in turns: asking a memory for its size costs ten times as much as comparing a deadline.
    for (let i = 0; i < Math.min(accountedPerTick, this.#all.length); i++) {
      this.#next = (this.#next + 1) % this.#all.length;
      this.#all[this.#next]?.account();
    }
    // Guests grow without asking. Above the limit the largest one is ended first.
    if (this.#budget.isExceeded) this.#evictLargest();
    if (this.#all.length > 0) this.#start();
  }

  #evictLargest(): void {
    let largest: Invocation | null = null;
    let bytes = 0;
    for (const invocation of this.#all) {
      if (invocation.memoryBytes <= bytes) continue;
      largest = invocation;
      bytes = invocation.memoryBytes;
    }
    largest?.evict(
      `ended because the runner's memory is full and it held most of it (${bytes} bytes); lower memory-pages, or try again`,
    );
  }
}
