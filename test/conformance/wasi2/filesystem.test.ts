/** wasi:filesystem, row by row. Specification: WebAssembly/wasi-filesystem, wit/types.wit. */
import { describe, expect, it } from 'vitest';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { ComponentGuest } from '../../support/component-guest.ts';

const types = 'wasi:filesystem/types';
const streams = 'wasi:io/streams';
const done = { ok: undefined };
const none: readonly string[] = [];
const follow = ['symlink-follow'];

const openAt = '[method]descriptor.open-at';

async function withFiles() {
  const nowNs = () => 1_700_000_000_000_000_001n;
  const guest = new ComponentGuest({
    clock: { wallMs: () => 1_700_000_000_000, monotonicNs: () => 0n },
    files: () =>
      makeFileSystem({
        lower: lowerTree([{ path: 'public/page.html', bytes: Buffer.from('<p>') }], 5_000_000_001n),
        limits: { bytes: 100_000, names: 20 },
        nowNs,
      }),
  });
  const fs = guest.of(types);
  const [[root, name]] = await guest.call('wasi:filesystem/preopens', 'get-directories');
  expect(name).toBe('/');
  const { ok: tmp } = await fs(openAt, root, none, 'tmp', ['directory'], ['read', 'mutate-directory']);
  const make = async (path: string, content: string): Promise<number> => {
    const { ok: file } = await fs(openAt, tmp, none, path, ['create'], ['read', 'write']);
    await fs('[method]descriptor.write', file, content, 0n);
    return file;
  };
  return { guest, fs, root: root as number, tmp: tmp as number, make };
}

const err = (code: string) => ({ err: code });

