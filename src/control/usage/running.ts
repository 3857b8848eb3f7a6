/** Keeps in memory the Invocations that are running: runners report those that run for long. */
import type { RunningChange } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { PendingInvocationRecord } from '../../protocol/nouns.ts';

/**
 * Invocations of one runner: more than it reports at once. A runner that a guest has taken over cannot fill control's
 * memory.
 */
const perRunnerMax = 2_000;

export class RunningInvocations {
  readonly #byRunner = new Map<string, Map<string, PendingInvocationRecord>>();

  /** Adds and removes Invocations that a runner reports. Drops new ones above perRunnerMax. */
  change(runnerId: string, { started, ended }: RunningChange): void {
    const theirs = this.#byRunner.get(runnerId) ?? new Map<string, PendingInvocationRecord>();
    this.#byRunner.set(runnerId, theirs);
    for (const record of started) if (theirs.size < perRunnerMax) theirs.set(record.id, record);
    for (const id of ended) theirs.delete(id);
  }

  /** Removes a runner that has ended. Returns the Invocations that ran in it. */
  runnerEnded(runnerId: string): readonly PendingInvocationRecord[] {
    const theirs = this.#byRunner.get(runnerId);
    this.#byRunner.delete(runnerId);
    return theirs === undefined ? [] : [...theirs.values()];
  }

  /** Returns the running Invocations of a handler, newest first. */
  of(handlerId: HandlerId): readonly PendingInvocationRecord[] {
    return [...this.#byRunner.values()]
      .flatMap((theirs) => [...theirs.values()])
      .filter((record) => record.handlerId === handlerId)
      .sort((a, b) => b.startedMs - a.startedMs);
  }
}
