/** wasi:filesystem of WASI 0.3, row by row. Specification: WebAssembly/wasi-filesystem, wit-0.3.0/types.wit. */
import { describe, expect, it } from 'vitest';
import { result } from '../../../src/guest/component/wit.ts';
import { errorCodeType } from '../../../src/guest/kernel/abi/wasi3/filesystem/error-code.ts';
import { directoryEntryType } from '../../../src/guest/kernel/abi/wasi3/filesystem/types.ts';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { ComponentGuest } from '../../support/component-guest.ts';

const types = 'wasi:filesystem/types@0.3';
const outcome = result(null, errorCodeType);
const done = { ok: undefined };
const none: readonly string[] = [];
const err = (tag: string) => ({ err: { tag } });

async function withFiles() {
  const guest = new ComponentGuest({
    clock: { wallMs: () => 1_700_000_000_000, monotonicNs: () => 0n },
    files: () =>
      makeFileSystem({
        lower: lowerTree([{ path: 'public/page.html', bytes: Buffer.from('<p>') }], 5_000_000_001n),
        limits: { bytes: 100_000, names: 20 },
        nowNs: () => 1_700_000_000_000_000_001n,
      }),
  });
  const fs = (name: string, ...values: readonly unknown[]) => guest.call(types, name, ...values);
  const [[root, name]] = await guest.call('wasi:filesystem/preopens@0.3', 'get-directories');
  expect(name).toBe('/');
  const { ok: tmp } = await fs(
    '[method]descriptor.open-at',
    root,
    none,
    'tmp',
    ['directory'],
    ['read', 'mutate-directory'],
  );
  const open = async (path: string, how: readonly string[] = ['create'], flags = ['read', 'write']) =>
    (await fs('[method]descriptor.open-at', tmp, none, path, how, flags)).ok as number;
  const write = async (file: number, text: string, offset = 0n) =>
    guest.valueOf(await fs('[method]descriptor.write-via-stream', file, await guest.streamOf(text), offset), outcome);
  const read = async (file: number, offset = 0n) => {
    const [contents, end] = await fs('[method]descriptor.read-via-stream', file, offset);
    return [await guest.textOf(contents), await guest.valueOf(end, outcome)];
  };
  return { guest, fs, root: root as number, tmp: tmp as number, open, write, read };
}

describe('a file', () => {
  it('is written and read by streams, which outlive its descriptor', async () => {
    const { guest, fs, open, write, read } = await withFiles();
    const file = await open('a');
    expect(await write(file, 'hello')).toStrictEqual(done);
    expect(await write(file, 'LO', 3n)).toStrictEqual(done);
    expect(await read(file, 1n)).toStrictEqual(['elLO', done]);
    const appended = await fs('[method]descriptor.append-via-stream', file, await guest.streamOf('!'));
    await guest.call(types, '[resource-drop]descriptor', file);
    expect(await guest.valueOf(appended, outcome)).toStrictEqual(done);
    expect(await read(await open('a', []))).toStrictEqual(['helLO!', done]);
  });

  it('has type, flags, size and times', async () => {
    const { fs, open, write } = await withFiles();
    const file = await open('a');
    await write(file, 'hello');
    expect(await fs('[method]descriptor.get-type', file)).toEqual({ ok: { tag: 'regular-file' } });
    expect(await fs('[method]descriptor.get-flags', file)).toEqual({ ok: new Set(['read', 'write']) });
    expect(await fs('[method]descriptor.set-size', file, 3n)).toStrictEqual(done);
    const times = { tag: 'timestamp', value: { seconds: 7n, nanoseconds: 8 } };
    expect(await fs('[method]descriptor.set-times', file, { tag: 'no-change' }, times)).toStrictEqual(done);
    const before = { tag: 'timestamp', value: { seconds: -1n, nanoseconds: 0 } };
    expect(await fs('[method]descriptor.set-times', file, before, { tag: 'now' })).toEqual(err('invalid'));
    expect((await fs('[method]descriptor.stat', file)).ok).toMatchObject({
      type: { tag: 'regular-file' },
      size: 3n,
      dataModificationTimestamp: { seconds: 7n, nanoseconds: 8 },
    });
    for (const name of ['[method]descriptor.sync', '[method]descriptor.sync-data'])
      expect(await fs(name, file)).toStrictEqual(done);
    expect(await fs('[method]descriptor.advise', file, 0n, 1n, 'normal')).toStrictEqual(done);
  });

  it('that is not open for it is not read or written', async () => {
    const { guest, fs, tmp, open, read } = await withFiles();
    await open('a');
    const readOnly = await open('a', [], ['read']);
    const refused = await fs('[method]descriptor.write-via-stream', readOnly, await guest.streamOf('x'), 0n);
    expect(await guest.valueOf(refused, outcome)).toEqual(err('bad-descriptor'));
    expect(await read(tmp)).toEqual(['', err('bad-descriptor')]);
    const file = await open('a', []);
    const [beyond, invalid] = await fs('[method]descriptor.read-via-stream', file, 2n ** 63n);
    expect(await guest.textOf(beyond)).toBe('');
    expect(await guest.valueOf(invalid, outcome)).toEqual(err('invalid'));
    const far = await fs('[method]descriptor.write-via-stream', file, await guest.streamOf('x'), 2n ** 60n);
    expect(await guest.valueOf(far, outcome)).toEqual(err('file-too-large'));
    const large = await fs('[method]descriptor.write-via-stream', file, await guest.streamOf('x'.repeat(200_000)), 0n);
    expect((await guest.valueOf(large, outcome)).err).toBeDefined();
  });
});

