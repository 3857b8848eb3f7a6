/**
 * `wasmcloud new`: what it writes is whole, and what can be built here is built, pushed by its own deploy.sh and called.
 * SCAFFOLDS=all: those too whose compilers npm and pip download.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../src/control/deploy/manifest.ts';
import { type ScaffoldName, scaffoldLanguages, writeScaffold } from '../../ui-cli/scaffold.ts';
import {
  api,
  call,
  createUser,
  git,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';

const templates = join(import.meta.dirname, '../../scaffolds');
const languages = Object.keys(scaffoldLanguages) as ScaffoldName[];
afterAll(removeTemporaryFolders);

async function scaffold(language: ScaffoldName, name: string): Promise<{ folder: string; files: readonly string[] }> {
  const folder = join(await temporaryFolder(), name);
  return { folder, files: await writeScaffold({ templates, language, name, folder }) };
}

describe('a scaffold', () => {
  it.each(languages)('of %s has a manifest, scripts, a CI recipe and a README, without a gap', async (language) => {
    const { folder, files } = await scaffold(language, 'my-name');
    const { source, module, abi } = scaffoldLanguages[language];
    const wanted = ['.github/workflows/deploy.yml', '.gitignore', 'README.md', 'build.sh', 'deploy.sh', 'setup.sh'];
    expect(files).toEqual(expect.arrayContaining([...wanted, 'wasmcloud.toml', source]));
    for (const file of files) {
      const text = await readFile(join(folder, file), 'utf8');
      expect(text, file).not.toMatch(/@[A-Z]+@/);
      if (!file.endsWith('.sh')) continue;
      expect((await stat(join(folder, file))).mode & 0o111, file).toBe(0o111);
      expect(spawnSync('sh', ['-n', join(folder, file)]).status, file).toBe(0);
    }
    const toml = await readFile(join(folder, 'wasmcloud.toml'));
    expect(readManifest({ toml, olin: null })).toMatchObject({ module, abi });
    expect(await readFile(join(folder, 'README.md'), 'utf8')).toContain('wasmcloud create my-name');
  });

  it('is written into an empty or missing folder only', async () => {
    const { folder } = await scaffold('h', 'taken');
    const again = { templates, language: 'h', name: 'taken', folder } as const;
    await expect(writeScaffold(again)).rejects.toMatchObject({ code: 'conflict' });
    await expect(writeScaffold({ ...again, folder: join(folder, 'README.md') })).rejects.toMatchObject({
      code: 'conflict',
    });
  });
});

/** Why a language cannot be built here; null where it can. */
function missing(language: ScaffoldName): string | null {
  const runs = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
  const whatRusts = ['--print', 'target-libdir', '--target', 'wasm32-wasip1'];
  if (language === 'c' && !(runs('clang', '--version') && existsSync('/usr/include/wasm32-wasi')))
    return 'clang or wasi-libc is missing';
  if (language === 'rust' && !existsSync(spawnSync('rustc', whatRusts, { encoding: 'utf8' }).stdout?.trim() || '/-'))
    return 'Rust or its target wasm32-wasip1 is missing';
  if (language === 'go' && !/go1\.(?:2[1-9]|[3-9]\d)/.test(String(spawnSync('go', ['version']).stdout)))
    return 'Go 1.21 is missing';
  if (language === 'tinygo' && !runs('tinygo', 'version')) return 'TinyGo is missing';
  if (language === 'python' && !runs('componentize-py', '--version')) return 'componentize-py is missing';
  if (['assemblyscript', 'javascript'].includes(language) && process.env.SCAFFOLDS !== 'all')
    return 'npm would download the compiler (SCAFFOLDS=all)';
  return null;
}

describe('a scaffold that is built', () => {
  let platform: TestPlatform;
  let user: TestUser;
  beforeAll(async () => {
    platform = await startPlatform();
    user = await createUser(platform);
  }, 120_000);
  afterAll(() => platform?.stop());

  for (const language of languages) {
    const why = missing(language);
    if (why !== null) process.stderr.write(`skipped: the scaffold of ${language}: ${why}\n`);
    it.skipIf(why !== null)(`of ${language} is pushed by its deploy.sh and answers`, { timeout: 600_000 }, async () => {
      const name = `new-${language}`;
      const { folder } = await scaffold(language, name);
      expect((await git(folder, 'init', '--quiet', '--initial-branch=main')).status).toBe(0);
      if (['assemblyscript', 'javascript', 'python'].includes(language)) await script(folder, 'setup.sh');
      await script(folder, 'build.sh');
      await git(folder, 'add', '--all');
      expect((await git(folder, 'commit', '--quiet', '--message', 'First version')).status).toBe(0);
      expect((await api(platform, user, 'POST', '/handlers', { name })).status).toBe(201);
      const terms = { label: 'ci', scope: 'deploy', handler: name };
      const { token } = (await api(platform, user, 'POST', '/tokens', terms)).body as { token: string };
      const variables = { WASMCLOUD_URL: `${platform.controlUrl}/${name}.git`, WASMCLOUD_TOKEN: token };
      expect(await script(folder, 'deploy.sh', variables)).toContain('success: live');
      const { title } = scaffoldLanguages[language];
      const answer = await call(platform, name, { path: '/here' });
      const body = language === 'h' ? 'h\n' : `Hello from ${title.split(' ')[0]} at /here\n`;
      expect(answer).toMatchObject({ status: 200, body });
      // A second push from CI, without a change, changes nothing.
      expect(await script(folder, 'deploy.sh', variables)).not.toContain('error');
    });
  }
});

/** Runs a script of a scaffold; resolves to what it prints. */
function script(folder: string, name: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(folder, name), { cwd: folder, env: { ...process.env, ...variables } });
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk) => {
        printed += chunk;
      });
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0 ? resolve(printed) : reject(new Error(`${name} ended with ${status}: ${printed}`)),
    );
  });
}
