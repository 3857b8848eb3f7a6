/** Previews of branches, from the push to their end: real git against the door. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { previewLimits } from '../../../src/protocol/previews.ts';
import { type CommandResult, commit, git, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';

let platform: DoorPlatform;
let user: DoorUser;
let hello: Buffer;
beforeAll(async () => {
  platform = await startDoor();
  user = await platform.user('cadey');
  hello = await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

let names = 0;
/** Pushes a first version to main. */
async function deployed(): Promise<{ readonly handler: string; readonly id: string; readonly repo: string }> {
  names += 1;
  const handler = `otter-${names}`;
  const repo = await makeRepo({ 'hello.wasm': hello });
  const result = await platform.push(user, repo, handler);
  expect(result.status, result.stderr).toBe(0);
  return { handler, id: (await platform.handlers.find(handler))!.id, repo };
}

/** The same function in other bytes. */
function variant(text: string): Buffer {
  return Buffer.concat([hello, Buffer.from([0, text.length + 2, 1, 0x76]), Buffer.from(text)]);
}

/** Pushes a branch with a commit of its own. */
async function pushBranch(
  at: { readonly handler: string; readonly repo: string },
  branch: string,
  files: Readonly<Record<string, string | Buffer>> = {
    'hello.wasm': variant(branch.replace(/[^a-z]/g, '').slice(0, 20)),
  },
): Promise<CommandResult> {
  const switched = await git(at.repo, 'checkout', '-q', '-B', branch, 'main');
  expect(switched.status, switched.stderr).toBe(0);
  await commit(at.repo, { ...files, 'branch.txt': branch });
  return platform.push(user, at.repo, at.handler, `refs/heads/${branch}`);
}

/** Standard error with the lines that were too long in one piece. */
const unfolded = ({ stderr }: CommandResult) => stderr.replace(/ *\nremote: {8}/g, ' ');

const served = (label: string) => platform.fleet.serving.get(label);

describe('a push of another branch', () => {
  it('runs schedules only where its manifest says so, and until it ends', async () => {
    const at = await deployed();
    const schedule = '[[schedule]]\nname = "report"\nevery = "1h"\n';
    const names = async () => {
      const rows = await platform.db.selectFrom('schedules').select('name').where('handler_id', '=', at.id).execute();
      return rows.map(({ name }) => name);
    };
    await pushBranch(at, 'quiet', { 'wasmcloud.toml': schedule });
    expect(await names()).toEqual([]);
    await pushBranch(at, 'busy', { 'wasmcloud.toml': `${schedule}[preview]\nschedules = true\n` });
    expect(await names()).toEqual(['busy/report']);
    await platform.push(user, at.repo, at.handler, '--delete', 'busy');
    expect(await names()).toEqual([]);
  });

  it('serves it under BRANCH--NAME beside the handler, tells the URL, and leaves what is live alone', async () => {
    const at = await deployed();
    const result = await pushBranch(at, 'dev');
    expect(result.status, result.stderr).toBe(0);
    expect(result.stderr).toContain('deployed preview of dev as v2 in');
    expect(result.stderr).toContain(`http://dev--${at.handler}.localhost:3003`);
    expect(result.stderr).toContain(`wasmcloud logs ${at.handler} --preview dev`);
    expect(served(`dev--${at.handler}`)).toBe(2);
    expect(served(at.handler)).toBe(1);
    expect(platform.fleet.specOf(`dev--${at.handler}`)?.preview).toMatchObject({ slug: 'dev' });
    expect(platform.fleet.specOf(at.handler)?.preview).toBeNull();
    expect((await platform.deployments.store.live(at.id))?.number).toBe(1);
  });

  it('replaces its own preview only, and a push to the deploy branch replaces no preview', async () => {
    const at = await deployed();
    await pushBranch(at, 'dev');
    await pushBranch(at, 'next');
    await commit(at.repo, { 'hello.wasm': variant('again') });
    const again = await platform.push(user, at.repo, at.handler, 'refs/heads/next');
    expect(again.stderr).toContain('deployed preview of next as v4 in');
    expect(again.stderr).toContain('replacing v3');
    await git(at.repo, 'checkout', '-q', 'main');
    await commit(at.repo, { 'hello.wasm': variant('main') });
    await platform.push(user, at.repo, at.handler, 'main');
    expect([at.handler, `dev--${at.handler}`, `next--${at.handler}`].map(served)).toEqual([5, 2, 4]);
  });

  it.each([
    ['no module that could be served', { 'hello.wasm': 'broken' }, 'warning: no preview of dev: '],
    [
      'a damaged manifest',
      { 'wasmcloud.toml': 'nonsense = 1\n' },
      'warning: no preview of dev: wasmcloud.toml, line 1',
    ],
    [
      'a manifest that wants no previews',
      { 'wasmcloud.toml': '[preview]\nenabled = false\n' },
      'warning: dev is not the deploy branch (main); nothing deployed',
    ],
  ])('is accepted without a preview where it has %s', async (_what, files, words) => {
    const at = await deployed();
    const result = await pushBranch(at, 'dev', files);
    expect(result.status, result.stderr).toBe(0);
    expect(unfolded(result)).toContain(words);
    expect(served(`dev--${at.handler}`)).toBeUndefined();
    expect((await platform.repositories.refs(at.id)).has('refs/heads/dev')).toBe(true);
  });

  it('makes no preview where previews are turned off, and does again when they are on', async () => {
    const at = await deployed();
    const set = (previews: boolean) =>
      platform.deployments.changeSettings({ handlerId: at.id, limits: {}, policy: null, previews });
    await set(false);
    expect((await pushBranch(at, 'dev')).stderr).toContain('nothing deployed');
    expect(served(`dev--${at.handler}`)).toBeUndefined();
    await set(true);
    expect((await pushBranch(at, 'next')).stderr).toContain('deployed preview of next');
  });

  it('numbers branches whose names become the same, and takes names of any shape', async () => {
    const at = await deployed();
    const long = `feature/${'x'.repeat(200)}`;
    const branches = ['feature/login', 'Feature-Login', 'a--b', 'xn', 'größe', '日本', 'www', long];
    for (const branch of branches) {
      const result = await pushBranch(at, branch);
      expect(result.stderr, branch).toContain('deployed preview of');
    }
    const found = await platform.deployments.previewStore.list(at.id);
    expect(Object.fromEntries(found.map(({ branch, slug }) => [branch, slug]))).toEqual({
      'feature/login': 'feature-login',
      'Feature-Login': 'feature-login-2',
      'a--b': 'a-b',
      xn: 'xn-branch',
      größe: 'gro-e',
      日本: 'branch',
      www: 'www',
      [long]: `feature-${'x'.repeat(13)}`,
    });
    for (const { label } of found) expect(label.length).toBeLessThanOrEqual(63);
  });

  it(`makes ${previewLimits.perPush} previews of one push at most`, async () => {
    const at = await deployed();
    for (let i = 0; i <= previewLimits.perPush; i += 1) await git(at.repo, 'branch', `b${10 + i}`);
    const result = await platform.push(user, at.repo, at.handler, '--all');
    expect(result.status, result.stderr).toBe(0);
    expect((await platform.deployments.previewStore.list(at.id)).length).toBe(previewLimits.perPush);
    expect(unfolded(result)).toContain(`a push makes ${previewLimits.perPush} previews at most`);
  });
});

