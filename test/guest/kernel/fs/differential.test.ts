/**
 * Random operations on three directories: ours in memory, ours on a folder of the host, and a folder
 * of the host by plain node:fs calls. All three must answer alike and end up with the same tree.
 */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { hostDirectory } from '../../../../src/guest/kernel/fs/host-directory.ts';
import { attempt } from '../../../../src/guest/kernel/fs/host-error.ts';
import type { DirectoryNode } from '../../../../src/guest/kernel/fs/node.ts';
import {
  linkPath,
  makeDirectory,
  makeSymlink,
  openPath,
  readLinkPath,
  removeDirectory,
  removeFile,
  renamePath,
  statPath,
} from '../../../../src/guest/kernel/fs/operations.ts';
import { defaultScratch, Quota } from '../../../../src/guest/kernel/fs/quota.ts';
import { ScratchDirectory } from '../../../../src/guest/kernel/fs/scratch-directory.ts';
import { ScratchSpace } from '../../../../src/guest/kernel/fs/scratch-inode.ts';

type Operation =
  | { readonly op: 'mkdir' | 'rmdir' | 'unlink' | 'readlink' | 'list'; readonly path: string }
  | { readonly op: 'rename' | 'link'; readonly path: string; readonly to: string }
  | { readonly op: 'symlink'; readonly path: string; readonly target: string }
  | { readonly op: 'stat'; readonly path: string; readonly follow: boolean }
  | {
      readonly op: 'write';
      readonly path: string;
      readonly text: string;
      readonly at: number;
      readonly create: boolean;
      readonly exclusive: boolean;
      readonly truncate: boolean;
      readonly follow: boolean;
    }
  | { readonly op: 'resize'; readonly path: string; readonly size: number };

const name = fc.constantFrom('a', 'b', 'c', 'd');
// A `..` only behind a name: above the directory node:fs would leave it and we would not.
const path = fc
  .tuple(
    name,
    fc.array(fc.oneof({ weight: 5, arbitrary: name }, fc.constantFrom('.')), { maxLength: 2 }),
    fc.constantFrom('', '', '', '/', '/.', '/..'),
  )
  .map(([first, rest, end]) => [first, ...rest].join('/') + end);
const target = fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => names.join('/'));

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constantFrom('mkdir', 'mkdir', 'rmdir', 'unlink', 'readlink', 'list'), path }),
  fc.record({ op: fc.constantFrom('rename', 'link'), path, to: path }),
  fc.record({ op: fc.constant('symlink' as const), path, target }),
  fc.record({ op: fc.constant('stat' as const), path, follow: fc.boolean() }),
  fc.record({
    op: fc.constant('write' as const),
    path,
    text: fc.string({ maxLength: 8, unit: fc.constantFrom('x', 'y') }),
    at: fc.nat(12),
    create: fc.boolean(),
    exclusive: fc.boolean(),
    truncate: fc.boolean(),
    follow: fc.boolean(),
  }),
  fc.record({ op: fc.constant('resize' as const), path, size: fc.nat(20) }),
);

test('memory, host folder and node:fs agree on every operation', () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 60 }), (operations) => {
      const folder = fs.mkdtempSync(join(tmpdir(), 'trisiel-fs-'));
      try {
        const quota = new Quota(defaultScratch, null);
        const memory = new ScratchDirectory(new ScratchSpace(quota, () => 0n), null);
        fs.mkdirSync(join(folder, 'ours'));
        fs.mkdirSync(join(folder, 'plain'));
        const host = hostDirectory(join(folder, 'ours'));
        for (const one of operations) {
          const plain = onHost(join(folder, 'plain'), one);
          expect({ one, memory: onNode(memory, one) }).toEqual({ one, memory: plain });
          expect({ one, host: onNode(host, one) }).toEqual({ one, host: plain });
        }
        const expected = treeOf(join(folder, 'plain'));
        expect(treeOf(join(folder, 'ours'))).toEqual(expected);
        expect(treeOfNode(memory)).toEqual(expected);
        empty(memory);
        expect({ bytes: quota.bytes, names: quota.names }).toEqual({ bytes: 0, names: 0 });
      } finally {
        fs.rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 400 },
  );
});

/** The answer of our own operations: 0, an Errno, or what was found. */
function onNode(base: DirectoryNode, one: Operation): unknown {
  switch (one.op) {
    case 'mkdir':
      return makeDirectory(base, one.path);
    case 'rmdir':
      return removeDirectory(base, one.path);
    case 'unlink':
      return removeFile(base, one.path);
    case 'readlink':
      return readLinkPath(base, one.path);
    case 'rename':
      return renamePath({ from: { base, path: one.path }, to: { base, path: one.to } });
    case 'link':
      return linkPath({ from: { base, path: one.path }, to: { base, path: one.to } }, false);
    case 'symlink':
      return makeSymlink(base, one.path, one.target);
    case 'stat': {
      const stat = statPath(base, one.path, one.follow);
      if (typeof stat === 'number') return stat;
      return stat.kind === 'directory' ? { kind: stat.kind } : { kind: stat.kind, size: stat.size, nlink: stat.nlink };
    }
    case 'list': {
      const opened = open(base, one.path, { directory: true });
      if (typeof opened === 'number') return opened;
      return opened.kind === 'directory' ? namesOf(opened.directory) : 'a file';
    }
    case 'write': {
      const { create, exclusive, truncate, follow } = one;
      const opened = open(base, one.path, { write: true, create, exclusive, truncate, follow });
      if (typeof opened === 'number') return opened;
      if (opened.kind === 'directory') return 'a directory';
      const count = opened.handle.write(Buffer.from(one.text), one.at);
      opened.handle.close();
      return count;
    }
    case 'resize': {
      const opened = open(base, one.path, { write: true });
      if (typeof opened === 'number') return opened;
      if (opened.kind === 'directory') return 'a directory';
      const result = opened.handle.truncate(one.size);
      opened.handle.close();
      return result;
    }
  }
}

