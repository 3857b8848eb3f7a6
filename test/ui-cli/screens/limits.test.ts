import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('limits are set without a push, checked first, and an empty field restores what the manifest says', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'limits' });
  await screen.shows('nothing is set without a push');
  await screen.shows('e change');
  await screen.press('e', 'Limits of alpha without a push');
  await screen.press(`${keys.tab}${keys.tab}0${keys.ctrlS}`, /timeout-ms is a whole number from 1 to/);
  await screen.press(`${keys.ctrlU}5_000${keys.ctrlS}`, 'the limits hold from now on');
  await screen.shows('timeout-ms = 5000');
  await screen.press('e', 'Limits of alpha without a push');
  await screen.press(`${keys.tab}${keys.tab}${keys.ctrlU}${keys.ctrlS}`, 'the limits hold from now on');
  await screen.shows('nothing is set without a push');
  expect(screen.lines[0]).toContain('alpha › limits');
});

test('patterns are added to the policy without a push, and an empty field takes them away', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'limits' });
  await screen.shows('p policy');
  await screen.press('p', 'Patterns added to the policy of alpha');
  await screen.press(`${keys.tab}^kv: ^https?://evil${keys.ctrlS}`, 'the policy holds from now on');
  await screen.shows('https?://evil');
  await screen.press('p', 'Patterns added to the policy of alpha');
  await screen.shows('^kv: ^https?://evil');
  await screen.press(`${keys.tab}${keys.ctrlU}${keys.ctrlS}`, 'the policy holds from now on');
  await screen.shows('nothing is set without a push');
});
