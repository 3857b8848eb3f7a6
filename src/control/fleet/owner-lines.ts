/**
 * Writes the platform's own lines into the logs of functions: what ended a runner, and which functions were in use in
 * it.
 */
import type { DeploymentSpec } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { logLevels, type PendingLogLine } from '../../protocol/nouns.ts';
import type { LogAppender } from '../../protocol/ports.ts';
import type { Activity } from './activity.ts';

/** Facts by which a log names a Deployment. */
type Owner = Pick<DeploymentSpec, 'handlerId' | 'number' | 'preview'>;

export class OwnerLines {
  readonly #append: LogAppender['append'];
  readonly #owners = new Map<string, Owner>();

  constructor(append: LogAppender['append']) {
    this.#append = append;
  }

  /** Stores the Deployment of a spec until `forget`. */
  remember({ specId, handlerId, number, preview }: DeploymentSpec): void {
    this.#owners.set(specId, { handlerId, number, preview });
  }

  forget(specId: string): void {
    this.#owners.delete(specId);
  }

  /** Returns the id of the spec's handler; undefined for an unknown spec. */
  handlerOf(specId: string): HandlerId | undefined {
    return this.#owners.get(specId)?.handlerId;
  }

  /** Writes an error of a known spec's Deployment. */
  error(specId: string, text: string): void {
    const owner = this.#owners.get(specId);
    if (owner !== undefined) this.#write(owner, logLevels.error, text);
  }

  /**
   * Tells the owners of functions in use in a runner that has ended (`how`) that calls and log lines may be missing.
   * `guilty`: the spec that ended the runner, whose owner gets another line.
   */
  runnerEnded(activity: Activity, how: string, guilty: string | null): void {
    const told = guilty === null ? undefined : this.#owners.get(guilty);
    for (const { handlerId, deployment: number, inFlight } of activity.all()) {
      if (told?.handlerId === handlerId && told.number === number) continue;
      const calls = inFlight > 0 ? `${inFlight} or more calls of this function` : 'calls of this function';
      const text = `a runner of the platform ended (${how}): ${calls} that ran there were ended, and their last log lines may be missing`;
      const known = [...this.#owners.values()].find((one) => one.handlerId === handlerId && one.number === number);
      this.#write({ handlerId, number, preview: known?.preview ?? null }, logLevels.warning, text);
    }
  }

  #write({ handlerId, number, preview }: Owner, level: number, text: string): void {
    const line: PendingLogLine = {
      ...(preview === null ? {} : { preview: preview.slug }),
      handlerId,
      deployment: number,
      invocation: '',
      seq: 1,
      timeMs: Date.now(),
      gas: 0,
      stream: 'platform',
      level,
      text,
    };
    void this.#append([line], {});
  }
}
