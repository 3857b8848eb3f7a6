/** Writes what the platform did to a handler into the handler's own log. */
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import { type LogLevelName, logLevels } from '../../protocol/nouns.ts';
import type { LogAppender } from '../../protocol/ports.ts';

export interface OwnerLogOptions {
  readonly logs: LogAppender;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class OwnerLog {
  readonly #options: OwnerLogOptions;

  constructor(options: OwnerLogOptions) {
    this.#options = options;
  }

  /**
   * Appends one line to the log of a handler, under Deployment `deployment` (0: none) and marked with the slug
   * `preview` ('': none). Never rejects: a line that cannot be written goes to `report`, and the work that it tells of
   * goes on.
   */
  async write(
    handlerId: HandlerId,
    deployment: number,
    level: LogLevelName,
    text: string,
    preview = '',
  ): Promise<void> {
    const of = { handlerId: handlerIdOf(handlerId), deployment, ...(preview === '' ? {} : { preview }) };
    const line = { ...of, invocation: '', seq: 1, timeMs: this.#options.now(), gas: 0 } as const;
    await this.#options.logs
      .append([{ ...line, stream: 'platform', level: logLevels[level], text }])
      .catch((error: unknown) => this.#options.report('a platform log line was lost', error));
  }
}
