/** Formats invocations. */
import type { InvocationRecord, LogLine } from '../../src/protocol/nouns.ts';
import { formatBytes, formatClock, formatCount, formatDate, formatDuration, plural } from './format.ts';
import { formatLogLine, searchStopped } from './log-line.ts';
import { facts, table } from './table.ts';
import { visible } from './visible.ts';

export function invocationTable(records: readonly InvocationRecord[]): string[] {
  const right = (title: string) => ({ title, align: 'right' }) as const;
  return table(
    [
      { title: 'TIME' },
      { title: 'ID' },
      right('STATUS'),
      { title: 'OUTCOME' },
      right('TOOK'),
      right('GAS'),
      { title: 'REQUEST' },
    ],
    records.map((record) => [
      formatClock(record.startedMs),
      visible(record.id),
      record.status === 0 ? '-' : String(record.status),
      record.outcome,
      formatDuration(record.durationMs),
      formatCount(record.gas),
      visible(`${record.method} ${record.path}`),
    ]),
  );
}

function invocationFacts(record: InvocationRecord): (readonly [string, string])[] {
  return [
    ['invocation', visible(record.id)],
    ['request', visible(`${record.method} ${record.path}`)],
    ...optional('trigger', triggerText(record)),
    ['status', record.status === 0 ? record.outcome : `${record.status} (${record.outcome})`],
    ...optional('error', record.error),
    [
      'version',
      `v${record.deployment}${record.commit === undefined ? '' : ` (${visible(record.commit.slice(0, 8))})`}`,
    ],
    ['started', formatDate(record.startedMs)],
    ['time', formatDuration(record.durationMs)],
    ['gas', record.gas.toLocaleString('en')],
    ['memory', `${plural(record.memoryPages, 'page')} (${formatBytes(record.memoryPages * 65_536)})`],
    ['bytes', `${formatBytes(record.bytesIn)} in, ${formatBytes(record.bytesOut)} out`],
    ...optional('trace', record.traceId),
  ];
}

function optional(title: string, value: string | undefined): (readonly [string, string])[] {
  return value === undefined ? [] : [[title, visible(value)]];
}

function triggerText({ trigger }: InvocationRecord): string | undefined {
  if (trigger === undefined) return undefined;
  return trigger.kind === 'async' ? `asynchronous call ${trigger.name}` : `${trigger.kind} ${trigger.name}`;
}

function syscallTable(record: InvocationRecord): string[] {
  const entries = Object.entries(record.syscalls).toSorted(([, a], [, b]) => b.waitMs - a.waitMs || b.count - a.count);
  return table(
    [{ title: 'SYSTEM CALL' }, { title: 'COUNT', align: 'right' }, { title: 'WAITED', align: 'right' }],
    entries.map(([name, { count, waitMs }]) => [visible(name), String(count), formatDuration(waitMs)]),
  );
}

function ioTable(record: InvocationRecord): string[] {
  return table(
    [{ title: 'SCHEME' }, { title: 'IN', align: 'right' }, { title: 'OUT', align: 'right' }],
    Object.entries(record.io).map(([scheme, io]) => [
      visible(scheme),
      formatBytes(io.bytesIn),
      formatBytes(io.bytesOut),
    ]),
  );
}

/** Returns lines that show the functions which were running when a call failed; none where none is known. */
export function stackLines(stack: readonly string[]): readonly string[] {
  return stack.length === 0 ? [] : ['STACK (innermost first)', ...stack.map((name) => `  ${visible(name)}`)];
}

/** Returns the lines about an invocation. `stopped`: the search for its log lines ended before it was complete. */
export function invocationLines(
  record: InvocationRecord,
  { lines, stopped }: { readonly lines: readonly LogLine[]; readonly stopped: boolean },
): string[] {
  const { stack = [] } = record;
  return [
    ...facts(invocationFacts(record)),
    ...section(stack.length > 0, stackLines(stack)),
    ...section(Object.keys(record.syscalls).length > 0, syscallTable(record)),
    ...section(Object.keys(record.io).length > 0, ioTable(record)),
    ...section(lines.length > 0, ['LOG', ...lines.map((line) => formatLogLine(line, { iso: false }))]),
    ...section(stopped, searchStopped.split('\n')),
  ];
}

const section = (there: boolean, lines: readonly string[]) => (there ? ['', ...lines] : []);
