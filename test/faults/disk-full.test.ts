/** docs/safety.md, fault 22: the disk is full during a push. On a small tmpfs, which only root can mount. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as tick } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { KIB } from '../../src/protocol/limits.ts';
import { commit, makeRepo, removeTemporaryFolders } from '../support/e2e.ts';
import { startDoor } from '../support/git-platform.ts';

const folder = await mkdtemp(join(tmpdir(), 'trisiel-full-'));
const mounted = mount(folder);
afterAll(async () => {
  if (mounted) execFileSync('umount', [folder]);
  await rm(folder, { recursive: true, force: true });
  await removeTemporaryFolders();
});

function mount(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', path], { stdio: 'pipe' });
    return true;
  } catch (error) {
    console.log(
      `skipped: a tmpfs cannot be mounted here (${error instanceof Error ? error.message.split('\n')[1] : error})`,
    );
    return false;
  }
}

describe.runIf(mounted)('a push while the disk is full', () => {
  it('is refused or live, never half, wherever the room ends; afterwards all is as before', async () => {
    const platform = await startDoor({ dataFolder: folder });
    try {
      const hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
      const user = await platform.user();
      const repo = await makeRepo({ 'hello.wasm': hello });
      expect((await platform.push(user, repo, 'full')).status).toBe(0);
      await platform.door.idle();
      const { id } = (await platform.handlers.find('full'))!;
      const agrees = async () => {
        const live = (await platform.deployments.store.live(id))!;
        expect((await platform.repositories.refs(id)).get('refs/heads/main')).toBe(live.commit);
        expect(platform.fleet.serving.get('full')).toBe(live.number);
        expect(await platform.deployments.store.staged()).toEqual([]);
      };
      let refusals = 0;
      for (const leftBytes of [0, 4, 8, 16, 24, 32, 48, 64].map((kib) => kib * KIB)) {
        const { bavail, bsize } = await statfs(folder);
        await writeFile(join(folder, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)));
        await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 4, 1, 66, leftBytes >> 12, 1])]) });
        const result = await platform.push(user, repo, 'full');
        await platform.door.idle();
        // Before anything else is asked: SQLite too needs room to read after a failed write.
        await rm(join(folder, 'filler'));
        if (result.status !== 0) {
          refusals += 1;
          expect(result.stderr).toMatch(/No space left on device|its disk is full or fails|unable to|remote rejected/);
        }
        // A push that git had accepted when the room ended is settled as soon as there is room again.
        while ((await platform.deployments.store.staged()).length > 0) await tick();
        await agrees();
      }
      expect(refusals).toBeGreaterThan(0);
      await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 67])]) });
      const last = await platform.push(user, repo, 'full');
      expect(last.status, last.stderr).toBe(0);
      await platform.door.idle();
      await agrees();
    } finally {
      await platform.close();
    }
  });
});
