/** What a pushed tree may hold, and where only plain files are taken. */
import { describe, expect, it } from 'vitest';
import { readManifest } from '../../../src/control/deploy/manifest.ts';
import {
  checkLinks,
  checkTree,
  findFiles,
  findManifest,
  findModule,
  findSourceMap,
} from '../../../src/control/deploy/tree.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { sourceLineLimits } from '../../../src/guest/wasm/lines/rows.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { pushLimits } from '../../../src/protocol/limits.ts';
import type { TreeEntry } from '../../../src/protocol/push.ts';

const oid = 'a'.repeat(40);
const commit = 'c'.repeat(40);

function entry(path: string, mode = '100644', isUtf8 = true): TreeEntry {
  return { mode, oid, size: 1, path, isUtf8 };
}

const manifest = (toml: string | null = null) =>
  readManifest({ toml: toml === null ? null : Buffer.from(toml), olin: null });

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof PlatformError) return [error.message, ...error.details].join('\n');
    throw error;
  }
  throw new Error('it was accepted');
}

describe('links and submodules', () => {
  const others = [entry('link', '120000'), entry('lib/module', '160000'), entry('odd', '100600')];

  it('may be anywhere that nothing is read from', () => {
    const entries = [entry('dist/a.wasm'), entry('public/x'), ...others];
    checkTree(entries, commit);
    expect(findModule(entries, manifest(), commit).entry.path).toBe('dist/a.wasm');
    const files = findFiles(entries, manifest('[files]\nroot = "public"'), commit);
    expect(files.map(({ path }) => path)).toEqual(['x']);
    expect(findManifest(entries, 'wasmcloud.toml', commit)).toBeNull();
  });

  it.each(['120000', '160000', '100600'])('are refused as module, as manifest and under [files] root: %s', (mode) => {
    const module = [entry('a.wasm', mode)];
    expect(refusal(() => findModule(module, manifest(), commit))).toContain('a.wasm  (');
    expect(refusal(() => findModule(module, manifest('module = "a.wasm"'), commit))).toContain('a.wasm  (');
    expect(refusal(() => findManifest([entry('wasmcloud.toml', mode)], 'wasmcloud.toml', commit))).toContain('toml  (');
    const under = [entry('public/ok'), entry('public/a', mode)];
    expect(refusal(() => findFiles(under, manifest('[files]\nroot = "public"'), commit))).toContain('public/a  (');
    const root = [entry('public', mode)];
    expect(refusal(() => findFiles(root, manifest('[files]\nroot = "public"'), commit))).toContain('public  (');
  });

  it('beside a module of the same ending are no second module', () => {
    const entries = [entry('dist/a-1.wasm'), entry('latest.wasm', '120000')];
    expect(findModule(entries, manifest(), commit).entry.path).toBe('dist/a-1.wasm');
  });

  it.each(['/etc/passwd', '../..', '../../x', 'a/../../../x', '..//../x', null])(
    'out of the tree are refused: %s',
    (target) => {
      const text = refusal(() => checkLinks([{ path: 'sub/link', target }], commit));
      expect(text).toContain('sub/link  (symbolic link out of the tree)');
    },
  );

  it.each(['x', './x', '../x', '../sub/x', '..x', '...', 'a/../b'])('inside of it are taken: %s', (target) => {
    checkLinks([{ path: 'sub/link', target }], commit);
  });

  it('never stand for .git', () => {
    expect(refusal(() => checkTree([entry('a/.GIT/config')], commit))).toContain('.git inside the tree');
  });
});

describe('names of files that a function reads', () => {
  const files = (entries: readonly TreeEntry[], root = 'public') =>
    findFiles(entries, manifest(`[files]\nroot = "${root}"`), commit);

  it.each([
    ['that is no UTF-8', 'caf\\xe9', 'not UTF-8', false],
    ['the scratch folder', 'tmp', 'scratch', true],
    ['in the scratch folder', 'tmp/a', 'scratch', true],
    ['a long name', 'x'.repeat(256), '255 bytes', true],
    ['a name of many bytes', 'ü'.repeat(128), '255 bytes', true],
    ['a long path', `${'a/'.repeat(2_047)}ab`, '4095 bytes', true],
    ['an empty name', 'a//b', 'no name', true],
    ['a way up', 'a/../b', 'no name', true],
  ])('are refused at the push where it could not open them: %s', (_what, name, reason, isUtf8) => {
    const text = refusal(() => files([entry('public/ok'), entry(`public/${name}`, '100644', isUtf8)]));
    expect(text).toContain('1 file could not be opened by the function');
    expect(text).toContain(reason);
  });

  it('are refused where one stands twice, or is file and folder', () => {
    expect(refusal(() => files([entry('public/a'), entry('public/a')]))).toContain('twice');
    expect(refusal(() => files([entry('public/a'), entry('public/a/b')]))).toContain('a file is in the way');
    expect(refusal(() => files([entry('public/a/b'), entry('public/a')]))).toContain('twice');
  });

  it('are of no interest elsewhere', () => {
    expect(files([entry('public/ok'), entry('tmp/a'), entry('caf\\xe9', '100644', false)])).toHaveLength(1);
  });

  it('that are taken make a tree in a runner', () => {
    const names = [
      'a',
      'tmpx/tmp',
      'sub/tmp',
      'x'.repeat(255),
      'ü'.repeat(127),
      '\\',
      'a b',
      '"',
      '__proto__',
      '\n',
      '.hidden',
    ];
    const taken = files(names.map((name) => entry(`public/${name}`)));
    const tree = lowerTree(taken.map(({ path }) => ({ path, bytes: new Uint8Array(1) })));
    for (const name of names.filter((name) => !name.includes('/')))
      expect(tree.lookup(name), name).toMatchObject({ kind: 'file' });
  });
});

