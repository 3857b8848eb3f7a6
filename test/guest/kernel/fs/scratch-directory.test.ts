/** Directories in scratch keep their own rules, also where the operations on paths above them would not ask. */
import { expect, it } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { makeSymlink, openPath } from '../../../../src/guest/kernel/fs/operations.ts';
import { defaultScratch, Quota } from '../../../../src/guest/kernel/fs/quota.ts';
import { ScratchDirectory } from '../../../../src/guest/kernel/fs/scratch-directory.ts';
import { ScratchSpace } from '../../../../src/guest/kernel/fs/scratch-inode.ts';

function scratch(names = defaultScratch.names) {
  const quota = new Quota({ ...defaultScratch, names }, null);
  const root = new ScratchDirectory(new ScratchSpace(quota, () => 0n), null);
  return { root, quota };
}

/** Returns the directory `name` of `root`, which it makes. */
function made(root: ScratchDirectory, name: string): ScratchDirectory {
  expect(root.createDirectory(name)).toBe(0);
  return root.lookup(name) as ScratchDirectory;
}

it('a name that is taken is not given again, and costs nothing', () => {
  const { root, quota } = scratch();
  root.createFile('file');
  const file = root.lookup('file') as Exclude<ReturnType<typeof root.lookup>, number>;
  const { names, bytes } = quota;
  expect(root.createFile('file')).toBe(Errno.exists);
  expect(root.createDirectory('file')).toBe(Errno.exists);
  expect(root.createSymlink('file', 'target')).toBe(Errno.exists);
  expect(root.link('file', file)).toBe(Errno.exists);
  expect([quota.names, quota.bytes]).toEqual([names, bytes]);
  expect(file.nlink).toBe(1);
});

it('what is not there is neither removed nor moved, and a kind is not removed as the other', () => {
  const { root, quota } = scratch();
  made(root, 'directory');
  root.createFile('file');
  expect(root.removeFile('none')).toBe(Errno.notFound);
  expect(root.removeDirectory('none')).toBe(Errno.notFound);
  expect(root.rename('none', root, 'other')).toBe(Errno.notFound);
  expect(root.removeFile('directory')).toBe(Errno.isDirectory);
  expect(root.removeDirectory('file')).toBe(Errno.notDirectory);
  expect(quota.names).toBe(2);
});

it('nothing goes into the scratch of another Process, and no directory gets a second name', () => {
  const { root } = scratch();
  const other = scratch().root;
  root.createFile('file');
  const directory = made(root, 'directory');
  const file = root.lookup('file') as Exclude<ReturnType<typeof root.lookup>, number>;
  expect(other.link('file', file)).toBe(Errno.crossDevice);
  expect(root.link('again', directory)).toBe(Errno.crossDevice);
  expect(root.rename('file', other, 'file')).toBe(Errno.crossDevice);
  expect(root.rename('file', {} as ScratchDirectory, 'file')).toBe(Errno.crossDevice);
  expect(other.lookup('file')).toBe(Errno.notFound);
});

it('a directory that was removed takes no names, while it is open', () => {
  const { root, quota } = scratch();
  root.createFile('file');
  const file = root.lookup('file') as Exclude<ReturnType<typeof root.lookup>, number>;
  const gone = made(root, 'gone');
  expect(root.removeDirectory('gone')).toBe(0);
  expect(gone.createFile('x')).toBe(Errno.notFound);
  expect(gone.createDirectory('x')).toBe(Errno.notFound);
  expect(gone.createSymlink('x', 'y')).toBe(Errno.notFound);
  expect(gone.link('x', file)).toBe(Errno.notFound);
  expect(root.rename('file', gone, 'x')).toBe(Errno.notFound);
  expect([quota.names, quota.bytes]).toEqual([1, 0]);
});

it('no more names are given than there may be', () => {
  const { root, quota } = scratch(2);
  root.createFile('file');
  const file = root.lookup('file') as Exclude<ReturnType<typeof root.lookup>, number>;
  root.createDirectory('directory');
  expect(root.createFile('x')).toBe(Errno.noSpace);
  expect(root.createDirectory('x')).toBe(Errno.noSpace);
  expect(root.createSymlink('x', 'target')).toBe(Errno.noSpace);
  expect(root.link('x', file)).toBe(Errno.noSpace);
  expect([quota.names, quota.bytes]).toEqual([2, 0]);
});

it('a file has no byte beyond 2^40', () => {
  const { root } = scratch();
  root.createFile('file');
  const file = root.lookup('file') as Extract<ReturnType<typeof root.lookup>, { readonly kind: 'file' }>;
  const handle = file.open({ read: true, write: true });
  expect(handle.write(new Uint8Array(1), 2 ** 40)).toBe(Errno.tooBig);
  expect(handle.write(new Uint8Array(1), 2 ** 40 - 1)).toBe(Errno.noSpace);
  expect(handle.truncate(2 ** 40 + 1)).toBe(Errno.tooBig);
  expect(file.size).toBe(0);
});

it('a directory is opened for nothing that would change it, and no link leads to a NUL', () => {
  const { root } = scratch();
  made(root, 'directory');
  const options = { follow: true, exclusive: false, directory: false, read: true };
  const none = { write: false, create: false, truncate: false };
  expect(openPath(root, 'directory', { ...options, ...none })).toMatchObject({ kind: 'directory' });
  for (const wanted of ['write', 'create', 'truncate'])
    expect(openPath(root, 'directory', { ...options, ...none, [wanted]: true }), wanted).toBe(Errno.isDirectory);
  expect(makeSymlink(root, 'link', 'a\0b')).toBe(Errno.invalid);
});
