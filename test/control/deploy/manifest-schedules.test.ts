/** `[[schedule]]` of a manifest: what it means, and what refuses the push. */
import { expect, it } from 'vitest';
import { readManifest } from '../../../src/control/deploy/manifest.ts';
import { scheduleWarnings } from '../../../src/control/deploy/manifest-schedules.ts';

const read = (toml: string) => readManifest({ toml: Buffer.from(toml), olin: null }).schedules;

it('little is needed, the rest has defaults', () => {
  expect(read('[[schedule]]\ncron = "*/5 * * * *"\n[[schedule]]\nname = "b"\nevery = "2h"\n')).toEqual([
    {
      ...{ name: 'schedule-1', cron: '*/5 * * * *', timezone: 'UTC', everyMs: null, body: '', overlap: 'skip' },
      ...{ path: '/.trisiel/schedule/schedule-1', catchUp: 1, timeoutMs: 30_000 },
    },
    {
      ...{ name: 'b', cron: null, timezone: 'UTC', everyMs: 7_200_000, body: '', overlap: 'skip' },
      ...{ path: '/.trisiel/schedule/b', catchUp: 1, timeoutMs: 30_000 },
    },
  ]);
});

it('everything can be said', () => {
  const toml = `[limits]\ntimeout-ms = 5\n[[schedule]]\nname = "a"\ncron = "30 0 2 * * MON"\ntimezone = "Europe/Berlin"
path = "/job?x=1"\nbody = "Grüße"\noverlap = "allow"\ncatch-up = 0\ntimeout-ms = 99\n`;
  expect(read(toml)).toEqual([
    {
      ...{ name: 'a', cron: '30 0 2 * * MON', timezone: 'Europe/Berlin', everyMs: null, path: '/job?x=1' },
      ...{ body: 'Grüße', overlap: 'allow', catchUp: 0, timeoutMs: 99 },
    },
  ]);
});

it.each([
  ['cron = "0 0 30 2 *"', 'never comes', 2],
  ['cron = "61 * * * *"', 'is no cron expression: Invalid value for minute: 61', 2],
  ['cron = "2020-01-01T00:00:00"', 'is no cron expression: it needs five or six fields', 2],
  ['cron = "@daily@"', 'is no cron expression', 2],
  ['cron = "0 0 1 1 1 1 2020"', 'is no cron expression', 2],
  ['timezone = "Mars/Base"\ncron = "0 0 * * *"', 'is no time zone', 2],
  ['every = "1s"\ntimezone = "UTC"', 'means nothing beside every', 3],
  ['every = "500ms"', 'must be a number of s, m, h or d', 2],
  ['every = "0s"', 'must be a number of s, m, h or d', 2],
  ['every = "367d"', 'must be a number of s, m, h or d', 2],
  ['every = "1s"\ncron = "* * * * *"', 'needs one of cron and every', 1],
  ['name = "x"', 'needs one of cron and every', 1],
  ['every = "1s"\nname = "a/b"', 'must have 1 to 64', 3],
  ['every = "1s"\npath = "job"', 'must begin with /', 3],
  ['every = "1s"\npath = "/a b"', 'must begin with /', 3],
  ['every = "1s"\npath = "/a\\r\\nx: y"', 'must begin with /', 3],
  [`every = "1s"\nbody = "${'x'.repeat(16_385)}"`, 'has more than 16384 bytes', 3],
  ['every = "1s"\noverlap = "queue"', 'must be one of skip, allow', 3],
  ['every = "1s"\ncatch-up = 101', 'must be at most 100', 3],
  ['every = "1s"\nzone = "UTC"', 'unknown key schedule.0.zone', 3],
  ['every = "1s"\nname = "a"\n[[schedule]]\nevery = "2s"\nname = "a"', 'is used twice', 6],
])('%j refuses the push: %s', (table, message, line) => {
  expect(() => read(`[[schedule]]\n${table}\n`)).toThrow(
    expect.objectContaining({
      code: 'manifest_invalid',
      message: expect.stringMatching(new RegExp(`line ${line}: .*${message}`)),
    }),
  );
});

it('a function has at most 16 schedules', () => {
  expect(() => read('[[schedule]]\nevery = "1s"\n'.repeat(17))).toThrow(/more than 16 schedules/);
});

it('what ticks each second is right and warned of', () => {
  expect(scheduleWarnings(read('[[schedule]]\ncron = "* * * * * *"\n[[schedule]]\nevery = "2s"\n'))).toEqual([
    expect.stringContaining('schedule-1 ticks each second'),
  ]);
});
