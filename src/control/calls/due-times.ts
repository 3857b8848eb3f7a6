/**
 * Computes when a schedule ticks (docs/schedules.md). Times are Unix milliseconds.
 *
 * Where clocks are put forward, a tick at a time of day that does not exist comes at the first moment after the gap.
 * Where they are put back, a tick at a fixed time of day comes once, and one that repeats (each hour, each five minutes)
 * goes on through both hours: croner does both.
 */
import { Cron } from 'croner';
import type { ScheduleSettings } from '../../protocol/nouns.ts';

export type When = Pick<ScheduleSettings, 'cron' | 'timezone' | 'everyMs'>;

/** Ticks that are looked through to find the newest ones of a long time. */
const listedMost = 2_000;
/** The first stretch that is looked through; each further one is four times as long. */
const firstStretchMs = 60_000;

/** Returns the first tick after `afterMs`; null where none comes. `anchorMs`: since when `everyMs` is counted. */
export function nextTick(when: When, afterMs: number, anchorMs: number): number | null {
  const { everyMs } = when;
  if (everyMs !== null) {
    const ticks = Math.max(0, Math.floor((afterMs - anchorMs) / everyMs));
    return anchorMs + (ticks + 1) * everyMs;
  }
  return cronOf(when).nextRun(new Date(afterMs))?.getTime() ?? null;
}

/**
 * Returns the newest ticks from `fromMs`, which is one, to `untilMs`, at most `most`, ascending. Of a stretch that is
 * full of ticks it looks through the newest ones only.
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

/** Returns why a cron expression cannot be read; null where it can. */
export function cronProblem(cron: string): string | null {
  try {
    cronOf({ cron, timezone: 'UTC', everyMs: null });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^Cron\w*: /, '') : String(error);
  }
}

/** Returns whether `name` is a time zone: of the IANA database, or UTC. An offset such as +02:00 is none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Expressions that have been read: reading one costs more than asking it for a tick. */
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