describe('the module', () => {
  const found = (paths: readonly string[], toml: string | null = null) =>
    findModule(
      paths.map((path) => entry(path)),
      manifest(toml),
      commit,
    );
  const coded = (code: string, message: string) =>
    expect.objectContaining({ code, message: expect.stringContaining(message) });

  it('is the only one, the one that is named, or a program in h', () => {
    expect(found(['x/a.wasm', 'b.wat', 'c.h'])).toMatchObject({ entry: { path: 'x/a.wasm' }, source: 'wasm' });
    expect(found(['a.wasm', 'b.wasm'], 'module = "b.wasm"').entry.path).toBe('b.wasm');
    expect(found(['a.h', 'b.wat'])).toMatchObject({ entry: { path: 'a.h' }, source: 'h' });
    expect(found(['a.h', 'b.wasm'], 'module = "a.h"')).toMatchObject({ entry: { path: 'a.h' }, source: 'h' });
  });

  it('is missing where there is none, or only its source', () => {
    expect(() => found(['README.md', 'x'])).toThrow(coded('module_missing', 'no .wasm file in commit ccccccc'));
    expect(() => found(['a.wat'])).toThrow(coded('module_missing', 'a.wat is WebAssembly text'));
    expect(() => found(['a.wat'], 'module = "a.wat"')).toThrow(coded('module_missing', 'a.wat is WebAssembly text'));
    expect(() => found(['a.wasm'], 'module = "b.wasm"')).toThrow(coded('module_missing', 'there is no file b.wasm'));
    // Headers: of several, or beside sources in C.
    expect(() => found(['a.h', 'b.h'])).toThrow(coded('module_missing', 'no .wasm file'));
    for (const source of ['a.c', 'a.cc', 'a.cpp', 'a.cxx', 'a.m', 'a.mm'])
      expect(() => found(['a.h', source])).toThrow(coded('module_missing', 'no .wasm file'));
  });

  it('is not chosen among several, of which ten are named', () => {
    const paths = Array.from({ length: 12 }, (_, at) => `m${at}.wasm`);
    expect(() => found(paths)).toThrow(coded('module_ambiguous', '12 .wasm files'));
    const lines = refusal(() => found(paths))
      .split('\n')
      .slice(1);
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('... and 2 more');
    expect(refusal(() => found(paths.slice(0, 10)))).not.toContain('more');
  });

  it('has at most so many bytes', () => {
    const sized = (size: number) => findModule([{ ...entry('a.wasm'), size }], manifest(), commit);
    expect(sized(pushLimits.moduleBytes).entry.size).toBe(pushLimits.moduleBytes);
    expect(() => sized(pushLimits.moduleBytes + 1)).toThrow(coded('module_too_large', 'a.wasm has'));
  });
});

describe('files under [files] root', () => {
  const root = manifest('[files]\nroot = "public"');

  it('are there, and have together at most so many bytes', () => {
    const sized = (size: number) => findFiles([{ ...entry('public/a'), size }, entry('public/b')], root, commit);
    expect(sized(pushLimits.fileBytes - 1)).toHaveLength(2);
    expect(() => sized(pushLimits.fileBytes)).toThrow(expect.objectContaining({ code: 'limit_exceeded' }));
    expect(() => findFiles([entry('a')], root, commit)).toThrow(
      expect.objectContaining({ code: 'manifest_invalid', message: expect.stringContaining('no files in public') }),
    );
  });

  it('are named as a file system takes them: 255 bytes for a name, 4,095 for a path', () => {
    const under = (path: string) => findFiles([entry(`public/${path}`)], root, commit);
    expect(under('n'.repeat(255))).toHaveLength(1);
    expect(refusal(() => under('ü'.repeat(128)))).toContain('longer than 255 bytes');
    const path = (bytes: number) => `${`${'d'.repeat(200)}/`.repeat(20)}${'f'.repeat(bytes - 20 * 201)}`;
    expect(under(path(4_095))).toHaveLength(1);
    expect(refusal(() => under(path(4_096)))).toContain('longer than 4095 bytes');
  });
});

it('a source map is a plain file of the tree, beside the module, of at most so many bytes', () => {
  const map = (url: string | null, more: Partial<TreeEntry> = {}) =>
    findSourceMap([{ ...entry('x/a.map'), ...more }], 'x/a.wasm', url)?.path ?? null;
  expect(map('a.map')).toBe('x/a.map');
  expect(map('../x/a.map')).toBe('x/a.map');
  expect(map(`${'./'.repeat(2_045)}a.map`)).toBe('x/a.map');
  expect(map(`${'./'.repeat(2_046)}a.map`)).toBeNull();
  for (const url of [null, 'b.map', 'http://127.0.0.1/a.map', '/x/a.map']) expect(map(url), String(url)).toBeNull();
  expect(map('a.map', { mode: '120000' })).toBeNull();
  expect(map('a.map', { size: sourceLineLimits.mapBytes })).toBe('x/a.map');
  expect(map('a.map', { size: sourceLineLimits.mapBytes + 1 })).toBeNull();
});
