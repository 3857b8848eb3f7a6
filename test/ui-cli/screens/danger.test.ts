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

test('purging asks for the name, removes the handler for good, and nothing brings it back', async () => {
  await screens.control.handler('condemned', 'ada');
  const screen = screens.open({ handler: 'condemned', tab: 'danger' });
  await screen.press('P', 'remove it for good');
  await screen.press(`${'c'}${keys.enter}`, 'that is not condemned; nothing was removed');
  await screen.press(`ondemned${keys.enter}`, 'removed condemned for good');
  await screen.shows('condemned is gone for good');
  expect(screen.footer).not.toContain('restore');
  expect(await screens.control.handlers.find('condemned')).toBeNull();
});

test('a handler gets another name, and the screen goes on under it', async () => {
  await screens.control.handler('before', 'ada');
  const screen = screens.open({ handler: 'before', tab: 'danger' });
  await screen.shows('Rename it');
  await screen.press('n', 'Another name for before');
  await screen.press(`${keys.ctrlU}No Name${keys.enter}`, 'a name has 1 to 40 of a-z');
  await screen.press(`${keys.ctrlU}after${keys.enter}`, 'before is after now');
  await screen.shows('› after › danger zone');
  await screen.shows('Delete after: it stops at once');
  expect(await screens.control.handlers.find('after')).not.toBeNull();
});