describe('a preview', () => {
  it('ends with its branch, with variables, values and versions', async () => {
    const at = await deployed();
    await platform.env.set(at.id, 'A', 'for dev', 'dev');
    await pushBranch(at, 'dev');
    const result = await platform.push(user, at.repo, at.handler, '--delete', 'dev');
    expect(result.status, result.stderr).toBe(0);
    expect(result.stderr).toContain('removed the preview of dev');
    expect(served(`dev--${at.handler}`)).toBeUndefined();
    expect(await platform.env.list(at.id, 'dev')).toEqual([]);
    expect(await platform.deployments.store.byNumber(at.id, 2)).toBeNull();
    expect(await platform.repositories.pinned(at.id, 2)).toBe(false);
    expect(served(at.handler)).toBe(1);
  });

  it('ends when its branch becomes the deploy branch; the next push of that branch is deployed', async () => {
    const at = await deployed();
    await pushBranch(at, 'dev');
    await platform.deployments.changeDeployBranch({ handlerId: at.id, branch: 'dev', userId: user.id });
    expect([served(`dev--${at.handler}`), served(at.handler)]).toEqual([undefined, 1]);
    expect(await platform.deployments.previewStore.list(at.id)).toEqual([]);
    await commit(at.repo, { 'hello.wasm': variant('more') });
    expect((await platform.push(user, at.repo, at.handler, 'dev')).stderr).toContain('deployed v3');
    expect(served(at.handler)).toBe(3);
    const old = await pushBranch(at, 'main', { 'hello.wasm': variant('old') });
    expect(old.stderr).toContain('deployed preview of main as v4');
    expect([served(`main--${at.handler}`), served(at.handler)]).toEqual([4, 3]);
  });

  it('has its variables over those of the handler', async () => {
    const at = await deployed();
    await platform.env.set(at.id, 'A', 'handler');
    await platform.env.set(at.id, 'B', 'handler');
    await platform.env.set(at.id, 'B', 'dev', 'dev');
    await pushBranch(at, 'dev');
    await platform.deployments.environmentChanged(at.id);
    expect(platform.fleet.specOf(`dev--${at.handler}`)?.env).toEqual({ A: 'handler', B: 'dev' });
    expect(platform.fleet.specOf(at.handler)?.env).toEqual({ A: 'handler', B: 'handler' });
    await platform.env.set(at.id, 'A', 'changed', 'dev');
    await platform.deployments.environmentChanged(at.id, 'dev');
    expect(platform.fleet.specOf(`dev--${at.handler}`)?.env).toEqual({ A: 'changed', B: 'dev' });
    const state = await platform.deployments.releaseState();
    expect(state.specs.find(({ label }) => label === `dev--${at.handler}`)?.env).toEqual({ A: 'changed', B: 'dev' });
  });

  it('is rolled back among its own versions', async () => {
    const at = await deployed();
    await pushBranch(at, 'dev');
    await commit(at.repo, { 'hello.wasm': variant('two') });
    await platform.push(user, at.repo, at.handler, 'refs/heads/dev');
    const back = { handlerId: at.id, userId: user.id, number: 2 };
    await expect(platform.deployments.rollback(back)).rejects.toMatchObject({ code: 'conflict' });
    await expect(platform.deployments.rollback({ ...back, number: 1, branch: 'dev' })).rejects.toMatchObject({
      code: 'conflict',
    });
    await platform.deployments.rollback({ ...back, branch: 'dev' });
    expect([served(`dev--${at.handler}`), served(at.handler)]).toEqual([2, 1]);
  });

  it('consumes the queues of its manifest only where that says so', async () => {
    const at = await deployed();
    const queue = '[[queue]]\nname = "jobs"\n';
    await pushBranch(at, 'quiet', { 'wasmcloud.toml': queue });
    await pushBranch(at, 'busy', { 'wasmcloud.toml': `${queue}[preview]\nqueues = true\n` });
    const rows = await platform.db.selectFrom('subscriptions').selectAll().where('handler_id', '=', at.id).execute();
    expect(rows.map(({ branch, queue: name }) => [branch, name])).toEqual([['busy', 'jobs']]);
  });

  it('leaves and comes back with its handler', async () => {
    const at = await deployed();
    await pushBranch(at, 'dev');
    await platform.handlers.delete(at.id);
    await platform.deployments.handlerDeleted(at.id);
    expect([served(`dev--${at.handler}`), served(at.handler)]).toEqual([undefined, undefined]);
    await platform.handlers.restore(at.handler, user.id);
    await platform.deployments.handlerRestored(at.id);
    expect([served(`dev--${at.handler}`), served(at.handler)]).toEqual([2, 1]);
  });

  it('ends when nobody has called it or pushed to it for its days, and not before', async () => {
    const at = await deployed();
    await pushBranch(at, 'dev', { 'wasmcloud.toml': '[preview]\ndays = 3\n' });
    const { previewStore } = platform.deployments;
    const day = 24 * 60 * 60_000;
    const ended = async (days: number) =>
      (await previewStore.ended(Date.now() + days * day)).some(({ handlerId }) => handlerId === at.id);
    expect([await ended(2.9), await ended(3.1)]).toEqual([false, true]);
    await platform.db
      .insertInto('usage')
      .values({
        ...{
          handler_id: at.id,
          deployment: 2,
          minute_ms: Date.now() + 2 * day,
          invocations: 1,
          failures: 0,
          refusals: 0,
        },
        ...{ gas: 1, duration_ms: 1, bytes_in: 0, bytes_out: 0 },
      })
      .execute();
    expect([await ended(3.1), await ended(5.1)]).toEqual([false, true]);
  });

  it('whose branch went away while nobody looked is removed by the housekeeping', async () => {
    const at = await deployed();
    await pushBranch(at, 'dev');
    const folder = `${platform.dataFolder}/repos/${at.id}.git`;
    const removed = await git(folder, 'update-ref', '-d', 'refs/heads/dev');
    expect(removed.status, removed.stderr).toBe(0);
    await platform.deployments.maintain();
    expect(served(`dev--${at.handler}`)).toBeUndefined();
  });
});

