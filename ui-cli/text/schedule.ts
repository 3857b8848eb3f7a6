/** Formats schedules and their runs. */
import type { ScheduleRunView, ScheduleView } from '../client/views.ts';
import { callWords } from './call.ts';
import { formatAgo, formatDuration } from './format.ts';
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

function whenOf({ cron, timezone, everyMs }: ScheduleView): string {
  return cron === null ? `every ${formatDuration(everyMs ?? 0)}` : visible(`${cron} (${timezone})`);
}

function lastRun(run: ScheduleRunView | undefined, nowMs: number): string {
  if (run === undefined) return 'none yet';
  const at = run.endedMs ?? run.startedMs ?? run.tickMs;
  const when = at === null ? '' : `, ${formatAgo(at, nowMs)}`;
  return `${callWords[run.state]}${when}${run.reason === null ? '' : ` (${visible(run.reason)})`}`;
}
