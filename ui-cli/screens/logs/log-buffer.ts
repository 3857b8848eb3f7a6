/**
 * Holds the newest log lines and an index of those that match a filter, outside React. Both are ring buffers, so that
 * the first and the millionth line cost the same.
 */
import type { InvocationRecord, LogLine } from '../../../src/protocol/nouns.ts';

/** Capacity in lines: about 10 MiB, and hours of an ordinary log. */
export const logBufferLines = 50_000;

export type LogEntry =
  | { readonly kind: 'line'; readonly line: LogLine }
  /** An invocation that has ended, so that a function that logs nothing still shows something. */
  | { readonly kind: 'call'; readonly record: InvocationRecord }
  /** An event of the stream itself: a lost connection, dropped lines. Shown with every filter. */
  | { readonly kind: 'mark'; readonly text: string };

export class LogBuffer {
  /** Number of entries of the ring. */
  readonly #capacity: number;
  readonly #entries: (LogEntry | undefined)[];
  /** Sequence number of the next entry; the ring holds the `#capacity` entries before it. */
  #next = 0;
  /** Sequence numbers of matching entries: a ring buffer, addressed by ordinal. */
  readonly #matches: Float64Array;
  #firstOrdinal = 0;
  #nextOrdinal = 0;
  #filter: (line: LogLine) => boolean = () => true;
  #callFilter: (record: InvocationRecord) => boolean = () => true;

  constructor(capacity = logBufferLines) {
    this.#capacity = capacity;
    this.#entries = new Array(capacity);
    this.#matches = new Float64Array(capacity);
  }

  /** Number of entries held. */
  get size(): number {
    return Math.min(this.#next, this.#capacity);
  }

  /**
   * Ordinal of the first matching entry; ordinals end before `nextOrdinal`. An entry keeps its ordinal until it falls
   * out of the ring or the filter changes.
   */
  get firstOrdinal(): number {
    return this.#firstOrdinal;
  }

  get nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  get matchCount(): number {
    return this.#nextOrdinal - this.#firstOrdinal;
  }

  /** Adds the newest entry. The oldest one falls out when the ring is full. */
  push(entry: LogEntry): void {
    const evicted = this.#next - this.#capacity;
    if (evicted >= 0 && this.matchCount > 0 && this.#sequenceAt(this.#firstOrdinal) === evicted)
      this.#firstOrdinal += 1;
    this.#entries[this.#next % this.#capacity] = entry;
    if (this.#shows(entry)) this.#addMatch(this.#next);
    this.#next += 1;
  }

  /** Yields all held entries, oldest first, whatever the filter. */
  *entries(): IterableIterator<LogEntry> {
    for (let sequence = this.#next - this.size; sequence < this.#next; sequence += 1) {
      const entry = this.#entries[sequence % this.#capacity];
      if (entry !== undefined) yield entry;
    }
  }

  /** Adds older entries at the front, as many of the newest of them as fit; ordinals start anew. */
  prepend(older: readonly LogEntry[]): void {
    const held = [...this.entries()];
    const room = Math.max(0, this.#capacity - held.length);
    this.#next = 0;
    this.#firstOrdinal = 0;
    this.#nextOrdinal = 0;
    for (const entry of room === 0 ? [] : older.slice(-room)) this.push(entry);
    for (const entry of held) this.push(entry);
  }

  /** Returns the matching entry with an ordinal, if it is still held. */
  at(ordinal: number): LogEntry | undefined {
    if (ordinal < this.#firstOrdinal || ordinal >= this.#nextOrdinal) return undefined;
    return this.#entries[this.#sequenceAt(ordinal) % this.#capacity];
  }

  /**
   * Rebuilds the index; ordinals start anew at 0. Returns the new ordinal of the entry that had `keep`, or of the next
   * one.
   */
  setFilter(
    filter: ((line: LogLine) => boolean) | null,
    keep = -1,
    callFilter: ((record: InvocationRecord) => boolean) | null = null,
  ): number {
    const kept = keep >= this.#firstOrdinal && keep < this.#nextOrdinal ? this.#sequenceAt(keep) : -1;
    this.#filter = filter ?? (() => true);
    this.#callFilter = callFilter ?? (() => true);
    this.#firstOrdinal = 0;
    this.#nextOrdinal = 0;
    let found = -1;
    for (let sequence = this.#next - this.size; sequence < this.#next; sequence += 1) {
      const entry = this.#entries[sequence % this.#capacity];
      if (entry === undefined || !this.#shows(entry)) continue;
      if (found === -1 && kept !== -1 && sequence >= kept) found = this.#nextOrdinal;
      this.#addMatch(sequence);
    }
    return found === -1 ? Math.max(0, this.#nextOrdinal - 1) : found;
  }

  /** Returns the nearest matching line before (`step` -1) or after (1) `ordinal` that `wanted` accepts; -1: none. */
  find(ordinal: number, step: 1 | -1, wanted: (line: LogLine) => boolean): number {
    for (let at = ordinal + step; at >= this.#firstOrdinal && at < this.#nextOrdinal; at += step) {
      const entry = this.at(at);
      if (entry?.kind === 'line' && wanted(entry.line)) return at;
    }
    return -1;
  }

  #shows(entry: LogEntry): boolean {
    if (entry.kind === 'line') return this.#filter(entry.line);
    return entry.kind === 'mark' || this.#callFilter(entry.record);
  }

  #addMatch(sequence: number): void {
    this.#matches[this.#nextOrdinal % this.#capacity] = sequence;
    this.#nextOrdinal += 1;
  }

  #sequenceAt(ordinal: number): number {
    return this.#matches[ordinal % this.#capacity] ?? -1;
  }
}
