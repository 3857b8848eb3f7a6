/** The living runners, each of which gets the same changes in the same order. */
import type { Activity } from './activity.ts';
import type { RunnerProcess } from './runner-process.ts';

/** A change for every runner. The promise resolves when the change has taken effect in the runner. */
export type Change = (runner: RunnerProcess) => Promise<void>;

/** One runner and its place in the fleet. */
export class Member {
  /** Place in the fleet, from 0. A runner's successor gets the same place. */
  readonly index: number;
  readonly runner: RunnerProcess;
  /** Invocations in use; blame for the runner's end is decided by them. */
  readonly activity: Activity;
  /** Start of the runner in milliseconds of performance.now(). */
  readonly startedMs = performance.now();
  isServing = false;
  /** Changes that wait until the runner has loaded; null: it has loaded, and changes are made at once. */
  #backlog: Change[] | null = [];

  constructor(options: Pick<Member, 'index' | 'runner' | 'activity'>) {
    this.index = options.index;
    this.runner = options.runner;
    this.activity = options.activity;
  }

  /** Whether the runner holds the whole state and makes changes at once. */
  get hasLoaded(): boolean {
    return this.#backlog === null;
  }

  /** Makes `change` in the runner after it has loaded. Resolves with the error, or with null on success. */
  make(change: Change): Promise<unknown> {
    const backlog = this.#backlog;
    if (backlog === null) return outcomeOf(change(this.runner));
    return new Promise((resolve) => {
      backlog.push(async (runner) => resolve(await outcomeOf(change(runner))));
    });
  }

  /** Makes the changes that came while the runner loaded; later changes are made at once. */
  async catchUp(): Promise<void> {
    // Errors are dropped: the sender of a change has heard from the other runners, and a failure shows when the change
    // is used.
    for (let change = this.#backlog?.shift(); change !== undefined; change = this.#backlog?.shift()) {
      await change(this.runner);
    }
    this.#backlog = null;
  }
}

export class Members {
  readonly #byIndex = new Map<number, Member>();

  [Symbol.iterator](): MapIterator<Member> {
    return this.#byIndex.values();
  }

  /** Number of runners. */
  get size(): number {
    return this.#byIndex.size;
  }

  get(index: number): Member | undefined {
    return this.#byIndex.get(index);
  }

  add(member: Member): void {
    this.#byIndex.set(member.index, member);
  }

  /** Removes `member`, unless its successor has taken its place already. */
  remove(member: Member): void {
    if (this.#byIndex.get(member.index) === member) this.#byIndex.delete(member.index);
  }

  /**
   * Lets every runner make `change`. Resolves with one result per runner that was waited for: an error, or null on
   * success. A loading runner is waited for only when no runner has loaded; it makes the change in any case.
   */
  make(change: Change): Promise<readonly unknown[]> {
    const all = [...this];
    const hasAnyLoaded = all.some((member) => member.hasLoaded);
    const waitedFor: Promise<unknown>[] = [];
    for (const member of all) {
      const wasLoaded = member.hasLoaded;
      const made = member.make(change);
      if (wasLoaded) waitedFor.push(made);
      else if (!hasAnyLoaded) waitedFor.push(member.runner.unlessEnded(made).then(errorOfEnd));
    }
    return Promise.all(waitedFor);
  }
}

function errorOfEnd(outcome: unknown): unknown {
  return outcome === 'ended' ? new Error('it ended before') : outcome;
}

function outcomeOf(change: Promise<void>): Promise<unknown> {
  return change.then(
    () => null,
    (error: unknown) => error,
  );
}
