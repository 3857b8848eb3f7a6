import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gitEnvironment } from '../../../src/control/git/git-environment.ts';
import { Repositories } from '../../../src/control/git/repositories.ts';
import { git, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';

const hooksFolder = fileURLToPath(new URL('../../../hooks', import.meta.url));
let dataFolder: string;
let environment: Record<string, string>;
let repositories: Repositories;
beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'repositories-'));
  environment = gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder });
  repositories = await Repositories.open({ folder: join(dataFolder, 'repos'), hooksFolder, environment });
});
afterEach(async () => {
  await rm(dataFolder, { recursive: true, force: true });
  await removeTemporaryFolders();
});

/** A repository with one commit in it; the commit. */
async function filled(id: string): Promise<string> {
  const path = await repositories.create(id);
  const work = await makeRepo({ 'a.txt': 'a' });
  const { stdout } = await git(work, 'rev-parse', 'HEAD');
  // Straight into the folder, past the door: no hooks.
  const result = await git(
    work,
    '-c',
    'core.hooksPath=/dev/null',
    'push',
    '--receive-pack',
    'git -c core.hooksPath=/dev/null receive-pack',
    path,
    'main',
  );
  expect(result.status, result.stderr).toBe(0);
  return stdout.trim();
}

describe('Repositories', () => {
  it('makes bare, hardened repositories named by their id', async () => {
    const path = await repositories.create('h1');
    expect(await repositories.create('h1')).toBe(path);
    const config = async (key: string) => (await git(path, 'config', '--get', key)).stdout.trim();
    expect(await config('core.bare')).toBe('true');
    expect(await config('core.hooksPath')).toBe(hooksFolder);
    expect(await config('receive.fsckObjects')).toBe('true');
    expect(await config('receive.hideRefs')).toBe('refs/deployments');
    expect(await config('receive.autogc')).toBe('false');
    expect(await config('gc.auto')).toBe('0');
    expect(await repositories.list()).toEqual(['h1']);
    expect(await repositories.refs('h1')).toEqual(new Map());
  });

  it('gives old repositories the rules of today', async () => {
    const path = await repositories.create('h1');
    await writeFile(join(dataFolder, 'repos', '.config'), '[receive]\n\tfsckObjects = false\n');
    await Repositories.open({ folder: join(dataFolder, 'repos'), hooksFolder, environment });
    expect((await git(path, 'config', '--get', 'receive.fsckObjects')).stdout.trim()).toBe('true');
  });

  it('survives many creating the same one at once', async () => {
    const paths = await Promise.all(Array.from({ length: 10 }, () => repositories.create('h1')));
    expect(new Set(paths).size).toBe(1);
    expect((await readdir(join(dataFolder, 'repos'))).filter((name) => name.startsWith('.new-'))).toEqual([]);
    expect(await readFile(join(paths[0]!, 'HEAD'), 'utf8')).toBe('ref: refs/heads/main\n');
  });

  it('pins commits, packed or not', async () => {
    const commit = await filled('h1');
    expect(await repositories.pinned('h1', 1)).toBe(false);
    await repositories.pin('h1', { number: 1, commit, ref: 'refs/heads/main' });
    expect(await repositories.pinned('h1', 1)).toBe(true);
    expect((await repositories.refs('h1')).get('refs/deployments/1')).toBe(commit);
    await git(repositories.pathOf('h1'), 'pack-refs', '--all');
    expect(await repositories.pinned('h1', 1)).toBe(true);
    expect(await repositories.pinned('h1', 11)).toBe(false);
    await repositories.pin('h1', { number: 2, commit, ref: 'refs/heads/gone' });
    expect((await repositories.refs('h1')).get('refs/deployments/2')).toBe(commit);
    const absent = { number: 3, commit: 'a'.repeat(40), ref: 'refs/heads/gone' };
    await expect(repositories.pin('h1', absent)).rejects.toThrow();
    expect(await repositories.pinned('h1', 3)).toBe(false);
    expect((await git(repositories.pathOf('h1'), 'fsck')).status).toBe(0);
  });

  it('takes no id or commit that could be anything else', async () => {
    for (const id of ['', '..', '../x', 'a/b', '.empty', '-x', 'x'.repeat(65)])
      expect(() => repositories.pathOf(id)).toThrow(TypeError);
    await repositories.create('h1');
    await expect(repositories.pin('h1', { number: 1, commit: '--stdin', ref: '' })).rejects.toThrow(TypeError);
  });

  it('packs a repository with many loose objects, and no other', async () => {
    await filled('h1');
    expect(await repositories.maintain()).toBe(0);
    const crowd = join(repositories.pathOf('h1'), 'objects', '17');
    await mkdir(crowd, { recursive: true });
    for (let n = 0; n < 5; n += 1) await writeFile(join(crowd, `tmp_obj_${n}`), '');
    expect(await repositories.maintain()).toBe(1);
    expect(
      (await readdir(join(repositories.pathOf('h1'), 'objects', 'pack'))).some((name) => name.endsWith('.pack')),
    ).toBe(true);
  });

  it('ends the git that a killed control left, and nothing else', async () => {
    const path = await repositories.create('h1');
    await repositories.create('h2');
    const orphan = spawn('git', ['receive-pack', '--stateless-rpc', path], { stdio: ['pipe', 'ignore', 'ignore'] });
    await repositories.noteGit('h1', orphan.pid!);
    await repositories.noteGit('h2', process.pid);
    const ended = once(orphan, 'exit');
    await repositories.endOrphan('h1');
    await repositories.endOrphan('h2');
    expect((await ended)[1]).toBe('SIGKILL');
    await repositories.sweep('h1');
    await repositories.endOrphan('h1');
  });

  it('does not open where git could not run the hook', async () => {
    const hooks = join(dataFolder, 'hooks');
    await mkdir(hooks);
    await writeFile(join(hooks, 'pre-receive'), '#!/bin/sh\n');
    const opening = Repositories.open({ folder: join(dataFolder, 'repos'), hooksFolder: hooks, environment });
    await expect(opening).rejects.toMatchObject({
      code: 'unavailable',
      hints: [`chmod 755 ${join(hooks, 'pre-receive')}`],
    });
  });
});
