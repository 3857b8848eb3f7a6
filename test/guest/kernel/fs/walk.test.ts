/** Resolving paths: what costs too much is refused, whatever the links say. */
import { expect, test } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { makeDirectory, makeSymlink } from '../../../../src/guest/kernel/fs/operations.ts';
import { defaultScratch, Quota } from '../../../../src/guest/kernel/fs/quota.ts';
import { ScratchDirectory } from '../../../../src/guest/kernel/fs/scratch-directory.ts';
import { ScratchSpace } from '../../../../src/guest/kernel/fs/scratch-inode.ts';
import { walk } from '../../../../src/guest/kernel/fs/walk.ts';

const make = () => new ScratchDirectory(new ScratchSpace(new Quota(defaultScratch, null), () => 0n), null);

test('forty links in a row are followed, one more is a loop', () => {
  const base = make();
  for (let i = 0; i < 41; i += 1) expect(makeSymlink(base, `l${i}`, `l${i + 1}`)).toBe(0);
  expect(makeDirectory(base, 'l41')).toBe(0);
  expect(walk(base, 'l1', { follow: true })).toMatchObject({ name: 'l41', node: { kind: 'directory' } });
  expect(walk(base, 'l0', { follow: true })).toBe(Errno.loop);
});

test('links that make a path longer and longer end at a limit', () => {
  const base = make();
  const detour = `${'./'.repeat(2000)}`;
  expect(makeSymlink(base, 'a', `${detour}b`)).toBe(0);
  expect(makeSymlink(base, 'b', `${detour}c`)).toBe(0);
  expect(makeSymlink(base, 'c', `${detour}d`)).toBe(0);
  expect(makeSymlink(base, 'd', `${detour}e`)).toBe(0);
  expect(makeSymlink(base, 'e', `${detour}f`)).toBe(0);
  expect(walk(base, 'b', { follow: true })).toMatchObject({ name: 'f', node: null });
  expect(walk(base, 'a', { follow: true })).toBe(Errno.nameTooLong);
});

test('paths and names have a length', () => {
  const base = make();
  expect(walk(base, 'n'.repeat(255), { follow: true })).toMatchObject({ node: null });
  expect(walk(base, 'n'.repeat(256), { follow: true })).toBe(Errno.nameTooLong);
  expect(walk(base, 'ü'.repeat(127), { follow: true })).toMatchObject({ node: null });
  expect(walk(base, 'ü'.repeat(128), { follow: true })).toBe(Errno.nameTooLong);
  expect(walk(base, './'.repeat(2048), { follow: true })).toMatchObject({ parent: null });
  expect(walk(base, `${'./'.repeat(2048)}x`, { follow: true })).toBe(Errno.nameTooLong);
});
