/** Pushes against a quota, and what becomes of old Deployments, their commits and Artifacts. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';

const MIB = 1024 * 1024;
let hello: Buffer;
beforeAll(async () => {
  hello = await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});
afterAll(removeTemporaryFolders);

/** The module with a custom section, so that its Artifact is another one. */
const variant = (letter: string) => Buffer.concat([hello, Buffer.from([0, 2, 1, letter.charCodeAt(0)])]);

async function withPlatform(
  options: Parameters<typeof startDoor>[0],
  work: (platform: DoorPlatform, user: DoorUser) => Promise<void>,
): Promise<void> {
  const platform = await startDoor(options);
  try {
    await work(platform, await platform.user('ada'));
    expect(platform.reports).toEqual([]);
  } finally {
    await platform.close();
  }
}

describe('a push', () => {
  it('warns near the quota, and is refused past it with what uses most; purging makes room', () =>
    withPlatform({ quotaBytes: 2 * MIB }, async (platform, user) => {
      const repo = await makeRepo({ 'hello.wasm': hello, 'large.bin': randomBytes(1.85 * MIB) });
      const first = await platform.push(user, repo, 'otter');
      expect(first.status, first.stderr).toBe(0);
      expect(first.stderr).toMatch(/warning: 9\d % of the quota of 2\.0 MiB is used; see wasmcloud quota/);
      await platform.door.idle();
      const { byKind, handlers } = await platform.quota.view(user.id);
      expect(byKind.repositories).toBeGreaterThan(1.85 * MIB);
      expect(byKind.artifacts).toBeGreaterThan(hello.length);
      expect(handlers).toMatchObject([{ name: 'otter', deleted: false }]);

      await commit(repo, { 'hello.wasm': variant('a'), 'more.bin': randomBytes(0.3 * MIB) });
      const refused = await platform.push(user, repo, 'otter');
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toMatch(/remote: error: your quota is used up: 2\.\d MiB of 2 MiB/);
      expect(refused.stderr).toMatch(/remote: +otter +2\.\d MiB +repositories 2\.\d MiB, artifacts/);
      expect(refused.stderr).toContain('wasmcloud delete NAME --purge');
      expect(refused.stderr).toContain('v1 is still live');
      const other = await platform.push(user, repo, 'fox');
      expect(other.stderr).toContain('your quota is used up');
      expect(await platform.handlers.find('fox')).toBeNull();
      await platform.door.idle();
      // What was refused counts nothing.
      expect((await platform.quota.view(user.id)).usedBytes).toBeLessThan(2 * MIB);

      const { id } = (await platform.handlers.find('otter'))!;
      await platform.handlers.delete(id);
      await platform.deployments.handlerDeleted(id);
      await platform.quota.deleting(() => platform.deployments.handlerPurged(id));
      expect((await platform.quota.view(user.id)).usedBytes).toBe(0);
      expect(await platform.artifacts.list()).toEqual([]);
      expect(await platform.repositories.list()).toEqual([]);
      const small = await makeRepo({ 'hello.wasm': hello });
      expect((await platform.push(user, small, 'otter')).status).toBe(0);
    }));
});

describe('old Deployments', () => {
  it('are dropped past the newest and past their age, with pin and Artifact; what is served never', () =>
    withPlatform({ retention: { kept: 1, ageMs: 0, keptWithoutRoom: 1 } }, async (platform, user) => {
      const repo = await makeRepo({ 'hello.wasm': variant('1') });
      for (const version of ['2', '3', '4', '5']) {
        expect((await platform.push(user, repo, 'otter')).status).toBe(0);
        await commit(repo, { 'hello.wasm': variant(version) });
      }
      await platform.door.idle();
      const { id } = (await platform.handlers.find('otter'))!;
      const numbers = async () => {
        const rows = await platform.db.selectFrom('deployments').select('number').orderBy('number').execute();
        return rows.map(({ number }) => number);
      };
      const pins = async () =>
        [...(await platform.repositories.refs(id)).keys()].filter((ref) => ref.startsWith('refs/deployments/'));
      // v1 is live again: the oldest one stays because it is served. Another one has a Release of its own.
      await platform.deployments.rollback({ handlerId: id, number: 1, userId: user.id });
      const second = (await platform.deployments.store.byNumber(id, 2))!;
      const preview = { handler_id: id, branch: 'preview', deployment_id: second.id, changed_ms: 0 };
      await platform.db.insertInto('releases').values(preview).execute();
      await new Promise((resolve) => setImmediate(resolve));
      while (Date.now() <= (await platform.deployments.store.byNumber(id, 4))!.ended_ms!);
      await platform.deployments.maintain();
      expect(await numbers()).toEqual([1, 2, 4]);
      expect(await pins()).toEqual(['refs/deployments/1', 'refs/deployments/2', 'refs/deployments/4']);
      expect(await platform.artifacts.list()).toHaveLength(3);
      expect((await platform.logs('otter')).at(-1)).toBe('v3 dropped: old and not served');
      expect(platform.fleet.serving.get('otter')).toBe(1);
      // Numbers are never given again, and what was dropped is no target.
      expect((await platform.push(user, repo, 'otter')).stderr).toContain('deployed v5');
      const gone = platform.deployments.rollback({ handlerId: id, number: 3, userId: user.id });
      await expect(gone).rejects.toMatchObject({ code: 'not_found' });
    }));

  it('are kept while they are young; where the quota is used up they make room for a push', () =>
    withPlatform(
      { quotaBytes: MIB, retention: { kept: 2, ageMs: 60_000, keptWithoutRoom: 1 } },
      async (platform, user) => {
        // Noise that git cannot pack: each version keeps 250 KiB as an Artifact's bundle and as a commit.
        const files = (letter: string) => ({
          'hello.wasm': variant(letter),
          'wasmcloud.toml': '[files]\nroot = "public"\n',
          'public/noise': randomBytes(80 * 1024),
        });
        const repo = await makeRepo(files('1'));
        let pushes = 0;
        let dropped: string | undefined;
        for (const letter of '23456789') {
          const result = await platform.push(user, repo, 'otter');
          if (result.status !== 0) break;
          pushes += 1;
          await platform.door.idle();
          dropped = (await platform.logs('otter')).find((line) => line.includes('dropped'));
          if (dropped !== undefined) break;
          await commit(repo, files(letter));
        }
        expect(pushes).toBeGreaterThan(4);
        expect(dropped).toMatch(/^\d+ versions up to v\d+ dropped: not served, and the quota is used up$/);
        const rows = await platform.db.selectFrom('deployments').select('state').execute();
        expect(rows.map(({ state }) => state).sort()).toEqual(['live', 'retired', 'retired']);
      },
    ));
});