describe('a file', () => {
  it('is read and written at any place', async () => {
    const { guest, fs, make } = await withFiles();
    const file = await make('a', 'hello');
    const read = async (length: bigint, offset: bigint) => {
      const { ok } = await fs('[method]descriptor.read', file, length, offset);
      return [Buffer.from(ok[0]).toString(), ok[1]];
    };
    expect(await fs('[method]descriptor.write', file, 'LO', 3n)).toEqual({ ok: 2n });
    expect(await read(9n, 1n)).toEqual(['elLO', false]);
    expect(await read(9n, 5n)).toEqual(['', true]);
    expect(await read(0n, 0n)).toEqual(['', false]);
    expect(await read(9n, 2n ** 64n - 1n)).toEqual(['', true]);
    expect(await fs('[method]descriptor.write', file, 'x', 2n ** 63n)).toEqual(err('file-too-large'));
    expect(await fs('[method]descriptor.write', file, 'x', 200_000n)).toEqual(err('insufficient-space'));
    expect(guest.process.io.get('file')).toEqual({ bytesIn: 4, bytesOut: 7 });
  });

  it('has streams, which outlive its descriptor', async () => {
    const { guest, fs, tmp, make } = await withFiles();
    const file = await make('a', 'hello');
    const { ok: input } = await fs('[method]descriptor.read-via-stream', file, 1n);
    const { ok: output } = await fs('[method]descriptor.write-via-stream', file, 4n);
    const { ok: append } = await fs('[method]descriptor.append-via-stream', file);
    await fs('[resource-drop]descriptor', file);
    const write = '[method]output-stream.blocking-write-and-flush';
    expect(await guest.call(streams, write, append, '!')).toStrictEqual(done);
    expect(await guest.call(streams, write, output, 'O')).toStrictEqual(done);
    expect(await guest.call(streams, write, append, '!')).toStrictEqual(done);
    const { ok } = await guest.call(streams, '[method]input-stream.read', input, 99n);
    expect(Buffer.from(ok).toString()).toBe('ellO!!');
    expect(await guest.call(streams, '[method]input-stream.read', input, 99n)).toEqual({ err: { tag: 'closed' } });
    for (const stream of [output, append]) await guest.call(streams, '[resource-drop]output-stream', stream);
    await guest.call(streams, '[resource-drop]input-stream', input);
    const { ok: stat } = await fs('[method]descriptor.stat-at', tmp, none, 'a');
    expect(stat.size).toBe(7n);
  });

  it('says what a stream failed with', async () => {
    const { guest, fs, make } = await withFiles();
    const { ok: output } = await fs('[method]descriptor.write-via-stream', await make('a', ''), 99_999n);
    const write = '[method]output-stream.blocking-write-and-flush';
    const { err: error } = await guest.call(streams, write, output, 'xyz');
    expect(error.tag).toBe('last-operation-failed');
    expect(await fs('filesystem-error-code', error.value)).toBe('insufficient-space');
    const other = await withFiles();
    expect(other.guest.process.component.handles.size).toBe(2);
  });

  it('is opened for reading, writing or both', async () => {
    const { fs, tmp, make } = await withFiles();
    await make('a', 'x');
    const { ok: reader } = await fs(openAt, tmp, none, 'a', none, ['read']);
    const { ok: writer } = await fs(openAt, tmp, none, 'a', none, ['write']);
    expect(await fs('[method]descriptor.get-flags', reader)).toEqual({ ok: new Set(['read']) });
    expect(await fs('[method]descriptor.get-flags', writer)).toEqual({ ok: new Set(['write']) });
    const bad = err('bad-descriptor');
    expect(await fs('[method]descriptor.write', reader, 'x', 0n)).toEqual(bad);
    expect(await fs('[method]descriptor.write-via-stream', reader, 0n)).toEqual(bad);
    expect(await fs('[method]descriptor.append-via-stream', reader)).toEqual(bad);
    expect(await fs('[method]descriptor.set-size', reader, 0n)).toEqual(err('invalid'));
    expect(await fs('[method]descriptor.read', writer, 1n, 0n)).toEqual(bad);
    expect(await fs('[method]descriptor.read-via-stream', writer, 0n)).toEqual(bad);
  });

  it.each([
    ['to read by default', none, none, ['read']],
    ['to read by default, exclusive or not', ['exclusive'], none, ['read']],
    ['to write too where it may be made', ['create'], none, ['read', 'write']],
    ['to read and write where it may be made', ['create'], ['read'], ['read', 'write']],
    ['to write alone', ['create'], ['write'], ['write']],
  ])('is opened %s', async (_what, openFlags, wanted, flags) => {
    const { fs, tmp, make } = await withFiles();
    await make('a', 'x');
    const { ok: file } = await fs(openAt, tmp, none, 'a', openFlags, wanted);
    expect(await fs('[method]descriptor.get-flags', file)).toEqual({ ok: new Set(flags) });
  });

  it('that cannot be written is opened to read, though it would be made', async () => {
    const { fs, root } = await withFiles();
    const { ok: file } = await fs(openAt, root, none, 'public/page.html', ['create'], none);
    expect(await fs('[method]descriptor.get-flags', file)).toEqual({ ok: new Set(['read']) });
    expect(await fs(openAt, root, none, 'public/page.html', ['create'], ['write'])).toEqual(err('read-only'));
  });

  it('has a size and times that can be set', async () => {
    const { fs, tmp, make } = await withFiles();
    const file = await make('a', 'hello');
    expect(await fs('[method]descriptor.get-type', file)).toEqual({ ok: 'regular-file' });
    expect(await fs('[method]descriptor.set-size', file, 2n)).toStrictEqual(done);
    expect(await fs('[method]descriptor.set-size', file, 2n ** 64n - 1n)).toEqual(err('file-too-large'));
    const time = (seconds: bigint) => ({ tag: 'timestamp', value: { seconds, nanoseconds: 7 } });
    expect(await fs('[method]descriptor.set-times', file, time(3n), { tag: 'no-change' })).toStrictEqual(done);
    const { ok: stat } = await fs('[method]descriptor.stat', file);
    expect(stat).toMatchObject({
      type: 'regular-file',
      linkCount: 1n,
      size: 2n,
      dataAccessTimestamp: { seconds: 3n, nanoseconds: 7 },
      dataModificationTimestamp: { seconds: 1_700_000_000n, nanoseconds: 1 },
    });
    const setAt = '[method]descriptor.set-times-at';
    expect(await fs(setAt, tmp, none, 'a', { tag: 'now' }, time(4n))).toStrictEqual(done);
    const { ok: later } = await fs('[method]descriptor.stat-at', tmp, follow, 'a');
    expect(later.dataAccessTimestamp).toEqual({ seconds: 1_700_000_000n, nanoseconds: 0 });
    expect(later.dataModificationTimestamp).toEqual({ seconds: 4n, nanoseconds: 7 });
    const late = { tag: 'timestamp', value: { seconds: 0n, nanoseconds: 1_000_000_000 } };
    expect(await fs('[method]descriptor.set-times', file, late, late)).toEqual(err('invalid'));
    expect(await fs(setAt, tmp, none, 'a', time(2n ** 63n), late)).toEqual(err('invalid'));
  });

  it('can be synchronised and advised of', async () => {
    const { fs, tmp, make } = await withFiles();
    const file = await make('a', '');
    for (const one of [file, tmp]) {
      expect(await fs('[method]descriptor.sync', one)).toStrictEqual(done);
      expect(await fs('[method]descriptor.sync-data', one)).toStrictEqual(done);
    }
    expect(await fs('[method]descriptor.advise', file, 0n, 9n, 'random')).toStrictEqual(done);
    expect(await fs('[method]descriptor.advise', tmp, 0n, 9n, 'random')).toEqual(err('bad-descriptor'));
  });

  it('is the same object under every name', async () => {
    const { fs, tmp, make } = await withFiles();
    const file = await make('a', 'x');
    const other = await make('b', 'x');
    expect(await fs('[method]descriptor.link-at', tmp, none, 'a', tmp, 'c')).toStrictEqual(done);
    const { ok: again } = await fs(openAt, tmp, none, 'c', none, ['read']);
    expect(await fs('[method]descriptor.is-same-object', file, again)).toBe(true);
    expect(await fs('[method]descriptor.is-same-object', file, other)).toBe(false);
    const { ok: hash } = await fs('[method]descriptor.metadata-hash', file);
    expect(await fs('[method]descriptor.metadata-hash-at', tmp, none, 'c')).toEqual({ ok: hash });
    expect(await fs('[method]descriptor.metadata-hash', other)).not.toEqual({ ok: hash });
    expect(await fs('[method]descriptor.metadata-hash-at', tmp, none, 'd')).toEqual(err('no-entry'));
  });
});

