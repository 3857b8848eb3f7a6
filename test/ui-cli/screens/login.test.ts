import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';
import { password } from '../../support/ui-cli.ts';

const screens = testScreens();

test('nobody logged in: the login opens, and leads on to the handlers', async () => {
  const screen = screens.open({ token: null });
  await screen.shows('Log in');
  await screen.press(`ada${keys.tab}wrong password${keys.enter}`, 'wrong name or password');
  await screen.press(`${keys.ctrlU}${password}${keys.enter}`, 'gamma');
  expect(screen.logins).toEqual([`ada ${screens.control.url}`]);
  expect(screen.frame).toContain('› ada');
});

test('signing up is one key away, and typed letters stay letters', async () => {
  const screen = screens.open({ token: null });
  await screen.shows('Log in');
  await screen.press(keys.ctrlN, 'Create an account');
  await screen.press(
    `q:?${keys.ctrlU}grace${keys.tab}${password}${keys.tab}${password}${keys.tab}${keys.enter}`,
    'No handlers yet',
  );
  expect(screen.exits).toBe(0);
  expect(screen.frame).toContain('wasmcloud create');
});

test('an expired login opens the login, then comes back to the same screen', async () => {
  const short = (await screens.control.accounts.logIn({ name: 'ada', password, address: '127.0.0.1' })).token;
  const screen = screens.open({ token: short, handler: 'alpha', tab: 'deployments' });
  await screen.shows('› v4');
  const caller = await screens.control.accounts.actorOfToken(short);
  await screens.control.accounts.revokeToken(caller?.user.id ?? '', caller?.tokenId ?? '');
  await screen.press('r', 'the login has expired');
  await screen.press(`${password}${keys.enter}`, 'alpha › deployments');
});
