/**
 * Fills a LogBuffer with history and new lines, and marks where the stream was interrupted. While the screen is hidden
 * the feed is closed; later it continues from its cursor, so that no line is missed.
 *
 * closed -> loading -> connecting <-> live
 * ^           ^---- waiting (lost; tries again)
 */
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { InvocationRecord, LogLine } from '../../../src/protocol/nouns.ts';
import { Calls, endOf } from '../../client/calls.ts';
import type { LogTail } from '../../client/log-tail.ts';
import type { App } from '../../frame/app.ts';
import { afterFrame, pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { resumedText } from '../../text/log-line.ts';
import { LogBuffer, type LogEntry } from './log-buffer.ts';

/** Lines of history that are loaded at first; more are loaded on request. */
const historyLines = 1_000;

export class LogFeed {
  readonly buffer = new LogBuffer();
  state: 'loading' | 'connecting' | 'live' | 'waiting' = 'loading';
  /** Number of lines that the platform dropped. */
  dropped = 0;
  readonly #app: App;
  readonly #handler: string;
  /**
   * Slug of the preview whose lines are shown; null: all lines. Calls are not shown then: they do not name a preview.
   */
  readonly #preview: string | null;
  /** Is called for every frame, so it must be cheap. */
  readonly #pushed: () => void;
  readonly #calls: Calls;
  #tail: LogTail | null = null;
  /** Aborts at `close`; a new one is made at `open`. */
  #session = new AbortController();
  #retry: NodeJS.Timeout | undefined;
  /** Cursor at which the tail continues; null before the history is loaded. */
  #cursor: number | null = null;
  #lost = false;

  constructor(
    app: App,
    { handler, preview }: { readonly handler: string; readonly preview: string | null },
    pushed: () => void,
  ) {
    this.#app = app;
    this.#handler = handler;
    this.#preview = preview;
    this.#pushed = pushed;
    this.#calls = new Calls(() => app.client, handler);
  }

  open(): void {
    this.#session = new AbortController();
    if (this.#cursor === null) void this.#loadHistory(this.#session.signal);
    else {
      void this.#connect(this.#cursor, this.#session.signal);
      void this.#followCalls(this.#session.signal);
    }
  }

  close(): void {
    this.#session.abort();
    this.#tail?.close();
    this.#tail = null;
    clearTimeout(this.#retry);
  }

  /** Adds lines before the oldest one; returns their number. */
  async loadOlder(signal: AbortSignal): Promise<number> {
    const oldest = this.#oldest();
    if (oldest === null) return 0;
    const query = { before: oldest.cursor, limit: historyLines, ...this.#ofPreview };
    const { lines } = await this.#app.client.logs(this.#handler, query, { signal });
    this.buffer.prepend(lines.map((line) => ({ kind: 'line', line })));
    return lines.length;
  }

  get #ofPreview(): { readonly preview?: string } {
    return this.#preview === null ? {} : { preview: this.#preview };
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
      const page = await app.client.logs(this.#handler, { limit: historyLines, ...this.#ofPreview }, { signal });
      // A failure to load calls does not hide the log.
      const ended = this.#preview === null ? await this.#calls.fresh(signal).catch(() => []) : [];
      if (signal.aborted) return;
      this.#addHistory(page.lines, ended);
      this.#cursor = page.cursor;
      void this.#followCalls(signal);
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
      { handler: this.#handler, after, ...this.#ofPreview },
      {
        lines: (lines) => this.#add(lines),
        dropped: (count) => {
          this.dropped += count;
          this.#mark(`${count} lines were lost: more came than could be kept or sent`);
        },
        state: (state) => {
          if (state.kind !== 'resumed') this.state = state.kind;
          if (state.kind === 'waiting') {
            if (!this.#lost) this.#mark(`connection lost: ${state.why}; trying again`);
            this.#lost = true;
            app.connection = 'offline';
          } else if (state.kind === 'resumed') {
            this.#mark(resumedText(state.missed));
          } else if (state.kind === 'live') {
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

  /** Adds lines and calls in the order of time. Calls before the first line of a full page are left out. */
  #addHistory(lines: readonly LogLine[], ended: readonly InvocationRecord[]): void {
    const fromMs = lines.length < historyLines ? 0 : (lines[0]?.timeMs ?? 0);
    const calls = ended.filter((record) => endOf(record) >= fromMs);
    const entries: { readonly atMs: number; readonly entry: LogEntry }[] = [
      ...lines.map((line) => ({ atMs: line.timeMs, entry: { kind: 'line', line } as const })),
      ...calls.map((record) => ({ atMs: endOf(record), entry: { kind: 'call', record } as const })),
    ];
    for (const { entry } of entries.toSorted((a, b) => a.atMs - b.atMs)) this.buffer.push(entry);
    this.#cursor = lines.at(-1)?.cursor ?? this.#cursor;
    this.#pushed();
  }

  async #followCalls(signal: AbortSignal): Promise<void> {
    if (this.#preview !== null) return;
    for await (const fresh of this.#calls.follow(signal)) {
      for (const record of fresh) this.buffer.push({ kind: 'call', record });
      if (fresh.length > 0) this.#pushed();
    }
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
