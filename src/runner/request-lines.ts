/**
 * Writes a log line for each call of a function, so that the log of a function that writes nothing is not blank. Of a
 * busy handler some calls get lines, the others are counted: lines and counts together give the exact number of calls.
 */
import type { HandlerId } from '../protocol/names.ts';
import { logLevels, type PendingLogLine } from '../protocol/nouns.ts';
import {
  defaultRequestLines,
  maskTarget,
  type RequestLineSettings,
  requestLineLimits,
  shortened,
} from '../protocol/request-lines.ts';
import type { LogSource } from './invocation-log.ts';

/** A call that has ended. */
export interface EndedRequest {
  readonly source: LogSource;
  readonly settings: RequestLineSettings | undefined;
  /** Position of the line in the Invocation. */
  readonly seq: number;
  readonly method: string;
  /** Request target as received. */
  readonly target: string;
  /** HTTP status that was sent; 0: none. */
  readonly status: number;
  /** Outcome, as in the record of the Invocation. */
  readonly outcome: string;
  readonly durationMs: number;
  readonly gas: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Calls of one handler in the present second. */
interface Window {
  readonly startMs: number;
  good: number;
  failed: number;
  /** Calls without a line, by status; a line of the last of them gives handler and Deployment. */
  readonly counted: Map<number, number>;
  source: LogSource | null;
}

const windowMs = 1_000;

export class RequestLines {
  readonly #sink: { push(line: PendingLogLine): void };
  readonly #wallMs: () => number;
  readonly #nowMs: () => number;
  readonly #windows = new Map<HandlerId, Window>();
  #timer: NodeJS.Timeout | null = null;

  /** `wallMs`: Unix milliseconds; `nowMs`: monotonic milliseconds. */
  constructor(options: {
    readonly sink: { push(line: PendingLogLine): void };
    readonly wallMs: () => number;
    readonly nowMs: () => number;
  }) {
    this.#sink = options.sink;
    this.#wallMs = options.wallMs;
    this.#nowMs = options.nowMs;
  }

  /**
   * Writes the line of a call that has ended, if its manifest wants lines and the handler has had fewer than
   * requestLineLimits.perSecond of its kind (good or failed) in this second; else counts it by status.
   */
  add(request: EndedRequest): void {
    const { enabled } = request.settings ?? defaultRequestLines;
    if (!enabled) return;
    const window = this.#windowOf(request.source.handlerId);
    const isFailed = request.outcome !== 'ok' || request.status >= 500;
    const lines = isFailed ? window.failed : window.good;
    if (lines >= requestLineLimits.perSecond) {
      window.counted.set(request.status, (window.counted.get(request.status) ?? 0) + 1);
      window.source = request.source;
      return;
    }
    if (isFailed) window.failed += 1;
    else window.good += 1;
    this.#sink.push(lineOf(request, this.#wallMs()));
  }

  /** Writes the counts of all handlers: before the runner ends. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const window of this.#windows.values()) this.#tell(window);
    this.#windows.clear();
  }

  #windowOf(handlerId: HandlerId): Window {
    const nowMs = this.#nowMs();
    const known = this.#windows.get(handlerId);
    if (known !== undefined && nowMs - known.startMs < windowMs) return known;
    if (known !== undefined) this.#tell(known);
    const window: Window = { startMs: nowMs, good: 0, failed: 0, counted: new Map(), source: null };
    this.#windows.set(handlerId, window);
    this.#timer ??= setTimeout(() => this.#sweep(), windowMs);
    this.#timer.unref();
    return window;
  }

  /** Ends the windows that are over; a handler that is called no more leaves nothing behind. */
  #sweep(): void {
    this.#timer = null;
    const nowMs = this.#nowMs();
    for (const [handlerId, window] of this.#windows) {
      if (nowMs - window.startMs < windowMs) continue;
      this.#tell(window);
      this.#windows.delete(handlerId);
    }
    if (this.#windows.size === 0) return;
    this.#timer = setTimeout(() => this.#sweep(), windowMs);
    this.#timer.unref();
  }

  #tell({ counted, source }: Window): void {
    if (source === null) return;
    const statuses = [...counted].sort(([a], [b]) => a - b);
    const requests = statuses.reduce((sum, [, count]) => sum + count, 0);
    const byStatus = statuses.map(([status, count]) => `${count} with ${status === 0 ? 'no status' : status}`);
    this.#sink.push({
      ...source,
      ...{ invocation: '', seq: 0, timeMs: this.#wallMs(), gas: 0, stream: 'request', level: logLevels.info },
      text: `${requests} more requests within a second: ${byStatus.join(', ')}`,
      fields: JSON.stringify({ requests }),
    });
  }
}

function lineOf(request: EndedRequest, timeMs: number): PendingLogLine {
  const { source, settings, seq, method, status, outcome, durationMs, gas, bytesIn, bytesOut } = request;
  const target = shortened(maskTarget(request.target, (settings ?? defaultRequestLines).mask));
  const took = Math.round(durationMs * 100) / 100;
  const how = outcome === 'ok' ? '' : ` (${outcome})`;
  return {
    ...source,
    ...{ seq, timeMs, gas, stream: 'request' },
    level: outcome === 'ok' || outcome === 'aborted' ? logLevels.info : logLevels.error,
    text: `${method} ${target} ${status === 0 ? '-' : status}${how} in ${took} ms, ${gas} gas, ${bytesOut} bytes`,
    ...(status === 0 ? {} : { status }),
    fields: JSON.stringify({ method, path: target, outcome, durationMs: took, bytesIn, bytesOut }),
  };
}
