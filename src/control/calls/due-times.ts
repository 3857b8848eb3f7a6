/**
 * Computes the ticks of a schedule (docs/schedules.md). Times are Unix milliseconds.
 *
 * When clocks are put forward, a tick at a skipped time of day comes at the first moment after the gap. When they are
 * put back, a tick at a fixed time of day comes once, and a repeating tick (each hour, each five minutes) goes on
 * through both hours. croner computes both.
 */
import { Cron } from 'croner';
import type { ScheduleSettings } from '../../protocol/nouns.ts';

export type When = Pick<ScheduleSettings, 'cron' | 'timezone' | 'everyMs'>;

/** Greatest number of ticks that are computed in one stretch to find the newest ones. */
const listedMost = 2_000;
/** Milliseconds of the first stretch; each further one is four times as long. */
const firstStretchMs = 60_000;

/** Returns the first tick after `afterMs`; null when none comes. `anchorMs`: time from which `everyMs` is counted. */
export function nextTick(when: When, afterMs: number, anchorMs: number): number | null {
  const { everyMs } = when;
  if (everyMs !== null) {
    const ticks = Math.max(0, Math.floor((afterMs - anchorMs) / everyMs));
    return anchorMs + (ticks + 1) * everyMs;
  }
  return cronOf(when).nextRun(new Date(afterMs))?.getTime() ?? null;
}

/**
 * Returns at most `most` of the newest ticks from `fromMs`, which is a tick, to `untilMs`, in ascending order. In a
 * stretch with very many ticks it computes the newest ones only.
 */
export function newestTicks(
  when: When,
  {
    fromMs,
    untilMs,
    anchorMs,
    most,
  }: { readonly fromMs: number; readonly untilMs: number; readonly anchorMs: number; readonly most: number },
): readonly number[] {
  for (let stretchMs = firstStretchMs; ; stretchMs *= 4) {
    const afterMs = Math.max(fromMs - 1, untilMs - stretchMs);
    const ticks: number[] = [];
    for (let tick = nextTick(when, afterMs, anchorMs); tick !== null && tick <= untilMs; ) {
      ticks.push(tick);
      if (ticks.length >= listedMost) break;
      tick = nextTick(when, tick, anchorMs);
    }
    if (ticks.length >= most || afterMs < fromMs) return ticks.slice(-most);
  }
}

/** Returns why a cron expression is invalid; null when it is valid. */
export function cronProblem(cron: string): string | null {
  const fields = cron.trim().split(/\s+/);
  // croner takes a date as well, which comes once or has passed; names such as @daily stand for all fields.
  if (!cron.trim().startsWith('@') && fields.length !== 5 && fields.length !== 6) return 'it needs five or six fields';
  try {
    cronOf({ cron, timezone: 'UTC', everyMs: null });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^Cron\w*: /, '') : String(error);
  }
}

/** Returns whether `name` is a time zone of the IANA database, or UTC. An offset such as +02:00 is not. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Parsed expressions: parsing costs more than computing a tick. */
const known = new Map<string, Cron>();
const knownMost = 1_000;

function cronOf({ cron, timezone }: When): Cron {
  if (cron === null) throw new Error('a schedule has cron or every');
  const key = `${timezone} ${cron}`;
  let found = known.get(key);
  if (found === undefined) {
    found = new Cron(cron, { timezone, paused: true, mode: '5-or-6-parts' });
    if (known.size >= knownMost) known.clear();
    known.set(key, found);
  }
  return found;
}
