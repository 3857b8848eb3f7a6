/**
 * A copy of the platform's programs with other text in some places: another version, or a machine with another clock.
 */
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What stands in a file instead of a text that it has. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface ProgramCopy {
  /** Folder of the programs: `src/bin` of the copy. */
  readonly programs: string;
  remove(): Promise<void>;
}

/**
 * Copies what the programs need, makes `changes`, and writes `files` (text by path). Throws when a file does not have a
 * text that should be changed.
 */
export async function copyPrograms(
  changes: readonly Change[],
  files: Readonly<Record<string, string>> = {},
): Promise<ProgramCopy> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'trisiel-programs-')));
  for (const name of ['src', 'hooks', 'docs', 'package.json'])
    await cp(join(root, name), join(folder, name), { recursive: true });
  // Runners and vet children may read what the link leads to.
  await symlink(await realpath(join(root, 'node_modules')), join(folder, 'node_modules'));
  for (const { file, from, to } of changes) {
    const path = join(folder, file);
    const text = await readFile(path, 'utf8');
    if (!text.includes(from)) throw new Error(`${file} does not have: ${from}`);
    await writeFile(
      path,
      text.replaceAll(from, () => to),
    );
  }
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(folder, file, '..'), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  return {
    programs: join(folder, 'src/bin'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
