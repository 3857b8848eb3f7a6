import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('delete asks for the name and takes no other', async () => {
  await screens.control.handler('doomed', 'ada');
  const screen = screens.open({ handler: 'doomed', tab: 'danger' });
  await screen.press('D', 'Type its name');
  await screen.press(`doom${keys.enter}`, 'that is not doomed; nothing was deleted');
  expect(await screens.control.handlers.find('doomed')).not.toBeNull();
  await screen.press(`ed${keys.enter}`, 'doomed is deleted');
  expect(await screens.control.handlers.find('doomed')).toBeNull();
  await screen.press('R', 'doomed is back');
});
