import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('u shows how much of the quota is used, by kind, and Esc goes back', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('u', /of 2 GiB used \(0 %\)/);
  expect(screen.lines[0]).toContain('ada › quota');
  expect(screen.frame).toMatch(/repositories +0 B/);
  expect(screen.frame).toMatch(/logs +\d/);
  await screen.press(keys.esc, 'gamma');
  await screen.press(':quo', '› quota');
  await screen.press(keys.enter, 'GiB used');
});

test('the jump list leads to tokens, users, the audit, and a team', async () => {
  const screen = screens.open();
  await screen.shows('gamma');
  for (const [words, shown] of [
    [':tokens', /SCOPE +HANDLER/],
    [':users', /ada/],
    [':gamma team', /ada +owner/],
    [':gamma settings', /deploy branch/],
    [':gamma audit', /NUMBER +WHEN/],
  ] as const) {
    await screen.press(words, /›/);
    await screen.press(keys.enter, shown);
  }
});
