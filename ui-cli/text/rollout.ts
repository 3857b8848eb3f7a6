/** A gradual release in words. Pure. */
import type { RolloutFigures, RolloutView } from '../../src/protocol/views.ts';
import { formatAgo, formatDuration } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';
import { wrap } from './width.ts';

/**
 * Returns both versions' figures side by side, and what ends the release. `nowMs` in Unix milliseconds; no line is
 * wider than `width` cells.
 */
export function rolloutLines(rollout: RolloutView, nowMs: number, width: number): readonly string[] {
  const { from, to, percent, header, errorPercent, startedMs, figures } = rollout;
  const column = (share: number, { invocations, failures, meanMs }: RolloutFigures) => [
    `${share} %`,
    bar(share),
    invocations.toLocaleString('en'),
    `${failures.toLocaleString('en')} (${((100 * failures) / Math.max(1, invocations)).toFixed(1)} %)`,
    meanMs === null ? '-' : formatDuration(meanMs),
  ];
  const left = column(100 - percent, figures.from);
  const right = column(percent, figures.to);
  const names = ['share', '', 'calls', 'failed', 'mean'];
  const rows = names.map((name, i) => [name, left[i] ?? '', right[i] ?? '']);
  const by = header === null ? 'a cookie' : `the header ${visible(header)}`;
  const notes = [
    `Started ${formatAgo(startedMs, nowMs)}. Callers keep their version by ${by}.`,
    `It is aborted when more than ${errorPercent} % of the calls of v${to} fail.`,
  ];
  return [
    ...table([{ title: '' }, { title: `v${from} (live)` }, { title: `v${to} (new)` }], rows),
    '',
    ...notes.flatMap((note) => wrap(note, width)),
  ];
}

/** Returns a share as a bar of at most twenty cells. */
function bar(percent: number): string {
  return '█'.repeat(Math.max(1, Math.round(percent / 5)));
}

/**
 * Returns a table with VERSION, SHARE, CALLS, FAILED, MEAN of both versions, and what ends the rollout. `nowMs` in Unix
 * milliseconds.
 */
export function rolloutTable(rollout: RolloutView, nowMs: number): readonly string[] {
  const { from, to, percent, header, errorPercent, startedMs, figures } = rollout;
  const row = (number: number, share: number, { invocations, failures, meanMs }: RolloutFigures) => [
    `v${number}`,
    `${share} %`,
    String(invocations),
    failures === 0 ? '0' : `${failures} (${((100 * failures) / Math.max(1, invocations)).toFixed(1)} %)`,
    meanMs === null ? '-' : formatDuration(meanMs),
  ];
  const right = 'right' as const;
  return [
    ...table(
      [
        { title: 'VERSION' },
        { title: 'SHARE', align: right },
        { title: 'CALLS', align: right },
        { title: 'FAILED', align: right },
        { title: 'MEAN', align: right },
      ],
      [row(from, 100 - percent, figures.from), row(to, percent, figures.to)],
    ),
    `started ${formatAgo(startedMs, nowMs)}; callers keep their version by ${header === null ? 'a cookie' : `the header ${visible(header)}`}; aborted when more than ${errorPercent} % of the calls of v${to} fail`,
  ];
}
