/**
 * Decides which lines a reader gets: live lines one by one here, stored ones by columns in block-search.ts; a test
 * compares both over random lines and filters.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { hasField } from '../../protocol/log-fields.ts';
import { type LogLine, type LogStream, levelByName, logLevelNames, logStreams } from '../../protocol/nouns.ts';
import type { LogFilter, StatusRange } from '../../protocol/ports.ts';
import { compileRegex } from './regex.ts';

/** Characters of a search text; longer ones are not typed by people. */
export const grepCharsMax = 500;

/**
 * Returns the number of the level that a reader typed: a level's name, or a number from 0 to 999. Throws `bad_request`.
 */
export function parseLevel(text: string): number {
  const named = levelByName(text);
  if (named !== undefined) return named;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new PlatformError('bad_request', `level is ${logLevelNames.join(', ')} or a number from 0 to 999`);
}

/** Returns the statuses that a reader typed: `404`, or `5xx` for a class. Throws `bad_request`. */
export function parseStatus(text: string): StatusRange {
  const [, digit, rest] = /^([1-5])(\d\d|xx)$/i.exec(text) ?? [];
  if (digit === undefined || rest === undefined)
    throw new PlatformError('bad_request', 'status is a number such as 404, or a class such as 5xx');
  const base = Number(digit) * 100;
  return rest.toLowerCase() === 'xx'
    ? { from: base, to: base + 99 }
    : { from: base + Number(rest), to: base + Number(rest) };
}

/**
 * Returns the condition on a field that a reader typed, as `hasField` reads it. Throws `bad_request` for an empty one.
 */
export function parseField(text: string): string {
  if (text === '') throw new PlatformError('bad_request', 'field is NAME=VALUE, or NAME for any value');
  return text;
}

/** Returns the streams whose lines the filter can let through. */
export function streamsOf({ stream, status, requests = false }: LogFilter): readonly LogStream[] {
  const streams = status !== undefined ? (['request'] as const) : requests ? logStreams : withoutRequests;
  if (stream === undefined) return streams;
  return status === undefined || stream === 'request' ? [stream] : [];
}

const withoutRequests = logStreams.filter((stream) => stream !== 'request');

/** Returns the first digits of the statuses in a range. */
export function classesOf({ from, to }: StatusRange): readonly number[] {
  const first = Math.floor(from / 100);
  return Array.from({ length: Math.max(0, Math.floor(to / 100) - first + 1) }, (_, at) => first + at);
}

/**
 * Returns whether a filter has to look at lines that it then leaves out. Requests are left out by their column alone.
 */
export function isSearch(filter: LogFilter): boolean {
  const { grep, regex, fields, level, invocation, deployment, stream, status, preview, sinceMs, untilMs } = filter;
  return (
    (grep ?? '') !== '' ||
    (fields ?? []).length > 0 ||
    [regex, level, invocation, deployment, stream, status, preview, sinceMs, untilMs].some(
      (wanted) => wanted !== undefined,
    )
  );
}

/** Tests a line. `folded` returns the line's text through `foldCase`; a function, because most tests do not need it. */
export type Matcher = (line: LogLine, folded: () => string) => boolean;

/** Makes a test for lines, and prepares its parts once. Throws `bad_request` for a pattern that is not accepted. */
export function matcher(filter: LogFilter): Matcher {
  const { level, invocation, deployment, status, preview, sinceMs, untilMs, fields = [] } = filter;
  const needle = filter.grep === undefined || filter.grep === '' ? undefined : foldCase(filter.grep);
  const regex = filter.regex === undefined ? null : compileRegex(filter.regex);
  const streams = new Set(streamsOf(filter));
  return (line, folded) =>
    streams.has(line.stream) &&
    (level === undefined || line.level <= level) &&
    (invocation === undefined || line.invocation === invocation) &&
    (deployment === undefined || line.deployment === deployment) &&
    (status === undefined || isInRange(line.status ?? 0, status)) &&
    (preview === undefined || (line.preview ?? '') === preview) &&
    (sinceMs === undefined || line.timeMs >= sinceMs) &&
    (untilMs === undefined || line.timeMs < untilMs) &&
    (fields.length === 0 || hasFields(line.fields, fields)) &&
    (needle === undefined || folded().includes(needle)) &&
    (regex === null || regex.test(line.text));
}

/** Returns whether `status` is in a range, both of whose ends belong to it. */
export function isInRange(status: number, { from, to }: StatusRange): boolean {
  return status >= from && status <= to;
}

/** Returns whether the fields of a line fit all conditions. */
export function hasFields(found: LogLine['fields'], wanted: readonly string[]): boolean {
  if (found === undefined) return wanted.length === 0;
  return wanted.every((condition) => hasField(found, condition));
}

/** Returns `text` with A-Z as a-z. Only ASCII, as lower() does on every database. */
export function foldCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}
