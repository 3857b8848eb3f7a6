/** What a Process sees: the shared tree, its own scratch, limits, cookies, mounts. */
import { describe, expect, test } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import {
  type FileSystem,
  type FileSystemOptions,
  makeFileSystem,
} from '../../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../../src/guest/kernel/fs/lower-tree.ts';
import type { DirectoryNode, FileHandle } from '../../../../src/guest/kernel/fs/node.ts';
import {
  linkPath,
  makeDirectory,
  makeSymlink,
  openPath,
  removeFile,
  renamePath,
  statPath,
} from '../../../../src/guest/kernel/fs/operations.ts';
import { ScratchPool } from '../../../../src/guest/kernel/fs/quota.ts';

const bytes = Buffer.from('content');
const lower = lowerTree([
  { path: 'index.html', bytes },
  { path: 'css/site.css', bytes: Buffer.from('css') },
  { path: 'tmp/hidden', bytes: Buffer.from('hidden') },
]);
const make = (options: Partial<FileSystemOptions> = {}): FileSystem =>
  makeFileSystem({ lower, nowNs: () => 5n, ...options });

describe('the pushed tree', () => {
  test('is read without being copied, and never written', () => {
    const { root } = make();
    const opened = openFile(root, 'css/site.css');
    const into = new Uint8Array(10);
    expect(opened.read(into, 1)).toBe(2);
    expect(Buffer.from(into.subarray(0, 2)).toString()).toBe('ss');
    expect(opened.write(bytes, 0)).toBe(Errno.readOnly);
    for (const result of [
      open(root, 'index.html', { write: true }),
      open(root, 'new', { write: true, create: true }),
      open(root, 'index.html', { truncate: true }),
      makeDirectory(root, 'new'),
      makeDirectory(root, 'css/new'),
      removeFile(root, 'index.html'),
      renamePath({ from: { base: root, path: 'index.html' }, to: { base: root, path: 'css/x' } }),
      renamePath({ from: { base: root, path: 'index.html' }, to: { base: root, path: 'tmp/x' } }),
      renamePath({ from: { base: root, path: 'tmp' }, to: { base: root, path: 'x' } }),
    ]) {
      expect(result).toBe(Errno.readOnly);
    }
  });

  test('is shared by Processes whose scratch is not', () => {
    const [one, two] = [make(), make()];
    write(one.root, 'tmp/mine', 'x');
    expect(statPath(one.root, 'tmp/mine', false)).toMatchObject({ kind: 'file', size: 1 });
    expect(statPath(two.root, 'tmp/mine', false)).toBe(Errno.notFound);
    expect(one.root.lookup('css')).toBe(two.root.lookup('css'));
  });

  test('its own tmp is hidden by scratch and listed once', () => {
    const { root } = make();
    expect(statPath(root, 'tmp/hidden', false)).toBe(Errno.notFound);
    expect(names(root)).toEqual(['tmp', 'index.html', 'css']);
  });

  test('refuses a path twice, and a file where a folder must be', () => {
    expect(() =>
      lowerTree([
        { path: 'a', bytes },
        { path: 'a', bytes },
      ]),
    ).toThrow('twice');
    expect(() =>
      lowerTree([
        { path: 'a', bytes },
        { path: 'a/b', bytes },
      ]),
    ).toThrow('in the way');
    expect(() =>
      lowerTree([
        { path: 'a/b', bytes },
        { path: 'a', bytes },
      ]),
    ).toThrow('twice');
  });

  test('names like those of Object.prototype are names', () => {
    const { root } = make();
    expect(statPath(root, '__proto__', false)).toBe(Errno.notFound);
    write(root, 'tmp/constructor', 'x');
    expect(statPath(root, 'tmp/constructor', false)).toMatchObject({ kind: 'file' });
  });
});

test('a link whose target ends with a slash names no file to create', () => {
  const { root } = make();
  expect(makeSymlink(root, 'tmp/l', 'new/')).toBe(0);
  expect(open(root, 'tmp/l', { create: true, write: true })).toBe(Errno.isDirectory);
  expect(statPath(root, 'tmp/new', false)).toBe(Errno.notFound);
});

describe('without a tree', () => {
  test('/ holds nothing but tmp: no other name is there, and none can be made', () => {
    const { root } = make({ lower: null });
    expect(names(root)).toEqual(['tmp']);
    expect(statPath(root, 'etc/passwd', false)).toBe(Errno.notFound);
    expect(open(root, 'new', { create: true, write: true })).toBe(Errno.readOnly);
    expect(statPath(root, 'tmp', false)).toMatchObject({ kind: 'directory' });
    expect(statPath(root, '.', false)).toMatchObject({ kind: 'directory' });
  });
});

