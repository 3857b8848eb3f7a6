/** Parsers of command line values. Each throws InvalidArgumentError, whose message commander prints. */
import { InvalidArgumentError } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { levelByName, logLevelNames, logLevels } from '../../src/protocol/nouns.ts';
import { readBytes } from '../text/size.ts';

/**
 * Description of the argument that names a handler; completion recognises the argument by it. Where it is optional, the
 * repository's remote names the handler (Context.handlerName).
 */
export const handlerArgument = 'handler';

/** Returns a parser of whole numbers from `least` to `most`. */
export function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** Parses bytes: `500MiB`, `2 GiB`, `1048576`. */
export function parseBytes(text: string): number {
  const bytes = readBytes(text);
  if (bytes !== null) return bytes;
  throw new InvalidArgumentError('It must be a size such as 500MiB or 2GiB.');
}

/** Values of --level: `error, warning, info or a number`. */
export const levelChoices = `${logLevelNames.join(', ')} or a number`;

/**
 * Returns the number of a level given by name (any case, also `warn`) or by number; severe levels have small numbers.
 */
export function parseLevel(text: string): number {
  const name = text.toLowerCase();
  const named = name === 'warn' ? logLevels.warning : levelByName(name);
  if (named !== undefined) return named;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`It must be ${levelChoices}.`);
}

/** Parses a version: `v3` or `3`. */
export function parseVersion(text: string): number {
  const match = /^v?([1-9]\d{0,8})$/i.exec(text);
  if (match !== null) return Number(match[1]);
  throw new InvalidArgumentError('It must be a version such as v3.');
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Returns Unix milliseconds of `90s`, `10m`, `1h` or `2d` ago, or of a date such as 2026-11-26T08:15 (local, unless it
 * ends with Z).
 */
export function parseTime(text: string, nowMs = Date.now()): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return nowMs - Number(count) * (unitsMs[unit] ?? 0);
  const date = /^\d{4}-\d{2}-\d{2}/.test(text)
    ? new Date(text.includes(':') ? text : `${text}T00:00`).getTime()
    : Number.NaN;
  if (Number.isNaN(date) || !isDay(text))
    throw new InvalidArgumentError('It must be like 10m, 1h, 2d or 2026-11-26T08:15.');
  return Math.max(0, date);
}

/** Returns whether the calendar has the day that a date begins with: Date takes February 30 for March 2. */
function isDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number);
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
}

/** Returns a test for HTTP statuses, from `500` or `5xx`. */
export function parseStatus(text: string): (status: number) => boolean {
  if (/^[1-5]\d\d$/.test(text)) return (status) => status === Number(text);
  if (/^[1-5]xx$/i.test(text)) return (status) => Math.floor(status / 100) === Number(text[0]);
  throw new InvalidArgumentError('It must be a status such as 404, or a class such as 5xx.');
}

/** Throws `bad_request` unless `--yes` was given. */
export function needYes(yes: boolean | undefined, what: string, hint: string): void {
  if (yes !== true) throw new PlatformError('bad_request', `${what}; it needs a yes`, { hints: [hint] });
}