function open(base: DirectoryNode, where: string, options: Partial<Parameters<typeof openPath>[2]>) {
  return openPath(base, where, {
    follow: true,
    read: true,
    write: false,
    create: false,
    exclusive: false,
    truncate: false,
    directory: false,
    ...options,
  });
}

/** The same by the operating system alone. */
function onHost(root: string, one: Operation): unknown {
  const at = `${root}/${one.path}`;
  const { O_RDWR, O_RDONLY, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_DIRECTORY } = fs.constants;
  // Linux says EEXIST; others, and the WASI test-suite, ENOTDIR: the name can only mean a directory.
  if (one.op === 'symlink' && at.endsWith('/')) {
    const there = attempt(() => fs.lstatSync(at.slice(0, -1)));
    if (typeof there === 'object' && !there.isDirectory()) return Errno.notDirectory;
  }
  return attempt<unknown>(() => {
    switch (one.op) {
      case 'mkdir':
        return fs.mkdirSync(at) ?? 0;
      case 'rmdir':
        return fs.rmdirSync(at) ?? 0;
      case 'unlink':
        return fs.unlinkSync(at) ?? 0;
      case 'readlink':
        return fs.readlinkSync(at);
      case 'rename':
        return fs.renameSync(at, `${root}/${one.to}`) ?? 0;
      case 'link':
        return fs.linkSync(at, `${root}/${one.to}`) ?? 0;
      case 'symlink':
        return fs.symlinkSync(one.target, at) ?? 0;
      case 'stat': {
        const stat = one.follow ? fs.statSync(at) : fs.lstatSync(at);
        const kind = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'symlink';
        return kind === 'directory' ? { kind } : { kind, size: stat.size, nlink: stat.nlink };
      }
      case 'list':
        fs.closeSync(fs.openSync(at, O_RDONLY | O_DIRECTORY));
        return fs.readdirSync(at).sort();
      case 'write': {
        const exclusive = one.create && one.exclusive ? O_EXCL : 0;
        const flags =
          O_RDWR |
          (one.create ? O_CREAT : 0) |
          exclusive |
          (one.truncate ? O_TRUNC : 0) |
          (one.follow ? 0 : O_NOFOLLOW);
        const fd = fs.openSync(at, flags);
        try {
          return fs.writeSync(fd, Buffer.from(one.text), 0, one.text.length, one.at);
        } finally {
          fs.closeSync(fd);
        }
      }
      case 'resize': {
        const fd = fs.openSync(at, O_RDWR);
        try {
          return fs.ftruncateSync(fd, one.size) ?? 0;
        } finally {
          fs.closeSync(fd);
        }
      }
    }
  });
}

function namesOf(directory: DirectoryNode): readonly string[] {
  const listing = directory.list();
  if (typeof listing === 'number') throw new Error(`list: ${listing}`);
  const names: string[] = [];
  for (let entry = listing.entry(0); entry !== null; entry = listing.entry(entry.next)) names.push(entry.name);
  return names.sort();
}

type Tree = Readonly<Record<string, string>>;

/** Every path with its content, `-> target` or `/`. */
function treeOf(folder: string, prefix = ''): Tree {
  const tree: Record<string, string> = {};
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const at = join(folder, entry.name);
    const shown = `${prefix}${entry.name}`;
    if (entry.isSymbolicLink()) tree[shown] = `-> ${fs.readlinkSync(at)}`;
    else if (entry.isDirectory()) Object.assign(tree, { [shown]: '/' }, treeOf(at, `${shown}/`));
    else tree[shown] = fs.readFileSync(at, 'latin1');
  }
  return tree;
}

function treeOfNode(directory: DirectoryNode, prefix = ''): Tree {
  const tree: Record<string, string> = {};
  for (const entry of namesOf(directory)) {
    const node = directory.lookup(entry);
    const shown = `${prefix}${entry}`;
    if (typeof node === 'number') throw new Error(`${shown}: ${node}`);
    if (node.kind === 'symlink') tree[shown] = `-> ${node.readLink()}`;
    else if (node.kind === 'directory') Object.assign(tree, { [shown]: '/' }, treeOfNode(node, `${shown}/`));
    else if (node.kind === 'file') {
      const handle = node.open({ read: true, write: false });
      if (typeof handle === 'number') throw new Error(`${shown}: ${handle}`);
      const bytes = new Uint8Array(1000);
      tree[shown] = Buffer.from(bytes.subarray(0, handle.read(bytes, 0))).toString('latin1');
      handle.close();
    }
  }
  return tree;
}

/** Takes everything away again: whatever was taken from the quota must come back. */
function empty(directory: DirectoryNode): void {
  for (const entry of namesOf(directory)) {
    const node = directory.lookup(entry);
    if (typeof node === 'number') throw new Error(`${entry}: ${node}`);
    if (node.kind === 'directory') empty(node);
    expect(node.kind === 'directory' ? directory.removeDirectory(entry) : directory.removeFile(entry)).toBe(0);
    expect(directory.lookup(entry)).toBe(Errno.notFound);
  }
}
