/** Makes the lines of a handler's overview. */
import type { HandlerView, UsageMinute, UsageSummary } from '../../../src/protocol/views.ts';
import { formatAgo, formatBytes, formatCount, formatDate, formatDuration } from '../../text/format.ts';
import { formerNameFacts, stateText } from '../../text/handler.ts';
import { bucket, sparkline } from '../../text/sparkline.ts';
import { facts } from '../../text/table.ts';
import { fit } from '../../text/width.ts';

export interface OverviewInput {
  readonly view: HandlerView;
  readonly git: string;
  readonly usage: { readonly summary: UsageSummary; readonly minutes: readonly UsageMinute[] } | null;
  readonly nowMs: number;
  /** Columns of the terminal. */
  readonly width: number;
}

const minuteMs = 60_000;
const minutesShown = 60;

export function overviewLines({ view, git, usage, nowMs, width }: OverviewInput): string[] {
  const { deployedMs } = view;
  const head = facts([
    ['state', stateText(view)],
    ['url', view.url],
    ['', view.pathUrl],
    ['git', git],
    ...formerNameFacts(view, nowMs),
    ['branch', view.deployBranch ?? 'the first one pushed will be it'],
    ['deployed', deployedMs === null ? 'never' : `${formatDate(deployedMs)}, ${formatAgo(deployedMs, nowMs)}`],
  ]);
  if (view.state === 'empty') {
    return [
      ...head,
      '',
      'Nothing is deployed yet. In your repository:',
      '',
      `  git remote add wasmcloud ${git}`,
      '  git push wasmcloud main',
    ];
  }
  if (usage === null) return [...head, '', 'loading figures …'];
  const { summary, minutes } = usage;
  const bars = Math.max(10, Math.min(minutesShown, width - 34));
  const line = (label: string, value: (minute: UsageMinute) => number, now: string) => {
    const points = minutes.map((minute) => ({ timeMs: minute.minuteMs, value: value(minute) }));
    const sums = bucket(points, { nowMs: nextMinute(nowMs), spanMs: minuteMs, buckets: bars });
    const total = points.reduce((sum, point) => sum + point.value, 0);
    return `${fit(label, 10)}${sparkline(sums, bars)}  ${fit(now, 10, 'right')} ${fit(formatCount(total), 9, 'right')}`;
  };
  const percentiles =
    summary.p50Ms === null
      ? 'none'
      : `p50 ${formatDuration(summary.p50Ms)}   p99 ${formatDuration(summary.p99Ms ?? 0)}`;
  const bytes = (of: (minute: UsageMinute) => number) =>
    formatBytes(minutes.reduce((sum, minute) => sum + of(minute), 0));
  return [
    ...head,
    '',
    `${fit('', 10)}${fit(`last ${bars} minutes`, bars)}  ${fit('now', 10, 'right')} ${fit('hour', 9, 'right')}`,
    line('requests', (minute) => minute.invocations, perSecond(summary.requestsPerSecond)),
    line('failures', (minute) => minute.failures, perSecond(summary.failuresPerSecond)),
    line('gas', (minute) => minute.gas, ''),
    '',
    ...facts([
      ['time', `${percentiles}   (last ${formatDuration(summary.windowMs)})`],
      ['bytes', `${bytes((minute) => minute.bytesIn)} in, ${bytes((minute) => minute.bytesOut)} out   (last hour)`],
    ]),
  ];
}

function perSecond(rate: number): string {
  return `${rate < 10 ? Number(rate.toFixed(2)) : formatCount(Math.round(rate))}/s`;
}

/** Returns the end of the current minute, so that the last bar is the current minute. */
function nextMinute(nowMs: number): number {
  return (Math.floor(nowMs / minuteMs) + 1) * minuteMs;
}
