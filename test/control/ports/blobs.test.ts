/** What every version of the port Blobs promises. A second version is one more row of `versions`. */
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ArtifactStore } from '../../../src/control/artifacts/artifact-store.ts';
import { DatabaseBlobs } from '../../../src/control/artifacts/database-blobs.ts';
import { SharedBlobs } from '../../../src/control/artifacts/shared-blobs.ts';
import { type Database, openDatabase } from '../../../src/control/db/database.ts';
import { artifactName } from '../../../src/protocol/module.ts';
import type { Blobs } from '../../../src/protocol/ports.ts';

interface Version {
  readonly name: string;
  /** Opens it on what `folder` holds from before. */
  open(folder: string): Promise<Blobs>;
  /** Damages what is stored under `name`. */
  damage(folder: string, name: string): Promise<void>;
}

const opened: Database[] = [];

async function inDatabase(folder: string): Promise<DatabaseBlobs> {
  const db = await openDatabase({ file: join(folder, 'trisiel.db') });
  opened.push(db);
  return new DatabaseBlobs({ db, youngMs: 0 });
}

async function damageRow(name: string): Promise<void> {
  await opened[0]!
    .updateTable('blob_pieces')
    .set({ bytes: Buffer.from('other') })
    .where('name', '=', name)
    .execute();
}

async function damageFile(folder: string, name: string): Promise<void> {
  const [file] = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith(name));
  await truncate(join(folder, file!), 50);
}

const versions: readonly Version[] = [
  {
    name: 'a local folder',
    open: (folder) => ArtifactStore.open(folder),
    damage: damageFile,
  },
  {
    name: 'the database',
    open: inDatabase,
    damage: (_folder, name) => damageRow(name),
  },
  {
    name: 'the database, cached in a folder',
    async open(folder) {
      return new SharedBlobs({
        local: await ArtifactStore.open(join(folder, 'disk')),
        shared: await inDatabase(folder),
      });
    },
    async damage(folder, name) {
      await damageFile(folder, name);
      await damageRow(name);
    },
  },
];

describe.each(versions)('blobs in $name', (version) => {
  let folder: string;
  let blobs: Blobs;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trisiel-blobs-'));
    blobs = await version.open(folder);
  });
  afterEach(async () => {
    for (const db of opened.splice(0)) await db.close();
    await rm(folder, { recursive: true });
  });

  const name = `${'ab'.repeat(32)}-m3`;
  const bytes = Uint8Array.from({ length: 1_000 }, (_, i) => i);

  test('what was put is there, also after a restart, and is what was put', async () => {
    expect(await blobs.has(name)).toBe(false);
    await expect(blobs.get(name)).rejects.toMatchObject({ code: 'not_found' });
    await blobs.put(name, bytes);
    await blobs.put(name, bytes);
    for (const opened of [blobs, await version.open(folder)]) {
      expect(await opened.has(name)).toBe(true);
      expect(Buffer.compare(await opened.get(name), bytes)).toBe(0);
    }
  });

  test('takes every name that an Artifact can have', async () => {
    const sha256 = 'ab'.repeat(32);
    const sourceMap = 'f'.repeat(64);
    const snapshot = { sha256: 'cd'.repeat(32), version: 1 };
    const of = { sha256, meterVersion: 7 };
    const component = { linkerVersion: 10 };
    const names = [of, { ...of, sourceMap }, { ...of, component }, { ...of, component, sourceMap }];
    for (const one of [...names, { ...of, snapshot }, { ...of, snapshot, sourceMap }].map(artifactName)) {
      await blobs.put(one, bytes);
      expect(await blobs.has(one), one).toBe(true);
    }
  });

  test('the same content from many at once is stored once, whole', async () => {
    await Promise.all(Array.from({ length: 10 }, () => blobs.put(name, bytes)));
    expect(Buffer.compare(await blobs.get(name), bytes)).toBe(0);
  });

  test('lists what is there; what is removed is gone, and removing it again does nothing', async () => {
    const other = `${'cd'.repeat(32)}-m3`;
    expect(await blobs.list()).toEqual([]);
    await blobs.put(name, bytes);
    await blobs.put(other, bytes);
    expect([...(await blobs.list())].sort()).toEqual([name, other]);
    await blobs.remove(name);
    await blobs.remove(name);
    expect(await blobs.list()).toEqual([other]);
    expect(await blobs.has(name)).toBe(false);
    await expect(blobs.get(name)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('damage is never handed out, and mended by the next put', async () => {
    await blobs.put(name, bytes);
    await version.damage(folder, name);
    await expect(blobs.get(name)).rejects.toMatchObject({ code: 'internal' });
    expect(await blobs.has(name)).toBe(false);
    await blobs.put(name, bytes);
    expect(Buffer.compare(await blobs.get(name), bytes)).toBe(0);
  });
});
