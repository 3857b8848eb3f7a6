/** Packs of pushes, written by real git. */
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writePack } from '../../../src/control/git/packs.ts';
import { git, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';

afterAll(removeTemporaryFolders);

/** Files of `folder` that this process has open. */
async function openIn(folder: string): Promise<readonly string[]> {
  const links = await readdir('/proc/self/fd');
  const targets = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(folder));
}

test.skipIf(process.platform !== 'linux')(
  'a pack that nobody reads leaves no file open, and one that is read neither',
  async () => {
    const repository = await makeRepo({ 'a.txt': 'text' });
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-packs-'));
    const wanted = [(await git(repository, 'rev-parse', 'HEAD')).stdout.trim()];
    const options = {
      repository,
      environment: { ...process.env } as Record<string, string>,
      folder,
      wanted,
      excluded: [],
    };
    const unread = await writePack(options);
    expect(unread.objects).toBe(3);
    expect(await openIn(folder)).toEqual([]);
    await unread.remove();
    const read = await writePack(options);
    let bytes = 0;
    for await (const chunk of read.chunks()) bytes += chunk.length;
    expect(bytes).toBeGreaterThan(12);
    await read.remove();
    await expect.poll(() => openIn(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  },
);
