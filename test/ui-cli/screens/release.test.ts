import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('with one version the tab says what makes a gradual release possible', async () => {
  const screen = screens.open({ handler: 'beta', tab: 'release' });
  await screen.shows('no second version yet');
});

test('a version gets a share, both are shown side by side, the share grows, and it is aborted or finished', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'release' });
  await screen.shows('wasmcloud release alpha v2 --percent 10');
  await screen.press('s', 'Versions that can get one: v2, v1');
  await screen.press(`${keys.tab}${keys.ctrlU}100${keys.ctrlS}`, 'the share is a number from 1 to 99');
  await screen.press(`${keys.ctrlU}10${keys.ctrlS}`, 'v2 gets 10 % of the calls');
  await screen.shows(/v4 \(live\) +v2 \(new\)/);
  expect(screen.frame).toMatch(/share +90 % +10 %/);
  expect(screen.frame).toMatch(/calls +9,012 +988/);
  expect(screen.frame).toMatch(/failed +0 \(0\.0 %\) +1 \(0\.1 %\)/);
  expect(screen.frame).toMatch(/mean +12 ms +9 ms/);
  await screen.press('c', 'Share of v2');
  await screen.press(`${keys.ctrlU}50${keys.enter}`, 'v2 gets 50 % of the calls');
  await screen.shows(/share +50 % +50 %/);
  await screen.press('a', 'Take the calls from v2?');
  await screen.press('y', 'all calls go to v4');
  await screen.shows('No gradual release');
  await screen.press('s', 'Give a version a share');
  await screen.press(keys.ctrlS, 'v2 gets 10 %');
  await screen.shows(/share +90 %/);
  await screen.press('f', 'Let all calls go to v2?');
  await screen.press('y', 'all calls go to v2');
});
