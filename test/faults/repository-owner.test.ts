/**
 * Several controls on one PostgreSQL database: each repository is served by one of them, and whichever step of a push
 * that one is killed at, another goes on with the repository, and its clone agrees with the Release.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DatabaseBlobs } from '../../src/control/artifacts/database-blobs.ts';
import { onPostgres, type TemporaryDatabase } from '../support/database.ts';
import { commit, git, makeRepo, removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../support/git-platform.ts';
import { linkedBefore } from '../support/linked-before.ts';

const program = fileURLToPath(new URL('../support/crashing-control.ts', import.meta.url));
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await removeTemporaryFolders();
});

onPostgres('the control of a repository', (dialect) => {
  let store: TemporaryDatabase;
  let second: DoorPlatform;

  beforeEach(async () => {
    store = await dialect.temporary();
    second = await startDoor({ database: store.location, controlId: 'second' });
  });

  afterEach(async () => {
    await second.close();
    await store.close();
  });

  const hello = (): Promise<Buffer> => readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
  const changed = (bytes: Buffer, n: number): Buffer => Buffer.concat([bytes, Buffer.from([0, 2, 1, n])]);

  /** Commit that a clone through `platform` checks out. */
  async function cloned(platform: DoorPlatform, user: DoorUser, handler: string): Promise<string> {
    const folder = await temporaryFolder();
    const result = await git(folder, 'clone', '-q', platform.remote(user, handler), 'clone');
    expect(result.status, result.stderr).toBe(0);
    return (await git(join(folder, 'clone'), 'rev-parse', 'HEAD')).stdout.trim();
  }

  async function crashing(step: string) {
    const dataFolder = await mkdtemp(join(tmpdir(), 'trisiel-crash-'));
    const url = 'url' in store.location ? store.location.url : '';
    const args = [program, dataFolder, step, url, 'first'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
    const { url: address, token } = JSON.parse(line) as { url: string; token: string };
    return { child, dataFolder, address, user: { id: '', name: '', token } satisfies DoorUser };
  }

  it('links its components anew after an upgrade, and no other control does', async () => {
    const first = await startDoor({ database: store.location, controlId: 'first' });
    const component = await readFile(new URL('../../fixtures/guests/component/http.wasm', import.meta.url));
    const user = await first.user();
    const pushed = await first.push(user, await makeRepo({ 'a.wasm': component }), 'web');
    expect(pushed.status, pushed.stderr).toBe(0);
    await first.door.idle();
    const artifactOf = async (): Promise<string> =>
      (await store.db.selectFrom('deployments').select('artifact').executeTakeFirstOrThrow()).artifact;
    const now = await artifactOf();
    const shared = new DatabaseBlobs({ db: store.db });
    const before = await linkedBefore({ db: store.db, artifacts: shared }, now);
    await second.deployments.relinking.look();
    expect([await artifactOf(), second.reports]).toEqual([before, []]);
    await first.deployments.relinking.look();
    expect([await artifactOf(), first.reports]).toEqual([now, []]);
    expect(await shared.has(now)).toBe(true);
    await first.close();
  });

  describe('killed in the middle of a push', () => {
    it.each([
      // Step of the second push, number that is live when another control goes on, state of v2.
      ['after stage', 1, 'failed'],
      ['accepted', 1, 'failed'],
      ['moved', 1, 'failed'],
      ['after release', 2, 'live'],
      ['told', 2, 'live'],
    ] as const)('%s: v%i is live, and a clone through another control has its commit', async (step, number, state) => {
      const first = await crashing(step);
      const { user } = first;
      const bytes = await hello();
      const repo = await makeRepo({ 'hello.wasm': bytes });
      // Through the second control, which passes them on once the first has the repository.
      const direct = new URL(`${first.address}/crash.git`);
      direct.username = 'x';
      direct.password = user.token;
      expect((await git(repo, 'push', direct.href, 'main')).status).toBe(0);
      await commit(repo, { 'hello.wasm': changed(bytes, 65) });
      const exited = once(first.child, 'exit');
      const broken = await second.push(user, repo, 'crash');
      expect((await exited)[1]).toBe('SIGKILL');
      if (number === 1) expect(broken.status).not.toBe(0);
      // Its disk is gone too.
      await rm(first.dataFolder, { recursive: true, force: true });

      const head = await cloned(second, user, 'crash');
      const handler = (await second.handlers.find('crash'))!;
      const live = (await second.deployments.store.live(handler.id))!;
      expect([live.number, head]).toEqual([number, live.commit]);
      const rows = await second.db.selectFrom('deployments').selectAll().where('handler_id', '=', handler.id).execute();
      await settled(handler.id);
      expect((await second.deployments.store.byNumber(handler.id, 2))?.state ?? null).toBe(state);
      expect(rows.length).toBeLessThanOrEqual(2);

      // The way on is the same: push. The next number has no hole before it but that of a failed version.
      await commit(repo, { 'hello.wasm': changed(bytes, 66) });
      const next = await second.push({ ...user, id: handler.ownerId }, repo, 'crash');
      expect(next.status, next.stderr).toBe(0);
      expect(next.stderr).toContain(`deployed v3`);
      expect(await cloned(second, user, 'crash')).toBe((await second.deployments.store.live(handler.id))!.commit);
      expect(second.repositories.has(handler.id)).toBe(true);
    });
  });

  /** Resolves when no Deployment of the handler is staged any more. */
  async function settled(handlerId: string): Promise<void> {
    for (;;) {
      const staged = await second.deployments.store.staged();
      if (!staged.some((row) => row.handler_id === handlerId)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  it('alive: pushes and fetches through another control go to it, and versions have no hole', async () => {
    const first = await startDoor({ database: store.location, controlId: 'first' });
    try {
      const user = await first.user('ada');
      const bytes = await hello();
      const repo = await makeRepo({ 'hello.wasm': bytes });
      expect((await first.push(user, repo, 'shared')).status).toBe(0);
      const versions: string[] = [];
      for (let n = 2; n <= 6; n += 1) {
        await commit(repo, { 'hello.wasm': changed(bytes, 64 + n) });
        const pushed = await (n % 2 === 0 ? second : first).push(user, repo, 'shared');
        expect(pushed.status, pushed.stderr).toBe(0);
        versions.push(/deployed v\d+/.exec(pushed.stderr)?.[0] ?? pushed.stderr);
      }
      expect(versions).toEqual([2, 3, 4, 5, 6].map((n) => `deployed v${n}`));
      const handler = (await first.handlers.find('shared'))!;
      expect([first.repositories.has(handler.id), second.repositories.has(handler.id)]).toEqual([true, false]);
      const commits = [await cloned(first, user, 'shared'), await cloned(second, user, 'shared')];
      expect(commits[1]).toBe(commits[0]);
      const forged = await fetch(`${second.url}/shared.git/info/refs?service=git-upload-pack`, {
        headers: {
          authorization: `Basic ${Buffer.from(`wasmcloud:${user.token}`).toString('base64')}`,
          'trisiel-forwarded': `v1 192.0.2.1 ${'0'.repeat(64)}`,
        },
      });
      expect([forged.status, await forged.text()]).toEqual([400, expect.stringContaining('was not passed on')]);
      const refused = await second.push(user, repo, 'shared', 'main:refs/deployments/9');
      expect(refused.stderr).toContain('only branches and tags can be pushed');
      // The audit has the client's address, not that of the control that passed the push on.
      const entries = await first.db.selectFrom('audit_entries').select(['operation', 'address']).execute();
      expect(new Set(entries.map(({ address }) => address))).toEqual(new Set(['127.0.0.1']));
    } finally {
      await first.close();
    }
  });

  it('that lets go is followed at once; tags, deleted branches and pins are as before', async () => {
    const first = await startDoor({ database: store.location, controlId: 'first' });
    const user = await first.user('bob');
    const bytes = await hello();
    const repo = await makeRepo({ 'hello.wasm': bytes });
    expect((await first.push(user, repo, 'moved')).status).toBe(0);
    await git(repo, 'tag', '-a', 'v1', '-m', 'one');
    await git(repo, 'branch', 'gone');
    await git(repo, 'branch', 'stays');
    expect((await first.push(user, repo, 'moved', 'v1', 'gone', 'stays')).status).toBe(0);
    expect((await first.push(user, repo, 'moved', ':gone')).status).toBe(0);
    await commit(repo, { 'hello.wasm': changed(bytes, 70) });
    expect((await first.push(user, repo, 'moved')).status).toBe(0);
    const handler = (await first.handlers.find('moved'))!;
    const listed = async (platform: DoorPlatform) =>
      (await git(repo, 'ls-remote', platform.remote(user, 'moved'))).stdout.split('\n').sort();
    const before = await listed(first);
    expect(before.join('\n')).toMatch(/refs\/tags\/v1/);
    expect(before.join('\n')).not.toMatch(/heads\/gone/);
    await first.close();
    expect(await listed(second)).toEqual(before);
    expect(await second.repositories.pinned(handler.id, 1)).toBe(true);
    expect((await git(second.repositories.pathOf(handler.id), 'fsck', '--full')).status).toBe(0);
  });

  it('that comes back finds the repository with another, drops what was not recorded, and passes requests on', async () => {
    const dataFolder = await temporaryFolder();
    const start = () => startDoor({ database: store.location, controlId: 'first', dataFolder });
    let first = await start();
    const user = await first.user('eve');
    const bytes = await hello();
    const repo = await makeRepo({ 'hello.wasm': bytes });
    expect((await first.push(user, repo, 'back')).status).toBe(0);
    await first.close();
    await commit(repo, { 'hello.wasm': changed(bytes, 71) });
    expect((await second.push(user, repo, 'back')).stderr).toContain('deployed v2');
    first = await start();
    try {
      await commit(repo, { 'hello.wasm': changed(bytes, 72) });
      expect((await first.push(user, repo, 'back')).stderr).toContain('deployed v3');
      const handler = (await first.handlers.find('back'))!;
      expect([first.repositories.has(handler.id), second.repositories.has(handler.id)]).toEqual([false, true]);
      expect(await cloned(first, user, 'back')).toBe(await cloned(second, user, 'back'));
      await first.deployments.maintain();
      expect(await first.repositories.list()).toEqual([]);
    } finally {
      await first.close();
    }
  });

  it('that has lost the repository during a push can not record it: the push fails and changes nothing', async () => {
    const first = await startDoor({
      ...{ database: store.location, controlId: 'first' },
      receiver: (deployments) => ({
        begin(push) {
          const session = deployments.begin(push);
          return {
            async preReceive(objects, print, signal) {
              const accepted = await session.preReceive(objects, print, signal);
              // As after a pause longer than the lease: another control takes over meanwhile.
              if (push.handlerExists)
                await first.db
                  .updateTable('repository_homes')
                  .set((eb) => ({ home: 'second', epoch: eb('epoch', '+', 1) }))
                  .execute();
              return accepted;
            },
            refsMoved: (print) => session.refsMoved(print),
            ended: () => session.ended(),
          };
        },
      }),
    });
    try {
      const user = await first.user('kim');
      const bytes = await hello();
      const repo = await makeRepo({ 'hello.wasm': bytes });
      expect((await first.push(user, repo, 'fenced')).status).toBe(0);
      const accepted = (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
      await commit(repo, { 'hello.wasm': changed(bytes, 73) });
      const pushed = await first.push(user, repo, 'fenced');
      expect(pushed.status).not.toBe(0);
      expect(pushed.stderr).toContain('has moved to another server');
      expect(pushed.stderr).toContain('[remote rejected]');
      const handler = (await first.handlers.find('fenced'))!;
      expect(await cloned(second, user, 'fenced')).toBe(accepted);
      expect(await first.deployments.store.live(handler.id)).toMatchObject({ number: 1 });
      expect(await first.deployments.store.byNumber(handler.id, 2)).toMatchObject({ state: 'failed' });
    } finally {
      await first.close();
    }
  });

  it('records what only a pin of this disk leads to: another control has all that a push is built on', async () => {
    const first = await startDoor({ database: store.location, controlId: 'first' });
    const user = await first.user('pin');
    const repo = await makeRepo({ 'hello.wasm': await hello() });
    expect((await first.push(user, repo, 'pinned')).status).toBe(0);
    const handler = (await first.handlers.find('pinned'))!;
    await commit(repo, { 'notes.txt': 'of a Deployment that has failed' });
    const pin = ['fetch', '-q', repo, 'main:refs/deployments/99'];
    expect((await git(first.repositories.pathOf(handler.id), ...pin)).status).toBe(0);
    await commit(repo, { 'notes.txt': 'of the next one' });
    expect((await first.push(user, repo, 'pinned')).status).toBe(0);
    await first.close();
    expect(await cloned(second, user, 'pinned')).toBe((await git(repo, 'rev-parse', 'HEAD')).stdout.trim());
    expect((await git(second.repositories.pathOf(handler.id), 'fsck', '--full')).status).toBe(0);
  });

  it('does not take a copy of a record of another database for that of its own with the same number', async () => {
    const dataFolder = await temporaryFolder();
    const start = () => startDoor({ database: store.location, controlId: 'first', dataFolder });
    let first = await start();
    const user = await first.user('mig');
    const repo = await makeRepo({ 'hello.wasm': await hello() });
    expect((await first.push(user, repo, 'there')).status).toBe(0);
    const path = first.repositories.pathOf((await first.handlers.find('there'))!.id);
    await first.close();
    const head = (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
    expect((await git(path, 'update-ref', 'refs/heads/stale', head)).status).toBe(0);
    const copy = await readFile(join(path, 'trisiel-copy'), 'utf8');
    await writeFile(join(path, 'trisiel-copy'), copy.replace(/[0-9a-f]{24}/, 'f'.repeat(24)));
    first = await start();
    try {
      const refs = await git(repo, 'ls-remote', first.remote(user, 'there'));
      expect(refs.stdout).toContain('refs/heads/main');
      expect(refs.stdout).not.toContain('stale');
    } finally {
      await first.close();
    }
  });

  it('does not refuse a push that is recorded when something fails after that', async () => {
    let path = '';
    const first = await startDoor({
      ...{ database: store.location, controlId: 'first' },
      receiver: (deployments) => ({
        begin(push) {
          const session = deployments.begin(push);
          return {
            preReceive: (objects, print, signal) => session.preReceive(objects, print, signal),
            async refsMoved(print) {
              await session.refsMoved(print);
              path = first.repositories.pathOf(push.handlerId);
              // The file in which the copy is noted cannot be written.
              await mkdir(join(path, 'trisiel-copy.new'));
            },
            ended: () => session.ended(),
          };
        },
      }),
    });
    const user = await first.user('ann');
    const repo = await makeRepo({ 'hello.wasm': await hello() });
    const pushed = await first.push(user, repo, 'noted');
    expect([pushed.status, pushed.stderr]).toEqual([0, expect.stringContaining('deployed v1')]);
    expect(first.reports.join('\n')).toContain('what follows the record of a push');
    await rm(join(path, 'trisiel-copy.new'), { recursive: true });
    await first.close();
    expect(await cloned(second, user, 'noted')).toBe((await git(repo, 'rev-parse', 'HEAD')).stdout.trim());
  });

  it('folds many records into one, and a control that takes over gets the same refs and objects', async () => {
    const first = await startDoor({ database: store.location, controlId: 'first' });
    const user = await first.user('liz');
    const repo = await makeRepo({ 'hello.wasm': await hello() });
    expect((await first.push(user, repo, 'folded')).status).toBe(0);
    for (let n = 0; n < 22; n += 1) {
      await commit(repo, { 'notes.txt': `note ${n}` });
      await git(repo, 'tag', `t${n}`);
      expect((await first.push(user, repo, 'folded', `t${n}`)).status).toBe(0);
    }
    await first.close();
    const records = await second.db.selectFrom('repository_records').select(['number', 'is_base']).execute();
    expect(records.length).toBeLessThan(20);
    expect(records.filter((row) => Number(row.is_base) === 1)).toHaveLength(1);
    const refs = await git(repo, 'ls-remote', second.remote(user, 'folded'));
    for (let n = 0; n < 22; n += 1) expect(refs.stdout).toContain(`refs/tags/t${n}\n`);
    const handler = (await second.handlers.find('folded'))!;
    expect((await git(second.repositories.pathOf(handler.id), 'fsck', '--full', '--strict')).status).toBe(0);
  });
});
