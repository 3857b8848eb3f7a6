/**
 * One reader's way through a handler's log: first history from the database, up to the cursor that was
 * the newest when the tail began, then what is published, which begins right after it. So there
 * is no gap and no duplicate. The reader pulls; what it does not pull waits here, bounded.
 *
 *     history --(all up to `ceiling` read)--> live
 *        ^---(buffer full while in history: forget it, raise `ceiling`)
 *        ^---(another control has stored lines: forget the buffer, raise `ceiling`)---live
 */
import { KIB, MIB } from '../../protocol/limits.ts';
import type { LogFrame, LogLine } from '../../protocol/nouns.ts';
import type { Matcher } from './log-filter.ts';
import type { LogRangeResult } from './log-query.ts';

export const tailLimits = {
  /** Lines, followed by bytes, that wait for a slow reader; above them the oldest are dropped and counted. */
  lines: 5_000,
  bytes: 4 * MIB,
  /** Bytes that wait in all tails together: 64 tails can be full, 1,000 have 256 KiB each. */
  allBytes: 256 * MIB,
  /** Bytes counted for a waiting line besides its text. */
  lineOverheadBytes: 256,
  /** Lines, followed by bytes, of one frame. Each reader has at most one frame on its way. */
  frameLines: 500,
  frameBytes: 64 * KIB,
  /** Number of times that history is extended for a reader that cannot keep up. */
  extensions: 20,
} as const;

export interface LogTailOptions {
  /** Only lines with a greater cursor; if it is at or above `ceiling`, only live ones. */
  readonly after: number;
  /** The newest cursor stored when this tail was subscribed. */
  readonly ceiling: number;
  readonly matches: Matcher;
  /**
   * Whether all lines are read by `read`: a regular expression is not run on the event loop. Lines that are pushed only
   * raise the ceiling then.
   */
  readonly readsAll: boolean;
  /** Whether a frame without lines tells when history has been read (LogFrame.caughtUp). */
  readonly tellsCaughtUp: boolean;
  /** Reads the first lines of (after, upTo]. */
  readonly read: (after: number, upTo: number) => Promise<LogRangeResult>;
  /** Returns the bytes that may wait here now: a share of `tailLimits.allBytes`. */
  readonly bytesMax: () => number;
  readonly onClose: (tail: LogTail) => void;
}

export class LogTail {
  readonly #options: LogTailOptions;
  /** Cursor up to which the reader has got or lost all lines. */
  #after: number;
  /** Cursor up to which lines are read from the database; later ones are pushed. */
  #ceiling: number;
  #live: boolean;
  #hasTold: boolean;
  #extensions = 0;
  #buffer: LogLine[] = [];
  #bytes = 0;
  /** Lines lost that the reader has not been told of. */
  #dropped = 0;
  #wake: (() => void) | null = null;
  #closed = false;

  constructor(options: LogTailOptions) {
    this.#options = options;
    this.#after = options.after;
    this.#ceiling = options.ceiling;
    this.#live = options.after >= options.ceiling;
    this.#hasTold = !options.tellsCaughtUp;
  }

  /** Returns the next lines, at least one or a count of dropped ones; null after `close`. One call at a time. */
  async next(): Promise<LogFrame | null> {
    for (;;) {
      if (this.#closed) return null;
      if (!this.#live) {
        const { lines, seen, complete, expired } = await this.#options.read(this.#after, this.#ceiling);
        this.#dropped += expired;
        // The ceiling may have been raised meanwhile.
        this.#after = Math.max(this.#after, seen);
        this.#live = complete && this.#after >= this.#ceiling;
        if (lines.length > 0 && !this.#closed) return { lines, dropped: this.#takeDropped() };
        continue;
      }
      if (!this.#hasTold) {
        this.#hasTold = true;
        return { lines: [], dropped: this.#takeDropped(), caughtUp: this.#after };
      }
      if (this.#buffer.length > 0 || this.#dropped > 0) return this.#takeFrame();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /**
   * Takes lines just stored: ascending, all above `ceiling` and above those pushed before. `folded` gives the folded
   * text of the line at an index, made once for all tails.
   */
  push(lines: readonly LogLine[], folded: (index: number) => string): void {
    if (this.#options.readsAll) {
      this.extend(lines.at(-1)?.cursor ?? 0);
      return;
    }
    for (const [index, line] of lines.entries()) {
      if (!this.#options.matches(line, () => folded(index))) continue;
      this.#buffer.push(line);
      this.#bytes += cost(line);
    }
    const bytesMax = this.#options.bytesMax();
    if (this.#buffer.length > tailLimits.lines || this.#bytes > bytesMax) this.#makeRoom(bytesMax);
    this.#wakeUp();
  }

  /**
   * Tells that lines up to the cursor `ceiling` are stored and were not pushed (another control stored them): the tail
   * reads them from the database.
   */
  extend(ceiling: number): void {
    if (ceiling <= this.#ceiling) return;
    this.#ceiling = ceiling;
    this.#live = false;
    this.#buffer = [];
    this.#bytes = 0;
    this.#wakeUp();
  }

  /** Counts lines that were lost before they got a cursor. */
  lost(count: number): void {
    this.#dropped += count;
    this.#wakeUp();
  }

  /** Ends the tail and drops lines that were not read. Does nothing after the first time. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#buffer = [];
    this.#options.onClose(this);
    this.#wakeUp();
  }

  #makeRoom(bytesMax: number): void {
    const newest = this.#buffer.at(-1);
    if (!this.#live && newest !== undefined && this.#extensions < tailLimits.extensions) {
      this.#extensions += 1;
      this.#ceiling = newest.cursor;
      this.#buffer = [];
      this.#bytes = 0;
      return;
    }
    let drop = 0;
    while (this.#buffer.length - drop > tailLimits.lines || this.#bytes > bytesMax) {
      this.#bytes -= cost(this.#buffer[drop]!);
      drop += 1;
    }
    this.#buffer.splice(0, drop);
    this.#dropped += drop;
  }

  #takeFrame(): LogFrame {
    let count = 0;
    let bytes = 0;
    for (const line of this.#buffer) {
      if (count === tailLimits.frameLines || (count > 0 && bytes + cost(line) > tailLimits.frameBytes)) break;
      count += 1;
      bytes += cost(line);
    }
    const lines = this.#buffer.splice(0, count);
    this.#bytes -= bytes;
    const last = lines.at(-1);
    if (last !== undefined) this.#after = last.cursor;
    return { lines, dropped: this.#takeDropped() };
  }

  #takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

function cost(line: LogLine): number {
  return line.text.length + tailLimits.lineOverheadBytes;
}
