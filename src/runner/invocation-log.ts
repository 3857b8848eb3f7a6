/**
 * Passes the log lines of one Invocation to control. Lines of standard error are warnings; when the run fails, its last
 * lines become errors. So lines are held from the first one of standard error until the guest waits or its slice of gas
 * ends, at most heldLinesMax: a panic writes and ends without either.
 */
import type { ProcessLog } from '../guest/kernel/process.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import { logLevels, type PendingLogLine } from '../protocol/nouns.ts';
import { structured } from './structured-line.ts';

/** Held lines, enough for a stack trace; the first lines of a longer one stay warnings. */
const heldLinesMax = 64;

export interface LogSource {
  readonly handlerId: HandlerId;
  /** Number of the Deployment. */
  readonly deployment: number;
  readonly invocation: string;
  /** Slug of the preview; absent: it runs for none. */
  readonly preview?: string;
}

/** Returns the field that marks log lines of a preview; none for the handler itself. */
export function previewMark({ preview }: Pick<DeploymentSpec, 'preview'>): { readonly preview?: string } {
  return preview === null ? {} : { preview: preview.slug };
}

export class InvocationLog implements ProcessLog {
  readonly #source: LogSource;
  readonly #sink: { push(line: PendingLogLine): void };
  /** Held lines; null: none. */
  #held: PendingLogLine[] | null = null;

  /** `sink` gets every line, in order. */
  constructor(source: LogSource, sink: { push(line: PendingLogLine): void }) {
    this.#source = source;
    this.#sink = sink;
  }

  /**
   * Passes a line on, as fields where it is a JSON object. Holds lines from the first one of standard error on, until
   * release() or fail().
   */
  line(facts: Parameters<ProcessLog['line']>[0]): void {
    const written: PendingLogLine = { ...this.#source, ...facts };
    const line = facts.stream === 'platform' ? written : structured(written);
    if (this.#held === null) {
      if (line.stream === 'stderr') this.#held = [line];
      else this.#sink.push(line);
      return;
    }
    this.#held.push(line);
    if (this.#held.length > heldLinesMax) this.#sink.push(this.#held.shift() as PendingLogLine);
  }

  /** Passes the held lines on unchanged: the guest goes on, or has ended well. */
  release(): void {
    if (this.#held === null) return;
    for (const line of this.#held) this.#sink.push(line);
    this.#held = null;
  }

  /**
   * Passes the held lines on after a failed run: warnings of standard error that name no level and no fields become
   * errors. Lines that were passed on before keep their level.
   */
  fail(): void {
    if (this.#held === null) return;
    this.#held = this.#held.map((line) =>
      line.stream === 'stderr' && line.fields === undefined && line.level === logLevels.warning
        ? { ...line, level: logLevels.error }
        : line,
    );
    this.release();
  }
}
