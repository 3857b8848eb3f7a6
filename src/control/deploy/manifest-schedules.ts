/** Reads the tables `[[schedule]]` of a manifest: when a function is run, and how (docs/schedules.md). */
import { z } from 'zod';
import { callLimits, maximumLimits } from '../../protocol/limits.ts';
import { storeNamePattern } from '../../protocol/names.ts';
import { type ScheduleSettings, scheduleOverlaps } from '../../protocol/nouns.ts';
import { cronProblem, isTimeZone, nextTick } from '../calls/due-times.ts';

const cronCharsMax = 128;
const pathCharsMax = 2_048;

/** Milliseconds of each unit of `every`. */
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const schedule = z
  .strictObject({
    name: z
      .string('must be a name in quotes')
      .regex(storeNamePattern, 'must have 1 to 64 letters, digits, dots, underscores and hyphens')
      .optional(),
    cron: z
      .string('must be text in quotes, such as "*/5 * * * *"')
      .max(cronCharsMax, `has more than ${cronCharsMax} characters`)
      .superRefine(checkCron)
      .optional(),
    timezone: z
      .string('must be a name in quotes, such as "Europe/Berlin"')
      .refine(isTimeZone, 'is no time zone that is known here; use a name such as "Europe/Berlin" or "UTC"')
      .optional(),
    every: z
      .string('must be text in quotes, such as "30s"')
      .refine((text) => everyMs(text) !== null, 'must be a number of s, m, h or d from "1s" to "366d"')
      .optional(),
    path: z
      .string('must be a path in quotes')
      .max(pathCharsMax, `has more than ${pathCharsMax} characters`)
      .regex(/^\/[!-~]*$/, 'must begin with / and be percent-encoded where it is not ASCII')
      .refine((path) => !path.includes('#') && !path.includes('%00'), 'must have no # and no %00')
      .optional(),
    body: z
      .string('must be text in quotes')
      .refine(
        (body) => Buffer.byteLength(body) <= callLimits.scheduleBodyBytes,
        `has more than ${callLimits.scheduleBodyBytes} bytes`,
      )
      .optional(),
    overlap: z.enum(scheduleOverlaps, `must be one of ${scheduleOverlaps.join(', ')}`).optional(),
    'catch-up': z
      .int('must be a whole number')
      .min(0, 'must be at least 0')
      .max(callLimits.catchUp, `must be at most ${callLimits.catchUp}`)
      .optional(),
    'timeout-ms': z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(maximumLimits.timeoutMs, `must be at most ${maximumLimits.timeoutMs}`)
      .optional(),
  })
  .superRefine(({ cron, every, timezone }, ctx) => {
    const bad = (path: string[], message: string) => ctx.addIssue({ code: 'custom', path, message });
    if ((cron === undefined) === (every === undefined)) bad([], 'needs one of cron and every');
    else if (cron === undefined && timezone !== undefined) bad(['timezone'], 'means nothing beside every');
    else if (cron !== undefined && cronProblem(cron) === null && (timezone === undefined || isTimeZone(timezone))) {
      const when = { cron, timezone: timezone ?? 'UTC', everyMs: null };
      // The date exists in no year, such as 30 February.
      if (nextTick(when, 0, 0) === null) bad(['cron'], 'never comes');
    }
  });

/** Keys that a table may have. */
export const scheduleKeys = Object.keys(schedule.shape);

export const scheduleTables = z
  .array(schedule, 'must be a list of tables: [[schedule]]')
  .max(callLimits.schedules, `has more than ${callLimits.schedules} schedules`)
  .superRefine((schedules, ctx) => {
    const names = new Set<string>();
    schedules.forEach(({ name }, index) => {
      const own = name ?? defaultName(index);
      if (names.has(own)) ctx.addIssue({ code: 'custom', path: [index, 'name'], message: 'is used twice' });
      names.add(own);
    });
  });

/** Returns the settings of all tables. `timeoutMs`: limit of the function, used when a table sets none. */
export function scheduleSettings(
  given: readonly z.infer<typeof schedule>[],
  timeoutMs: number,
): readonly ScheduleSettings[] {
  return given.map((one, index) => {
    const name = one.name ?? defaultName(index);
    return {
      name,
      cron: one.cron ?? null,
      timezone: one.timezone ?? 'UTC',
      everyMs: one.every === undefined ? null : everyMs(one.every),
      path: one.path ?? `/.trisiel/schedule/${encodeURIComponent(name)}`,
      body: one.body ?? '',
      overlap: one.overlap ?? 'skip',
      catchUp: one['catch-up'] ?? 1,
      timeoutMs: one['timeout-ms'] ?? timeoutMs,
    };
  });
}

/** Returns a warning for each valid schedule that may surprise its author. */
export function scheduleWarnings(schedules: readonly ScheduleSettings[]): readonly string[] {
  return schedules.flatMap((one) => {
    const first = nextTick(one, 0, 0);
    const second = first === null ? null : nextTick(one, first, 0);
    if (first === null || second === null || second - first > 1_000) return [];
    return [`the schedule ${one.name} ticks each second: that is up to 86,400 runs a day`];
  });
}

function defaultName(index: number): string {
  return `schedule-${index + 1}`;
}

/** Returns the milliseconds of `30s`, `5m`, `2h`, `1d`; null for anything else. */
function everyMs(text: string): number | null {
  const [, count = '', unit = ''] = /^([1-9]\d{0,8})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (units[unit] ?? 0);
  return ms >= callLimits.everyMs.least && ms <= callLimits.everyMs.most ? ms : null;
}

function checkCron(cron: string, ctx: z.RefinementCtx): void {
  const problem = cronProblem(cron);
  if (problem !== null) ctx.addIssue({ code: 'custom', message: `is no cron expression: ${problem}` });
}
