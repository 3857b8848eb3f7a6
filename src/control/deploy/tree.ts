/** Finds in a pushed tree what is to be deployed (docs/push.md). */

import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { TreeEntry } from '../../protocol/push.ts';
import { count, shortCommit, shortPath, size } from '../git/push-text.ts';
import { type Manifest, manifestFile } from './manifest.ts';

export interface FoundModule {
  readonly entry: TreeEntry;
  readonly source: 'wasm' | 'h';
}

/** Paths listed in an error; the rest is counted. */
const listedMax = 10;

/**
 * Only plain files: a link could point anywhere, a submodule is not here (docs/safety.md; git's own fsck lets
 * both through). `.git` entries are fsck's to refuse; this is the second wall.
 */
export function checkTree(entries: readonly TreeEntry[], commit: string): void {
  const refused = entries.flatMap(({ mode, path }) => {
    if (mode === '120000') return [`${shortPath(path)}  (symbolic link)`];
    if (mode === '160000') return [`${shortPath(path)}  (submodule)`];
    if (mode !== '100644' && mode !== '100755' && mode !== '100664') return [`${shortPath(path)}  (mode ${mode})`];
    if (/(?:^|\/)\.git(?:\/|$)/i.test(path)) return [`${shortPath(path)}  (.git inside the tree)`];
    return [];
  });
  if (refused.length === 0) return;
  const n = count(refused.length, 'entry').replace('entrys', 'entries');
  throw new PlatformError('tree_invalid', `commit ${shortCommit(commit)} has ${n} other than plain files`, {
    details: listed(refused),
    hints: ['put the files themselves into the repository'],
  });
}

export function findFile(entries: readonly TreeEntry[], path: string): TreeEntry | null {
  return entries.find((entry) => entry.path === path) ?? null;
}

export function findModule(entries: readonly TreeEntry[], manifest: Manifest, commit: string): FoundModule {
  const found =
    manifest.module === null ? onlyModule(entries, commit) : namedModule(entries, manifest, manifest.module);
  if (found.entry.size > pushLimits.moduleBytes)
    throw new PlatformError(
      'module_too_large',
      `${shortPath(found.entry.path)} has ${size(found.entry.size)}, at most ${size(pushLimits.moduleBytes)} are allowed`,
      { hints: ['strip debug information: wasm-opt -Oz --strip-debug, or wasm-strip'] },
    );
  return found;
}

function namedModule(entries: readonly TreeEntry[], manifest: Manifest, path: string): FoundModule {
  const entry = findFile(entries, path);
  if (entry === null)
    throw new PlatformError('module_missing', `${manifest.at(['module'])}: there is no file ${shortPath(path)}`, {
      hints: ['commit your build output, even if git-ignored:', `  git add -f ${visibleArgument(path)}`],
    });
  if (path.endsWith('.wat')) throw sourceOnly(path);
  return { entry, source: path.endsWith('.h') ? 'h' : 'wasm' };
}

function onlyModule(entries: readonly TreeEntry[], commit: string): FoundModule {
  const modules = entries.filter(({ path }) => path.endsWith('.wasm'));
  if (modules.length === 1) return { entry: modules[0]!, source: 'wasm' };
  if (modules.length > 1) throw ambiguous(modules, commit);
  const program = hProgram(entries);
  if (program !== null) return { entry: program, source: 'h' };
  const text = entries.find(({ path }) => path.endsWith('.wat'));
  if (text !== undefined) throw sourceOnly(text.path);
  const n = count(entries.length, 'file');
  throw new PlatformError('module_missing', `no .wasm file in commit ${shortCommit(commit)} (${n} searched)`, {
    hints: [
      'commit your build output, even if git-ignored:',
      '  git add -f dist/hello.wasm && git commit -m "Add wasm"',
    ],
  });
}

/** A single NAME.h without any C around it is a program in h, not a header. */
function hProgram(entries: readonly TreeEntry[]): TreeEntry | null {
  const programs = entries.filter(({ path }) => path.endsWith('.h'));
  const isC = entries.some(({ path }) => /\.(?:c|cc|cpp|cxx|m|mm)$/.test(path));
  return programs.length === 1 && !isC ? programs[0]! : null;
}

function sourceOnly(path: string): PlatformError {
  const built = visibleArgument(path.replace(/\.wat$/, '.wasm'));
  return new PlatformError('module_missing', `${shortPath(path)} is WebAssembly text; the push needs the built .wasm`, {
    hints: [
      'build it and commit the result:',
      `  wat2wasm ${visibleArgument(path)} -o ${built}`,
      `  git add -f ${built} && git commit -m "Add wasm"`,
    ],
  });
}

function ambiguous(modules: readonly TreeEntry[], commit: string): PlatformError {
  const shown = modules.slice(0, listedMax).map((entry) => ({ path: shortPath(entry.path), size: size(entry.size) }));
  const pathWidth = Math.max(...shown.map((entry) => entry.path.length));
  const sizeWidth = Math.max(...shown.map((entry) => entry.size.length));
  const lines = shown.map((entry) => `${entry.path.padEnd(pathWidth)}   ${entry.size.padStart(sizeWidth)}`);
  if (modules.length > listedMax) lines.push(`... and ${modules.length - listedMax} more`);
  const example = modules.at(-1)!.path;
  return new PlatformError(
    'module_ambiguous',
    `${modules.length} .wasm files in commit ${shortCommit(commit)}, expected exactly 1`,
    { details: lines, hints: [`name one in ${manifestFile}: module = ${JSON.stringify(example)}`] },
  );
}

/** Files under the manifest's `files.root`, relative to it, with what they weigh. */
export function findFiles(entries: readonly TreeEntry[], manifest: Manifest): readonly TreeEntry[] {
  const { filesRoot } = manifest;
  if (filesRoot === null) return [];
  const prefix = filesRoot === '' ? '' : `${filesRoot}/`;
  const files = entries.filter(({ path }) => path.startsWith(prefix));
  if (files.length === 0)
    throw new PlatformError(
      'manifest_invalid',
      `${manifest.at(['files', 'root'])}: the commit has no files in ${shortPath(filesRoot)}`,
    );
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (bytes > pushLimits.fileBytes)
    throw new PlatformError(
      'limit_exceeded',
      `${manifest.at(['files', 'root'])}: the files have ${size(bytes)}, at most ${size(pushLimits.fileBytes)} are allowed`,
      { hints: ['runners hold these files in memory: leave out what the function does not read'] },
    );
  return files.map((file) => ({ ...file, path: file.path.slice(prefix.length) }));
}

function listed(lines: readonly string[]): readonly string[] {
  if (lines.length <= listedMax) return lines;
  return [...lines.slice(0, listedMax), `... and ${lines.length - listedMax} more`];
}

/** A path as a shell takes it. */
function visibleArgument(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
