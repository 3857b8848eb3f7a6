/** All Invocations that run now: deadlines, memory pressure, connections that close under them. */
import type { Socket } from 'node:net';
import type { Invocation } from './invocation.ts';
import { tickMs } from './limits.ts';
import type { MemoryBudget } from './memory-budget.ts';

/** Memories looked at in one tick: about 0.1 ms. With 10,000 in flight each is seen twice a second. */
const accountedPerTick = 512;

const first: unique symbol = Symbol('first invocation of this connection');

interface TrackedSocket extends Socket {
  [first]?: Invocation | null;
}

export class InFlight {
  /** In no order; each Invocation knows its place. */
  readonly #all: Invocation[] = [];
  readonly #budget: MemoryBudget;
  #timer: NodeJS.Timeout | null = null;
  /** Whose memory was looked at last. */
  #next = 0;
  #dueMs = 0;
  #stallMs = 0;
  #onEmpty: (() => void) | null = null;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#all.length;
  }

  add(invocation: Invocation, socket: Socket): void {
    invocation.place = this.#all.length;
    this.#all.push(invocation);
    const tracked: TrackedSocket = socket;
    invocation.nextOnSocket = tracked[first] ?? null;
    tracked[first] = invocation;
    if (this.#timer === null) this.#start();
  }

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
      // Requests that were pipelined.
      while (before !== null && before.nextOnSocket !== invocation) before = before.nextOnSocket;
      if (before !== null) before.nextOnSocket = invocation.nextOnSocket;
    }
    if (this.#all.length === 0) this.#onEmpty?.();
  }

  isIdle(socket: Socket): boolean {
    const tracked: TrackedSocket = socket;
    return (tracked[first] ?? null) === null;
  }

  /** Returns whether what is written to `socket` now is read as the answer to the request that is arriving there. */
  mayAnswer(socket: Socket): boolean {
    const tracked: TrackedSocket = socket;
    const one = tracked[first] ?? null;
    return one === null || (one.nextOnSocket === null && one.isReceiving);
  }

  /** Ends all Invocations for requests of `socket`: nobody waits for their answers. */
  abortAll(socket: Socket): void {
    const tracked: TrackedSocket = socket;
    for (let one = tracked[first] ?? null; one !== null; one = one.nextOnSocket) one.abort();
  }

  /** Lets every connection be closed by the answer that it waits for, where that has not begun. */
  closeAfterAnswer(): void {
    for (const { response } of this.#all) response.shouldKeepAlive = false;
  }

  /** Resolves when nothing runs. */
  async empty(): Promise<void> {
    if (this.#all.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /**
   * Returns the longest delay, in milliseconds, of the clock's tick since the last call: the event loop was held that
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
    // Asking a memory for its size costs ten times as much as a look at the clock: by turns.
    for (let i = 0; i < Math.min(accountedPerTick, this.#all.length); i++) {
      this.#next = (this.#next + 1) % this.#all.length;
      this.#all[this.#next]?.account();
    }
    // Guests grow without asking. Past the limit the largest goes first.
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
