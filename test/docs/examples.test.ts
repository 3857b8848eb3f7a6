/** The examples of the book do what the book says: commands are typed, manifests are read, C is compiled. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import wabt from 'wabt';
import { manifestKeys } from '../../docs/reference.ts';
import { configProblems } from '../../src/bin/config.ts';
import { loadSettings } from '../../src/bin/config-file.ts';
import { type PlatformChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { readManifest } from '../../src/control/deploy/manifest.ts';
import { consoleCommands, looksLike, namedFiles, PageShell } from '../support/console.ts';
import { rust } from '../support/rust.ts';

const root = join(import.meta.dirname, '../..');
const pages = [...globSync('docs/**/*.md', { cwd: root }), 'README.md'].sort();
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');
/** Why no C program can be compiled to WASI here; null where one can. */
const missingForC = ((): string | null => {
  const options = ['--target=wasm32-wasi', '--sysroot=/usr', '-xc', '-', '-o', join(tmpdir(), 'trisiel-probe.wasm')];
  const { status, error, stderr } = spawnSync('clang', options, { input: 'int main(void) { return 0; }' });
  if (error !== undefined) return 'clang is not installed';
  return status === 0 ? null : `clang cannot compile for WASI: ${String(stderr).split('\n')[0]}`;
})();

describe('the comparison of what is printed with a page', () => {
  it('lets an ellipsis stand for anything in a line, and alone for any lines', () => {
    expect(looksLike('took 12 ms\n', 'took … ms')).toBe(true);
    expect(looksLike('one\ntwo\nthree\n', 'one\n…\nthree')).toBe(true);
    expect(looksLike('one\nthree\n', 'one\n…\nthree')).toBe(true);
  });

  it('takes nothing else for the same', () => {
    expect(looksLike('took 12 s\n', 'took … ms')).toBe(false);
    expect(looksLike('one\ntwo\n', 'one')).toBe(false);
    expect(looksLike('', 'one')).toBe(false);
  });
});

/** Returns the indented blocks of a page, without their indentation. A blank line between two indented ones is part of one. */
function indentedBlocks(text: string): readonly string[] {
  return [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^(?: {4}.*\n(?:\n(?= {4}))?)+/gm)].map(([block]) =>
    block.replace(/^ {4}/gm, ''),
  );
}