describe('limits of scratch', () => {
  const limits = { bytes: 100, names: 4 };

  test('a write takes what fits, then nothing', () => {
    const { root, quota } = make({ limits });
    const handle = openFile(root, 'tmp/a', { write: true, create: true });
    expect(handle.write(new Uint8Array(80), 0)).toBe(80);
    expect(handle.write(new Uint8Array(80), 80)).toBe(20);
    expect(handle.write(new Uint8Array(1), 100)).toBe(Errno.noSpace);
    expect(handle.write(new Uint8Array(1), 5000)).toBe(Errno.noSpace);
    expect(handle.truncate(101)).toBe(Errno.noSpace);
    expect(handle.allocate(2 ** 50)).toBe(Errno.tooBig);
    // Over what is there already: no more is needed.
    expect(handle.write(new Uint8Array(50), 10)).toBe(50);
    expect(quota.bytes).toBe(100);
    expect(handle.truncate(10)).toBe(0);
    expect(quota.bytes).toBe(10);
  });

  test('a removed file gives its bytes back when the last one who has it open closes it', () => {
    const { root, quota } = make({ limits });
    const handle = openFile(root, 'tmp/a', { write: true, create: true });
    const again = openFile(root, 'tmp/a');
    handle.write(new Uint8Array(60), 0);
    expect(removeFile(root, 'tmp/a')).toBe(0);
    expect({ bytes: quota.bytes, names: quota.names }).toEqual({ bytes: 60, names: 0 });
    handle.close();
    handle.close();
    expect(quota.bytes).toBe(60);
    expect(again.read(new Uint8Array(100), 0)).toBe(60);
    again.close();
    expect({ bytes: quota.bytes, names: quota.names }).toEqual({ bytes: 0, names: 0 });
  });

  test('hard links and targets of symbolic ones are counted too', () => {
    const { root, quota } = make({ limits });
    write(root, 'tmp/a', 'x');
    const link = (to: string) => linkPath({ from: { base: root, path: 'tmp/a' }, to: { base: root, path: to } }, false);
    for (const name of ['b', 'c', 'd']) expect(link(`tmp/${name}`)).toBe(0);
    expect(link('tmp/e')).toBe(Errno.noSpace);
    expect(makeSymlink(root, 'tmp/e', 'a')).toBe(Errno.noSpace);
    expect(removeFile(root, 'tmp/d')).toBe(0);
    expect(makeSymlink(root, 'tmp/e', 'a'.repeat(100))).toBe(Errno.noSpace);
    expect(makeSymlink(root, 'tmp/e', 'a'.repeat(99))).toBe(0);
    expect({ bytes: quota.bytes, names: quota.names }).toEqual({ bytes: 100, names: 4 });
    expect(removeFile(root, 'tmp/e')).toBe(0);
    expect({ bytes: quota.bytes, names: quota.names }).toEqual({ bytes: 1, names: 3 });
  });

  test('names are counted: files and directories', () => {
    const { root } = make({ limits });
    for (const name of ['a', 'b', 'c']) expect(makeDirectory(root, `tmp/${name}`)).toBe(0);
    write(root, 'tmp/d', '');
    expect(makeDirectory(root, 'tmp/e')).toBe(Errno.noSpace);
    expect(open(root, 'tmp/e', { create: true, write: true })).toBe(Errno.noSpace);
    expect(removeFile(root, 'tmp/d')).toBe(0);
    expect(makeDirectory(root, 'tmp/e')).toBe(0);
  });

  test('Processes share a pool, and give back all they held when they end', () => {
    const pool = new ScratchPool(150);
    const [one, two] = [make({ limits, pool }), make({ limits, pool })];
    write(one.root, 'tmp/a', 'x'.repeat(90));
    const handle = openFile(two.root, 'tmp/a', { write: true, create: true });
    expect(handle.write(new Uint8Array(60), 0)).toBe(60);
    expect(handle.write(new Uint8Array(10), 60)).toBe(Errno.noSpace);
    expect(pool.taken).toBe(150);
    one.release();
    expect(pool.taken).toBe(60);
    expect(handle.write(new Uint8Array(10), 60)).toBe(10);
    expect(removeFile(two.root, 'tmp/a')).toBe(0);
    two.release();
    expect(pool.taken).toBe(0);
    // A file that somebody had open still: nothing is given back twice, nothing taken any more.
    handle.close();
    two.release();
    expect(pool.taken).toBe(0);
    expect(open(two.root, 'tmp/b', { write: true, create: true })).toMatchObject({ kind: 'file' });
    expect(openFile(two.root, 'tmp/b', { write: true }).write(bytes, 0)).toBe(Errno.noSpace);
  });
});

