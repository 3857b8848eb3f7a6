import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtifactStore, contentName } from '../../../src/control/artifacts/artifact-store.ts';

const name = `${'ab'.repeat(32)}-m1`;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'artifacts-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('ArtifactStore', () => {
  it('gives back the bytes that were put, also after a restart', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    await (await ArtifactStore.open(folder)).put(name, bytes);
    const again = await ArtifactStore.open(folder);
    expect(await again.has(name)).toBe(true);
    expect(Buffer.from(await again.get(name)).equals(bytes)).toBe(true);
  });

  it('keeps the first content of a name and takes concurrent puts', async () => {
    const store = await ArtifactStore.open(folder);
    await Promise.all(Array.from({ length: 8 }, () => store.put(name, Uint8Array.of(1, 2, 3))));
    expect([...(await store.get(name))]).toEqual([1, 2, 3]);
    expect((await readdir(folder)).filter((entry) => entry.startsWith('.new-'))).toEqual([]);
  });

  it('refuses to hand out bytes that changed on disk, until they are put again', async () => {
    const store = await ArtifactStore.open(folder);
    await store.put(name, Uint8Array.of(1, 2, 3));
    const file = join(folder, 'ab', name);
    const damaged = await readFile(file);
    damaged[damaged.length - 1]! ^= 1;
    await writeFile(file, damaged);
    await expect(store.get(name)).rejects.toMatchObject({ code: 'internal' });
    await writeFile(file, damaged.subarray(0, 5));
    await expect(store.get(name)).rejects.toMatchObject({ code: 'internal' });
    await store.put(name, Uint8Array.of(1, 2, 3));
    expect([...(await store.get(name))]).toEqual([1, 2, 3]);
  });

  it('finds a change on disk although it has found the file intact before', async () => {
    const store = await ArtifactStore.open(folder);
    await store.put(name, Uint8Array.of(1, 2, 3));
    expect(await store.has(name)).toBe(true);
    const file = join(folder, 'ab', name);
    const bytes = await readFile(file);
    const { mtime, atime } = await stat(file);
    await writeFile(file, bytes.fill(0, bytes.length - 1));
    await utimes(file, atime, mtime); // as a tool would that restores a damaged copy
    expect(await store.has(name)).toBe(false);
  });

  it.runIf(existsSync('/proc/self/io'))('reads no file again that a read has found intact', async () => {
    const store = await ArtifactStore.open(folder);
    const bytes = new Uint8Array(32 * 1024 * 1024);
    await store.put(name, bytes);
    expect(await store.has(name)).toBe(true);
    const before = await bytesRead();
    expect(await store.has(name)).toBe(true);
    expect((await bytesRead()) - before).toBeLessThan(bytes.length / 2);
  });

  it('says not_found for a name it does not hold, and forgets what was removed', async () => {
    const store = await ArtifactStore.open(folder);
    await expect(store.get(name)).rejects.toMatchObject({ code: 'not_found' });
    await store.put(name, Uint8Array.of(1));
    expect(await store.list()).toEqual([name]);
    await store.remove(name);
    expect(await store.has(name)).toBe(false);
    expect(await store.list()).toEqual([]);
  });

  it('never leaves its folder, whatever the name', async () => {
    const store = await ArtifactStore.open(folder);
    for (const bad of ['../x', '', 'a/b', `${'ab'.repeat(32)}/../../x`, `${'AB'.repeat(32)}`]) {
      await expect(store.put(bad, Uint8Array.of(1))).rejects.toThrow(TypeError);
    }
  });

  it('clears drafts that a crash left behind', async () => {
    await writeFile(join(folder, '.new-0123'), 'half');
    await ArtifactStore.open(folder);
    expect(await readdir(folder)).toEqual([]);
  });

  it('names content by its own hash', () => {
    expect(contentName(new Uint8Array(), 'files')).toMatch(/^e3b0c44298fc1c14.*-files$/);
  });
});

/** Bytes that this process has read so far. */
async function bytesRead(): Promise<number> {
  return Number(/^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1]);
}