describe('every manifest in a page', () => {
  // A block that begins with a table of the manifest is one, also without a fence that names its language.
  const tables = [...new Set(manifestKeys().map(([key]) => key.split('.')[0] ?? ''))].join('|');
  const manifests = pages.flatMap((page) =>
    [
      ...[...textOf(page).matchAll(/^```toml[^\n]*\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text),
      ...indentedBlocks(textOf(page)).filter((block) => new RegExp(`^\\[\\[?(?:${tables})\\b`).test(block)),
    ].map((text, index) => ({ name: `${page}, number ${index + 1}`, text })),
  );
  it.each(manifests)('is read: $name', ({ text }) => {
    expect(readManifest({ toml: Buffer.from(text), olin: null })).toBeTruthy();
  });
  it('is among them', () => {
    const found = manifests.map(({ name }) => name.split(',')[0]);
    expect(found).toEqual(
      expect.arrayContaining(['docs/queues.md', 'docs/schedules.md', 'docs/previews.md', 'docs/releases.md']),
    );
  });

  it('may have a policy in the form of Olin beside it', () => {
    const policies = indentedBlocks(textOf('docs/manifest.md')).filter((block) => block.includes('ram-page-limit'));
    expect(policies).toHaveLength(1);
    for (const policy of policies) expect(readManifest({ toml: null, olin: Buffer.from(policy) }).policy).toBeTruthy();
  });
});

describe('every configuration file in a page', () => {
  const files = pages.flatMap((page) =>
    indentedBlocks(textOf(page))
      .filter((block) => /^TRISIEL_\w+ = /m.test(block))
      .map((text, index) => ({ name: `${page}, number ${index + 1}`, text })),
  );
  it.each(files)('is taken: $name', async ({ text }) => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-config-'));
    try {
      const secret = join(folder, 'secret');
      await writeFile(secret, 'scrape-me-0123456789');
      // A secret's file of the page is not on this machine.
      const own = text.replaceAll(/^(\w+_FILE) = .*$/gm, `$1 = ${JSON.stringify(secret)}`);
      await writeFile(join(folder, 'trisiel.toml'), own);
      expect(configProblems(loadSettings({}, join(folder, 'trisiel.toml')).values)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
  it('is among them', () => {
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['docs/configuration.md, number 1', 'docs/install.md, number 1']),
    );
  });
});

describe('every module in a page', async () => {
  const blocks = (language: string) =>
    pages.flatMap((page) =>
      [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
        ([, text = ''], index) => ({ name: `${page}, number ${index + 1}`, text }),
      ),
    );
  const { parseWat } = await wabt();
  const texts = blocks('wat');
  it.each(texts)('is assembled and is valid: $name', ({ text }) => {
    const module = parseWat('page.wat', text.trimStart().startsWith('(module') ? text : `(module ${text})`);
    expect(WebAssembly.validate(module.toBinary({}).buffer as Uint8Array<ArrayBuffer>)).toBe(true);
  });
  it('is among them', () => expect(texts.length).toBeGreaterThan(0));

  const library = blocks('c').filter(({ text }) => text.includes('"trisiel.h"'));
  it.skipIf(missingForC !== null).each(library)('in C is compiled with the library: $name', ({ text }) => {
    const words = ['--target=wasm32', '-nostdlib', '-Wall', '-Werror', '-fsyntax-only', '-xc', '-'];
    const { status, stderr } = spawnSync('clang', ['-I', join(root, 'guests/c'), ...words], { input: text });
    expect(status, String(stderr)).toBe(0);
  });
  const inRust = blocks('rust').filter(({ text }) => text.startsWith('use trisiel'));
  const compiler = rust();
  if (compiler === null) console.log('skipped: Rust in pages: cargo, or its target for WASI, is missing');
  it.skipIf(compiler === null).each(inRust)('in Rust is compiled with the library: $name', async ({ text }) => {
    const { env, target } = compiler!;
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-rust-'));
    try {
      await cp(join(root, 'guests/rust'), folder, { recursive: true });
      const [uses = '', ...rest] = text.split('\n\n');
      // What a page leaves out: the function around it, and the number that it stores.
      const program = `${uses}\nfn main() -> Result<(), Box<dyn std::error::Error>> {\nlet calls: u64 = 1;\n${rest.join('\n')}\nOk(())\n}\n`;
      await writeFile(join(folder, 'examples/page.rs'), program);
      const words = ['build', '--quiet', '--offline', '--target', target, '--example', 'page'];
      const { status, stderr } = spawnSync('cargo', words, { cwd: folder, env });
      expect(status, String(stderr)).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
  it('in Rust is among them', () => expect(inRust.length).toBeGreaterThan(0));
  it('in C is among them', () => expect(library.length).toBeGreaterThan(0));
});

describe('the commands of a page', () => {
  const withCommands = pages.filter((page) => consoleCommands(textOf(page)).length > 0);
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are found', () => {
    expect(withCommands).toContain('docs/first-function.md');
  });

  describe.each(withCommands)('%s', (page) => {
    const needsC = textOf(page).includes('$ clang');
    if (needsC && missingForC !== null) console.warn(`${page}: skipped, ${missingForC}`);
    let platform: PlatformChild;
    beforeAll(async () => {
      platform = await startPlatformChild({
        TRISIEL_DATA: join(folder, basename(page, '.md')),
        TRISIEL_PORT: '0',
        TRISIEL_RUN_PORT: '0',
        TRISIEL_RUNNERS: '1',
      });
    });
    afterAll(() => platform.stop());

    it.skipIf(needsC && missingForC !== null)('print what the page shows', async () => {
      const home = await mkdtemp(join(folder, 'home-'));
      const { code } = JSON.parse(await platform.logged('there is no account yet')) as { code: string };
      const { controlUrl, runUrl } = platform;
      const shell = await PageShell.open({ home, launcher: join(root, 'bin/wasmcloud.js'), controlUrl, runUrl });
      const files = namedFiles(textOf(page));
      const written = new Set<string>();
      for (const { command, expected, line } of consoleCommands(textOf(page))) {
        // A file is written when the first command names it, in the folder where that command runs.
        for (const [name, text] of files)
          if (!written.has(name) && command.includes(name)) {
            written.add(name);
            await shell.write(name, text);
          }
        const run = () => shell.run(command.replace('CODE', code));
        let { status, output } = await run();
        // Lines are stored a moment after the call that wrote them.
        if (command.startsWith('wasmcloud logs') && expected !== null && !looksLike(output, expected))
          await vi
            .waitFor(
              async () => {
                ({ status, output } = await run());
                expect(looksLike(output, expected)).toBe(true);
              },
              { timeout: 60_000, interval: 200 },
            )
            .catch(() => {});
        const shown = output.replaceAll(code, 'CODE');
        const where = `${page}, line ${line}: ${command}`;
        if (expected !== null && !looksLike(shown, expected))
          expect(`${where}\n${shown}`).toBe(`${where}\n${expected}`);
        if (status !== 0) expect(`${where}\n${shown}`).toBe(`${where}\nexit status 0, got ${status}`);
      }
    });
  });
});
