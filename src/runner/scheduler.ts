/**
 * Decides which guest computes next. A guest runs until its slice of gas is used up, then waits for its turn while the
 * event loop serves all sockets. One waiting guest continues per turn of the loop: of the handler that has used least,
 * the invocation that has used least.
 *
 * A new request's first slice runs as it arrives, so short work never waits for a turn.
 */
import { sliceLimits } from './limits.ts';

/** A handler's share of the thread; each handler has one in a runner. */
export class Share {
  /** Waiting invocations by the number of their waits: level n after 2^n slices. */
  readonly #levels: (() => void)[][] = [];
  /** Number of invocations that wait. */
  waiting = 0;
  /** Milliseconds of thread used, as in start-time fair queueing: a handler that was idle gets no advantage. */
  usedMs = 0;
  /** Gas per millisecond, measured in finished slices; costs of instructions differ by a factor of 20. */
  gasPerMs: number = sliceLimits.startGas / sliceLimits.sliceMs;

  push(slices: number, resume: () => void): void {
    const level = 31 - Math.clz32(Math.max(slices, 1));
    this.#levels[level] ??= [];
    this.#levels[level].push(resume);
    this.waiting += 1;
  }

  /**
   * Removes the invocation with the fewest waits, of those the first. Returns what resumes it; undefined: none waits.
   */
  shift(): (() => void) | undefined {
    for (const level of this.#levels) {
      const resume = level?.shift();
      if (resume === undefined) continue;
      this.waiting -= 1;
      return resume;
    }
    return undefined;
  }

  /** Returns the gas of a slice of the wanted length. */
  sliceGas(): number {
    const gas = Math.round(this.gasPerMs * sliceLimits.sliceMs);
    return Math.min(Math.max(gas, sliceLimits.minGas), sliceLimits.maxGas);
  }

  /**
   * Records that a slice of `gas` took `elapsedMs`. Waits inside the slice make it seem slower, which only shortens
   * later slices.
   */
  measured(gas: number, elapsedMs: number): void {
    if (elapsedMs < 0.02) return;
    this.gasPerMs += (gas / elapsedMs - this.gasPerMs) * 0.25;
  }
}

export class Scheduler {
  readonly #waiting = new Set<Share>();
  /** Value of usedMs of the handler that ran last, at which a handler that begins to wait starts. */
  #nowMs = 0;
  #isArmed = false;

  /** Number of invocations that wait for their next slice. */
  get waiting(): number {
    let count = 0;
    for (const share of this.#waiting) count += share.waiting;
    return count;
  }

  /** Resolves when the next slice may begin. `slices`: number of slices that the invocation has had. */
  turn(share: Share, slices: number): Promise<void> {
    return new Promise((resolve) => {
      if (share.waiting === 0) {
        share.usedMs = Math.max(share.usedMs, this.#nowMs);
        this.#waiting.add(share);
      }
      share.push(slices, resolve);
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(() => {
      this.#isArmed = false;
      this.#resumeOne();
      if (this.#waiting.size > 0) this.#arm();
    });
  }

  #resumeOne(): void {
    let next: Share | null = null;
    for (const share of this.#waiting) if (next === null || share.usedMs < next.usedMs) next = share;
    if (next === null) return;
    const resume = next.shift();
    if (next.waiting === 0) this.#waiting.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.usedMs);
    next.usedMs += sliceLimits.sliceMs;
    resume?.();
  }
}
