/** What a user may not do has no key: each tab of a handler, for each role. */
import { expect, test } from 'vitest';
import { type CollaboratorRole, handlerRoles } from '../../../src/protocol/nouns.ts';
import type { TabName } from '../../../ui-cli/screens/handler/tab.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { testScreens } from '../../support/screens.ts';

const screens = testScreens();
const tokens = new Map<string, string>();
beforeAttempts(async () => {
  const { control, token } = screens;
  tokens.set('owner', token);
  for (const role of ['deployer', 'viewer'] as const satisfies CollaboratorRole[]) {
    tokens.set(role, await control.user(role));
    await control.teams.set((await control.handlers.find('alpha'))!, role, role);
  }
  await control.deploy({ handler: 'alpha', user: 'ada', number: 5, state: 'live', branch: 'dev' });
});

/** Least role of the keys that change something, as the help of each tab tells them. */
const keysOf: Readonly<Partial<Record<TabName, Readonly<Record<string, (typeof handlerRoles)[number]>>>>> = {
  overview: { 'its log, live': 'viewer', 'choose the branch whose pushes are deployed': 'owner' },
  deployments: { 'copy the commit': 'viewer', 'serve this deployment again': 'deployer' },
  env: { 'load again': 'viewer', 'add a variable': 'deployer' },
  limits: { 'load again': 'viewer', 'set limits without a push': 'owner', 'add patterns to the policy': 'owner' },
  release: { 'load again': 'viewer', 'give a version a share of the calls': 'deployer' },
  previews: { 'its log, live': 'viewer', 'delete the preview': 'deployer', 'turn previews off': 'owner' },
  profile: { 'next tab': 'viewer', 'watch calls for': 'deployer' },
  danger: {
    'next tab': 'viewer',
    'delete this handler; asks for its name': 'owner',
    'remove it for good at once': 'owner',
    'offer it to another owner': 'owner',
    'give it another name': 'owner',
  },
};

test.each(Object.keys(keysOf) as TabName[])('the tab %s has the keys that the role allows', async (tab) => {
  for (const role of handlerRoles) {
    const screen = screens.open({ token: tokens.get(role)!, handler: 'alpha', tab, columns: 120, rows: 50 });
    // The role has come when the version stands in the status bar.
    await screen.shows('live v4');
    const keys = Object.entries(keysOf[tab]!);
    await screen.press('?', keys[0]![0]);
    const allowed = keys.filter(([, least]) => handlerRoles.indexOf(role) >= handlerRoles.indexOf(least));
    for (const [help] of allowed) await screen.shows(help);
    const shown = keys.filter(([help]) => screen.frame.includes(help));
    expect(shown, role).toEqual(allowed);
  }
});

test('a key that the role does not allow does nothing, in the versions of a preview too', async () => {
  const screen = screens.open({ token: tokens.get('viewer')!, handler: 'alpha', tab: 'previews' });
  await screen.shows('live v4');
  await screen.press('b', 'previews › dev › deployments');
  await screen.shows(/v5 +live/);
  await screen.press('b?', 'copy the commit');
  expect(screen.frame).not.toContain('serve this deployment again');
});

test('empty tabs name no keys that the role does not allow', async () => {
  await screens.control.teams.set((await screens.control.handlers.find('gamma'))!, 'viewer', 'viewer');
  for (const [tab, owner, viewer] of [
    ['env', 'Press a to add one', 'A deployer can set some'],
    ['profile', 'Press p to watch', 'A deployer can take one'],
  ] as const) {
    await screens.open({ handler: 'gamma', tab }).shows(owner);
    const screen = screens.open({ token: tokens.get('viewer')!, handler: 'gamma', tab });
    await screen.shows(viewer);
    expect(screen.frame).not.toContain('Press');
  }
});

test('limits are those of the live version, however many newer ones there are', async () => {
  const { control } = screens;
  await control.deploy({ handler: 'beta', user: 'ada', number: 1, state: 'live' });
  for (let number = 2; number <= 120; number++)
    await control.deploy({ handler: 'beta', user: 'ada', number, state: 'failed', failure: 'no' });
  await screens.open({ handler: 'beta', tab: 'limits' }).shows('of v1');
});
