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

test('a full disk is told once and costs only the copy: what is needed is fetched each time', async () => {
  let isFull = true;
  const reported: string[] = [];
  let fetched = 0;
  const cache = new BlobCache({
    store: {
      get: (wanted) => store.get(wanted),
      has: (wanted) => store.has(wanted),
      list: () => store.list(),
      remove: (wanted) => store.remove(wanted),
      put: async (wanted, bytes) => {
        if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
        await store.put(wanted, bytes);
      },
    },
    controls: {
      blob: async (wanted) => {
        fetched += 1;
        return Buffer.from(wanted);
      },
    },
    report: (message) => reported.push(message),
  });
  for (const letter of ['a', 'b', 'a']) expect(String(await cache.get(name(letter)))).toBe(name(letter));
  expect([fetched, reported]).toEqual([3, ['Artifacts cannot be kept on the disk of this node']]);
  isFull = false;
  for (const letter of ['a', 'a']) expect(String(await cache.get(name(letter)))).toBe(name(letter));
  expect(fetched).toBe(4);
  isFull = true;
  await cache.get(name('c'));
  expect(reported).toHaveLength(2);
  cache.close();
});
