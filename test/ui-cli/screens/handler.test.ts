import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('Tab and Shift-Tab walk through the tabs, digits go to one', async () => {
  const screen = screens.open({ handler: 'alpha' });
  await screen.press(keys.tab, '[2 logs]');
  await screen.press(keys.shiftTab, '[1 overview]');
  await screen.press('5', '[5 limits]');
  await screen.shows('2048 pages');
  expect(screen.frame).toContain('^https://api\\.example\\.com/');
});
