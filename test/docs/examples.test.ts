/** The examples of the book do what the book says: commands are typed, with their files; manifests and settings are read. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { manifestKeys } from '../../docs/reference.ts';
import { configProblems } from '../../src/bin/config.ts';
import { loadSettings } from '../../src/bin/config-file.ts';
import { type PlatformChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { readManifest } from '../../src/control/deploy/manifest.ts';
import { lookUpProof } from '../../src/control/domains/proof.ts';
import { type DomainView, domainRecords } from '../../src/protocol/domains.ts';
import { domainLines } from '../../ui-cli/text/domain.ts';
import { consoleCommands, looksLike, namedFiles, PageShell } from '../support/console.ts';
import { blocksOf, pages, root } from '../support/page-blocks.ts';

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
  // A block that begins with a table or a key of the manifest is one, also without a fence that names its language.
  const tables = [...new Set(manifestKeys().map(([key]) => key.split('.')[0] ?? ''))].join('|');
  const inText = pages.flatMap((page) =>
    indentedBlocks(textOf(page))
      .filter((block) => new RegExp(`^(?:\\[\\[?(?:${tables})\\b|(?:${tables}) = )`).test(block))
      .map((text, index) => ({ name: `${page}, indented number ${index + 1}`, text })),
  );
  const fenced = blocksOf('manifests').map(({ page, line, text }) => ({ name: `${page}, line ${line}`, text }));
  const manifests = [...fenced, ...inText];
  it.each(manifests)('is read: $name', ({ text }) => {
    expect(readManifest({ toml: Buffer.from(text), olin: null })).toBeTruthy();
  });
  it('is among them', () => {
    const found = manifests.map(({ name }) => name.split(',')[0]);
    expect(found).toEqual(
      expect.arrayContaining([
        ...['docs/queues.md', 'docs/schedules.md', 'docs/previews.md', 'docs/releases.md', 'README.md'],
      ]),
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

describe('what a page shows of a command', () => {
  /** Returns the lines behind `command` in an indented block of a page. */
  function shownAfter(page: string, command: string): readonly string[] {
    const [first = '', ...rest] =
      indentedBlocks(textOf(page))
        .find((block) => block.startsWith(`$ ${command}`))
        ?.trimEnd()
        .split('\n') ?? [];
    expect(first, page).toContain(command);
    return rest;
  }

  it('is what trisiel config check says', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-check-'));
    try {
      await writeFile(join(folder, 'trisiel.toml'), 'TRISIEL_PORT = 99_999\nTRISIEL_RUNNERS = 2\n');
      const words = [join(root, 'bin/trisiel.js'), 'config', 'check', join(folder, 'trisiel.toml')];
      const env = { PATH: process.env.PATH, TRISIEL_RUNNERS: '3' };
      const { stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env });
      expect(stderr.trimEnd().split('\n')).toEqual(shownAfter('docs/configuration.md', 'trisiel config check'));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is what wasmcloud domains says of a domain without its record', async () => {
    const shown = shownAfter('docs/domains.md', 'wasmcloud domains swift-otter add api.example.com');
    const [, token = ''] = /trisiel=(\w+)/.exec(shown.join()) ?? [];
    const records = domainRecords('api.example.com', token, 'functions.example.net');
    const proof = await lookUpProof({ txt: async () => [], cname: async () => [] }, records);
    const view: DomainView = {
      ...{ domain: 'api.example.com', state: 'pending', ...records, certificate: null },
      ...{ createdMs: 0, checkedMs: 0, verifiedMs: null, problem: proof.kind === 'proven' ? null : proof.problem },
    };
    expect(domainLines('swift-otter', view)).toEqual(shown);
  });
});

describe('a program in a page', () => {
  it.skipIf(missingForC !== null).each(blocksOf('programs'))('answers, built as $page says', async ({ file, text }) => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-program-'));
    try {
      await writeFile(join(folder, file ?? ''), text);
      const [, command = ''] = /^\/\/ (.*)/.exec(text) ?? [];
      expect(command).toMatch(/^clang .* hello\.wasm$/);
      const launcher = join(root, 'bin/wasmcloud.js');
      const run = `${command} && '${process.execPath}' '${launcher}' run --request 'GET /here' hello.wasm`;
      const { status, stdout, stderr } = spawnSync('sh', ['-c', run], { cwd: folder, encoding: 'utf8' });
      expect({ status, stdout }, stderr).toEqual({
        status: 0,
        stdout: 'Content-Type: text/plain\n\nHello from /here\n',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the commands of a page', () => {
  const withCommands = [...new Set(blocksOf('commands').map(({ page }) => page))];
  const filesIn = (page: string) => blocksOf('files').filter((block) => block.page === page);
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are found, and no file is without any', () => {
    expect(withCommands).toContain('docs/first-function.md');
    expect(withCommands).toEqual(expect.arrayContaining(blocksOf('files').map(({ page }) => page)));
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
      for (const { file } of filesIn(page)) expect([...written], page).toContain(file);
    });
  });
});
