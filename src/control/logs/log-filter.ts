/**
 * Decides which lines a reader gets: live lines one by one here, stored ones by columns in block-search.ts; a test
 * compares both over random lines and filters.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { type LogLine, levelByName, logLevelNames } from '../../protocol/nouns.ts';
import type { LogFilter } from '../../protocol/ports.ts';

/** Characters of a search text; longer ones are not typed by people. */
export const grepCharsMax = 500;

/** Returns the number of the level that a reader typed: a level's name, or a number from 0 to 999. Throws `bad_request`. */
export function parseLevel(text: string): number {
  const named = levelByName(text);
  if (named !== undefined) return named;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new PlatformError('bad_request', `level is ${logLevelNames.join(', ')} or a number from 0 to 999`);
}

/** Returns whether a filter has to look at lines that it then leaves out. */
export function isSearch({ grep, level, invocation, stream, preview, sinceMs, untilMs }: LogFilter): boolean {
  return (
    (grep ?? '') !== '' || [level, invocation, stream, preview, sinceMs, untilMs].some((wanted) => wanted !== undefined)
  );
}

/** Tests a line. `folded` returns the line's text through `foldCase`; a function, because most tests do not need it. */
export type Matcher = (
  line: Pick<LogLine, 'level' | 'invocation' | 'stream' | 'preview' | 'timeMs'>,
  folded: () => string,
) => boolean;

/** Makes a test for lines, and prepares its parts once. */
export function matcher(filter: LogFilter): Matcher {
  const { level, invocation, stream, preview, sinceMs, untilMs } = filter;
  const needle = filter.grep === undefined || filter.grep === '' ? undefined : foldCase(filter.grep);
  return (line, folded) =>
    (level === undefined || line.level <= level) &&
    (invocation === undefined || line.invocation === invocation) &&
    (stream === undefined || line.stream === stream) &&
    (preview === undefined || (line.preview ?? '') === preview) &&
    (sinceMs === undefined || line.timeMs >= sinceMs) &&
    (untilMs === undefined || line.timeMs < untilMs) &&
    (needle === undefined || folded().includes(needle));
}

/** Returns `text` with A-Z as a-z. Only ASCII, as lower() does on every database. */
export function foldCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}
