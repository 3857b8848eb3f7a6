import { expect, test } from 'vitest';
import { replaceSchedules } from '../../../src/control/calls/schedules.ts';
import type { ScheduleSettings } from '../../../src/protocol/nouns.ts';
import { testScreens } from '../../support/screens.ts';

const screens = testScreens();

function schedule(name: string, cron: string): ScheduleSettings {
  return {
    ...{ name, cron, timezone: 'UTC', everyMs: null, path: '/', body: '' },
    ...{ overlap: 'skip', catchUp: 1, timeoutMs: 1_000 },
  };
}

test('without a schedule the tab says how to make one', async () => {
  const screen = screens.open({ handler: 'gamma', tab: 'schedules' });
  await screen.shows('No schedules');
  expect(screen.frame).toContain('[[schedule]]');
});

test('schedules show their next ticks and last runs; one is run, paused and resumed', async () => {
  const { control } = screens;
  const { id } = (await control.handlers.find('beta'))!;
  await replaceSchedules(
    control.db,
    id,
    [schedule('hourly', '0 * * * *'), schedule('never', '0 0 30 2 *')],
    Date.now(),
  );
  const screen = screens.open({ handler: 'beta', tab: 'schedules' });
  await screen.shows(/› hourly +0 \* \* \* \* \(UTC\) +(in \d+ (s|min)|now) +none yet/);
  expect(screen.frame).toMatch(/never +0 0 30 2 \* \(UTC\) +never +none yet/);
  expect(screen.frame).toContain('runs   none yet');
  await screen.press('n', 'hourly will be run now');
  await screen.shows(/hourly .* waits/);
  await screen.press('p', 'hourly is paused');
  await screen.shows('paused: p lets it run again');
  await screen.press('p', 'hourly runs again');
  await screen.shows(/next {3}\d{4}-/);
});
