/** Finds the files to deploy in a pushed tree (docs/push.md). */

import { posix } from 'node:path';
import { isRelativeUrl } from '../../guest/wasm/lines/debug-sections.ts';
import { sourceLineLimits } from '../../guest/wasm/lines/rows.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { TreeEntry } from '../../protocol/push.ts';
import { count, shortCommit, shortPath, size } from '../git/push-text.ts';
import { type Manifest, manifestFile } from './manifest.ts';

export interface FoundModule {
  readonly entry: TreeEntry;
  readonly source: 'wasm' | 'h';
}

/** Paths listed in an error; further ones are counted. */
const listedMax = 10;

/**
 * Throws `tree_invalid` for `.git` inside the tree, in addition to git's own fsck. Symbolic links and submodules are
 * allowed where no file is read: findModule, findManifest and findFiles refuse them there.
 */
export function checkTree(entries: readonly TreeEntry[], commit: string): void {
  const refused = entries.filter(({ path }) => /(?:^|\/)\.git(?:\/|$)/i.test(path));
  refuse(
    commit,
    refused.map(({ path }) => `${shortPath(path)}  (.git inside the tree)`),
  );
}

/** Returns the symbolic links among `entries`. */
export function findLinks(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  return entries.filter(({ mode }) => mode === '120000');
}

/** Bytes of a link's target: PATH_MAX of Linux. */
export const linkBytesMax = 4096;

export interface Link {
  readonly path: string;
  /** Target of the link; null: longer than `linkBytesMax`. */
  readonly target: string | null;
}

/**
 * Throws `tree_invalid` for links that lead out of the tree. The platform follows no link, but a checkout of the
 * deployed tree would show files that were never pushed.
 */
export function checkLinks(links: readonly Link[], commit: string): void {
  const refused = links.flatMap(({ path, target }) => {
    const isInside =
      target !== null && !target.startsWith('/') && !/^\.\.(?:\/|$)/.test(posix.join(posix.dirname(path), target));
    return isInside ? [] : [`${shortPath(path)}  (symbolic link out of the tree)`];
  });
  refuse(commit, refused);
}

/** Throws `tree_invalid` for entries that are not plain files. */
function checkPlain(entries: readonly TreeEntry[], commit: string): void {
  const refused = entries.flatMap((entry) => (isPlain(entry) ? [] : [`${shortPath(entry.path)}  (${kindOf(entry)})`]));
  refuse(commit, refused);
}

function isPlain({ mode }: TreeEntry): boolean {
  return mode === '100644' || mode === '100755' || mode === '100664';
}

function kindOf({ mode }: TreeEntry): string {
  if (mode === '120000') return 'symbolic link';
  return mode === '160000' ? 'submodule' : `mode ${mode}`;
}

function refuse(commit: string, refused: readonly string[]): void {
  if (refused.length === 0) return;
  const n = refused.length === 1 ? '1 entry' : `${refused.length} entries`;
  throw new PlatformError('tree_invalid', `commit ${shortCommit(commit)} has ${n} other than plain files`, {
    details: listed(refused),
    hints: ['put the files themselves into the repository'],
  });
}

/** Returns the file `path`; null if there is none. Throws `tree_invalid` for a link or a submodule. */
export function findManifest(entries: readonly TreeEntry[], path: string, commit: string): TreeEntry | null {
  const entry = findFile(entries, path);
  if (entry !== null) checkPlain([entry], commit);
  return entry;
}

function findFile(entries: readonly TreeEntry[], path: string): TreeEntry | null {
  return entries.find((entry) => entry.path === path) ?? null;
}

/**
 * Returns the module of a tree: the one that the manifest names, or else the only one (without any `.wasm`, an h
 * program). Throws `module_missing`, `module_ambiguous`, `module_too_large`, and `tree_invalid` for a link.
 */
