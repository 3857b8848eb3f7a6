/**
 * Fills a LogBuffer: what was, then what comes, and marks where the stream was interrupted. While
 * nobody looks it is closed, and goes on from its cursor afterwards, so nothing is missed.
 *
 *     closed -> loading -> connecting <-> live
 *                  ^           ^---- waiting (lost; tries again)
 */
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { LogLine } from '../../../src/protocol/nouns.ts';
import type { LogTail } from '../../client/log-tail.ts';
import type { App } from '../../frame/app.ts';
import { afterFrame, pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { LogBuffer } from './log-buffer.ts';

/** What one sees of the past at once; more is fetched on request. */
const historyLines = 1_000;

export class LogFeed {
  readonly buffer = new LogBuffer();
  state: 'loading' | 'connecting' | 'live' | 'waiting' = 'loading';
  /** Lines that the platform lost. */
  dropped = 0;
  readonly #app: App;
  readonly #handler: string;
  /** Called for every frame that comes: must be cheap. */
  readonly #pushed: () => void;
  #tail: LogTail | null = null;
  /** From `open` to `close`. */
  #session = new AbortController();
  #retry: NodeJS.Timeout | undefined;
  /** Where the tail goes on; null before the history came. */
  #cursor: number | null = null;
  #lost = false;

  constructor(app: App, handler: string, pushed: () => void) {
    this.#app = app;
    this.#handler = handler;
    this.#pushed = pushed;
  }

  open(): void {
    this.#session = new AbortController();
    if (this.#cursor === null) void this.#loadHistory(this.#session.signal);
    else void this.#connect(this.#cursor, this.#session.signal);
  }

  close(): void {
    this.#session.abort();
    this.#tail?.close();
    this.#tail = null;
    clearTimeout(this.#retry);
  }

  /** Puts lines from before the oldest one in front; returns how many came. */
  async loadOlder(signal: AbortSignal): Promise<number> {
    const oldest = this.#oldest();
    if (oldest === null) return 0;
    const query = { before: oldest.cursor, limit: historyLines };
    const { lines } = await this.#app.client.logs(this.#handler, query, { signal });
    this.buffer.prepend(lines.map((line) => ({ kind: 'line', line })));
    return lines.length;
  }

  #oldest(): LogLine | null {
    for (const entry of this.buffer.entries()) if (entry.kind === 'line') return entry.line;
    return null;
  }

  async #loadHistory(signal: AbortSignal): Promise<void> {
    const app = this.#app;
    this.state = 'loading';
    try {
      await afterFrame();
      const page = await app.client.logs(this.#handler, { limit: historyLines }, { signal });
      if (signal.aborted) return;
      this.#add(page.lines);
      this.#cursor = page.cursor;
      await this.#connect(page.cursor, signal);
    } catch (error) {
      if (signal.aborted) return;
      app.fail(error, errorLines);
      if (!(error instanceof PlatformError) || error.code !== 'unavailable') return;
      app.connection = 'offline';
      this.state = 'waiting';
      this.#retry = setTimeout(() => void this.#loadHistory(signal), pollMs);
    }
    app.changed();
  }

  async #connect(after: number, signal: AbortSignal): Promise<void> {
    const app = this.#app;
    const tail = await app.client.tail(
      { handler: this.#handler, after },
      {
        lines: (lines) => this.#add(lines),
        dropped: (count) => {
          this.dropped += count;
          this.#mark(`${count} lines were lost: more came than could be kept or sent`);
        },
        state: (state) => {
          this.state = state.kind;
          if (state.kind === 'waiting') {
            if (!this.#lost) this.#mark(`connection lost: ${state.why}; trying again`);
            this.#lost = true;
            app.connection = 'offline';
          } else if (state.kind === 'live') {
            if (this.#lost) this.#mark('connected again, nothing was missed');
            this.#lost = false;
            app.connection = 'online';
          }
          this.#pushed();
        },
        failed: (error) => {
          this.#tail = null;
          this.#mark(`the stream has ended: ${error.message}`);
          app.fail(error, errorLines);
        },
      },
    );
    if (signal.aborted) tail.close();
    else this.#tail = tail;
  }

  #add(lines: readonly LogLine[]): void {
    for (const line of lines) this.buffer.push({ kind: 'line', line });
    const last = lines.at(-1);
    if (last !== undefined) this.#cursor = Math.max(this.#cursor ?? 0, last.cursor);
    this.#pushed();
  }

  #mark(text: string): void {
    this.buffer.push({ kind: 'mark', text });
    this.#pushed();
  }
}
