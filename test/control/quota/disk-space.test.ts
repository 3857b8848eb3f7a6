/** The disk's reserve, on a small tmpfs, which only root can mount. */
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../src/control/db/database.ts';
import { Handlers } from '../../../src/control/handlers/handlers.ts';
import { DiskSpace } from '../../../src/control/quota/disk-space.ts';
import { testQuota } from '../../support/quotas.ts';

const MIB = 1024 * 1024;
const folder = await mkdtemp(join(tmpdir(), 'trisiel-disk-'));
const mounted = mount(folder);
afterAll(async () => {
  if (mounted) execFileSync('umount', ['-l', folder]);
  await rm(folder, { recursive: true, force: true });
});

function mount(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', path], { stdio: 'pipe' });
    return true;
  } catch {
    console.log('skipped: the reserve on a full disk (mounting a small tmpfs needs root on Linux)');
    return false;
  }
}

const reserveFile = join(folder, 'reserve');
const filler = join(folder, 'filler');
const errors: unknown[] = [];
const openDisk = () => DiskSpace.open({ folder, reserveFile, onError: (error) => errors.push(error) });
const free = async () => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};
const reserveBytes = async () => (await stat(reserveFile).catch(() => ({ size: 0 }))).size;
/** Leaves `bytes` of room. */
const fill = async (bytes: number) => {
  await rm(filler, { force: true });
  await writeFile(filler, Buffer.alloc((await free()) - bytes));
};

describe.runIf(mounted)('the reserve', () => {
  beforeEach(() => rm(filler, { force: true }));
  afterEach(() => expect(errors.splice(0)).toEqual([]));

  it('is kept on the disk, given back while something is deleted on a full one, and taken again', async () => {
    const disk = await openDisk();
    expect(await reserveBytes()).toBe(2 * MIB);
    expect(await disk.roomLeft()).toBe(1);
    await fill(0);
    await disk.deleting(async () => {
      expect(await reserveBytes()).toBe(0);
      expect(await free()).toBe(2 * MIB);
      await rm(filler);
    });
    expect(await reserveBytes()).toBe(2 * MIB);
  });

  it('stays while something is deleted where there is room, and is not taken where there is none', async () => {
    const disk = await openDisk();
    await disk.deleting(async () => expect(await reserveBytes()).toBe(2 * MIB));
    await fill(0);
    await disk.deleting(async () => {});
    expect(await reserveBytes()).toBe(0);
    const next = await openDisk();
    expect(await reserveBytes()).toBe(0);
    await rm(filler);
    await next.deleting(async () => {});
    expect(await reserveBytes()).toBe(2 * MIB);
  });

  it('lets a handler be deleted and purged with the disk full, by way of the database', async () => {
    const db = await openDatabase({ file: join(folder, 'trisiel.db') });
    const handlers = new Handlers({ db, now: Date.now, randomBytes, randomInt });
    await db.insertInto('users').values({ id: 'u', name: 'ada', password_hash: '', created_ms: 0 }).execute();
    const handler = await handlers.create({ name: 'otter', ownerId: 'u' });
    for (let i = 0; i < 60; i += 1) {
      const row = {
        handler_id: handler.id,
        bucket: 'b',
        key: String(i),
        value: Buffer.alloc(64 * 1024),
        updated_ms: 0,
      };
      await db.insertInto('kv').values(row).execute();
    }
    const disk = await openDisk();
    const quota = testQuota(db, { disk });
    await fill(0);
    await writeFile(join(folder, 'last'), randomBytes(64 * 1024)).catch(() => {});
    const remove = async () => {
      await handlers.delete(handler.id);
      await handlers.purgeOne({ ...handler, deletedMs: 0 }, async () => {});
    };
    await quota.deleting(remove);
    expect(await handlers.findById(handler.id)).toBeNull();
    await quota.close();
    await db.close();
  });
});

it.runIf(mounted)('the less room there is, the more users are refused, those who keep most first', async () => {
  await rm(filler, { force: true });
  const db = await openDatabase({ file: join(folder, 'users.db') });
  const handlers = new Handlers({ db, now: Date.now, randomBytes, randomInt });
  for (const [id, bytes] of [
    ['large', 1_000],
    ['middle', 500],
    ['small', 10],
  ] as const) {
    await db.insertInto('users').values({ id, name: id, password_hash: '', created_ms: 0 }).execute();
    const { id: handlerId } = await handlers.create({ name: id, ownerId: id });
    await db.insertInto('stored_bytes').values({ handler_id: handlerId, kind: 'kv', bytes }).execute();
  }
  const admitted = async (room: number) => {
    const quota = testQuota(db, { disk: { roomLeft: async () => room, deleting: (work) => work() } });
    const users = ['large', 'middle', 'small'];
    const answers = await Promise.all(
      users.map((id) =>
        quota.admit(id, 1).then(
          () => id,
          (e) => e.message,
        ),
      ),
    );
    await quota.close();
    return answers.map((text) => (text.includes('the disk of this server is nearly full') ? 'refused' : text));
  };
  expect(await admitted(1)).toEqual(['large', 'middle', 'small']);
  expect(await admitted(0.9)).toEqual(['refused', 'middle', 'small']);
  expect(await admitted(0.4)).toEqual(['refused', 'refused', 'small']);
  expect(await admitted(0)).toEqual(['refused', 'refused', 'refused']);
  await db.close();
});
