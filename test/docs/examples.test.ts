/** Blocks of the book that are read or built by themselves: manifests, settings, lines, programs. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configProblems } from '../../src/bin/config.ts';
import { loadSettings } from '../../src/bin/config-file.ts';
import { readManifest } from '../../src/control/deploy/manifest.ts';
import { readStructured } from '../../src/runner/structured-line.ts';
import { commandsOf, looksLike } from '../support/console.ts';
import { blocksOf, fencedBlocks, root, textOf } from '../support/page-blocks.ts';
import { clangFor, withoutClang } from '../support/without-clang.ts';

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
    expect(looksLike('a  b\n', 'a b')).toBe(false);
  });

  it('takes figures of one form for the same, in columns of any width', () => {
    expect(looksLike('live in 7.25 s @ 1234567\n', 'live in 0.3 s @ 869c56e')).toBe(true);
    expect(looksLike('v1   12.5 ms\n', 'v1  9 ms')).toBe(true);
    expect(looksLike('live in 7.25 s\n', 'live in 300 ms too')).toBe(false);
    expect(looksLike('v2  9 ms\n', 'v1  9 ms')).toBe(false);
    expect(looksLike('3 imports\n', '4 imports')).toBe(false);
  });

  it('types each line of a block once, with what it goes on in', () => {
    const text =
      '```sh\none  # a\n# only a comment\ntwo \\\n  b\nthree |\n  c\n```\n```console\n$ four \\\n  d\nprinted\n$ five\n```\n';
    expect(commandsOf(fencedBlocks('p.md', text))).toEqual([
      { command: 'one  # a', expected: null, line: 2 },
      { command: 'two b', expected: null, line: 5 },
      { command: 'three |\n  c', expected: null, line: 7 },
      { command: 'four d', expected: 'printed', line: 10 },
      { command: 'five', expected: null, line: 13 },
    ]);
    expect(() => commandsOf(fencedBlocks('p.md', '```console\nprinted\n```\n'))).toThrow('p.md:2');
  });
});

describe('every manifest in a page', () => {
  const manifests = blocksOf('manifests');
  it.each(manifests)('is read: $page, line $line', ({ text }) => {
    expect(readManifest({ toml: Buffer.from(text), olin: null })).toBeTruthy();
  });

  it('may have a policy in the form of Olin beside it', () => {
    const policies = blocksOf('policies');
    expect(policies).toHaveLength(1);
    for (const { text } of policies)
      expect(readManifest({ toml: null, olin: Buffer.from(text) })).toMatchObject({
        policy: { allow: ['^https://api\\.example\\.com/'], disallow: ['^https://api\\.example\\.com/admin'] },
        limits: { memoryPages: 256, gas: 1_000_000 },
      });
  });
});

describe('every configuration file in a page', () => {
  it.each(blocksOf('settings'))('is taken: $page, line $line', async ({ text }) => {
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
});

describe('a structured line in a page', () => {
  it.each(blocksOf('lines'))('is understood as it says: $page, line $line', ({ page, text }) => {
    const line = readStructured(text.trimEnd());
    expect(line).toMatchObject({ level: 3, text: 'slow answer' });
    expect(JSON.parse(line?.fields ?? '')).toEqual({ user: 42, 'http.path': '/a' });
    for (const words of ['`user` is 42', '`http.path` is `/a`']) expect(textOf(page)).toContain(words);
  });
});

describe('commands that a test cannot run', () => {
  it.each(blocksOf('ci'))('are run by .ci/run: $page, line $line', ({ text }) => {
    const script = textOf('.ci/run');
    for (const line of text.trimEnd().split('\n'))
      expect(script).toMatch(new RegExp(`^(?:step )?${line.replace('npm run', 'npm run(?: --silent)?')}(?: |$)`, 'm'));
  });

  // apt-get knows the packages only where its lists are.
  const hasPackages = spawnSync('apt-get', ['install', '--simulate', 'clang']).status === 0;
  if (!hasPackages) process.stderr.write('skipped: packages of the book: apt-get has no lists of packages\n');
  it.skipIf(!hasPackages).each(blocksOf('packages'))(
    'install packages that there are: $page, line $line',
    ({ text }) => {
      const words = text.trimEnd().split(' ').slice(1);
      const { status, stderr } = spawnSync('apt-get', [...words, '--simulate'], { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
    },
  );
});

describe('options of clang in a page', () => {
  /** clang 20 has them all; what an older one does not know cannot be tried. */
  const commands = blocksOf('exceptions').flatMap(({ text }) => text.trimEnd().split('\n'));
  const why = clangFor(20);
  if (why !== null) process.stderr.write(`skipped: exceptions in C++ and setjmp, as the page on C has them: ${why}\n`);

  it.skipIf(why !== null).each(commands)('compile: %s', async (command) => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-clang-'));
    try {
      const cxa = await readFile(join(root, 'fixtures/guests/wasi/cxa.h'), 'utf8');
      await writeFile(
        join(folder, 'main.cc'),
        `${cxa}\nint main() { try { throw 1; } catch (int) { return 0; } return 1; }\n`,
      );
      await writeFile(join(folder, 'main.c'), '#include <setjmp.h>\nint main(void) { jmp_buf b; return setjmp(b); }\n');
      const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('are those of the fixtures, which are run', () => {
    const built = readFileSync(join(root, 'fixtures/build.ts'), 'utf8');
    expect(commands).toHaveLength(2);
    for (const option of commands.join(' ').match(/-(?:fwasm|wasm)-[\w-]+/g) ?? []) expect(built).toContain(option);
  });
});

describe('a program in a page', () => {
  it.skipIf(withoutClang !== null).each(blocksOf('programs'))(
    'answers, built as $page says',
    async ({ file, text }) => {
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
    },
  );
});

describe('a command for contributors', () => {
  const scripts = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts);
  const blocks = blocksOf('working');
  const lines = blocks.flatMap(({ text }) => text.trimEnd().split('\n'));
  // The command of a line, and those in its comment.
  const commands = lines.flatMap((line) => {
    const [command = '', comment = ''] = line.split(/\s+# /);
    return [command, ...[...comment.matchAll(/`([^`]+)`/g)].map(([, named = '']) => named)];
  });

  it('is there', () => {
    expect(commands.length).toBeGreaterThan(8);
  });

  it.each(commands)('is one of the project: %s', (command) => {
    const [, script] = /^npm (?:run )?(\S+)/.exec(command) ?? [];
    if (script !== undefined) expect(['ci', ...scripts]).toContain(script);
    else expect(command).toMatch(/^(?:\w+=\S+ )*(?:npx vitest run|node) \S|^\.ci\/run$/);
    const files = command.split(' ').filter((word) => word.includes('/'));
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
