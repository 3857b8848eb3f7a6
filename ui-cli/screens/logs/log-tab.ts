/**
 * Shows the live log. The socket only adds to the buffer; React is notified every 66 ms at most and draws only visible
 * rows: 5,000 lines a second then cost 14 % of a core.
 */
import { type InvocationRecord, type LogLine, logLevels } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Filter } from '../../frame/filter.ts';
import type { KeyPress } from '../../frame/keys.ts';
import { moveBy, stepBindings, typingMoveBinding } from '../../frame/moves.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { errorLines } from '../../text/error-lines.ts';
import { formatCall, severityOf } from '../../text/log-line.ts';
import { visible } from '../../text/visible.ts';
import { type HandlerContext, type OfPreview, previewCrumbs } from '../handler/tab.ts';
import { readLineFilter } from './line-filter.ts';
import type { LogBuffer, LogEntry } from './log-buffer.ts';
import { LogFeed } from './log-feed.ts';
import { clampLog, type LogWindow, newSince, pause, scrollLog, selectLine } from './log-window.ts';

/** Milliseconds between notifications. Ink draws 30 frames a second; a longer time would skip every second frame. */
export const tickMs = 66;
const sidewaysCells = 16;
const levels = [null, logLevels.info, logLevels.warning, logLevels.error] as const;

export class LogTab extends Screen {
  readonly crumbs: readonly string[];
  readonly feed: LogFeed;
  readonly app: App;
  readonly handler: HandlerContext;
  /** The preview whose lines are shown; null: all lines of the handler. */
  readonly preview: OfPreview | null;
  view: LogWindow = { kind: 'following' };
  /** Cells that lines are scrolled to the left. */
  offset = 0;
  /** Whether calls are shown between the lines. */
  showsCalls = true;
  /** Whether long lines take several rows instead of being cut. */
  wraps = false;
  readonly #filter = new Filter(() => this.#applyFilter());
  /** Index in `levels`. */
  #level = 0;
  #tick: NodeJS.Timeout | undefined;

  constructor(handler: HandlerContext, preview: OfPreview | null = null) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.preview = preview;
    this.crumbs = [...previewCrumbs(handler, preview), 'logs'];
    const of = { handler: handler.name, preview: preview?.slug ?? null };
    this.feed = new LogFeed(app, of, () => this.#schedule());
  }

  get buffer(): LogBuffer {
    return this.feed.buffer;
  }

