/** Refs that are read and written as files, beside a real git. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readRef, writeRef } from '../../../src/control/git/ref-files.ts';
import { git, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';

afterAll(removeTemporaryFolders);

test('one ref is found loose, packed and not at all, also where a folder has its name', async () => {
  const repo = await makeRepo({ 'a.txt': 'a' });
  const path = join(repo, '.git');
  const commit = (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
  await git(repo, 'branch', 'packed');
  await git(repo, 'pack-refs', '--all');
  await git(repo, 'branch', 'feature/x');
  const names = ['packed', 'feature/x', 'feature', 'packed/x', 'none'];
  expect(await Promise.all(names.map((name) => readRef(path, `refs/heads/${name}`)))).toEqual([
    ...[commit, commit],
    ...[null, null, null],
  ]);
  await writeRef(path, 'refs/deployments/7', commit);
  expect(await readRef(path, 'refs/deployments/7')).toBe(commit);
  expect((await git(repo, 'rev-parse', 'refs/deployments/7')).stdout.trim()).toBe(commit);
});