describe('a directory', () => {
  it('lists its entries', async () => {
    const { fs, root, tmp, make } = await withFiles();
    await fs('[resource-drop]descriptor', await make('a', ''));
    await fs('[method]descriptor.create-directory-at', tmp, 'b');
    await fs('[method]descriptor.symlink-at', tmp, 'a', 'c');
    const list = async (directory: number) => {
      const { ok: stream } = await fs('[method]descriptor.read-directory', directory);
      const entries: unknown[] = [];
      for (;;) {
        const { ok } = await fs('[method]directory-entry-stream.read-directory-entry', stream);
        if (ok === null) break;
        entries.push(`${ok.type} ${ok.name}`);
      }
      await fs('[resource-drop]directory-entry-stream', stream);
      return entries;
    };
    expect(await list(tmp)).toEqual(['regular-file a', 'directory b', 'symbolic-link c']);
    expect(await list(root)).toEqual(['directory tmp', 'directory public']);
    expect(await fs('[method]descriptor.get-type', root)).toEqual({ ok: 'directory' });
    const both = { ok: new Set(['read', 'mutate-directory']) };
    expect(await fs('[method]descriptor.get-flags', root)).toEqual(both);
    for (const [wanted, flags] of [
      [none, { ok: new Set(['read']) }],
      [['mutate-directory'], both],
    ] as const) {
      const { ok: opened } = await fs(openAt, root, none, '.', none, wanted);
      expect(await fs('[method]descriptor.get-flags', opened)).toEqual(flags);
    }
  });

  it('gives and takes names', async () => {
    const { fs, tmp, make } = await withFiles();
    await make('a', 'x');
    expect(await fs('[method]descriptor.create-directory-at', tmp, 'd')).toStrictEqual(done);
    expect(await fs('[method]descriptor.create-directory-at', tmp, 'd')).toEqual(err('exist'));
    expect(await fs('[method]descriptor.rename-at', tmp, 'a', tmp, 'd/b')).toStrictEqual(done);
    expect(await fs('[method]descriptor.remove-directory-at', tmp, 'd')).toEqual(err('not-empty'));
    expect(await fs('[method]descriptor.unlink-file-at', tmp, 'd')).toEqual(err('is-directory'));
    expect(await fs('[method]descriptor.unlink-file-at', tmp, 'd/b')).toStrictEqual(done);
    expect(await fs('[method]descriptor.remove-directory-at', tmp, 'd')).toStrictEqual(done);
    expect(await fs('[method]descriptor.remove-directory-at', tmp, 'd')).toEqual(err('no-entry'));
  });

  it('has symbolic links', async () => {
    const { fs, tmp, make } = await withFiles();
    await make('a', 'hello');
    expect(await fs('[method]descriptor.symlink-at', tmp, 'a', 'l')).toStrictEqual(done);
    expect(await fs('[method]descriptor.readlink-at', tmp, 'l')).toEqual({ ok: 'a' });
    expect(await fs('[method]descriptor.readlink-at', tmp, 'a')).toEqual(err('invalid'));
    expect((await fs('[method]descriptor.stat-at', tmp, follow, 'l')).ok).toMatchObject({ size: 5n });
    expect((await fs('[method]descriptor.stat-at', tmp, none, 'l')).ok).toMatchObject({ type: 'symbolic-link' });
    expect(await fs(openAt, tmp, none, 'l', none, ['read'])).toEqual(err('loop'));
    expect(await fs(openAt, tmp, follow, 'l', none, ['read'])).toHaveProperty('ok');
    expect(await fs('[method]descriptor.symlink-at', tmp, '/etc/passwd', 'm')).toEqual(err('not-permitted'));
  });

  const outside = ['/etc/passwd', '../../etc/passwd', '..', 'l/../../..'];
  it.each(outside)('is never left: %s', async (path) => {
    const { fs, tmp, make } = await withFiles();
    await make('a', '');
    await fs('[method]descriptor.symlink-at', tmp, '../..', 'up');
    await fs('[method]descriptor.create-directory-at', tmp, 'l');
    const denied = err('not-permitted');
    expect(await fs(openAt, tmp, follow, path, none, ['read'])).toEqual(denied);
    expect(await fs(openAt, tmp, follow, 'up/etc', none, ['read'])).toEqual(denied);
    expect(await fs('[method]descriptor.stat-at', tmp, follow, path)).toEqual(denied);
    expect(await fs('[method]descriptor.create-directory-at', tmp, path)).toEqual(denied);
    expect(await fs('[method]descriptor.rename-at', tmp, 'a', tmp, path)).toEqual(denied);
    expect(await fs('[method]descriptor.link-at', tmp, none, path, tmp, 'b')).toEqual(denied);
    expect(await fs('[method]descriptor.unlink-file-at', tmp, path)).toEqual(denied);
  });

  it('is no file, and a file no directory', async () => {
    const { fs, tmp, make } = await withFiles();
    const file = await make('a', '');
    const bad = err('bad-descriptor');
    expect(await fs('[method]descriptor.read', tmp, 1n, 0n)).toEqual(bad);
    expect(await fs('[method]descriptor.write', tmp, 'x', 0n)).toEqual(bad);
    expect(await fs('[method]descriptor.set-size', tmp, 0n)).toEqual(bad);
    const not = err('not-directory');
    expect(await fs('[method]descriptor.read-directory', file)).toEqual(not);
    expect(await fs(openAt, file, none, 'a', none, ['read'])).toEqual(not);
    expect(await fs('[method]descriptor.stat-at', file, none, 'a')).toEqual(not);
    expect(await fs('[method]descriptor.readlink-at', file, 'a')).toEqual(not);
    expect(await fs('[method]descriptor.create-directory-at', file, 'a')).toEqual(not);
    expect(await fs('[method]descriptor.rename-at', tmp, 'a', file, 'a')).toEqual(not);
    expect(await fs('[method]descriptor.metadata-hash-at', file, none, 'a')).toEqual(not);
  });

  it('of the repository is read-only; scratch has a limit', async () => {
    const { fs, root, tmp, make } = await withFiles();
    const { ok: page } = await fs(openAt, root, none, 'public/page.html', none, ['read']);
    const { ok: read } = await fs('[method]descriptor.read', page, 9n, 0n);
    expect(Buffer.from(read[0]).toString()).toBe('<p>');
    expect(await fs(openAt, root, none, 'public/page.html', none, ['write'])).toEqual(err('read-only'));
    expect(await fs('[method]descriptor.unlink-file-at', root, 'public/page.html')).toEqual(err('read-only'));
    expect(await fs('[method]descriptor.create-directory-at', root, 'x')).toEqual(err('read-only'));
    expect(await fs(openAt, tmp, none, 'nothing', none, ['read'])).toEqual(err('no-entry'));
    for (let count = 0; count < 20; count += 1) await make(`f${count}`, '');
    expect(await fs(openAt, tmp, none, 'f20', ['create'], ['write'])).toEqual(err('insufficient-space'));
    expect(await fs(openAt, tmp, none, 'f1', ['create', 'exclusive'], ['write'])).toEqual(err('exist'));
    expect(await fs(openAt, tmp, none, 'f1', ['truncate', 'directory'], ['write'])).toEqual(err('not-directory'));
  });
});
