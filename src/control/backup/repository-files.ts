/**
 * Copies a repository as of one moment while pushes and git gc go on: objects, which never change, are linked; refs are
 * read before and after, until none has moved in between.
 */
import { constants, copyFile, link, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../protocol/errors.ts';
import { type Refs, readIfThere, readRefs } from '../git/ref-files.ts';

/**
 * Greatest number of rounds. Each links only new objects, which takes milliseconds, and fails when a push came in
 * between.
 */
const roundsMax = 50;

/**
 * Links the objects of `from` into the new folder `to`, with HEAD and `shallow`. Returns refs whose objects are all
 * there. Throws `unavailable` when pushes never pause.
 */
export async function linkRepository(from: string, to: string): Promise<Refs> {
  await mkdir(join(to, 'objects', 'pack'), { recursive: true, mode: 0o700 });
  let before = await readRefs(from);
  for (let round = 0; round < roundsMax; round += 1) {
    const isWhole = await linkObjects(from, to);
    const shallow = await readIfThere(join(from, 'shallow'));
    const head = await readIfThere(join(from, 'HEAD'));
    const after = await readRefs(from);
    if (isWhole && isSame(before, after)) {
      await writeFile(join(to, 'HEAD'), head, { mode: 0o600 });
      if (shallow !== '') await writeFile(join(to, 'shallow'), shallow, { mode: 0o600 });
      return after;
    }
    before = after;
  }
  throw new PlatformError('unavailable', `${from} changed all the time`, { hints: ['try again'] });
}

/** Hard-links `to` to `from`; copies when the file system has no links. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
    if (!['EXDEV', 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(error.code ?? '')) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  });
}

/** Links all objects. Returns false when a file disappeared meanwhile: git gc removes objects that it has packed. */
async function linkObjects(from: string, to: string): Promise<boolean> {
  let isWhole = true;
  const take = async (name: string): Promise<boolean> => {
    try {
      await linkOrCopy(join(from, 'objects', name), join(to, 'objects', name));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code === 'ENOENT') return false;
      if (code !== 'EEXIST') throw error;
    }
    return true;
  };
  for (const folder of await readdir(join(from, 'objects'))) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    await mkdir(join(to, 'objects', folder), { recursive: true, mode: 0o700 });
    for (const name of await listIfThere(join(from, 'objects', folder)))
      if (/^[0-9a-f]{38}(?:[0-9a-f]{24})?$/.test(name)) isWhole = (await take(`${folder}/${name}`)) && isWhole;
  }
  const packs = await listIfThere(join(from, 'objects', 'pack'));
  for (const name of packs) {
    const pack = /^(pack-[0-9a-f]{40,64})\.idx$/.exec(name)?.[1];
    if (pack === undefined) continue;
    // Links the pack before its index: git treats an index without its pack as an error.
    const isThere = (await take(`pack/${pack}.pack`)) && (await take(`pack/${pack}.idx`));
    if (!isThere) isWhole = false;
    else
      for (const more of ['rev', 'bitmap', 'mtimes'])
        if (packs.includes(`${pack}.${more}`)) await take(`pack/${pack}.${more}`);
  }
  return isWhole;
}

function isSame(a: Refs, b: Refs): boolean {
  return a.size === b.size && [...a].every(([name, id]) => b.get(name) === id);
}

function listIfThere(folder: string): Promise<string[]> {
  return readdir(folder).catch(ifGone<string[]>([]));
}

function ifGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
}
