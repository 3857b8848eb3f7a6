/** The runners that live, and how each of them gets the same changes in the same order. */
import type { Activity } from './activity.ts';
import type { RunnerProcess } from './runner-process.ts';

/** A change that every runner gets; resolves when it has taken effect there. */
export type Change = (runner: RunnerProcess) => Promise<void>;

/** One runner and its place in the fleet. */
export class Member {
  /** Place in the fleet, from 0; the runner's successor gets the same. */
  readonly index: number;
  readonly runner: RunnerProcess;
  /** What its Invocations use; blame for its end is judged by it. */
  readonly activity: Activity;
  /** On the clock of performance.now(), milliseconds. */
  readonly startedMs = performance.now();
  isServing = false;
  /** Changes since it began to load; null when it makes them at once. */
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

  /** Makes `change` in the runner, once it has loaded; resolves with what went wrong, null where nothing did. */
  make(change: Change): Promise<unknown> {
    const backlog = this.#backlog;
    if (backlog === null) return outcomeOf(change(this.runner));
    return new Promise((resolve) => {
      backlog.push(async (runner) => resolve(await outcomeOf(change(runner))));
    });
  }

  /** Makes the changes that came while the runner loaded; from then on each is made at once. */
  async catchUp(): Promise<void> {
    // Who wanted a change has heard from the other runners; here a failure shows at the change's use.
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

  get size(): number {
    return this.#byIndex.size;
  }

  get(index: number): Member | undefined {
    return this.#byIndex.get(index);
  }

  add(member: Member): void {
    this.#byIndex.set(member.index, member);
  }

  /** Takes `member` out, unless its successor has the place already. */
  remove(member: Member): void {
    if (this.#byIndex.get(member.index) === member) this.#byIndex.delete(member.index);
  }

  /**
   * Lets every runner make `change`, and resolves with how it went in each that was waited for, null for well. A runner
   * that loads is waited for only where none has loaded yet; it makes the change in any case.
   */
  make(change: Change): Promise<readonly unknown[]> {
    const all = [...this];
    const hasAnyLoaded = all.some((member) => member.hasLoaded);
    const waitedFor: Promise<unknown>[] = [];
    for (const member of all) {
      const wasLoaded = member.hasLoaded;
      const made = member.make(change);
      if (wasLoaded) waitedFor.push(made);
      else if (!hasAnyLoaded) waitedFor.push(Promise.race([made, member.runner.ended.then(endedBefore)]));
    }
    return Promise.all(waitedFor);
  }
}

function endedBefore(): Error {
  return new Error('it ended before');
}

function outcomeOf(change: Promise<void>): Promise<unknown> {
  return change.then(
    () => null,
    (error: unknown) => error,
  );
}
