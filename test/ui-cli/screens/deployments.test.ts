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
