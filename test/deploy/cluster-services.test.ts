/**
 * The commands of docs/cluster.md that make a cluster of services, typed under systemd: one machine stands for all that
 * the page names. PostgreSQL, nats-server, a control and a node are real.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoNats } from '../../src/bin/nats-server.ts';
import { postgresMissing } from '../../src/bin/postgres-server.ts';
import { commandsOf } from '../support/console.ts';
import { printing } from '../support/e2e-guests.ts';
import { allBlocks, blocksOf } from '../support/page-blocks.ts';
import { boot, installedMachine, withoutSystemd } from '../support/systemd-machine.ts';

const missing = withoutSystemd ?? postgresMissing ?? whyNoNats();
if (missing !== null) console.log(`skipped: a cluster of services: ${missing}`);

/** Words of the page, and what they are here. A command without any is typed as it stands there. */
const typedAs: Readonly<Record<string, (command: string) => string>> = {
  // No network: it stands for what is installed already.
  'apt-get ': () => 'true',
  'createuser --pwprompt': (command) => `${command} <<< $'PASSWORD\\nPASSWORD'`,
  'wasmcloud nodes add': (command) => `. /sign-up.sh && ${command} | tee /results/added`,
  '#tn_…': (command) =>
    command.replace(/'[^']*#tn_…'/, `"$(sed -n "s/.*TRISIEL_JOIN='\\([^']*\\)'.*/\\1/p" /results/added)"`),
};

const signUp = `code=$(journalctl --unit trisiel --output cat | sed -n 's/.*"code":"\\([^"]*\\)".*/\\1/p' | head -n 1)
test -n "$code"
echo 'correct horse battery' | wasmcloud signup ada --server http://control-1:3002 --invite "$code" --password-stdin
`;

describe.skipIf(missing !== null)('a cluster of services', () => {
  let top: string;
  let shown: string;
  const result = (name: string): string => readFileSync(join(top, 'results', name), 'utf8').trim();

  beforeAll(async () => {
    ({ top } = await installedMachine('cluster'));
    const users = { passwd: 'postgres:x:70:70::/var/lib/postgresql:/bin/bash\n', group: 'postgres:x:70:\n' };
    for (const [name, line] of Object.entries(users)) await writeFile(join(top, 'etc', name), line, { flag: 'a' });
    await writeFile(join(top, 'etc/hosts'), '127.0.0.1 localhost db control-1 node-1\n');
    for (const folder of ['pam.d', 'security'])
      await cp(join('/etc', folder), join(top, 'etc', folder), { recursive: true, dereference: true });

    const cluster = allBlocks().filter(({ page }) => page === 'docs/cluster.md');
    const settings = cluster.find(({ language, text }) => language === 'toml' && /^TRISIEL_/m.test(text));
    await mkdir(join(top, 'etc/trisiel/credentials'), { recursive: true });
    await writeFile(join(top, 'etc/trisiel/trisiel.toml'), settings?.text ?? '');
    const nats = cluster.find(({ file }) => file === 'nats.conf')?.text.replaceAll('"…"', '"PASSWORD"') ?? '';
    await writeFile(join(top, 'etc/trisiel/credentials/nats.conf'), nats);
    // The machine has no address but that of its loopback.
    await writeFile(join(top, 'etc/trisiel/node.env'), 'TRISIEL_NODE_URL=http://node-1:3003\nTRISIEL_RUNNERS=1\n');

    const commands = commandsOf(blocksOf('clusterServices')).map(({ command }) => {
      const [, change] = Object.entries(typedAs).find(([words]) => command.includes(words)) ?? [];
      return change?.(command) ?? command;
    });
    expect(commands.join('\n')).not.toContain('…');
    await writeFile(join(top, 'commands.sh'), `${commands.join('\n')}\n`);
    await writeFile(join(top, 'sign-up.sh'), signUp);
    await writeFile(join(top, 'root/function.wasm'), printing('hello from a node\n'));
    await cp(join(import.meta.dirname, 'cluster-play.sh'), join(top, 'play.sh'));
    shown = await boot(top, '/play.sh');
  }, 900_000);
  afterAll(() => rm(top, { recursive: true, force: true }));

  test('is made by the commands of the page', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) {
      // Where the kernel lets nobody have namespaces or groups of processes of their own.
      expect(shown).toMatch(/not permitted|permission denied|not implemented|not supported/i);
      console.log(`skipped: systemd does not start in a container here: ${shown.trim().split('\n').at(-1)}`);
      skip();
    }
    expect(result('status'), `${result('log')}\n${result('journal').slice(-6000)}`).toBe('0');
    expect(result('pushed')).toContain('live on 1 of 1 node');
    expect(result('answer')).toBe('hello from a node');
    expect(result('nodes')).toContain('eu-1');
  });

  test('loses no call while each service is restarted', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) skip();
    const calls = result('calls').split('\n');
    expect(calls.filter((line) => line === 'lost')).toEqual([]);
    expect(calls.length).toBeGreaterThan(1);
  });

  test('backs up the database by the unit, and lets a drained node stay away', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) skip();
    expect(result('backups')).toMatch(/^trisiel-\w+\.tar$/);
    expect(result('drained')).toBe('success');
  });
});
