/** Asynchronous calls as lines. */
import type { CallView } from '../../src/protocol/views.ts';
import { formatAgo, formatDate, formatDuration, formatIn, plural } from './format.ts';
import { facts, table } from './table.ts';
import { visible } from './visible.ts';
import { cut } from './width.ts';

/** Words for the states of calls and runs. */
export const callWords = {
  ready: 'waits',
  inflight: 'runs',
  done: 'ok',
  failed: 'failed',
  skipped: 'skipped',
} as const;

/** Returns the cells CALL, ACCEPTED, STATE, ATTEMPTS, STATUS, TOOK, NEXT, REASON. */
export function callCells(call: CallView, nowMs: number): string[] {
  const { startedMs, endedMs, dueMs } = call;
  return [
    visible(call.id),
    formatAgo(call.acceptedMs, nowMs),
    callWords[call.state],
    String(call.attempts),
    call.status === null ? '-' : String(call.status),
    startedMs === null || endedMs === null ? '-' : formatDuration(Math.max(0, endedMs - startedMs)),
    dueMs === null ? '-' : formatIn(dueMs, nowMs),
    call.reason === null ? '' : visible(call.reason),
  ];
}

/** Returns lines about one call, a rule above them. */
export function callDetail(call: CallView, width: number): string[] {
  const { reason, invocation, startedMs } = call;
  return [
    '─'.repeat(Math.max(0, width)),
    ...facts([
      ['call', `${visible(call.id)}…, accepted ${formatDate(call.acceptedMs)}, ${plural(call.attempts, 'attempt')}`],
      ['last attempt', startedMs === null ? 'none yet' : formatDate(startedMs)],
      ['invocation', invocation ?? '-'],
      ['reason', reason === null ? '-' : visible(reason)],
    ]).map((line) => cut(line, width)),
  ];
}

export function callTable(calls: readonly CallView[], nowMs: number): string[] {
  return table(
    [
      { title: 'CALL' },
      { title: 'ACCEPTED' },
      { title: 'STATE' },
      { title: 'ATTEMPTS', align: 'right' },
      { title: 'STATUS', align: 'right' },
      { title: 'INVOCATION' },
      { title: 'REASON' },
    ],
    calls.map((call) => [
      visible(call.id),
      formatAgo(call.acceptedMs, nowMs),
      callWords[call.state],
      String(call.attempts),
      call.status === null ? '-' : String(call.status),
      call.invocation ?? '-',
      call.reason === null ? '' : visible(call.reason),
    ]),
  );
}
