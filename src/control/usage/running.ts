/** Invocations that run now, in memory: runners tell of those that run for long. */
import type { RunningChange } from '../../protocol/messages.ts';
import type { PendingInvocationRecord } from '../../protocol/nouns.ts';

/** Of one runner: more than it lists at once. A runner that a guest has taken over cannot fill our memory. */
const perRunnerMax = 2_000;

export class RunningInvocations {
  readonly #byRunner = new Map<string, Map<string, PendingInvocationRecord>>();

  change(runnerId: string, { started, ended }: RunningChange): void {
    const theirs = this.#byRunner.get(runnerId) ?? new Map<string, PendingInvocationRecord>();
    this.#byRunner.set(runnerId, theirs);
    for (const record of started) if (theirs.size < perRunnerMax) theirs.set(record.id, record);
    for (const id of ended) theirs.delete(id);
  }

  /** Forgets a runner that has ended. Returns what ran in it. */
  runnerEnded(runnerId: string): readonly PendingInvocationRecord[] {
    const theirs = this.#byRunner.get(runnerId);
    this.#byRunner.delete(runnerId);
    return theirs === undefined ? [] : [...theirs.values()];
  }

  /** Returns the Invocations of a handler that run, the newest first. */
  of(handlerId: string): readonly PendingInvocationRecord[] {
    return [...this.#byRunner.values()]
      .flatMap((theirs) => [...theirs.values()])
      .filter((record) => record.handlerId === handlerId)
      .sort((a, b) => b.startedMs - a.startedMs);
  }
}
