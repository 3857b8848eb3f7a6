import { test } from 'vitest';
import { testScreens } from '../../support/screens.ts';

const screens = testScreens();

test('a rollback previews the change and does it after a yes', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'deployments' });
  await screen.shows('v1');
  await screen.press('jj', '› v2');
  await screen.press('b', 'alpha: v4 -> v2');
  await screen.press('n', '› v2');
  await screen.press('b', 'alpha: v4 -> v2');
  await screen.press('y', 'alpha: v4 -> v2: live');
  await screen.shows(/v2 +live/);
  await screen.press('k', '› v3');
  await screen.press('b', 'v3 never went live (failed)');
  await screen.press('gb', 'alpha: v2 -> v4');
  await screen.press('y', 'alpha: v2 -> v4: live');
});

test('older versions are loaded page by page, and the question names a live version that is not loaded', async () => {
  const { control } = screens;
  await control.deploy({ handler: 'beta', user: 'ada', number: 1, state: 'live' });
  for (let number = 2; number <= 150; number += 1)
    await control.deploy({ handler: 'beta', user: 'ada', number, state: 'retired' });
  const screen = screens.open({ handler: 'beta', tab: 'deployments' });
  await screen.shows(/› v150 +retired/);
  await screen.shows(/1 of 100 +more follow/);
  await screen.shows('live v1');
  await screen.press('b', 'beta: v1 -> v150');
  await screen.press('n', /› v150 +retired/);
  await screen.press('G', '100 of 150');
  await screen.press('G', /› v1 +live/);
});
