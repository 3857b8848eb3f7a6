/** Folders of the host: nothing leads out, whatever lies in them or is put there meanwhile. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { hostDirectory } from '../../../../src/guest/kernel/fs/host-directory.ts';
import type { DirectoryNode } from '../../../../src/guest/kernel/fs/node.ts';
import {
  linkPath,
  makeDirectory,
  makeSymlink,
  openPath,
  removeDirectory,
  removeFile,
  renamePath,
  statPath,
} from '../../../../src/guest/kernel/fs/operations.ts';

let folder: string;
let inside: string;
let base: DirectoryNode;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'trisiel-host-'));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  inside = join(folder, 'inside');
  fs.mkdirSync(join(inside, 'dir'), { recursive: true });
  fs.writeFileSync(join(folder, 'secret'), 'secret');
  fs.writeFileSync(join(inside, 'file'), 'file');
  base = hostDirectory(inside);
});

test.each([
  ['an absolute link', '/etc/hostname', 'link'],
  ['a link to the parent', '..', 'link/secret'],
  ['a link out and in again', '../inside/file', 'link'],
  ['a link out through a directory', 'dir/../../secret', 'link'],
])('%s is refused', (_title, target, path) => {
  fs.symlinkSync(target, join(inside, 'link'));
  expect(open(path)).toBe(Errno.outside);
  expect(statPath(base, path, true)).toBe(Errno.outside);
  expect(open(path, { write: true, create: true, truncate: true })).toBe(Errno.outside);
  expect(fs.readFileSync(join(folder, 'secret'), 'utf8')).toBe('secret');
});

test('a directory that somebody replaced by a link out of it is gone', () => {
  const opened = open('dir', { directory: true });
  if (typeof opened === 'number' || opened.kind !== 'directory') throw new Error('not opened');
  const { directory } = opened;
  fs.renameSync(join(inside, 'dir'), join(inside, 'moved'));
  fs.symlinkSync('..', join(inside, 'dir'));
  expect(openPath(directory, 'secret', options())).toBe(Errno.notFound);
  expect(openPath(directory, 'new', options({ write: true, create: true }))).toBe(Errno.notFound);
  expect(directory.list()).toBe(Errno.notFound);
  expect(renamePath({ from: { base, path: 'file' }, to: { base: directory, path: 'out' } })).toBe(Errno.notFound);
  expect(linkPath({ from: { base, path: 'file' }, to: { base: directory, path: 'out' } }, false)).toBe(Errno.notFound);
  expect(fs.readdirSync(folder).sort()).toEqual(['inside', 'secret']);
});

test('a file that somebody replaced by a link out, after it was looked up, is not opened', (context) => {
  if (fs.constants.O_NOFOLLOW === undefined) return context.skip();
  const file = base.lookup('file');
  if (typeof file === 'number' || file.kind !== 'file') throw new Error('not found');
  fs.rmSync(join(inside, 'file'));
  fs.symlinkSync('../secret', join(inside, 'file'));
  expect(file.open({ read: true, write: false })).toBe(Errno.loop);
  expect(file.open({ read: true, write: true })).toBe(Errno.loop);
});

test('a file that somebody replaced by a pipe, after it was looked up, holds nobody up', (context) => {
  if (spawnSync('mkfifo', [join(folder, 'probe')]).status !== 0) return context.skip('no mkfifo here');
  const module = new URL('../../../../src/guest/kernel/fs/host-directory.ts', import.meta.url).href;
  const program = `
    import { execFileSync } from 'node:child_process';
    import { rmSync } from 'node:fs';
    const { hostDirectory } = await import(${JSON.stringify(module)});
    const file = hostDirectory(${JSON.stringify(inside)}).lookup('file');
    rmSync(${JSON.stringify(join(inside, 'file'))});
    execFileSync('mkfifo', [${JSON.stringify(join(inside, 'file'))}]);
    file.open({ read: true, write: false });
    process.exit(0);`;
  // In a process of its own: an open that waits for the other end of a pipe holds the thread for ever.
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    timeout: 90_000,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
});

test('a directory that the guest renamed stays open under its new name', () => {
  fs.mkdirSync(join(inside, 'dir/sub'));
  const opened = open('dir/sub', { directory: true });
  if (typeof opened === 'number' || opened.kind !== 'directory') throw new Error('not opened');
  expect(renamePath({ from: { base, path: 'dir' }, to: { base, path: 'other' } })).toBe(0);
  const made = openPath(opened.directory, 'new', options({ write: true, create: true }));
  expect(typeof made).toBe('object');
  expect(fs.existsSync(join(inside, 'other/sub/new'))).toBe(true);
});

test('a pipe is seen but not opened: nobody waits for its other end', (context) => {
  if (spawnSync('mkfifo', [join(inside, 'pipe')]).status !== 0) context.skip('no mkfifo here');
  expect(statPath(base, 'pipe', false)).toMatchObject({ kind: 'other' });
  expect(open('pipe')).toBe(Errno.notSupported);
});

test('times are read back to the nanosecond, and forgotten when the host changes the file', () => {
  const handle = openFile('file', { write: true });
  expect(handle.setTimes({ atimNs: 1_700_000_000_000_000_001n, mtimNs: 1_700_000_000_123_456_789n })).toBe(0);
  const stat = handle.stat();
  expect(stat).toMatchObject({ atimNs: 1_700_000_000_000_000_001n, mtimNs: 1_700_000_000_123_456_789n });
  expect(statPath(base, 'file', true)).toMatchObject({ mtimNs: 1_700_000_000_123_456_789n });
  const shown = Number(fs.statSync(join(inside, 'file'), { bigint: true }).mtimeNs - 1_700_000_000_123_456_789n);
  expect(Math.abs(shown)).toBeLessThan(1000);
  fs.utimesSync(join(inside, 'file'), 5, 5);
  expect(statPath(base, 'file', true)).toMatchObject({ mtimNs: 5_000_000_000n });
  handle.close();
});

test('errors of the host keep their meaning', () => {
  expect(open('none')).toBe(Errno.notFound);
  expect(open('file/below')).toBe(Errno.notDirectory);
  expect(open('file', { create: true, exclusive: true })).toBe(Errno.exists);
  expect(open('dir', { write: true })).toBe(Errno.isDirectory);
  const other = hostDirectory(folder);
  expect(renamePath({ from: { base, path: 'file' }, to: { base: other, path: 'x' } })).toBe(Errno.crossDevice);
  expect(() => hostDirectory(join(inside, 'none'))).toThrow();
  expect(() => hostDirectory(join(inside, 'file'))).toThrow('not a folder');
  const handle = openFile('file');
  expect(handle.write(Buffer.from('x'), 0)).toBe(Errno.badDescriptor);
  expect(handle.truncate(0)).toBeLessThan(0);
  handle.close();
  expect(handle.read(new Uint8Array(1), 0)).toBe(Errno.badDescriptor);
});

test('no sequence of operations reads or changes anything outside', () => {
  const segment = fc.constantFrom('a', 'b', 'c', '..', '..', '.', 'secret', 'inside');
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
  const operation = fc.oneof(
    fc.tuple(fc.constantFrom('mkdir', 'rmdir', 'unlink', 'read', 'write', 'open'), path, path),
    fc.tuple(fc.constantFrom('rename', 'rename', 'link', 'symlink', 'symlink', 'symlink'), path, path),
  );
  const before = outside();
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 40 }), (operations) => {
      fs.rmSync(inside, { recursive: true });
      fs.mkdirSync(inside);
      const root = hostDirectory(inside);
      // Directories stay open whatever becomes of them, and are used again.
      const held: DirectoryNode[] = [root];
      operations.forEach(([op, one, two], index) => {
        const at = held[index % held.length] as DirectoryNode;
        if (op === 'mkdir') makeDirectory(at, one);
        else if (op === 'rmdir') removeDirectory(at, one);
        else if (op === 'unlink') removeFile(at, one);
        else if (op === 'symlink') makeSymlink(at, one, two);
        else if (op === 'rename') renamePath({ from: { base: at, path: one }, to: { base: root, path: two } });
        else if (op === 'link') linkPath({ from: { base: at, path: one }, to: { base: root, path: two } }, true);
        else {
          const write = op === 'write';
          const opened = openPath(at, one, options({ write, create: write }));
          if (typeof opened === 'number') return;
          if (opened.kind === 'directory') held.push(opened.directory);
          else {
            const into = new Uint8Array(10);
            const count = Math.max(0, opened.handle.read(into, 0));
            expect(Buffer.from(into.subarray(0, count)).toString()).not.toBe('secret');
            if (write) opened.handle.write(Buffer.from('mine'), 0);
            opened.handle.close();
          }
        }
      });
      expect(outside()).toEqual(before);
    }),
    { numRuns: 300 },
  );
});

test('no process of the platform can load it', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    const source = fs.readFileSync(file, 'utf8');
    for (const match of source.matchAll(/(?:from|import\() ?'(\.[^']+)'/g))
      visit(join(dirname(file), match[1] as string));
  };
  const bin = join(import.meta.dirname, '../../../../src/bin');
  for (const name of fs.readdirSync(bin)) visit(join(bin, name));
  expect(reached.size).toBeGreaterThan(100);
  expect([...reached].filter((file) => /fs\/host-/.test(file))).toEqual([]);
});

/** Everything in the folder but what is inside. */
function outside(): unknown {
  const stat = fs.statSync(join(folder, 'secret'));
  return [fs.readdirSync(folder).sort(), fs.readFileSync(join(folder, 'secret'), 'utf8'), stat.nlink, stat.mtimeMs];
}

function options(wanted: Partial<Parameters<typeof openPath>[2]> = {}) {
  const none = { follow: true, read: true, write: false, create: false, exclusive: false, truncate: false };
  return { ...none, directory: false, ...wanted };
}

function open(path: string, wanted: Partial<Parameters<typeof openPath>[2]> = {}) {
  return openPath(base, path, options(wanted));
}

function openFile(path: string, wanted: Partial<Parameters<typeof openPath>[2]> = {}) {
  const opened = open(path, wanted);
  if (typeof opened === 'number' || opened.kind !== 'file') throw new Error(`${path}: ${JSON.stringify(opened)}`);
  return opened.handle;
}