describe('a handler', () => {
  it(`has ${previewLimits.previews} previews at most, all served, and the next branch is stored without one`, async () => {
    const at = await deployed();
    const branches = Array.from({ length: previewLimits.previews }, (_, i) => `b${100 + i}`);
    for (const branch of [...branches, 'last']) await git(at.repo, 'branch', branch);
    for (let i = 0; i < branches.length; i += previewLimits.perPush) {
      const result = await platform.push(user, at.repo, at.handler, ...branches.slice(i, i + previewLimits.perPush));
      expect(result.status, result.stderr).toBe(0);
    }
    expect(branches.filter((branch) => served(`${branch}--${at.handler}`) !== undefined)).toEqual(branches);
    const result = await platform.push(user, at.repo, at.handler, 'last');
    expect(result.status, result.stderr).toBe(0);
    expect(unfolded(result)).toContain(`a handler has at most ${previewLimits.previews} previews`);
    expect(served(`last--${at.handler}`)).toBeUndefined();
    await platform.push(user, at.repo, at.handler, '--delete', 'b100');
    await commit(at.repo, { 'x.txt': 'x' });
    expect((await platform.push(user, at.repo, at.handler, 'HEAD:refs/heads/last')).stderr).toContain(
      'deployed preview of last',
    );
  }, 240_000);
});
