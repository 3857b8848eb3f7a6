/** Log lines on their way to control: bounded, in batches; what does not fit is counted, by handler id. */
import { logLimits } from '../protocol/limits.ts';
import type { DroppedLines } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import type { PendingLogLine } from '../protocol/nouns.ts';
import { batchesUnderway } from './limits.ts';

export interface LogBatch {
  readonly lines: readonly PendingLogLine[];
  readonly dropped: DroppedLines;
}

/** Sends; `sent` is called once the channel has taken it. False: there is no channel any more. */
export type SendBatch<T> = (batch: T, sent: () => void) => boolean;

export class LogBuffer {
  readonly #send: SendBatch<LogBatch>;
  #lines: PendingLogLine[] = [];
  #bytes = 0;
  #dropped = new Map<HandlerId, number>();
  #timer: NodeJS.Timeout | null = null;
  #underway = 0;

  constructor(send: SendBatch<LogBatch>) {
    this.#send = send;
  }

  push(line: PendingLogLine): void {
    if (this.#lines.length >= logLimits.bufferLines || this.#bytes + line.text.length > logLimits.bufferBytes) {
      this.#dropped.set(line.handlerId, (this.#dropped.get(line.handlerId) ?? 0) + 1);
    } else {
      this.#lines.push(line);
      this.#bytes += line.text.length;
    }
    if (this.#lines.length >= logLimits.batchLines) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), logLimits.batchDelayMs);
  }

  /** Hands over as much as the channel may hold. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while ((this.#lines.length > 0 || this.#dropped.size > 0) && this.#underway < batchesUnderway) {
      const lines = this.#lines.splice(0, logLimits.batchLines);
      const dropped = this.#dropped;
      this.#dropped = new Map();
      this.#underway += 1;
      const taken = this.#send({ lines, dropped: Object.fromEntries(dropped) }, () => {
        this.#underway -= 1;
        this.flush();
      });
      if (!taken) {
        this.#underway -= 1;
        this.#lines = lines.concat(this.#lines);
        this.#dropped = dropped;
        return;
      }
      for (const line of lines) this.#bytes -= line.text.length;
    }
  }

  /** Whether everything has been handed to the channel and written. */
  get isEmpty(): boolean {
    return this.#lines.length === 0 && this.#dropped.size === 0 && this.#underway === 0;
  }
}
