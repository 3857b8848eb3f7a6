import { renameSync, symlinkSync } from 'node:fs';
import { chown, link, lstat, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { giveToOwner } from '../../src/bin/give-to-owner.ts';

/** What the folder's owner does at the moment when root has read the names in a folder; null: nothing. */
let afterNames: (() => void) | null = null;
/** What he does when root has opened `file` and not looked at it yet; null: nothing. */
let afterOpen: ((file: string) => void) | null = null;
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    readdirSync: (path: string, options: { readonly encoding: 'buffer' }) => {
      const names = fs.readdirSync(path, options);
      afterNames?.();
      return names;
    },
    openSync: (path: string, flags: number) => {
      const descriptor = fs.openSync(path, flags);
      afterOpen?.(String(path));
      return descriptor;
    },
  };
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log('skipped: files of another user, which only root can make');

let folder: string;
let path: string;
/** File and folder of root's beside the data folder. */
let outside: string;
let outsideFolder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-owner-'));
  path = join(folder, 'data');
  outside = join(folder, 'outside');
  outsideFolder = join(folder, 'other');
  await mkdir(join(path, 'repos'), { recursive: true });
  await mkdir(outsideFolder);
  for (const file of [outside, join(outsideFolder, 'pin')]) await writeFile(file, '');
});
afterEach(async () => {
  afterNames = null;
  afterOpen = null;
  await rm(folder, { recursive: true });
});

const owner = async (name: string): Promise<number> => (await lstat(join(path, name))).uid;
/** Runs `act` the first time it is called. */
const once = (act: () => void) => {
  let isDone = false;
  return () => {
    if (!isDone) {
      isDone = true;
      act();
    }
  };
};

describe.skipIf(!isRoot)('what root has written into the data folder of another user', () => {
  it('becomes the owner’s, but for what has other names and what links lead to', async () => {
    await symlink(outside, join(path, 'repos', 'link'));
    await symlink(outsideFolder, join(path, 'repos', 'folder'));
    for (const name of ['control.json', 'repos/pin', 'theirs']) await writeFile(join(path, name), '');
    await writeFile(Buffer.concat([Buffer.from(`${path}/`), Buffer.of(0xff)]), '');
    await chown(join(path, 'theirs'), 54_322, 54_322);
    const named = join(folder, 'named');
    await writeFile(named, '');
    await link(named, join(path, 'second-name'));
    await chown(path, 54_321, 54_321);
    giveToOwner(path);
    for (const name of ['control.json', 'repos', 'repos/pin', 'repos/link', 'repos/folder'])
      expect(await owner(name), name).toBe(54_321);
    expect((await lstat(Buffer.concat([Buffer.from(`${path}/`), Buffer.of(0xff)]))).uid).toBe(54_321);
    expect(await owner('theirs')).toBe(54_322);
    for (const file of [named, outside, outsideFolder, join(outsideFolder, 'pin')])
      expect((await stat(file)).uid, file).toBe(0);
    await chown(path, 0, 0);
    giveToOwner(path);
    expect(await owner('control.json')).toBe(54_321);
  });

  it('leads nowhere when the owner puts a link into the place of a folder that root has entered', async () => {
    await writeFile(join(path, 'repos', 'pin'), '');
    await chown(path, 54_321, 54_321);
    let reads = 0;
    afterNames = () => {
      reads += 1;
      if (reads !== 2) return; // of the data folder, then of `repos`
      renameSync(join(path, 'repos'), join(path, 'moved'));
      symlinkSync(outsideFolder, join(path, 'repos'));
    };
    giveToOwner(path);
    expect((await stat(join(outsideFolder, 'pin'))).uid).toBe(0);
    expect(await owner('moved/pin')).toBe(54_321);
  });

  it('leads nowhere when the owner puts a link into the place of an entry before it is opened, or after', async () => {
    await writeFile(join(path, 'control.json'), '');
    await chown(path, 54_321, 54_321);
    afterNames = once(() => {
      renameSync(join(path, 'repos'), join(path, 'moved'));
      symlinkSync(outsideFolder, join(path, 'repos'));
    });
    afterOpen = (file) => {
      if (!file.endsWith('/control.json')) return;
      renameSync(join(path, 'control.json'), join(path, 'moved.json'));
      symlinkSync(outside, join(path, 'control.json'));
    };
    giveToOwner(path);
    for (const file of [outside, outsideFolder, join(outsideFolder, 'pin')])
      expect((await stat(file)).uid, file).toBe(0);
    expect(await owner('moved.json')).toBe(54_321);
  });

  it('is given back as deep as git makes folders, and no deeper', async () => {
    await mkdir(`${path}/${'d/'.repeat(1_500)}`, { recursive: true });
    await chown(path, 54_321, 54_321);
    giveToOwner(path);
    expect([await owner('d/'.repeat(200)), await owner('d/'.repeat(300))]).toEqual([54_321, 0]);
  });
});
