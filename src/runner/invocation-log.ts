/**
 * Log lines of one Invocation on their way to control. Standard error is a warning; where the run fails, its last
 * words are errors. So lines are held from the first one to standard error until the guest waits or its slice of
 * gas ends, and at most heldLinesMax of them: a panic writes and ends without either.
 */
import type { ProcessLog } from '../guest/kernel/process.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import { logLevels, type PendingLogLine } from '../protocol/nouns.ts';

/** Lines of a stack trace; of a longer one the first lines stay warnings. */
const heldLinesMax = 64;

export interface LogSource {
  readonly handlerId: HandlerId;
  /** Number of the Deployment. */
  readonly deployment: number;
  readonly invocation: string;
  /** Slug of the preview that it runs for; left out where it runs for none. */
  readonly preview?: string;
}

/** Returns the field that marks log lines of a preview; none for the handler itself. */
export function previewMark({ preview }: Pick<DeploymentSpec, 'preview'>): { readonly preview?: string } {
  return preview === null ? {} : { preview: preview.slug };
}

export class InvocationLog implements ProcessLog {
  readonly #source: LogSource;
  readonly #sink: { push(line: PendingLogLine): void };
  /** null: nothing is held. */
  #held: PendingLogLine[] | null = null;

  /** `sink` gets every line, in order. */
  constructor(source: LogSource, sink: { push(line: PendingLogLine): void }) {
    this.#source = source;
    this.#sink = sink;
  }

  line(facts: Parameters<ProcessLog['line']>[0]): void {
    const line = { ...this.#source, ...facts };
    if (this.#held === null) {
      if (line.stream === 'stderr') this.#held = [line];
      else this.#sink.push(line);
      return;
    }
    this.#held.push(line);
    if (this.#held.length > heldLinesMax) this.#sink.push(this.#held.shift() as PendingLogLine);
  }

  /** Passes the held lines on: the guest goes on, or has ended well. */
  release(): void {
    if (this.#held === null) return;
    for (const line of this.#held) this.#sink.push(line);
    this.#held = null;
  }

  /** Passes the held lines on, those of standard error as errors: the run has failed. */
  fail(): void {
    if (this.#held === null) return;
    this.#held = this.#held.map((line) => (line.stream === 'stderr' ? { ...line, level: logLevels.error } : line));
    this.release();
  }
}