describe('contents', () => {
  test('what was cut off does not come back', () => {
    const { root } = make();
    const handle = openFile(root, 'tmp/a', { write: true, create: true });
    handle.write(Buffer.from('secret of another write'), 0);
    for (const [cut, grown] of [
      [20, 23],
      [3, 23],
      [0, 10],
    ] as const) {
      expect(handle.truncate(cut)).toBe(0);
      expect(handle.truncate(grown)).toBe(0);
      const into = new Uint8Array(30).fill(1);
      expect(handle.read(into, cut)).toBe(grown - cut);
      expect(into.subarray(0, grown - cut).every((byte) => byte === 0)).toBe(true);
    }
    handle.truncate(2);
    handle.write(Buffer.from('x'), 6);
    const into = new Uint8Array(10);
    expect(handle.read(into, 2)).toBe(5);
    expect([...into.subarray(0, 5)]).toEqual([0, 0, 0, 0, 120]);
  });

  test('a write of many bytes comes back whole', () => {
    const { root } = make();
    const handle = openFile(root, 'tmp/a', { write: true, create: true });
    const big = Buffer.alloc(70_000, 'abc');
    expect(handle.write(big, 0)).toBe(70_000);
    const into = new Uint8Array(70_000);
    expect(handle.read(into, 0)).toBe(70_000);
    expect(Buffer.compare(into, big)).toBe(0);
  });
});

test('a listing goes on from its cookie whatever is added or removed meanwhile', () => {
  const { root, scratch } = make();
  for (const name of ['a', 'b', 'c', 'd', 'e']) write(root, `tmp/${name}`, '');
  const listing = scratch.list();
  const second = listing.entry(listing.entry(0)?.next ?? -1);
  expect(second?.name).toBe('b');
  removeFile(root, 'tmp/a');
  removeFile(root, 'tmp/b');
  removeFile(root, 'tmp/c');
  write(root, 'tmp/f', '');
  const rest: string[] = [];
  for (let entry = listing.entry(second?.next ?? -1); entry !== null; entry = listing.entry(entry.next)) {
    rest.push(entry.name);
  }
  expect(rest).toEqual(['d', 'e', 'f']);
});

describe('place', () => {
  const mount = (name: string) => ({ name, directory: make().scratch });

  test('finds the longest mount that holds a path', () => {
    const [data, deep, relative] = [mount('/data'), mount('/data/deep/'), mount('rel.dir')];
    const files = make({ mounts: [data, deep, relative] });
    const where = (path: string) => {
      const { base, rest } = files.place(path);
      const index = [data, deep, relative].findIndex(({ directory }) => directory === base);
      return [index, rest];
    };
    expect(where('/data/x')).toEqual([0, 'x']);
    expect(where('/data')).toEqual([0, '.']);
    expect(where('//data//x/')).toEqual([0, 'x/']);
    expect(where('/database')).toEqual([-1, 'database']);
    expect(where('/data/deep/x')).toEqual([1, 'x']);
    expect(where('/rel.dir/x')).toEqual([2, 'x']);
    expect(where('/')).toEqual([-1, '.']);
    expect(where('/tmp/x')).toEqual([-1, 'tmp/x']);
  });

  test('a mount at / is everything', () => {
    const whole = mount('/');
    expect(make({ mounts: [whole] }).place('/tmp/x')).toEqual({ base: whole.directory, rest: 'tmp/x' });
  });
});

type OpenOptions = Partial<Parameters<typeof openPath>[2]>;

function open(base: DirectoryNode, path: string, options: OpenOptions = {}) {
  const none = { follow: true, read: true, write: false, create: false, exclusive: false, truncate: false };
  return openPath(base, path, { ...none, directory: false, ...options });
}

function openFile(base: DirectoryNode, path: string, options: OpenOptions = {}): FileHandle {
  const opened = open(base, path, options);
  if (typeof opened === 'number' || opened.kind !== 'file') throw new Error(`${path}: ${JSON.stringify(opened)}`);
  return opened.handle;
}

function write(base: DirectoryNode, path: string, text: string): void {
  const handle = openFile(base, path, { write: true, create: true });
  expect(handle.write(Buffer.from(text), 0)).toBe(text.length);
  handle.close();
}

function names(directory: DirectoryNode): readonly string[] {
  const listing = directory.list();
  if (typeof listing === 'number') throw new Error(`list: ${listing}`);
  const found: string[] = [];
  for (let entry = listing.entry(0); entry !== null; entry = listing.entry(entry.next)) found.push(entry.name);
  return found;
}
