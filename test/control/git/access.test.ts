/** Who may fetch, push and create by git: real git, each role and each scope of Token. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Teams } from '../../../src/control/handlers/teams.ts';
import { commit, git, makeRepo, removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';
import { basic } from '../../support/git-requests.ts';

let platform: DoorPlatform;
let teams: Teams;
let owner: DoorUser;
let deployer: DoorUser;
let viewer: DoorUser;
let stranger: DoorUser;
let repo: string;
let pushed = 0;

beforeAll(async () => {
  platform = await startDoor();
  const { db, handlers } = platform;
  teams = new Teams({ db, handlers, now: Date.now });
  owner = await platform.user('owner');
  deployer = await platform.user('deployer');
  viewer = await platform.user('viewer');
  stranger = await platform.user('stranger');
  repo = await makeRepo({
    'hello.wasm': await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url)),
  });
  expect((await platform.push(owner, repo, 'otter')).status).toBe(0);
  const otter = (await handlers.find('otter'))!;
  await teams.set(otter, 'deployer', 'deployer');
  await teams.set(otter, 'viewer', 'viewer');
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

async function withToken(
  user: DoorUser,
  terms: { readonly scope: 'read' | 'deploy'; readonly handler?: { readonly id: string; readonly name: string } },
): Promise<DoorUser> {
  const { token } = await platform.accounts.createToken(user.id, { label: 'x', ...terms });
  return { ...user, token };
}

async function fetches(user: DoorUser, handler = 'otter'): Promise<string> {
  const result = await git('/', 'clone', '-q', platform.remote(user, handler), join(await temporaryFolder(), 'clone'));
  return result.status === 0 ? 'ok' : result.stderr;
}

async function pushes(user: DoorUser, handler = 'otter'): Promise<string> {
  // Another manifest, so that there is something to deploy.
  await commit(repo, { 'wasmcloud.toml': `[env]\nN = "${pushed++}"\n` });
  const result = await platform.push(user, repo, handler);
  return result.status === 0 ? 'ok' : result.stderr;
}

describe('git', () => {
  test('lets the team fetch, owner and deployer push, and nobody else know of the handler', async () => {
    for (const user of [owner, deployer, viewer]) expect(await fetches(user), user.name).toBe('ok');
    for (const user of [owner, deployer]) expect(await pushes(user), user.name).toBe('ok');
    expect(await pushes(viewer)).toMatch(/you are a viewer of otter; this takes a deployer or its owner/);
    expect(await fetches(stranger)).toMatch(/you have no handler "otter"/);
    expect(await pushes(stranger)).toMatch(/you cannot push to otter: the name is taken/);
  });

  test('a deployer pushes for the owner: the handler, its stores and its quota stay the owner’s', async () => {
    expect(await pushes(deployer)).toBe('ok');
    const row = await platform.db
      .selectFrom('deployments')
      .select('user_id')
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();
    expect(row.user_id).toBe(deployer.id);
    expect(await platform.handlers.find('otter')).toMatchObject({ ownerId: owner.id });
    expect(await platform.quota.usedBytes(deployer.id)).toBe(0);
  });

  test('a push writes one audit entry, one that is refused writes none', async () => {
    const entries = () => platform.audit.list({ operation: 'gitPush' }, { limit: 100 });
    const before = (await entries()).length;
    expect(await pushes(deployer)).toBe('ok');
    const [entry, ...others] = await entries();
    expect(others).toHaveLength(before);
    expect(entry).toMatchObject({ user: 'deployer', handler: 'otter', address: '127.0.0.1' });
    expect(JSON.parse(entry!.detail)).toEqual({
      'refs/heads/main': expect.stringMatching(/^[0-9a-f]{40} [0-9a-f]{40}$/),
    });
    expect(await pushes(viewer)).not.toBe('ok');
    expect(await entries()).toHaveLength(before + 1);
  });

  test('a Token does no more than its scope, and one for a handler finds that one alone', async () => {
    const reads = await withToken(owner, { scope: 'read' });
    expect(await fetches(reads)).toBe('ok');
    expect(await pushes(reads)).toMatch(/this token may not do that: it takes one of scope deploy/);
    expect(await pushes(reads, 'brand-new')).toMatch(/it takes one of scope deploy/);
    const deploys = await withToken(owner, { scope: 'deploy' });
    expect(await pushes(deploys)).toBe('ok');
    expect(await pushes(deploys, 'made-by-ci')).toBe('ok');
    const bound = await withToken(owner, { scope: 'deploy', handler: (await platform.handlers.find('otter'))! });
    expect(await pushes(bound)).toBe('ok');
    expect(await fetches(bound, 'made-by-ci')).toMatch(/you have no handler/);
    expect(await pushes(bound, 'made-by-ci')).toMatch(/the name is taken/);
    expect(await pushes(bound, 'another-one')).toMatch(/this token is good for one handler only/);
    expect(await platform.handlers.find('another-one')).toBeNull();
  });

  test('a role that is taken away is gone at once', async () => {
    const otter = (await platform.handlers.find('otter'))!;
    await teams.remove(otter.id, 'deployer');
    expect(await pushes(deployer)).toMatch(/the name is taken/);
    await teams.set(otter, 'deployer', 'deployer');
  });

  test('what is taken away during a push refuses it: a role, a Token, an account', async () => {
    const otter = (await platform.handlers.find('otter'))!;
    const { fleet } = platform;
    /** Pushes; `meanwhile` happens when the version has been checked. */
    const pushed = async (user: DoorUser, meanwhile: () => Promise<unknown>): Promise<string> => {
      vi.spyOn(fleet, 'prepare').mockImplementationOnce(async (spec) => {
        await meanwhile();
        fleet.specs.set(spec.specId, spec);
      });
      return pushes(user);
    };
    const live = fleet.serving.get('otter');
    expect(await pushed(deployer, () => teams.remove(otter.id, 'deployer'))).toMatch(/the name is taken/);
    await teams.set(otter, 'deployer', 'deployer');
    const { token, view } = await platform.accounts.createToken(deployer.id, { label: 'x', scope: 'deploy' });
    const revoked = await pushed({ ...deployer, token }, () => platform.accounts.revokeToken(deployer.id, view.id));
    expect(revoked).toMatch(/This token is wrong or has been revoked/);
    const other = await platform.user('other-admin');
    await platform.accounts.users.change(other.name, { admin: true });
    const suspend = (suspended: boolean) => platform.accounts.users.change('deployer', { suspended });
    expect(await pushed(deployer, () => suspend(true))).toMatch(/this account is suspended/);
    await suspend(false);
    expect(fleet.serving.get('otter')).toBe(live);
    const renamed = await pushed(deployer, async () => {
      await platform.handlers.rename(otter.id, 'seal');
      await teams.remove(otter.id, 'deployer');
    });
    expect(renamed).toMatch(/you cannot push to otter any more/);
    await platform.handlers.rename(otter.id, 'otter');
    await teams.set(otter, 'deployer', 'deployer');
    expect(fleet.serving.get('otter')).toBe(live);
    expect(await pushes(deployer)).toBe('ok');
  });

  test('a suspended user can do nothing, and a team can only read what the user owns', async () => {
    const admin = await platform.user('admin');
    await platform.accounts.users.change(admin.name, { admin: true });
    await platform.accounts.users.change('owner', { suspended: true });
    expect(await fetches(owner)).toMatch(/this account is suspended/);
    expect(await fetches(viewer)).toBe('ok');
    expect(await pushes(deployer)).toMatch(/belongs to an account that is suspended/);
    await platform.accounts.users.change('owner', { suspended: false });
    expect(await pushes(owner)).toBe('ok');
  });

  test('a password that is remembered ends with the password, a suspension and a second factor', async () => {
    const password = 'correct horse battery staple';
    const { user, token } = await platform.accounts.signUp({ name: 'ada', password, address: '127.0.0.1' });
    const { tokenId } = (await platform.accounts.actorOfToken(token))!;
    const ask = async (given: string) =>
      (
        await fetch(`${platform.url}/ada-new.git/info/refs?service=git-receive-pack`, {
          headers: { authorization: basic(given, 'ada') },
        })
      ).status;
    expect(await ask(password)).toBe(200);
    const next = 'another good password';
    const change = { user, tokenId, current: password, next, endSessions: false, address: '127.0.0.1' };
    await platform.accounts.changePassword(change);
    expect(await ask(password)).toBe(401);
    expect(await ask(next)).toBe(200);
    await platform.accounts.users.change('ada', { suspended: true });
    expect(await ask(next)).toBe(403);
    await platform.accounts.users.change('ada', { suspended: false });
    expect(await ask(next)).toBe(200);
  });
});
