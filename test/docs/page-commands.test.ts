/** The commands of the book's pages are typed, with their files, and print what the pages show. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PlatformChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { namedFiles, PageShell, type PageWord } from '../support/console.ts';
import { DnsServer } from '../support/dns-server.ts';
import { blocksOf, textOf } from '../support/page-blocks.ts';
import { printer, repository, type Scene, type Stage, scenes } from '../support/page-scenes.ts';
import { typePage } from '../support/type-page.ts';
import { withoutClang } from '../support/without-clang.ts';

const commands = blocksOf('commands');
const pages = [...new Set(commands.map(({ page }) => page))];
const filesIn = (page: string) => blocksOf('files').filter((block) => block.page === page);
const password = 'correct horse battery staple';

describe('the commands of a page', () => {
  let attempts = 0;
  let folder: string;
  let shared: PlatformChild;
  let dns: DnsServer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-'));
    dns = await DnsServer.start();
    shared = await start({ TRISIEL_REGISTRATION: 'open' });
  });
  afterAll(async () => {
    await shared?.stop();
    dns?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(settings: Readonly<Record<string, string>>): Promise<PlatformChild> {
    return startPlatformChild({
      ...{ TRISIEL_DATA: await mkdtemp(join(folder, 'data-')), TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0' },
      ...{ TRISIEL_RUNNERS: '1', TRISIEL_DNS: dns.address, ...settings },
    });
  }

  it('are found, and no file or scene is without any', () => {
    expect(pages).toContain('docs/first-function.md');
    expect(pages).toEqual(expect.arrayContaining(blocksOf('files').map(({ page }) => page)));
    expect([...pages].sort()).toEqual(Object.keys(scenes).sort());
  });

  describe.each(pages)('%s', (page) => {
    const scene: Scene = scenes[page] ?? {};
    const needsC = textOf(page).includes('$ clang');
    if (needsC && withoutClang !== null) console.warn(`${page}: skipped, ${withoutClang}`);
    let platform: PlatformChild;
    // For each attempt: a first account can be made once.
    beforeEach(async () => {
      platform = scene.settings === undefined ? shared : await start(scene.settings);
    });
    afterEach(async () => {
      if (platform !== shared) await platform?.stop();
    });

    it.skipIf(needsC && withoutClang !== null)('print what the page shows', async () => {
      const isOwn = scene.settings !== undefined;
      // Names of users and functions are taken once: on the platform that pages share each attempt has its own.
      const number = String(attempts++).padStart(2, '0');
      const words: readonly PageWord[] = [
        ...(scene.words ?? []),
        ...(isOwn
          ? []
          : ([
              ['otter', `ott${number}`],
              ['grace', `gra${number}`],
            ] as const)),
      ];
      const users = new Map<string, PageShell>();
      const user = async (name: string): Promise<PageShell> => {
        const { controlUrl, runUrl } = platform;
        const home = await mkdtemp(join(folder, 'home-'));
        const shell = await PageShell.open({ home, controlUrl, runUrl, words });
        users.set(name, shell);
        if (!isOwn) await shell.must(`wasmcloud signup ${name} --password-stdin`, password);
        return shell;
      };
      const code = isOwn ? codeIn(await platform.logged('there is no account yet')) : null;
      const stage: Stage = { shell: await user(`ada-${number}`), user, code };
      await scene.prepare?.(stage);
      const written = await typePage({
        ...{ blocks: commands.filter((block) => block.page === page), files: namedFiles(textOf(page)) },
        ...{ shellOf: (command) => users.get(scene.typist?.(command) ?? '') ?? stage.shell, code: () => stage.code },
        ...(scene.typed === undefined ? {} : { typed: scene.typed }),
        async before(command) {
          for (const [pattern, act] of Object.entries(scene.before ?? {}))
            if (new RegExp(pattern).test(command)) await act(stage);
        },
      });
      for (const { file } of filesIn(page)) expect([...written], page).toContain(file);
    });
  });
});

describe('an answer in a page', () => {
  it.each(blocksOf('answers'))('is sent when a function prints it: $page, line $line', async ({ text }) => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-answer-'));
    const platform = await startPlatformChild({
      ...{ TRISIEL_DATA: join(folder, 'data'), TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
      TRISIEL_REGISTRATION: 'open',
    });
    try {
      const { controlUrl, runUrl } = platform;
      const shell = await PageShell.open({ home: folder, controlUrl, runUrl });
      await shell.must('wasmcloud signup ada --password-stdin', password);
      await repository(shell, { 'hello.wasm': printer(text) });
      await shell.must('wasmcloud create swift-otter && git push --quiet wasmcloud main');
      const answer = await fetch(`${runUrl}/swift-otter/`);
      const [head = '', body = ''] = text.split('\n\n');
      const fields = head.split('\n').map((line) => line.split(': ') as [string, string]);
      expect(`${answer.status} ${answer.statusText}`).toBe(fields.find(([name]) => name === 'Status')?.[1]);
      for (const [name, value] of fields.slice(1)) expect(answer.headers.get(name)).toBe(value);
      expect(await answer.text()).toBe(body);
    } finally {
      await platform.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

it('the command that the log has for the first account names the server where it is not the usual one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-docs-first-'));
  const platform = await startPlatformChild({
    ...{ TRISIEL_DATA: join(folder, 'data'), TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
  });
  try {
    const { controlUrl, runUrl } = platform;
    const { command } = JSON.parse(await platform.logged('there is no account yet')) as { command: string };
    const home = await mkdtemp(join(folder, 'home-'));
    const shell = await PageShell.open({ home, controlUrl, runUrl, env: { WASMCLOUD_SERVER: '' } });
    const typed = command.replace('npx wasmcloud signup', 'wasmcloud signup ada --password-stdin');
    expect(await shell.must(typed, password)).toContain('logged in as ada');
  } finally {
    await platform.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

function codeIn(line: string): string {
  return (JSON.parse(line) as { code: string }).code;
}
