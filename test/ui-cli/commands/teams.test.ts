/** account, tokens, invites, team, transfer, users: as typed, against a real API. */
import { afterAll, expect, test } from 'vitest';
import { codeOf, stepAt } from '../../../src/control/accounts/totp.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, password, startControl } from '../../support/ui-cli.ts';

let control: Control;
let ada: Home;
let bob: Home;
beforeAttempts(
  async () => {
    control = await startControl();
    ada = await Home.make(control);
    bob = await Home.make(control);
    await ada.wasmcloud(['signup', 'ada', '--password-stdin'], { stdin: password });
    await bob.wasmcloud(['signup', 'bob', '--password-stdin'], { stdin: password });
  },
  () => control.close(),
);
afterAll(() => control.close());

const ok = async (home: Home, ...words: string[]) => {
  const ran = await home.wasmcloud(words);
  expect(ran.status, ran.stderr).toBe(0);
  return ran.stdout;
};
const json = async (home: Home, ...words: string[]) => JSON.parse(await ok(home, '--json', ...words));

/** Makes a handler of a user. */
async function owned(user: string, name: string): Promise<void> {
  const { id } = await control.db.selectFrom('users').select('id').where('name', '=', user).executeTakeFirstOrThrow();
  await control.handlers.create({ name, ownerId: id });
}

test('a team is made, used and left', async () => {
  await owned('ada', 'otter');
  expect(await ok(ada, 'team', 'otter', 'add', 'bob', 'deployer')).toBe('bob is a deployer of otter\n');
  expect(await ok(bob, 'team', 'otter')).toMatch(/ada +owner\nbob +deployer/);
  expect(await ok(bob, 'list')).toContain('deployer of ada');
  const refused = await bob.wasmcloud(['delete', 'otter', '--confirm', 'otter']);
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toContain('you are a deployer of otter; this takes its owner');
  expect(await ok(bob, 'team', 'otter', 'leave')).toBe('you do not work on otter any more\n');
  expect((await bob.wasmcloud(['show', 'otter'])).status).toBe(1);
  for (const words of [['fire', 'bob'], ['add'], ['add', 'bob'], ['add', 'bob', 'owner'], ['remove', 'nobody']])
    expect((await ada.wasmcloud(['team', 'otter', ...words])).status, words.join(' ')).toBe(1);
});

test('a handler is offered, declined, withdrawn and accepted', async () => {
  await owned('ada', 'heron');
  const toNobody = (await ada.wasmcloud(['transfer', 'heron', 'nobody'])).stderr;
  expect(toNobody).toContain('there is no user of this name');
  expect(toNobody).toContain('invites create');
  expect(await ok(ada, 'transfer', 'heron', 'bob')).toMatch(/^heron is offered to bob until /);
  expect(await ok(bob, 'transfers', 'decline', 'heron')).toBe('declined heron\n');
  await ok(ada, 'transfer', 'heron', 'bob');
  await ok(ada, 'transfer', 'heron', '--withdraw');
  expect((await bob.wasmcloud(['transfers', 'accept', 'heron'])).status).toBe(1);
  await ok(ada, 'transfer', 'heron', 'bob');
  expect(await ok(bob, 'transfers')).toMatch(/heron +ada/);
  expect(await ok(bob, 'transfers', 'accept', 'heron')).toMatch(/^heron is yours: /);
  expect((await ada.wasmcloud(['show', 'heron'])).status).toBe(1);
});

test('the audit tells what was done, page by page and as a file', async () => {
  await owned('ada', 'egret');
  for (const _ of [1, 2]) {
    await ok(ada, 'transfer', 'egret', 'bob');
    await ok(ada, 'transfer', 'egret', '--withdraw');
  }
  await ok(ada, 'transfer', 'egret', 'bob');
  await ok(bob, 'transfers', 'accept', 'egret');
  const shown = await ok(bob, 'audit', 'egret', '--limit', '2');
  expect(shown).toMatch(/NUMBER +WHEN +WHO +DID +HANDLER/);
  expect(shown).toMatch(/bob +acceptTransfer +egret/);
  const page = await json(bob, 'audit', 'egret', '--operation', 'offerTransfer');
  expect(page.entries).toHaveLength(3);
  expect(JSON.parse(page.entries[0].detail)).toEqual({ to: 'bob' });
  const lines = (await ok(bob, 'audit', 'egret', '--export')).trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  expect((await bob.wasmcloud(['audit', '--all'])).stderr).toContain('administrator');
  expect(await ok(ada, 'audit', '--all', '--user', 'bob')).toMatch(/bob +signUp/);
});

