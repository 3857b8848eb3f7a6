/**
 * The commands of docs/cluster.md that make a cluster of services, typed under systemd, on four machines with a network
 * between them: one with PostgreSQL and nats-server, a control, two nodes. Then NATS is moved to TLS, services are
 * restarted, a node's cable is drawn, and another one loses its power.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoNats } from '../../src/bin/nats-server.ts';
import { postgresMissing } from '../../src/bin/postgres-server.ts';
import { commandsOf } from '../support/console.ts';
import { assemble } from '../support/e2e-guests.ts';
import { allBlocks, blocksOf, textOf } from '../support/page-blocks.ts';
import {
  bareMachine,
  boot,
  installedMachine,
  type MachineNetwork,
  machineNetwork,
  withoutSystemd,
} from '../support/systemd-machine.ts';
import { cwaGuest } from '../support/wat.ts';

const missing = withoutSystemd ?? postgresMissing ?? whyNoNats();
if (missing !== null) console.log(`skipped: a cluster of services: ${missing}`);

const page = 'docs/cluster.md';
const addresses = { db: '10.0.0.1', 'control-1': '10.0.0.2', 'node-1': '10.0.0.3', 'node-2': '10.0.0.4' } as const;

/** Words of the page, and what they are here. A command without any is typed as it stands there. */
const typedAs: Readonly<Record<string, (command: string) => string>> = {
  // No network beyond: it stands for what is installed already.
  'apt-get ': () => 'true',
  'createuser --pwprompt': (command) => `${command} <<< $'PASSWORD\\nPASSWORD'`,
};

/** What the blocks of the page are, in its order. */
const parts = ['db', 'db', 'db', 'controls', 'add', 'node'] as const;
const partsOfTls = ['authority', 'trusting-controls', 'trusting-nodes', 'nats-tls'] as const;

/** What installing PostgreSQL does, and the name of its unit. */
const installPostgres = `
programs=$(dirname "$(command -v initdb)")
install --directory --owner=postgres --group=postgres /var/lib/postgresql /run/postgresql
runuser -u postgres -- initdb --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --no-sync /var/lib/postgresql/data >/dev/null
cat >/etc/systemd/system/postgresql.service <<END
[Service]
Type=forking
User=postgres
ExecStart=$programs/pg_ctl --pgdata=/var/lib/postgresql/data --options='-k /run/postgresql' --log=/var/lib/postgresql/log --wait start
ExecStop=$programs/pg_ctl --pgdata=/var/lib/postgresql/data --mode=fast --wait stop
END
systemctl daemon-reload
systemctl start postgresql
`;

describe.skipIf(missing !== null)('a cluster of services', () => {
  const tops: string[] = [];
  let shared: string;
  let network: MachineNetwork | string;
  let shown: readonly string[] = [];
  const result = (name: string): string => readFileSync(join(shared, name), 'utf8').trim();
  /** Whether the machines have started; says why where they have not. */
  const hasStarted = (): boolean => {
    if (typeof network !== 'string' && existsSync(join(shared, 'control-1/booted'))) return true;
    const why = typeof network === 'string' ? network : shown.join('').trim();
    // Where the kernel lets nobody have namespaces or groups of processes of their own.
    expect(why).toMatch(/not permitted|permission denied|not implemented|not supported/i);
    console.log(`skipped: machines with a network of their own do not start here: ${why.split('\n').at(-1)}`);
    return false;
  };

  beforeAll(async () => {
    network = await machineNetwork();
    const { top, program } = await installedMachine('cluster');
    tops.push(top);
    shared = join(top, 'shared');
    await mkdir(shared);
    if (typeof network === 'string') return;

    const files = await filesOfPage();
    for (const name of Object.keys(addresses)) {
      const machine = name === 'control-1' ? top : await bareMachine(`cluster-${name}`);
      if (machine !== top) tops.push(machine);
      await makeMachine(machine, name as keyof typeof addresses, files);
    }
    const folders = { '/shared': shared, '/opt/trisiel': join(program, '../../..') };
    const booted = Object.keys(addresses).map((name, index) => {
      const machine = name === 'control-1' ? top : tops.find((one) => one.includes(`cluster-${name}-`))!;
      return boot(machine, '/machine.sh', { name: `m${index}`, network: network as MachineNetwork, shared: folders });
    });
    shown = await Promise.all(booted);
  }, 1_200_000);

  afterAll(async () => {
    if (typeof network !== 'string') network?.close();
    for (const top of tops) await rm(top, { recursive: true, force: true });
  });

  test('is made by the commands of the page, on machines of their own', async ({ skip }) => {
    if (!hasStarted()) skip();
    const logs = await Promise.all(
      Object.keys(addresses).map(async (name) => {
        const there = await readdir(join(shared, name));
        return there
          .filter((file) => /^(?:log|journal)$/.test(file))
          .map((file) => result(`${name}/${file}`).slice(-3000));
      }),
    );
    expect(result('status'), logs.flat().join('\n----\n')).toBe('0');
    expect(result('pushed-hello-1')).toContain('live on 2 of 2 nodes');
    expect(result('answers').split('\n').slice(0, 2)).toEqual(['version 1', 'version 1']);
  });

  test('moves NATS to TLS, and loses no call while each service is restarted', ({ skip }) => {
    if (!hasStarted()) skip();
    expect(result('nats-info')).toContain('"tls_required":true');
    expect(result('pushed-hello-2')).toContain('live on 2 of 2 nodes');
    expect(result('answers').split('\n').slice(2, 4)).toEqual(['version 2', 'version 2']);
    const calls = result('calls').split('\n');
    expect(calls.filter((line) => line === 'lost')).toEqual([]);
    expect(calls.length).toBeGreaterThan(1);
  });

  test('goes on without a node whose cable is drawn, which says so and catches up', ({ skip }) => {
    if (!hasStarted()) skip();
    expect(result('cut')).toMatch(/^trisiel-stale: 1\r?$/im);
    expect(result('cut')).toContain('version 1');
    expect(result('answers').split('\n').slice(4)).toEqual(['version 3', 'version 1']);
    // What it logged without a cable has come.
    expect(result('lines')).toMatch(/version 1$/m);
  });

  test('gives what a machine without power held to another one', ({ skip }) => {
    if (!hasStarted()) skip();
    expect(result('placed').split('\n')).toEqual(['version 1', '421', 'version 1', 'version 1']);
  });

  test('backs up the database by the unit, and lets a drained node stay away', ({ skip }) => {
    if (!hasStarted()) skip();
    expect(result('backups')).toMatch(/^trisiel-\w+\.tar$/);
    expect(result('drained')).toBe('success');
  });
});

