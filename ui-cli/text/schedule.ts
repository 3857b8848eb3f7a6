/** Formats schedules and their runs. */
import type { ScheduleRun, ScheduleView } from '../../src/protocol/views.ts';
import { callWords } from './call.ts';
import { formatAgo, formatDate, formatDuration, formatIn } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function scheduleTable(schedules: readonly ScheduleView[], nowMs: number): string[] {
  return table(
    [{ title: 'SCHEDULE' }, { title: 'WHEN' }, { title: 'NEXT' }, { title: 'LAST RUN' }],
    schedules.map((one) => [
      visible(one.name),
      whenOf(one),
      one.isPaused ? 'paused' : one.nextMs[0] === undefined ? 'never' : new Date(one.nextMs[0]).toISOString(),
      lastRun(one.runs[0], nowMs),
    ]),
  );
}

/** Returns the cells SCHEDULE, WHEN, NEXT, LAST RUN. */
export function scheduleCells(schedule: ScheduleView, nowMs: number): string[] {
  const next = schedule.nextMs[0];
  return [
    visible(schedule.name),
    whenOf(schedule),
    schedule.isPaused ? 'paused' : next === undefined ? 'never' : `${formatIn(next, nowMs)}`,
    lastRun(schedule.runs[0], nowMs),
  ];
}

/** Returns lines about a schedule, a rule above them: its next ticks, then its last runs, as far as they fit. */
export function scheduleDetail(
  { nextMs, runs, isPaused }: ScheduleView,
  { width, rows }: { readonly width: number; readonly rows: number },
): string[] {
  const next = nextMs.slice(0, 3).map((ms) => formatDate(ms));
  const ticks = next.length === 0 ? 'never again' : next.join('   ');
  const shown = runs.map((run) => {
    const at = run.startedMs ?? run.tickMs;
    const time = at === null ? '-' : formatDate(at);
    const took = run.startedMs === null || run.endedMs === null ? '' : formatDuration(run.endedMs - run.startedMs);
    const why = run.reason === null ? '' : visible(run.reason);
    return [time, callWords[run.state], took, run.attempts > 1 ? `${run.attempts} attempts` : '', why]
      .filter((part) => part !== '')
      .join('   ');
  });
  return [
    '─'.repeat(Math.max(0, width)),
    `next   ${isPaused ? 'paused: p lets it run again' : ticks}`,
    ...(shown.length === 0 ? ['runs   none yet'] : shown.map((line, i) => `${i === 0 ? 'runs' : '    '}   ${line}`)),
  ].slice(0, rows);
}

export function whenOf({ cron, timezone, everyMs }: ScheduleView): string {
  return cron === null ? `every ${formatDuration(everyMs ?? 0)}` : visible(`${cron} (${timezone})`);
}

function lastRun(run: ScheduleRun | undefined, nowMs: number): string {
  if (run === undefined) return 'none yet';
  const at = run.endedMs ?? run.startedMs ?? run.tickMs;
  const when = at === null ? '' : `, ${formatAgo(at, nowMs)}`;
  return `${callWords[run.state]}${when}${run.reason === null ? '' : ` (${visible(run.reason)})`}`;
}
