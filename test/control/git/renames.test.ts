/** Renaming as git and runners see it: real git against the door, pushes and renames at the same time. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Access } from '../../../src/control/git/access.ts';
import { gitLimits } from '../../../src/control/git/limits.ts';
import type { PushReceiver } from '../../../src/protocol/push.ts';
import {
  type CommandResult,
  commit,
  git,
  makeRepo,
  removeTemporaryFolders,
  temporaryFolder,
} from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';

let platform: DoorPlatform;
let ada: DoorUser;
let eve: DoorUser;
let hello: Buffer;
/** Runs once between the acceptance of the next push and its release. */
let betweenHooks: (() => Promise<void>) | null = null;
beforeAll(async () => {
  platform = await startDoor({
    receiver: (deployments): PushReceiver => ({
      begin: (push) => {
        const session = deployments.begin(push);
        return {
          preReceive: (...args) => session.preReceive(...args),
          refsMoved: async (print) => {
            const run = betweenHooks;
            betweenHooks = null;
            await run?.();
            await session.refsMoved(print);
          },
          ended: () => session.ended(),
        };
      },
    }),
  });
  ada = await platform.user('ada');
  eve = await platform.user('eve');
  hello = await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

/** Pushes a first version; `branches` become previews. */
async function deployed(handler: string, ...branches: readonly string[]) {
  const repo = await makeRepo({ 'hello.wasm': hello });
  expectDone(await platform.push(ada, repo, handler));
  for (const branch of branches) expectDone(await platform.push(ada, repo, handler, `main:refs/heads/${branch}`));
  return { id: (await platform.handlers.find(handler))!.id, repo };
}

function expectDone(result: CommandResult): void {
  expect(result.status, result.stderr).toBe(0);
}

const rename = (handlerId: string, name: string) =>
  platform.deployments.renameHandler({ handlerId, name, userId: ada.id });
const served = (label: string) => platform.fleet.serving.get(label);
const unfolded = ({ stderr }: CommandResult) => stderr.replace(/ *\nremote: {8}/g, ' ');

it('serves handler and previews under the new name, sends callers of all former names there, and tells the log', async () => {
  const { id } = await deployed('otter', 'dev');
  await rename(id, 'heron');
  expect(['otter', 'dev--otter', 'heron', 'dev--heron'].map(served)).toEqual([undefined, undefined, 1, 2]);
  expect(platform.fleet.specOf('dev--heron')).toMatchObject({ handler: 'heron', label: 'dev--heron' });
  await rename(id, 'crane');
  expect([...platform.fleet.moved]).toEqual([
    ['otter', 'crane'],
    ['heron', 'crane'],
  ]);
  expect(await platform.logs('crane')).toContain('renamed from heron to crane by ada');
  // A control that starts finds the same.
  const state = await platform.feed.current();
  expect(state.moved.toSorted((a, b) => (a.label < b.label ? -1 : 1))).toEqual([
    { label: 'heron', to: 'crane' },
    { label: 'otter', to: 'crane' },
  ]);
  expect(state.releases.map(({ label }) => label)).toEqual(expect.arrayContaining(['crane', 'dev--crane']));
});

it('git fetches from and pushes to the old name, which the push says, and nobody else can', async () => {
  const { id, repo } = await deployed('first-name');
  await rename(id, 'second-name');
  await commit(repo, { 'wasmcloud.toml': '[env]\nA = "1"\n' });
  const pushed = await platform.push(ada, repo, 'first-name');
  expectDone(pushed);
  expect(unfolded(pushed)).toContain('warning: first-name is called second-name now');
  expect(pushed.stderr).toContain('git remote set-url wasmcloud SERVER/second-name.git');
  expect(pushed.stderr).toContain('http://second-name.localhost:3003');
  expect(served('second-name')).toBe(2);
  const folder = join(await temporaryFolder(), 'clone');
  expectDone(await git('/', 'clone', '-q', platform.remote(ada, 'first-name'), folder));
  expect((await git(folder, 'log', '--oneline')).stdout.trim().split('\n')).toHaveLength(2);
  const foreign = await git('/', 'clone', '-q', platform.remote(eve, 'first-name'), `${folder}-2`);
  expect(foreign.stderr).toContain('you have no handler "first-name"');
  const taken = await platform.push(eve, repo, 'first-name');
  expect(taken.status).not.toBe(0);
  expect(taken.stderr).toContain('the name first-name is taken');
  const [entry] = await platform.audit.list({ operation: 'gitPush' }, { limit: 1 });
  expect(entry).toMatchObject({ handler: 'second-name', user: 'ada' });
});

it('a push that is accepted before a rename goes live after it under the new name', async () => {
  const { id, repo } = await deployed('slow-push', 'dev');
  await commit(repo, { 'wasmcloud.toml': '[env]\nA = "2"\n' });
  betweenHooks = () => rename(id, 'quick-push');
  const pushed = await platform.push(ada, repo, 'slow-push', 'main', 'main:refs/heads/dev');
  expectDone(pushed);
  expect(pushed.stderr).toContain('http://quick-push.localhost:3003');
  expect(['slow-push', 'dev--slow-push', 'quick-push', 'dev--quick-push'].map(served)).toEqual([
    undefined,
    undefined,
    3,
    4,
  ]);
});

it('a handler that is renamed during the push that makes it keeps its repository', async () => {
  const repo = await makeRepo({ 'hello.wasm': hello });
  betweenHooks = async () => rename((await platform.handlers.find('born'))!.id, 'reborn');
  expectDone(await platform.push(ada, repo, 'born'));
  const { id } = (await platform.handlers.find('reborn'))!;
  expect(platform.repositories.has(id)).toBe(true);
  expect((await platform.repositories.refs(id)).get('refs/heads/main')).toBeDefined();
  expect(served('reborn')).toBe(1);
});

it('pushes under both names take turns: the last one accepted is live', async () => {
  const { id, repo } = await deployed('two-names');
  await rename(id, 'two-more-names');
  const other = join(await temporaryFolder(), 'other');
  expectDone(await git('/', 'clone', '-q', repo, other));
  await commit(repo, { 'wasmcloud.toml': '[env]\nA = "1"\n' });
  await git(other, 'checkout', '-q', '-b', 'dev');
  let running = 0;
  let most = 0;
  const { hooks } = platform;
  const register = hooks.register.bind(hooks);
  hooks.register = async (push) => {
    running += 1;
    most = Math.max(most, running);
    const open = await register(push);
    return {
      ...open,
      close: async () => {
        running -= 1;
        await open.close();
      },
    };
  };
  const both = await Promise.all([
    platform.push(ada, repo, 'two-names'),
    platform.push(ada, other, 'two-more-names', 'dev'),
  ]);
  hooks.register = register;
  for (const result of both) expectDone(result);
  expect(most).toBe(1);
});

it('changes nothing where a runner cannot load it under the new name', async () => {
  const { id } = await deployed('kept');
  platform.fleet.refuse = new Error('no runner');
  await expect(rename(id, 'lost')).rejects.toThrow('no runner');
  platform.fleet.refuse = null;
  expect(await platform.handlers.find('kept')).toMatchObject({ id });
  expect([served('kept'), served('lost')]).toEqual([1, undefined]);
  await rename(id, 'lost');
  expect([served('kept'), served('lost')]).toEqual([undefined, 1]);
});

it('a gradual release goes on under the new name', async () => {
  const { id, repo } = await deployed('shared');
  await commit(repo, { 'wasmcloud.toml': '[env]\nA = "1"\n' });
  expectDone(await platform.push(ada, repo, 'shared'));
  await platform.deployments.startRollout({ handlerId: id, number: 1, percent: 10, userId: ada.id });
  await rename(id, 'shared-on');
  expect(platform.feed.serving('shared-on')).toHaveLength(2);
  expect(platform.feed.serving('shared')).toEqual([]);
  await platform.deployments.finishRollout({ handlerId: id, userId: ada.id });
  expect(served('shared-on')).toBe(1);
});

it('a handler that is deleted, restored and purged takes its former names along', async () => {
  const { id } = await deployed('early');
  await rename(id, 'late');
  await platform.handlers.delete(id);
  await platform.deployments.handlerDeleted(id);
  expect(platform.fleet.moved.has('early')).toBe(false);
  await platform.handlers.restore('late', ada.id);
  await platform.deployments.handlerRestored(id);
  expect(platform.fleet.moved.get('early')).toBe('late');
  await platform.handlers.create({ name: 'early', ownerId: ada.id });
  await platform.deployments.handlerCreated((await platform.handlers.find('early'))!.id);
  expect(platform.fleet.moved.has('early')).toBe(false);
});

it('a push whose name goes to another handler in each of its turns is refused in the end', async () => {
  const repo = await makeRepo({ 'hello.wasm': hello });
  let asked = 0;
  const pusher = vi.spyOn(Access.prototype, 'pusher').mockImplementation(async () => {
    asked += 1;
    return { id: `h-${asked}`, name: 'restless', ownerId: ada.id, deleted: false };
  });
  try {
    const pushed = await platform.push(ada, repo, 'restless');
    expect(pushed.status).not.toBe(0);
    expect(pushed.stderr).toContain('restless became the name of another handler again and again');
    expect(asked).toBeGreaterThan(2 * gitLimits.turnsPerPush);
    expect(asked).toBeLessThan(2 * gitLimits.turnsPerPush + 10);
  } finally {
    pusher.mockRestore();
  }
});
