/**
 * wasmcloud as one executable file: it works where there is git, a shell, and neither Node.js nor another file of it.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildSingleFile } from '../../ui-cli/build-single.ts';
import {
  type CommandResult,
  call,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  temporaryFolder,
} from '../support/e2e.ts';
import { fixture } from '../support/e2e-guests.ts';
import { blocksOf, textOf } from '../support/page-blocks.ts';

describe('wasmcloud in one file', () => {
  let platform: TestPlatform;
  let home: string;
  beforeAll(async () => {
    home = await temporaryFolder();
    const bin = join(home, 'bin');
    await mkdir(bin);
    for (const name of ['git', 'sh', 'uname'])
      await symlink(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(bin, name));
    await buildSingleFile(join(bin, 'wasmcloud'));
    platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  }, 400_000);
  afterAll(async () => {
    await platform?.stop();
    await removeTemporaryFolders();
  });

  test('is what the command of the book builds', () => {
    expect(blocksOf('single').map(({ text }) => text)).toEqual(['npm run build:single\n']);
    expect(JSON.parse(textOf('package.json')).scripts['build:single']).toBe('node ui-cli/build-single.ts');
  });

  function typed(program: string, words: readonly string[], input = '', cwd = home): Promise<CommandResult> {
    const env = {
      ...{ HOME: home, PATH: join(home, 'bin'), WASMCLOUD_SERVER: platform.controlUrl, GIT_CONFIG_NOSYSTEM: '1' },
      ...{ GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com', GIT_TERMINAL_PROMPT: '0' },
      ...{ GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.com' },
    };
    return new Promise((resolve) => {
      const child = execFile(join(home, 'bin', program), [...words], { cwd, env }, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
      child.stdin?.on('error', () => {}).end(input);
    });
  }

  async function done(program: string, words: readonly string[], input?: string, cwd?: string): Promise<string> {
    const { status, stdout, stderr } = await typed(program, words, input, cwd);
    expect(status, `${program} ${words.join(' ')}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  }

  test('makes an account, logs out and in', async () => {
    await done('wasmcloud', ['signup', 'ada', '--password-stdin'], 'correct horse battery');
    await done('wasmcloud', ['logout']);
    expect((await typed('wasmcloud', ['list'])).status).not.toBe(0);
    await done('wasmcloud', ['login', 'ada', '--password-stdin'], 'correct horse battery');
    expect(await done('wasmcloud', ['whoami'])).toContain('ada');
  });

  test('makes a function of its own templates, which git pushes with its password', async () => {
    await done('wasmcloud', ['new', 'h', 'otter']);
    const folder = join(home, 'otter');
    await done('wasmcloud', ['create', 'otter'], '', folder);
    await done('git', ['add', '--all'], '', folder);
    await done('git', ['commit', '--quiet', '--message', 'First version'], '', folder);
    await done('git', ['push', '--quiet', 'wasmcloud', 'main'], '', folder);
    expect(JSON.parse(await done('wasmcloud', ['list', '--json']))).toMatchObject([{ name: 'otter', state: 'live' }]);
    const { status } = await call(platform, 'otter');
    expect(status).toBe(200);
  });

  test('shows the log', async () => {
    expect(await done('wasmcloud', ['logs', 'otter'])).toMatch(/deployed|v1/);
  });

  test('runs modules on this machine, text of modules too', async () => {
    await writeFile(join(home, 'a.wasm'), await fixture('cwa/log.wasm'));
    expect((await typed('wasmcloud', ['run', 'a.wasm'])).status).toBe(0);
    const text = '(module (func (export "_start")) (memory (export "memory") 1))';
    await writeFile(join(home, 'b.wat'), text);
    await done('wasmcloud', ['run', 'b.wat']);
  });

  test('says what it is', async () => {
    expect(await done('wasmcloud', ['--version'])).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await done('wasmcloud', ['help'])).toContain('Usage: wasmcloud');
  });
});
