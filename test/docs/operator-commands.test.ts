/** The commands of pages for operators are typed, in folders that stand in for those of a machine. */
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PlatformChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { type PostgresServer, postgresMissing, startPostgres } from '../../src/bin/postgres-server.ts';
import { freePorts } from '../support/caddy.ts';
import { PageShell, type PageWord } from '../support/console.ts';
import { blocksOf, root } from '../support/page-blocks.ts';
import { noPrometheus } from '../support/prometheus.ts';
import { typePage } from '../support/type-page.ts';

const commands = blocksOf('operating');
const pages = [...new Set(commands.map(({ page }) => page))];

/** What a page finds, and how its words and commands are others here. */
interface Place {
  /** Why the page cannot be played here; null: it can. */
  readonly missing: string | null;
  readonly words?: (folder: string) => readonly PageWord[];
  readonly settings?: Readonly<Record<string, string>>;
  readonly prepare?: (folder: string) => Promise<unknown>;
  readonly before?: (command: string, folder: string) => Promise<unknown>;
  readonly typed?: (command: string) => string;
}

describe('the commands of a page for operators', () => {
  let platform: PlatformChild;
  let top: string;
  let postgres: PostgresServer | null = null;
  let port: number;
  /** Ends the platform, as the page says before this command. */
  const stopped = (): Promise<unknown> => platform.stop();

  const places: Readonly<Record<string, Place>> = {
    'docs/configuration.md': {
      missing: null,
      words: (folder) => [['/etc/trisiel', folder]],
      settings: { TRISIEL_RUNNERS: '3' },
      prepare: (folder) => writeFile(join(folder, 'trisiel.toml'), 'TRISIEL_PORT = 99_999\nTRISIEL_RUNNERS = 2\n'),
    },
    'docs/metrics.md': {
      missing: noPrometheus,
      prepare: (folder) => symlink(join(root, 'deploy'), join(folder, 'deploy')),
      // It runs until it is ended: here, when it is ready.
      typed: (command) => {
        const [cd, start = ''] = command.split(' && ');
        const own = `--web.listen-address=127.0.0.1:${port} --storage.tsdb.path="$HOME/figures"`;
        return `${cd} && exec 3< <(exec ${start} ${own} 2>&1) && pid=$! && grep --max-count=1 'Server is ready' <&3 && kill $pid`;
      },
    },
    'docs/operations.md': {
      missing: null,
      words: (folder) => [
        ['/backups/', `${join(top, 'backups')}/`],
        ['/new/folder', join(folder, 'new')],
      ],
      async before(command) {
        if (!/^\d+ cd data/.test(command)) return;
        await stopped();
        await mkdir(join(top, 'data/upgrades'), { recursive: true, mode: 0o700 });
        await copyFile(join(top, 'data/trisiel.db'), join(top, 'data/upgrades/after-NAME.db'));
      },
      typed: (command) => command.replace(/^cd data/, `cd ${join(top, 'data')}`),
    },
    'docs/cluster-git.md': {
      missing: postgresMissing,
      async prepare() {
        await stopped();
        postgres = await startPostgres();
      },
      words: (folder) => [
        ['postgres://trisiel:PASSWORD@db/trisiel', postgres?.url('postgres') ?? ''],
        ['postgres://…', postgres?.url('postgres') ?? ''],
        ['/data ', `${join(top, 'data')} `],
        ['/new/folder', join(folder, 'new')],
      ],
    },
  };

  it('are of pages that have a place', () => {
    expect([...pages].sort()).toEqual(Object.keys(places).sort());
  });

  describe.each(Object.keys(places))('%s', (page) => {
    const { missing, words, settings, prepare, before, typed } = places[page] as Place; // a key of `places`
    if (missing !== null) process.stderr.write(`skipped: the commands of ${page}: ${missing}\n`);

    // For each attempt: commands of a page end the platform, and are typed once.
    beforeEach(async () => {
      top = await mkdtemp(join(tmpdir(), 'trisiel-operator-'));
      [port = 0] = await freePorts(1);
      platform = await startPlatformChild({
        ...{ TRISIEL_DATA: join(top, 'data'), TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
        TRISIEL_REGISTRATION: 'open',
      });
      await mkdir(join(top, 'backups'));
    });
    afterEach(async () => {
      await platform?.stop();
      await postgres?.close();
      postgres = null;
      await rm(top, { recursive: true, force: true });
    });

    it.skipIf(missing !== null)('print what the page shows', async () => {
      const folder = await mkdtemp(join(top, 'home-'));
      await prepare?.(folder);
      const shell = await PageShell.open({
        ...{ home: folder, controlUrl: platform.controlUrl, runUrl: platform.runUrl, words: words?.(folder) ?? [] },
        env: { TRISIEL_DATA: join(top, 'data'), ...settings },
      });
      await typePage({
        ...{ blocks: commands.filter((block) => block.page === page), shellOf: () => shell },
        ...(typed === undefined ? {} : { typed }),
        before: async (command) => before?.(command, folder),
      });
      if (page === 'docs/operations.md') expect(await shell.must('trisiel doctor')).toContain('well');
    });
  });
});
