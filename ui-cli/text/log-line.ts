/** Formats a log line as columns, for plain text and the terminal interface alike. */
import { type InvocationRecord, type LogLevelName, type LogLine, logLevels } from '../../src/protocol/nouns.ts';
import { formatClock, formatDuration } from './format.ts';
import { visible } from './visible.ts';

export type Severity = LogLevelName | 'other';

/** Returns the severity of a line, by CommonWA's numbers: levels up to `error` are errors. */
export function severityOf(line: Pick<LogLine, 'level'>): Severity {
  if (line.level <= logLevels.error) return 'error';
  if (line.level <= logLevels.warning) return 'warning';
  return line.level === logLevels.info ? 'info' : 'other';
}

/** Text below the lines of a search that covered only a part of the log. */
export const searchStopped =
  'the search has looked at a part of the log only; there may be more\nhint: narrow it with --since and --until';

/** Returns what a reader is told after a lost connection. `missed`: lines that did not come; null: unknown. */
export function resumedText(missed: number | null): string {
  if (missed === null) return 'connected again, and the server does not know whether lines were missed';
  if (missed === 0) return 'connected again, nothing was missed';
  return `connected again, ${missed} line${missed === 1 ? ' was' : 's were'} missed`;
}

/** Returns the level in five cells, so that columns align. */
export function levelText(line: Pick<LogLine, 'level'>): string {
  if (line.level === logLevels.error) return 'ERROR';
  if (line.level === logLevels.warning) return 'WARN ';
  if (line.level === logLevels.info) return 'INFO ';
  return `L${line.level}`.padEnd(5);
}

/** Returns the part of an id that distinguishes invocations at a glance: six digits of its runner's, and the number. */
export function shortId(id: string): string {
  return id === '' ? '-' : visible(id.slice(Math.max(0, id.indexOf('-') - 6)));
}

/** Returns 08:15:42.123 INFO  v3 1a2b3c4d text. `iso`: the time is 2026-11-22T08:15:42.123Z, for files. */
export function formatLogLine(line: LogLine, { iso }: { readonly iso: boolean }): string {
  const time = iso ? isoTime(line.timeMs) : formatClock(line.timeMs);
  const version = line.deployment === 0 ? '-' : `v${line.deployment}`;
  const source = line.stream === 'log' ? '' : `[${line.stream}] `;
  const preview = line.preview === undefined ? '' : `[${visible(line.preview)}] `;
  const head = `${time} ${levelText(line)} ${version} ${shortId(line.invocation)} ${preview}${source}`;
  return head + visible(line.text) + fieldsText(line);
}

/** Returns the fields of a line as ` name=value`, those that its text has already left out. */
export function fieldsText({ fields, text, stream }: Pick<LogLine, 'fields' | 'text' | 'stream'>): string {
  // A request, and a line that is still the JSON that was written, say it all.
  if (fields === undefined || stream === 'request' || text.startsWith('{')) return '';
  return Object.entries(fields)
    .map(([name, value]) => ` ${visible(name)}=${visible(String(value))}`)
    .join('');
}

function isoTime(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? '-' : date.toISOString();
}

/**
 * Returns an invocation as a line among its log lines: 08:15:42.123 CALL  v3 90db40-1 GET /path 500 (trapped) in 12 ms
 */
export function formatCall(record: InvocationRecord, { iso }: { readonly iso: boolean }): string {
  const endMs = record.startedMs + record.durationMs;
  const time = iso ? isoTime(endMs) : formatClock(endMs);
  const outcome = record.outcome === 'ok' ? '' : ` (${record.outcome})`;
  const request = visible(`${record.method} ${record.path}`);
  const took = formatDuration(record.durationMs);
  return `${time} CALL  v${record.deployment} ${shortId(record.id)} ${request} ${record.status}${outcome} in ${took}`;
}