export function findModule(entries: readonly TreeEntry[], manifest: Manifest, commit: string): FoundModule {
  const found =
    manifest.module === null ? onlyModule(entries, commit) : namedModule(entries, manifest, manifest.module);
  checkPlain([found.entry], commit);
  const { path, size: bytes } = found.entry;
  const most = size(pushLimits.moduleBytes);
  if (bytes > pushLimits.moduleBytes)
    throw new PlatformError(
      'module_too_large',
      `${shortPath(path)} has ${size(bytes) === most ? `${bytes.toLocaleString('en-US')} bytes` : size(bytes)}, at most ${most} are allowed`,
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
  const named = entries.filter(({ path }) => path.endsWith('.wasm'));
  const plain = named.filter(isPlain);
  // A link beside its module is not a second module; a link alone is refused as a link.
  const modules = plain.length > 0 ? plain : named;
  const [only, second] = modules;
  if (only !== undefined && second === undefined) return { entry: only, source: 'wasm' };
  if (second !== undefined) throw ambiguous(modules, commit);
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

/**
 * Returns the source map that a module in `modulePath` names by `url`, relative to itself; null if the tree has no such
 * plain file, or one of more than sourceLineLimits.mapBytes. The map only adds lines to stacks, so none is refused.
 */
export function findSourceMap(entries: readonly TreeEntry[], modulePath: string, url: string | null): TreeEntry | null {
  if (url === null || url.length > linkBytesMax || !isRelativeUrl(url)) return null;
  const entry = findFile(entries, posix.join(posix.dirname(modulePath), url));
  return entry !== null && isPlain(entry) && entry.size <= sourceLineLimits.mapBytes ? entry : null;
}

/** Finds the program in h: a single NAME.h in a tree without C sources is a program in h, not a header. */
function hProgram(entries: readonly TreeEntry[]): TreeEntry | null {
  const [program, ...others] = entries.filter(({ path }) => path.endsWith('.h'));
  const isC = entries.some(({ path }) => /\.(?:c|cc|cpp|cxx|m|mm)$/.test(path));
  return program !== undefined && others.length === 0 && !isC ? program : null;
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

/**
 * Returns the files under the manifest's `files.root`, with paths relative to it. Throws `tree_invalid` for an entry
 * that is no plain file or whose name the function could not open, so that it fails at the push and not at a call.
 */
export function findFiles(entries: readonly TreeEntry[], manifest: Manifest, commit: string): readonly TreeEntry[] {
  const { filesRoot } = manifest;
  if (filesRoot === null) return [];
  const prefix = filesRoot === '' ? '' : `${filesRoot}/`;
  checkPlain(
    entries.filter(({ path }) => path === filesRoot && filesRoot !== ''),
    commit,
  );
  const files = entries.filter(({ path }) => path.startsWith(prefix));
  if (files.length === 0)
    throw new PlatformError(
      'manifest_invalid',
      `${manifest.at(['files', 'root'])}: the commit has no files in ${shortPath(filesRoot)}`,
    );
  checkPlain(files, commit);
  const inside = files.map((file) => ({ ...file, path: file.path.slice(prefix.length) }));
  checkNames(inside, prefix);
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (bytes > pushLimits.fileBytes)
    throw new PlatformError(
      'limit_exceeded',
      `${manifest.at(['files', 'root'])}: the files have ${size(bytes)}, at most ${size(pushLimits.fileBytes)} are allowed`,
      { hints: ['runners hold these files in memory: leave out what the function does not read'] },
    );
  return inside;
}

/**
 * Bytes of one name, followed by bytes of a whole path, in a function's file system: NAME_MAX and PATH_MAX of Linux.
 */
const nameBytesMax = 255;
const pathBytesMax = 4096;

function checkNames(files: readonly TreeEntry[], prefix: string): void {
  const taken = new Map<string, 'file' | 'folder'>();
  const refused = files.flatMap((file) => {
    const reason = unopenable(file) ?? clash(file.path, taken);
    return reason === null ? [] : [`${shortPath(`${prefix}${file.path}`)}  (${reason})`];
  });
  if (refused.length === 0) return;
  throw new PlatformError('tree_invalid', `${count(refused.length, 'file')} could not be opened by the function`, {
    details: listed(refused),
    hints: ['give them other names, or move them out of [files] root'],
  });
}

/** Returns why a function could not open a file by its name; null if it can. */
function unopenable({ path, isUtf8 }: TreeEntry): string | null {
  if (!isUtf8) return 'its name is not UTF-8';
  if (/^tmp(?:\/|$)/.test(path)) return 'the scratch folder /tmp hides it';
  if (Buffer.byteLength(path) >= pathBytesMax) return `its path is longer than ${pathBytesMax - 1} bytes`;
  const names = path.split('/');
  if (names.some((name) => Buffer.byteLength(name) > nameBytesMax))
    return `a name is longer than ${nameBytesMax} bytes`;
  return names.some((name) => name === '' || name === '.' || name === '..') ? 'this is no name of a file' : null;
}

/** Adds the names of `path` to `taken`; returns why one of them conflicts, null when none does. */
function clash(path: string, taken: Map<string, 'file' | 'folder'>): string | null {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    const folder = path.slice(0, at);
    if (taken.get(folder) === 'file') return 'a file is in the way';
    taken.set(folder, 'folder');
  }
  if (taken.has(path)) return 'its name stands twice in the tree';
  taken.set(path, 'file');
  return null;
}

function listed(lines: readonly string[]): readonly string[] {
  if (lines.length <= listedMax) return lines;
  return [...lines.slice(0, listedMax), `... and ${lines.length - listedMax} more`];
}

/** Returns a path quoted for a shell. */
function visibleArgument(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