  get #filtered(): boolean {
    return this.#filter.input !== null || this.#level > 0;
  }

  get rows(): number {
    return this.app.bodyRows;
  }

  override show(): void {
    this.feed.open();
  }

  override hide(): void {
    this.feed.close();
    clearTimeout(this.#tick);
    this.#tick = undefined;
  }

  override resize(): void {
    this.view = clampLog(this.view, this.buffer, this.rows);
  }

  override typing(): TypingTarget | null {
    return this.#filter.typing ? this.#filter : null;
  }

  override get typesFilter(): boolean {
    return this.#filter.typing;
  }

  override back(): boolean {
    const filtered = this.#filtered;
    this.#level = 0;
    if (!this.#filter.clear()) this.#applyFilter();
    return filtered;
  }

  override status(): Status {
    const { buffer } = this;
    const found = `${buffer.matchCount} of ${buffer.size} lines`;
    const { input, typing } = this.#filter;
    if (typing && input !== null) return { text: found, input };
    const parts = [
      this.view.kind === 'paused' ? `PAUSED, ${newSince(this.view, buffer)} new (G follows)` : this.#stateText(),
      ...(this.#filtered ? [`${this.#filterText()}: ${found} (Esc clears)`] : []),
      ...(this.feed.dropped > 0 ? [`${this.feed.dropped} lost`] : []),
      ...(this.offset > 0 ? [`from column ${this.offset + 1}`] : []),
    ];
    const tone = this.view.kind === 'paused' || this.feed.state === 'waiting' ? 'warning' : 'plain';
    return { text: parts.join('   '), tone };
  }

  bindings(): readonly Binding[] {
    const scroll = (press: KeyPress) => this.#scroll(press);
    if (this.#filter.typing) {
      return [
        { keys: ['enter'], label: 'keep', help: 'keep the filter', run: () => this.#filter.keep() },
        typingMoveBinding('scroll', 'scroll', scroll),
      ];
    }
    const paused = this.view.kind === 'paused';
    return [
      paused
        ? { keys: ['G', 'end', ' ', 'p'], label: 'follow', help: 'follow the end again', run: () => this.#follow() }
        : { keys: [' ', 'p'], label: 'pause', help: 'pause', run: () => this.#pause() },
      {
        keys: ['/'],
        label: 'filter',
        help: 'only lines with a text, field:NAME=VALUE or status:5xx; Esc clears',
        run: () => this.#filter.start(),
      },
      {
        keys: ['e'],
        label: 'next error',
        help: 'next error; the newest when following',
        run: () => this.#findError(1),
      },
      { keys: ['E'], help: 'error before', run: () => this.#findError(-1) },
      { keys: ['v'], help: 'all lines, info, warnings, errors only', run: () => this.#nextLevel() },
      { keys: ['enter'], help: 'open the invocation of the selected line', run: () => this.#openSelected() },
      ...stepBindings('line', scroll),
      { keys: ['g', 'home'], help: 'the oldest line; at it, fetch older ones', run: () => void this.#first() },
      ...(paused ? [] : [{ keys: ['G', 'end'], help: 'follow the end', run: () => this.#follow() }]),
      { keys: ['left', 'h'], help: 'scroll to the left', run: () => this.#sideways(-sidewaysCells) },
      { keys: ['right', 'l'], help: 'scroll to the right', run: () => this.#sideways(sidewaysCells) },
      { keys: ['c'], help: 'show or hide the lines of calls', run: () => this.#toggleCalls() },
      { keys: ['w'], help: 'wrap long lines, or cut them', run: () => this.#toggleWrap() },
      { keys: ['y'], help: 'copy the line', run: () => this.#copy() },
    ];
  }

  #stateText(): string {
    const { state } = this.feed;
    if (state === 'loading') return 'loading …';
    if (state === 'connecting') return 'connecting …';
    return state === 'live' ? 'following' : 'connection lost, trying again …';
  }

  #schedule(): void {
    this.#tick ??= setTimeout(() => {
      this.#tick = undefined;
      this.view = clampLog(this.view, this.buffer, this.rows);
      this.app.changed();
    }, tickMs);
  }

  #scroll(press: KeyPress): void {
    this.view = scrollLog(this.view, this.buffer, moveBy(press, this.rows) ?? 0, this.rows);
  }

  #pause(): void {
    this.view = pause(this.view, this.buffer, this.rows);
  }

  #follow(): void {
    this.view = { kind: 'following' };
  }

  /** Goes to the first line; a second `g` there loads older lines. */
  async #first(): Promise<void> {
    const before = this.view;
    this.view = selectLine(this.view, this.buffer, this.buffer.firstOrdinal, this.rows);
    if (before.kind !== 'paused' || before.selected !== this.buffer.firstOrdinal) return;
    await this.#loadOlder();
  }

  async #loadOlder(): Promise<void> {
    const { app, feed, buffer } = this;
    await app.run(
      'fetching older lines',
      async ({ abort: { signal } }) => {
        const count = await feed.loadOlder(signal);
        if (count === 0) {
          app.say('done', 'this is the oldest line that is kept');
          return;
        }
        this.#applyFilter();
        // Selects the newest of the older lines, at the bottom of the window.
        const selected = Math.min(count, buffer.nextOrdinal) - 1;
        const top = selected - this.rows + 1;
        this.view = clampLog({ kind: 'paused', selected, top, since: buffer.nextOrdinal }, buffer, this.rows);
      },
      errorLines,
    );
  }

  #toggleCalls(): void {
    this.showsCalls = !this.showsCalls;
    this.#applyFilter();
  }

  #toggleWrap(): void {
    this.wraps = !this.wraps;
    this.offset = 0;
  }

  #sideways(by: number): void {
    this.offset = Math.max(0, this.offset + by);
  }

  #findError(step: 1 | -1): void {
    const { buffer, view } = this;
    // At the end there is no next line, so the newest one is selected.
    const following = view.kind === 'following';
    const from = following ? buffer.nextOrdinal : view.selected;
    const found = buffer.find(from, following ? -1 : step, (line) => severityOf(line) === 'error');
    if (found === -1)
      this.app.say('done', following ? 'no error' : `no error ${step === 1 ? 'after' : 'before'} this line`);
    else this.view = selectLine(view, buffer, found, this.rows);
  }

  #openSelected(): void {
    const entry = this.#selected();
    const id = entry?.kind === 'line' ? entry.line.invocation : entry?.kind === 'call' ? entry.record.id : null;
    if (id === null) this.app.say('done', 'select a line first: up, or e for an error');
    else if (id === '') this.app.say('done', 'this line belongs to no invocation');
    else this.handler.openInvocation(id);
  }

  #copy(): void {
    const entry = this.#selected();
    if (entry?.kind === 'line') this.app.copy(visible(entry.line.text), 'the line');
    if (entry?.kind === 'call') this.app.copy(formatCall(entry.record, { iso: true }), 'the line');
  }

  #selected(): LogEntry | null {
    return this.view.kind === 'paused' ? (this.buffer.at(this.view.selected) ?? null) : null;
  }

  #nextLevel(): void {
    this.#level = (this.#level + 1) % levels.length;
    this.#applyFilter();
  }

  #filterText(): string {
    const level = levels[this.#level] ?? null;
    const name =
      level === null ? '' : level === logLevels.error ? 'errors' : level === logLevels.warning ? 'warnings' : 'info';
    return [name, this.#filter.input === null ? '' : `"${visible(this.#filter.text)}"`]
      .filter((part) => part !== '')
      .join(' ');
  }

  #applyFilter(): void {
    const level = levels[this.#level] ?? null;
    const typed = readLineFilter(this.#filter.text);
    const test =
      typed === null && level === null
        ? null
        : (line: LogLine) => (level === null || line.level <= level) && (typed?.line(line) ?? true);
    const { view, buffer } = this;
    const isFailure = ({ outcome }: InvocationRecord) => outcome !== 'ok';
    const testCall = (record: InvocationRecord) =>
      this.showsCalls &&
      (level === null || level >= logLevels.info || isFailure(record)) &&
      (typed?.call(record, () => formatCall(record, { iso: false })) ?? true);
    const selected = buffer.setFilter(test, view.kind === 'paused' ? view.selected : -1, testCall);
    if (view.kind !== 'paused') return;
    const top = selected - (view.selected - view.top);
    this.view = clampLog({ kind: 'paused', selected, top, since: buffer.nextOrdinal }, buffer, this.rows);
  }
}
