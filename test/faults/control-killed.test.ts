/**
 * docs/safety.md, faults 10 and 11: kill -9 of control at every step of a push that updates a live handler. A
 * restart finds the old or the new version live, never both or none, and the database agrees with git.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { commit, git, makeRepo, removeTemporaryFolders } from '../support/e2e.ts';
import { type DoorUser, startDoor } from '../support/git-platform.ts';

const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await removeTemporaryFolders();
});

const program = fileURLToPath(new URL('../support/crashing-control.ts', import.meta.url));

describe('control killed in the middle of a push', () => {
  it.each([
    // Step of the second push, number that is live after a restart, state of v2.
    ['received', 1, null],
    ['before vet', 1, null],
    ['after put', 1, null],
    ['after stage', 1, 'failed'],
    ['after prepare', 1, 'failed'],
    ['accepted', 1, 'failed'],
    ['moved', 2, 'live'],
    ['after release', 2, 'live'],
    ['after pin', 2, 'live'],
    ['told', 2, 'live'],
  ] as const)('%s: v%i is live', async (step, number, state) => {
    const hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
    const dataFolder = await mkdtemp(join(tmpdir(), 'trisiel-crash-'));
    const child = spawn(process.execPath, [program, dataFolder, step], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
    const { url, token } = JSON.parse(line) as { url: string; token: string };
    const address = new URL(`${url}/crash.git`);
    address.username = 'x';
    address.password = token;
    const repo = await makeRepo({ 'hello.wasm': hello });
    expect((await git(repo, 'push', address.href, 'main')).status).toBe(0);
    await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 65])]) });
    const exited = once(child, 'exit');
    await git(repo, 'push', address.href, 'main');
    expect((await exited)[1]).toBe('SIGKILL');

    const after = await startDoor({ dataFolder });
    try {
      const handler = (await after.handlers.find('crash'))!;
      const rows = await after.db.selectFrom('deployments').selectAll().where('handler_id', '=', handler.id).execute();
      expect(rows.find((row) => row.number === 2)?.state ?? null).toBe(state);
      expect(rows.filter((row) => row.state === 'live').map((row) => row.number)).toEqual([number]);
      const refs = await after.repositories.refs(handler.id);
      const live = (await after.deployments.store.live(handler.id))!;
      expect(live.number).toBe(number);
      expect(refs.get('refs/heads/main')).toBe(live.commit);
      expect(refs.get(`refs/deployments/${number}`)).toBe(live.commit);
      const { specs, known } = await after.deployments.releaseState();
      expect({ served: specs.map((spec) => spec.number), known }).toEqual({ served: [number], known: [] });
      const logged = await after.logs('crash');
      await after.deployments.recover();
      expect(await after.logs('crash')).toEqual(logged);
      // Whatever happened, the way on is the same: push.
      const owner: DoorUser = { id: handler.ownerId, name: '', token };
      await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 66])]) });
      const next = await after.push(owner, repo, 'crash');
      expect(next.status, next.stderr).toBe(0);
      expect(next.stderr).toContain(`replacing v${number}`);
    } finally {
      await after.close();
      await rm(dataFolder, { recursive: true, force: true });
    }
  });

  it('does not serve a handler that was deleted during the push', async () => {
    const platform = await startDoor({
      receiver: (deployments) => ({
        begin(push) {
          const session = deployments.begin(push);
          return {
            preReceive: (objects, print, signal) => session.preReceive(objects, print, signal),
            refsMoved: async (print) => {
              await platform.handlers.delete(push.handlerId);
              await deployments.handlerDeleted(push.handlerId);
              await session.refsMoved(print);
            },
            ended: () => session.ended(),
          };
        },
      }),
    });
    try {
      const hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
      const user = await platform.user();
      const result = await platform.push(user, await makeRepo({ 'hello.wasm': hello }), 'deleted');
      expect(result.stderr).toContain('error: no such handler');
      await platform.door.idle();
      expect(platform.fleet.serving.has('deleted')).toBe(false);
      const rows = await platform.db.selectFrom('deployments').select(['state', 'failure']).execute();
      expect(rows).toEqual([{ state: 'failed', failure: 'the handler was deleted' }]);
    } finally {
      await platform.close();
    }
  });

  it('tries again to release what could not be released at once', async () => {
    const platform = await startDoor();
    try {
      const hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
      const user = await platform.user();
      const { store } = platform.deployments;
      const release = store.release.bind(store);
      let failures = 2;
      const { promise: released, resolve } = Promise.withResolvers<void>();
      store.release = async (...args) => {
        failures -= 1;
        if (failures >= 0) throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
        const result = await release(...args);
        resolve();
        return result;
      };
      const result = await platform.push(user, await makeRepo({ 'hello.wasm': hello }), 'again');
      expect(result.stderr).toContain('error: the platform cannot store anything now');
      await released;
      while ((await platform.logs('again')).length === 0) await new Promise((next) => setImmediate(next));
      expect(await platform.logs('again')).toEqual(['deployed v1 (finished after an interruption)']);
      expect(platform.fleet.serving.get('again')).toBe(1);
    } finally {
      await platform.close();
    }
  });

  it('settles what git did although its Release was not made', async () => {
    let lost = false;
    const platform = await startDoor({
      receiver: (deployments) => ({
        begin(push) {
          const session = deployments.begin(push);
          return {
            preReceive: (objects, print, signal) => session.preReceive(objects, print, signal),
            refsMoved: async () => {
              lost = true;
            },
            ended: () => session.ended(),
          };
        },
      }),
    });
    try {
      const hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
      const user = await platform.user();
      const repo = await makeRepo({ 'hello.wasm': hello });
      expect((await platform.push(user, repo, 'lost')).status).toBe(0);
      await platform.door.idle();
      expect(lost).toBe(true);
      expect(platform.fleet.serving.get('lost')).toBe(1);
      expect(await platform.logs('lost')).toEqual(['deployed v1 (finished after an interruption)']);
    } finally {
      await platform.close();
    }
  });
});