test('limits and policy are set without a push, shown and given back', async () => {
  await owned('bob', 'badger');
  expect(await ok(bob, 'limits', 'badger')).toBe('nothing is set without a push: the manifest holds\n');
  expect(await ok(bob, 'limits', 'badger', '--gas', '5000', '--timeout-ms', '100')).toBe(
    'gas = 5000\ntimeout-ms = 100\n',
  );
  expect(await ok(bob, 'policy', 'badger', '--disallow', '^http:', '^ws:')).toContain('disallow ^ws:');
  expect(await ok(bob, 'show', 'badger')).toMatch(/set +gas = 5000/);
  expect(await json(bob, 'policy', 'badger', '--clear')).toMatchObject({ policy: { allow: [], disallow: [] } });
  expect(await ok(bob, 'limits', 'badger', '--gas', 'default', '--timeout-ms', 'default')).toContain('nothing is set');
  expect((await bob.wasmcloud(['limits', 'badger', '--gas', '1e9'])).status).toBe(1);
  expect((await ada.wasmcloud(['limits', 'badger', '--gas', '5'])).status).toBe(1);
});

test('tokens have a scope, a handler and an end; invites uses and an end', async () => {
  await owned('bob', 'stoat');
  const made = await json(bob, 'tokens', 'create', 'ci', '--scope', 'deploy', '--handler', 'stoat', '--days', '30');
  expect(made).toMatchObject({ scope: 'deploy', handler: 'stoat', token: expect.stringMatching(/^tr_/) });
  expect(await ok(bob, 'tokens')).toMatch(/ci +deploy +stoat/);
  const who = await bob.wasmcloud(['whoami'], { variables: { WASMCLOUD_TOKEN: made.token } });
  expect(who.stderr).toContain('token of scope deploy, for stoat only');
  expect((await bob.wasmcloud(['tokens', 'create', 'x', '--scope', 'root'])).status).toBe(1);
  await ok(bob, 'invites', 'create', '--uses', '3', '--days', '7');
  expect(await ok(bob, 'invites')).toMatch(/0 of 3/);
});

test('an administrator lists, limits, suspends; nobody else does', async () => {
  expect(await ok(ada, 'users')).toMatch(/ada +admin/);
  expect(await ok(ada, 'users', 'bob', '--handlers', '5', '--quota', '10MiB', '--calls', '20')).toMatch(
    /of 5 .*of 10 MiB +at most 20/,
  );
  expect(await json(ada, 'users', 'bob', '--quota', 'default')).toMatchObject({ quotaBytes: null, handlersMax: 5 });
  expect((await bob.wasmcloud(['users'])).stderr).toContain('this takes an administrator');
  expect(await ok(ada, 'users', 'bob', '--suspend')).toContain('suspended');
  expect((await bob.wasmcloud(['list'])).stderr).toContain('this account is suspended');
  await ok(ada, 'users', 'bob', '--unsuspend');
  await ok(bob, 'list');
  await control.user('carol');
  expect((await ada.wasmcloud(['users', 'carol', '--delete'])).stderr).toContain(
    'wasmcloud users carol --delete --yes',
  );
  expect(await ok(ada, 'users', 'carol', '--delete', '--yes')).toContain('deleted the user carol');
  expect(await ok(ada, 'users')).not.toContain('carol');
  expect((await ada.wasmcloud(['users', 'ada', '--suspend'])).stderr).toContain('no administrator would be left');
  for (const size of ['', '0', '-1', '1e9', '5 parsecs', '999999999TiB'])
    expect((await ada.wasmcloud(['users', 'bob', '--quota', size])).status, size).toBe(1);
});

test('the password is changed, and log-ins ask for a code', async () => {
  const next = 'another good password';
  const changed = await ada.wasmcloud(['account', 'password', '--password-stdin'], { stdin: `${password}\n${next}\n` });
  expect(changed, changed.stderr).toMatchObject({ status: 0, stdout: 'the password is changed\n' });
  const { secret } = await json(ada, 'account', 'totp');
  const bits = [...(secret as string)].map((c) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'),
  );
  const bytes = Uint8Array.from(bits.join('').match(/.{8}/g)!, (byte) => Number.parseInt(byte, 2));
  const { recoveryCodes } = await json(ada, 'account', 'totp', '--code', codeOf(bytes, stepAt(Date.now())));
  expect(recoveryCodes).toHaveLength(8);
  const without = await ada.wasmcloud(['login', 'ada', '--password-stdin'], { stdin: next });
  expect(without).toMatchObject({ status: 1 });
  expect(without.stderr).toContain('--code 123456');
  const logIn = ['login', 'ada', '--password-stdin', '--code', recoveryCodes[0]];
  expect((await ada.wasmcloud(logIn, { stdin: next })).status).toBe(0);
  await ok(ada, 'account', 'totp', '--remove', '--code', recoveryCodes[1]);
  expect((await ada.wasmcloud(['login', 'ada', '--password-stdin'], { stdin: next })).status).toBe(0);
});
