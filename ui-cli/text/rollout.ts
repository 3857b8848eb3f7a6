/** A gradual release in words. Pure. */
import type { RolloutFigures, RolloutView } from '../../src/protocol/nouns.ts';
import { formatAgo, formatDuration } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

/** VERSION, SHARE, CALLS, FAILED, MEAN of both versions, and what ends it. `nowMs` in Unix milliseconds. */
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