/** A function that answers and logs `text`. */
function telling(text: string): Uint8Array {
  const body = `
    (drop (call $write (call $stdout) (i32.const 0) (i32.const ${text.length})))
    (call $log (i32.const 6) (i32.const 0) (i32.const ${text.length}))`;
  return assemble(cwaGuest({ data: [`(data (i32.const 0) ${JSON.stringify(text)})`], body }));
}

/** Returns the files that the page gives the machines: paths and texts. */
async function filesOfPage(): Promise<Readonly<Record<string, string>>> {
  const blocks = blocksOf('clusterServices');
  const tlsLine = textOf(page).split('\n').indexOf('### TLS for NATS');
  const named = (name: string): string =>
    allBlocks().find((block) => block.page === page && block.file === name)?.text ?? '';
  const files: Record<string, string> = {
    'etc/trisiel/credentials/nats.conf': named('nats.conf').replaceAll('"…"', '"PASSWORD"'),
    'tls.conf': named('tls.conf'),
    'etc/trisiel/trisiel.toml':
      allBlocks().find((block) => block.page === page && block.language === 'toml' && /^TRISIEL_/m.test(block.text))
        ?.text ?? '',
  };
  const groups = [
    [parts, blocks.filter(({ line }) => line < tlsLine)],
    [partsOfTls, blocks.filter(({ line }) => line > tlsLine)],
  ] as const;
  for (const [names, ofGroup] of groups) {
    expect(ofGroup.length).toBe(names.length);
    for (const [index, block] of ofGroup.entries()) {
      const commands = commandsOf([block]).map(({ command }) => {
        const [, change] = Object.entries(typedAs).find(([words]) => command.includes(words)) ?? [];
        return change?.(command) ?? command;
      });
      const file = `commands/${names[index]}.sh`;
      files[file] = `${files[file] ?? ''}${commands.join('\n')}\n`;
    }
  }
  return files;
}

/** Makes what a machine has before the first command of the page is typed on it. */
async function makeMachine(
  machine: string,
  name: keyof typeof addresses,
  ofPage: Readonly<Record<string, string>>,
): Promise<void> {
  const users = { passwd: 'postgres:x:70:70::/var/lib/postgresql:/bin/bash\n', group: 'postgres:x:70:\n' };
  for (const [file, line] of Object.entries(users)) await writeFile(join(machine, 'etc', file), line, { flag: 'a' });
  for (const folder of ['pam.d', 'security', 'ssl'])
    await cp(join('/etc', folder), join(machine, 'etc', folder), { recursive: true, dereference: true });
  const hosts = Object.entries(addresses).map(([host, address]) => `${address} ${host}\n`);
  const files: Readonly<Record<string, string>> = {
    ...ofPage,
    'etc/hosts': `127.0.0.1 localhost\n${hosts.join('')}`,
    'etc/trisiel/node.env': 'TRISIEL_RUNNERS=1\n',
    'machine.env': `NAME=${name} ADDRESS=${addresses[name]}\n`,
    'prepare.sh': installPostgres,
  };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(machine, file, '..'), { recursive: true });
    await writeFile(join(machine, file), text);
  }
  for (const version of [1, 2, 3])
    await writeFile(join(machine, `root/v${version}.wasm`), telling(`version ${version}`));
  await cp(join(import.meta.dirname, 'cluster-machine.sh'), join(machine, 'machine.sh'));
  await cp(join(import.meta.dirname, 'cluster-play.sh'), join(machine, 'play.sh'));
}
