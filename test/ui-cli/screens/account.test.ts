import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys, type Terminal } from '../../support/terminal.tsx';

const screens = testScreens();

async function jump(screen: Terminal, place: string): Promise<void> {
  await screen.shows('gamma');
  await screen.press(`:${place}`, `› ${place}`);
  screen.type(keys.enter);
  await screen.hides('Tab completes');
}

test('a token is made, shown once, and revoked after a yes', async () => {
  const screen = screens.open();
  await jump(screen, 'tokens');
  await screen.press('a', 'Make a token');
  await screen.press(`ci${keys.tab}${keys.ctrlU}all${keys.ctrlS}`, 'the scope is read, deploy, full');
  await screen.press(`${keys.ctrlU}deploy${keys.tab}alpha${keys.ctrlS}`, 'shown only now');
  const token = /^ {3}(\S{20,})$/m.exec(screen.frame)?.[1] ?? '';
  expect((await screens.control.accounts.actorOfToken(token))?.scope).toBe('deploy');
  await screen.press('y', 'copied the token');
  expect(screen.copied).toEqual([token]);
  await screen.press(keys.esc, /ci +deploy +alpha/);
  expect(screen.frame).not.toContain(token);
  await screen.press('/ci', '1 of');
  await screen.press(keys.enter, 'filter: ci');
  await screen.press('d', 'Revoke ci?');
  await screen.press('y', 'revoked ci');
  expect(await screens.control.accounts.actorOfToken(token)).toBeNull();
});

test('an administrator suspends a user, sets limits, and is told what is wrong with one', async () => {
  await screens.control.user('mallory');
  const screen = screens.open();
  await jump(screen, 'users');
  await screen.shows('mallory');
  await screen.press('/mallory', '1 of');
  await screen.press(keys.enter, 'filter: mallory');
  await screen.press('s', 'Suspend mallory?');
  await screen.press('y', 'mallory is suspended');
  await screen.shows(/mallory +suspended/);
  await screen.press('s', 'suspended no more');
  await screen.press('e', 'Limits of mallory');
  await screen.press(`5${keys.tab}much${keys.ctrlS}`, 'nothing was set');
  await screen.press(`${keys.ctrlU}500MiB${keys.ctrlS}`, 'hold from now on');
  await screen.shows(/0 of 5 +0 B of 500 MiB/);
  await screen.press('e', '500MiB');
});

test('who is no administrator is told so', async () => {
  const screen = screens.open({ token: await screens.control.user('guest') });
  await screen.shows('No handlers yet');
  await screen.press(':users', '› users');
  await screen.press(keys.enter, 'error:');
  expect(screen.frame).toMatch(/administrator/);
});
