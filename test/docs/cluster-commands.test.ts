/** The commands of docs/cluster.md are typed, in its order, and make a cluster: NATS, a control, a node. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { natsSettings, startNats, whyNoNats } from '../../src/bin/nats-server.ts';
import { startNodeChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { postgresMissing, startPostgres } from '../../src/bin/postgres-server.ts';
import { commandsOf, PageShell } from '../support/console.ts';
import { blocksOf } from '../support/page-blocks.ts';

const blocks = blocksOf('cluster');
const missing = postgresMissing ?? whyNoNats();
if (missing !== null) process.stderr.write(`skipped: the commands of docs/cluster.md: ${missing}\n`);

it('shows the settings of NATS that clusters are tested with', () => {
  const lines = (text: string): readonly string[] =>
    text
      .replaceAll(/password: "[^"]*"/g, 'password: "…"')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !/^(?:listen|jetstream)/.test(line));
  const [shown] = blocks.filter(({ language }) => language === 'nats');
  expect(lines(shown?.text ?? '')).toEqual(lines(natsSettings({ port: 4222, folder: '/var/lib/nats' })));
  expect(shown?.text).toMatch(/^jetstream \{ store_dir: "[^"]+" \}$/m);
});

it.skipIf(missing !== null)('makes a cluster by its commands, and takes the node out again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-cluster-page-'));
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const [postgres, nats] = await Promise.all([startPostgres(), startNats(join(folder, 'nats'))]);
    ends.push(postgres.close.bind(postgres), () => nats.close());
    const typed = commandsOf(blocks.filter(({ language }) => language !== 'nats')).map(({ command }) => command);
    const [serve = '', add = '', join_ = '', list = '', drain = '', remove = '', ...rest] = typed;
    expect(rest).toEqual([]);

    expect(serve).toMatch(/ npx trisiel serve$/);
    const ofControl = variablesOf(serve);
    expect(ofControl).toMatchObject({ TRISIEL_INTERNAL_URL: 'http://control-1:3002' });
    const control = await startPlatformChild({
      ...{
        ...ofControl,
        TRISIEL_DATABASE: postgres.url('postgres'),
        TRISIEL_NATS: nats.url,
        TRISIEL_NATS_NODES: nats.nodeUrl,
      },
      // The name control-1 is not known here.
      ...{
        TRISIEL_INTERNAL_URL: '',
        TRISIEL_DATA: join(folder, 'control-1'),
        TRISIEL_PORT: '0',
      },
    });
    ends.push(() => control.stop());
    const shell = await PageShell.open({ home: folder, controlUrl: control.controlUrl, runUrl: control.controlUrl });
    const { code } = JSON.parse(await control.logged('there is no account yet')) as { code: string };
    await shell.must(`wasmcloud signup ada --invite ${code} --password-stdin`, 'correct horse battery');

    const printed = await shell.must(add);
    // The first one prints the second, with this control's address.
    const second = /^\s*(?:TRISIEL_HOST=\S+ )?(TRISIEL_JOIN='[^']+') (.*)$/m.exec(printed);
    expect(join_.replace(/'[^']*'/, "'…'")).toContain(`${second?.[1]?.replace(/'[^']*'/, "'…'")}`);
    expect(join_).toMatch(/ npx trisiel node$/);
    const node = await startNodeChild({
      ...{
        ...variablesOf(join_),
        ...variablesOf(second?.[1]?.replace(':3002', `:${new URL(control.controlUrl).port}`) ?? ''),
        TRISIEL_DATA: join(folder, 'node'),
      },
      ...{ TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
    });
    ends.push(() => node.stop());
    expect(await shell.must(list)).toContain('eu-1');
    const ended = once(node.child, 'exit');
    await shell.must(drain);
    expect(await ended).toEqual([0, null]);
    await shell.must(remove);
    expect(await shell.must(list)).not.toContain('eu-1');
  } finally {
    for (const end of ends.reverse()) await end();
  }
});

/** Returns the variables in front of a command. */
function variablesOf(command: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...command.matchAll(/\b(TRISIEL_\w+)=(?:'([^']*)'|(\S+))/g)].map(([, name = '', quoted, plain = '']) => [
      name,
      quoted ?? plain,
    ]),
  );
}
