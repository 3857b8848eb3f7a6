/** Takes the messages of runners, checks those that a guest may have forged, and passes them on. */
import { messageOf, PlatformError } from '../../protocol/errors.ts';
import type { FromRunner, UsageCount } from '../../protocol/messages.ts';
import type { PendingInvocationRecord } from '../../protocol/nouns.ts';
import type { Activity } from './activity.ts';
import type { FleetOptions } from './options.ts';
import type { Profiling } from './profiling.ts';
import type { RunnerProcess } from './runner-process.ts';

export interface InboxOptions {
  readonly fleet: Pick<FleetOptions, 'onBlocks' | 'onRunning' | 'onSpans' | 'onUsage' | 'onRequest'>;
  readonly readArtifact: FleetOptions['readArtifact'];
  readonly profiling: Pick<Profiling, 'answered'>;
  /** Is called for a spec whose code a runner cannot load. */
  readonly onUnloadable: (specId: string, reason: string) => void;
}

export class Inbox {
  readonly #options: InboxOptions;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Takes a message of `runner`, whose Invocations in use are noted in `activity`. Throws Error on a malformed one. */
  receive(runner: RunnerProcess, activity: Activity, message: FromRunner): void {
    const { fleet, profiling, onUnloadable } = this.#options;
    switch (message.kind) {
      case 'logs':
        if (!Array.isArray(message.blocks) || !isObject(message.dropped) || !isWhole(message.batch))
          throw new Error('logs without blocks');
        void fleet
          .onBlocks(message.blocks, message.dropped, { origin: runner.runnerId, number: message.batch })
          .then((result) => runner.send({ kind: 'received', number: message.number, isLost: result === 'lost' }));
        return;
      case 'usage':
        if (![message.records, message.counts].every((list) => Array.isArray(list) && list.every(isObject)))
          throw new Error('usage without lists');
        activity.note(message.counts);
        fleet.onRunning(runner.runnerId, message.running);
        void storeUsage(fleet, message).then(() =>
          runner.send({ kind: 'received', number: message.number, isLost: false }),
        );
        return;
      case 'spans':
        fleet.onSpans?.(message.spans, message.dropped);
        return;
      case 'profiled':
        profiling.answered(message.id, message.profile);
        return;
      case 'unloadable':
        onUnloadable(message.specId, message.reason);
        return;
      case 'request':
        void runner.requests.run(message.request.op, () => this.#answer(runner, message));
        return;
    }
  }

  /** Resolves when the answer, or the error, has been written to the channel of `runner`. */
  async #answer(runner: RunnerProcess, { id, request }: Extract<FromRunner, { kind: 'request' }>): Promise<void> {
    const { fleet, readArtifact } = this.#options;
    if (!runner.isConnected) return; // it has ended while the request waited for its place
    try {
      const value =
        request.op === 'artifact.get'
          ? await runner.sendArtifact(id, await readArtifact(request.name))
          : await fleet.onRequest(request);
      await runner.write({ kind: 'reply', id, ok: true, value });
    } catch (error) {
      const code = error instanceof PlatformError ? error.code : 'internal';
      await runner.write({ kind: 'reply', id, ok: false, code, message: messageOf(error) });
    }
  }
}

/** Stores usage. Counts without invocations only update which specs are in use. */
export async function storeUsage(
  { onUsage }: Pick<FleetOptions, 'onUsage'>,
  usage: { readonly records: readonly PendingInvocationRecord[]; readonly counts: readonly UsageCount[] },
): Promise<void> {
  const counts = usage.counts.filter(({ invocations }) => invocations > 0);
  if (usage.records.length + counts.length > 0) await onUsage(usage.records, counts);
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
