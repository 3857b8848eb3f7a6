/** The copy of a recorded repository on this disk: how far it goes, and its refs. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Refs, readIfThere, writeRefs } from './ref-files.ts';

/** State of the copy on this disk: it has the objects up to record `number`, and if `isClean` also exactly its refs. */
export interface Copy {
  readonly number: number;
  /**
   * Id of the push of that record, which tells it from a record of another database with the same number; '': there was
   * no record, or an earlier version has written the file.
   */
  readonly push: string;
  readonly isClean: boolean;
}

/** Name of the file in a repository that says how far the copy goes. */
const copyName = 'trisiel-copy';

/** A copy that has nothing. */
export const noCopy: Copy = { number: 0, push: '', isClean: false };

/** Reads how far a copy goes; nowhere when that was never written, or not whole. */
export async function readCopy(path: string): Promise<Copy> {
  const match = /^(\d{1,15}) (clean|moving)(?: ([0-9a-f]{24}))?\n$/.exec(await readIfThere(join(path, copyName)));
  return match === null ? noCopy : { number: Number(match[1]), push: match[3] ?? '', isClean: match[2] === 'clean' };
}

/** Notes how far a copy goes. */
export async function writeCopy(path: string, { number, push, isClean }: Copy): Promise<void> {
  const file = join(path, copyName);
  await writeFile(`${file}.new`, `${number} ${isClean ? 'clean' : 'moving'}${push === '' ? '' : ` ${push}`}\n`, {
    mode: 0o600,
  });
  await rename(`${file}.new`, file);
}

/** Replaces all refs of a repository that no git process changes. */
export async function setRefs(path: string, refs: Refs): Promise<void> {
  await writeRefs(path, refs);
  for (const folder of ['heads', 'tags', 'deployments'])
    await rm(join(path, 'refs', folder), { recursive: true, force: true });
  for (const folder of ['heads', 'tags']) await mkdir(join(path, 'refs', folder), { recursive: true, mode: 0o700 });
}
