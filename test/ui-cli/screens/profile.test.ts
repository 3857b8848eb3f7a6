import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('p watches calls, and shows the functions as a tree that folds and is filtered', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'profile' });
  await screen.shows('No profile yet');
  expect(screen.frame).toContain('wasmcloud profile alpha --output profile.svg');
  await screen.press('p', /› +100\.0 % +33\.3 % +- main/);
  expect(screen.frame).toMatch(/66\.7 % +66\.7 % +parse/);
  expect(screen.frame).toContain('3 gas in 1 call, 1 stack');
  await screen.press(keys.enter, '+ main');
  expect(screen.frame).not.toContain('parse');
  await screen.press(keys.right, '- main');
  await screen.press('/par', '1 of 2 functions');
  await screen.press(keys.esc, '- main');
});

test('calls that were not there, and calls that used too little, are told apart', async () => {
  const { control } = screens;
  const { nodes } = control;
  const profile = { gas: 0, calls: 0, samples: 0, functions: [], nodes: [] };
  const taken = nodes.profile;
  nodes.profile = async () => profile;
  const screen = screens.open({ handler: 'alpha', tab: 'profile' });
  await screen.shows('No profile yet');
  await screen.press('p', 'No calls while it was watched');
  nodes.profile = async () => ({ ...profile, gas: 9, calls: 2 });
  await screen.press('p', 'The calls used too little gas for a stack');
  nodes.profile = taken;
});
