/** Blobs on the disk of a node. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ArtifactStore } from '../../src/control/artifacts/artifact-store.ts';
import { BlobCache } from '../../src/node/blob-cache.ts';

let folder: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-blobs-'));
  store = await ArtifactStore.open(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const name = (letter: string): string => letter.repeat(64);

test('what a push has just prepared stays, what nothing needs goes', async () => {
  await store.put(name('a'), Buffer.from('old'));
  const fetched: string[] = [];
  const cache = new BlobCache({
    store,
    controls: {
      blob: async (wanted) => {
        fetched.push(wanted);
        return Buffer.from(wanted);
      },
    },
    report: () => {},
  });
  await cache.get(name('b'));
  cache.fill(new Set([name('c')]));
  await expect.poll(async () => [...(await store.list())].sort()).toEqual([name('b'), name('c')]);
  expect(fetched).toEqual([name('b'), name('c')]);
  cache.close();
});
