/**
 * A copy of the platform's programs with other text in some places: another version, or a machine with another clock.
 */
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
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
  // Programs find packages where they really are, so runners and vet children must be able to read them there.
  const packages = await realpath(join(root, 'node_modules'));
  await symlink(packages, join(folder, 'node_modules'));
  const grants = [
    { file: 'src/control/fleet/runner-process.ts', from: "'node_modules/'" },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of that file.
    { file: 'src/control/deploy/vet/vet-child.ts', from: '`${programRoot}node_modules/`' },
  ].map(({ file, from }) => ({
    ...{ file, from },
    to: `${from}, ${from.replace('node_modules', relative(folder, packages))}`,
  }));
  for (const { file, from, to } of [...grants, ...changes]) {
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
