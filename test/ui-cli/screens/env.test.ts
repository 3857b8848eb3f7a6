import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('a value is masked while typed and afterwards; v reveals what was just typed', async () => {
  const screen = screens.open({ handler: 'alpha', tab: 'env' });
  await screen.shows('No variables');
  await screen.press('a', 'Set a variable');
  await screen.press(`API_KEY${keys.tab}hunter2-and-more`, '•••');
  expect(screen.frame).not.toContain('hunter2');
  await screen.press(keys.ctrlR, 'hunter2-and-more');
  await screen.press(keys.enter, 'set API_KEY');
  await screen.shows('typed just now');
  expect(screen.frame).not.toContain('hunter2');
  await screen.press('v', 'hunter2-and-more');
  await screen.press('d', 'Unset API_KEY?');
  await screen.press('y', 'No variables');
});
