import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();

test('the owner gives a role, changes it, takes it away; another member can leave', async () => {
  const { control } = screens;
  const grace = await control.user('grace');
  const screen = screens.open({ handler: 'alpha', tab: 'team' });
  await screen.shows('Nobody else works on it');
  await screen.press('a', 'Who works on alpha');
  await screen.press(`grace${keys.tab}${keys.ctrlU}king${keys.enter}`, 'as what? viewer or deployer');
  await screen.press(`${keys.ctrlU}viewer${keys.enter}`, 'grace is a viewer of alpha');
  await screen.shows(/grace +viewer/);
  await screen.press(keys.down, '› grace');
  await screen.press(keys.enter, 'grace is a deployer of alpha');
  await screen.shows(/grace +deployer/);

  const hers = screens.open({ token: grace, handler: 'alpha', tab: 'team' });
  await hers.shows(/grace +deployer/);
  await hers.shows('L leave');
  expect(hers.footer).not.toContain('a add');
  await hers.press('L', 'Leave alpha?');
  await hers.press('y', 'you do not work on alpha any more');

  await screen.press('r', 'Nobody else works on it');
});

test('a handler is offered, the offer is taken back, offered again and accepted', async () => {
  const { control } = screens;
  const joan = await control.user('joan');
  const screen = screens.open({ handler: 'gamma', tab: 'danger' });
  await screen.press('t', 'Offer gamma to another owner');
  await screen.press(`nobody-at-all${keys.enter}`, 'error:');
  await screen.press(`${keys.ctrlU}joan${keys.enter}`, 'gamma is offered to joan until');
  await screen.shows('Take the offer back');
  await screen.press('t', 'gamma is not offered to joan any more');
  await screen.shows('Transfer it');
  await screen.press('t', 'Offer gamma to another owner');
  await screen.press(`joan${keys.enter}`, 'gamma is offered to joan until');

  const hers = screens.open({ token: joan });
  await hers.shows('No handlers yet');
  await hers.press(':transfers', '› transfers');
  await hers.press(keys.enter, /› gamma +ada/);
  await hers.press('a', 'Become the owner of gamma?');
  await hers.press('y', 'gamma is yours');
  await hers.press(':transfers', '› transfers');
  await hers.press(keys.enter, 'Nobody offers you a handler');
});