describe('paths', () => {
  const out = 'not-permitted';
  const follow = ['symlink-follow'];
  /**
   * Function, paths and flags after the directory, and the error. `up` is a symbolic link to `..`, `self` one to
   * itself.
   */
  const cases: readonly (readonly [string, readonly unknown[], string])[] = [
    ...['..', '/', 'up/x', '../tmp/x', '/etc/passwd'].flatMap((path): (readonly [string, unknown[], string])[] => [
      ['create-directory-at', [path], out],
      ['remove-directory-at', [path], out],
      ['readlink-at', [path], out],
      ['stat-at', [none, path], out],
      ['metadata-hash-at', [none, path], out],
      ['set-times-at', [none, path, { tag: 'now' }, { tag: 'now' }], out],
      ['open-at', [none, path, none, ['read']], out],
      ['symlink-at', ['a', path], out],
    ]),
    ...['create-directory-at', 'remove-directory-at', 'readlink-at', 'unlink-file-at'].map(
      (name) => [name, [''], 'no-entry'] as const,
    ),
    ['open-at', [follow, 'up', none, ['read']], out],
    ['open-at', [none, 'up', none, ['read']], 'loop'],
    ['open-at', [follow, 'self', none, ['read']], 'loop'],
    ['open-at', [none, '', none, ['read']], 'no-entry'],
    ['open-at', [none, '.', none, ['write']], 'is-directory'],
    ['create-directory-at', ['.'], 'exist'],
    ['create-directory-at', ['a'], 'exist'],
    ['remove-directory-at', ['.'], 'invalid'],
    ['remove-directory-at', ['a'], 'not-directory'],
    ['remove-directory-at', ['up'], 'not-directory'],
    ['unlink-file-at', ['.'], 'is-directory'],
    ['unlink-file-at', ['up/x'], out],
    ['readlink-at', ['.'], 'invalid'],
    ['readlink-at', ['a'], 'invalid'],
    ['symlink-at', ['', 'x'], 'no-entry'],
    ['symlink-at', ['x', ''], 'no-entry'],
  ];

  it.each(cases)('%s %j: %s', async (name, args, code) => {
    const { fs, tmp, open } = await withFiles();
    await open('a');
    await fs('[method]descriptor.symlink-at', tmp, '..', 'up');
    await fs('[method]descriptor.symlink-at', tmp, 'self', 'self');
    expect(await fs(`[method]descriptor.${name}`, tmp, ...args)).toEqual(err(code));
  });

  it.each([
    ['.', 'x', 'access'],
    ['', 'x', 'no-entry'],
    ['a', '', 'no-entry'],
    ['a', 'a', 'exist'],
    ['up/x', 'x', out],
    ['a', 'up/x', out],
  ])('link-at %j to %j: %s', async (from, to, code) => {
    const { fs, tmp, open } = await withFiles();
    await open('a');
    await fs('[method]descriptor.symlink-at', tmp, '..', 'up');
    expect(await fs('[method]descriptor.link-at', tmp, none, from, tmp, to)).toEqual(err(code));
  });

  it.each([
    ['.', 'x', 'busy'],
    ['none', 'x', 'no-entry'],
    ['a', '../x', out],
    ['a', 'up/x', out],
    ['a', '/x', out],
  ])('rename-at %j to %j: %s', async (from, to, code) => {
    const { fs, tmp, open } = await withFiles();
    await open('a');
    await fs('[method]descriptor.symlink-at', tmp, '..', 'up');
    expect(await fs('[method]descriptor.rename-at', tmp, from, tmp, to)).toEqual(err(code));
  });
});

