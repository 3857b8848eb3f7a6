/** The package that `npm run package` makes: what is in it, and that it runs where packages are installed. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPackage, exactDependencies } from '../../deploy/package.ts';
import { git, makeRepo, removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { linkDependencies } from '../support/machine.ts';

const root = join(import.meta.dirname, '../..');

describe('the package', () => {
  let folder: string;
  let top: string;
  beforeAll(async () => {
    // Node.js strips no types below a folder of this name.
    await mkdir(join(root, 'dist'), { recursive: true });
    // On the same disk as the dependencies, which are linked.
    top = await mkdtemp(join(root, 'dist/package-test-'));
    folder = join(top, 'lib/node_modules/trisiel');
    await buildPackage(folder);
  });
  afterAll(async () => {
    await rm(top, { recursive: true, force: true });
    await removeTemporaryFolders();
  });

  it('has what an installed platform needs, and no source', async () => {
    const files = globSync('**/*', { cwd: folder });
    for (const file of [
      'src/bin/serve.js',
      'src/bin/runner.js',
      'hooks/pre-receive',
      'dist/wasmcloud.js',
      'docs/README.md',
      'client/client.js',
    ])
      expect(files).toContain(file);
    expect(files).toContain('deploy/systemd/trisiel.service');
    expect(files.filter((file) => /^(src|ui-cli|test|bench)\/.*\.tsx?$/.test(file))).toEqual([]);
    const described = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    expect(described).not.toHaveProperty('private');
    expect(described).not.toHaveProperty('scripts');
    expect(Object.values(described.dependencies).filter((version) => !/^\d[\w.+-]*$/.test(String(version)))).toEqual(
      [],
    );
    for (const path of ['hooks/pre-receive', 'bin/trisiel.js', 'deploy/systemd/backup.sh'])
      expect((await stat(join(folder, path))).mode & 0o111, path).toBe((await stat(join(root, path))).mode & 0o111);
  });

  it('names every package of the lock that is delivered, in the version beside the others', () => {
    const packages = {
      '': { version: '1.0.0' },
      'node_modules/a': { version: '2.0.0' },
      'node_modules/a/node_modules/b': { version: '1.0.0' },
      'node_modules/b': { version: '3.0.0' },
      'node_modules/a/node_modules/@c/d': { version: '4.0.0' },
      'node_modules/tool': { version: '5.0.0', dev: true },
      'node_modules/type': { version: '6.0.0', devOptional: true },
      'node_modules/other-machine': { version: '7.0.0', optional: true },
    } as const;
    expect(exactDependencies({ packages })).toEqual({ '@c/d': '4.0.0', a: '2.0.0', b: '3.0.0' });
  });

  it('serves, takes a push and answers, with the dependencies beside it', async () => {
    await linkDependencies(folder);
    const data = await temporaryFolder();
    const child = spawn(process.execPath, [join(folder, 'bin/trisiel.js'), 'serve'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        ...{ ...process.env, TRISIEL_DATA: data, TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
        ...{ TRISIEL_REGISTRATION: 'open', TRISIEL_GRACE_S: '0' },
      },
    });
    try {
      const ended = once(child, 'exit').then(() => Promise.reject(new Error('it ended before it was ready')));
      ended.catch(() => {});
      const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [string];
      const [, control = '', run = ''] = /^ready control=(\S+) run=(\S+)$/.exec(line) ?? [];
      const signUp = await fetch(`${control}/api/v1/users`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'ada', password: 'correct horse battery' }),
      });
      const { token } = (await signUp.json()) as { token: string };
      const repo = await makeRepo({ 'a.wasm': printing('hello from a package\n') });
      const url = `${control.replace('http://', `http://wasmcloud:${token}@`)}/otter.git`;
      const pushed = await git(repo, 'push', url, 'main');
      expect(pushed.status, pushed.stderr).toBe(0);
      expect(await (await fetch(`${run}/otter/`)).text()).toBe('hello from a package\n');
      expect((await fetch(`${control}/docs/book.js`)).status).toBe(200);
      const tool = await new Promise<string>((resolve, reject) => {
        const words = [join(folder, 'bin/wasmcloud.js'), '--server', control, 'list', '--json'];
        const env = { ...process.env, WASMCLOUD_TOKEN: token };
        execFile(process.execPath, words, { env }, (error, stdout) =>
          error === null ? resolve(stdout) : reject(error),
        );
      });
      expect(JSON.parse(tool)).toMatchObject([{ name: 'otter', state: 'live' }]);
    } finally {
      const exit = child.exitCode === null ? once(child, 'exit') : null;
      child.kill('SIGINT');
      await exit;
    }
  });
});
