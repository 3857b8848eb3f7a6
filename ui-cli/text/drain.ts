/** Drains as lines. */
import type { DrainView } from '../../src/protocol/views.ts';
import { formatAgo, formatIn } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function drainTable(drains: readonly DrainView[], nowMs: number): string[] {
  const right = (title: string) => ({ title, align: 'right' }) as const;
  return table(
    [
      { title: 'DRAIN' },
      { title: 'KIND' },
      { title: 'TARGET' },
      right('SENT'),
      right('LOST'),
      { title: 'LAST' },
      right('FAILED'),
      { title: 'NEXT TRY' },
      { title: 'ERROR' },
    ],
    drains.map((drain) => [
      visible(drain.name),
      drain.kind,
      visible(drain.target),
      String(drain.sent),
      String(drain.lost),
      drain.sentMs === null ? '-' : formatAgo(drain.sentMs, nowMs),
      String(drain.failures),
      drain.retryMs === null ? '-' : formatIn(drain.retryMs, nowMs),
      drain.error === null ? '' : visible(drain.error),
    ]),
  );
}

/** Returns lines about one drain: a rule, where it leads, and what went wrong. */
export function drainDetail(drain: DrainView, nowMs: number, width: number): string[] {
  const { target, error, failedMs, retryMs } = drain;
  return [
    '─'.repeat(Math.max(0, width)),
    visible(target),
    ...(error === null ? [] : [`${failedMs === null ? '' : `${formatAgo(failedMs, nowMs)}: `}${visible(error)}`]),
    ...(retryMs === null ? [] : [`next try ${formatIn(retryMs, nowMs)}`]),
  ];
}