describe('a directory', () => {
  it('lists its entries', async () => {
    const { guest, fs, tmp, open } = await withFiles();
    for (const name of ['a', 'b', 'c']) await open(name);
    const [list, end] = await fs('[method]descriptor.read-directory', tmp);
    const found = await guest.valuesOf(list, directoryEntryType);
    expect(found).toEqual(['a', 'b', 'c'].map((name) => ({ type: { tag: 'regular-file' }, name })));
    expect(await guest.valueOf(end, outcome)).toStrictEqual(done);
    const [nothing, problem] = await fs('[method]descriptor.read-directory', await open('a', []));
    expect(await guest.valuesOf(nothing, directoryEntryType)).toEqual([]);
    expect(await guest.valueOf(problem, outcome)).toEqual(err('not-directory'));
  });

  it('changes its names', async () => {
    const { fs, tmp, root, open } = await withFiles();
    const file = await open('a');
    expect(await fs('[method]descriptor.create-directory-at', tmp, 'd')).toStrictEqual(done);
    expect(await fs('[method]descriptor.create-directory-at', tmp, 'd')).toEqual(err('exist'));
    expect(await fs('[method]descriptor.rename-at', tmp, 'a', tmp, 'b')).toStrictEqual(done);
    expect(await fs('[method]descriptor.link-at', tmp, none, 'b', tmp, 'c')).toStrictEqual(done);
    expect(await fs('[method]descriptor.symlink-at', tmp, 'b', 'l')).toStrictEqual(done);
    expect(await fs('[method]descriptor.readlink-at', tmp, 'l')).toEqual({ ok: 'b' });
    const same = await open('c', []);
    expect(await fs('[method]descriptor.is-same-object', file, same)).toBe(true);
    expect(await fs('[method]descriptor.metadata-hash', file)).toEqual(
      await fs('[method]descriptor.metadata-hash-at', tmp, ['symlink-follow'], 'l'),
    );
    expect((await fs('[method]descriptor.stat-at', tmp, none, 'l')).ok.type).toEqual({ tag: 'symbolic-link' });
    const now = { tag: 'now' };
    expect(await fs('[method]descriptor.set-times-at', tmp, none, 'b', now, now)).toStrictEqual(done);
    expect(await fs('[method]descriptor.unlink-file-at', tmp, 'c')).toStrictEqual(done);
    expect(await fs('[method]descriptor.remove-directory-at', tmp, 'd')).toStrictEqual(done);
    expect(await fs('[method]descriptor.stat-at', tmp, none, 'd')).toEqual(err('no-entry'));
    expect(await fs('[method]descriptor.unlink-file-at', root, 'public/page.html')).toEqual(err('read-only'));
    expect(await fs('[method]descriptor.open-at', tmp, none, '../public', none, ['read'])).toEqual(
      err('not-permitted'),
    );
  });
});
