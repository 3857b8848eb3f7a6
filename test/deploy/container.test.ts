/**
 * The last stage of deploy/container/Containerfile, played by systemd-nspawn with this machine's /usr in the place of the
 * base image: its variables, user, folder, entry point and health check are taken from the file. What needs the network, the
 * base images and `apt-get`, is not played.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackage } from '../../deploy/package.ts';
import { printing } from '../support/e2e-guests.ts';
import { linkDependencies } from '../support/machine.ts';
import { blocksOf, textOf } from '../support/page-blocks.ts';
import { makeSystem, withoutSystemd } from '../support/systemd-machine.ts';

const root = join(import.meta.dirname, '../..');
if (withoutSystemd !== null) console.log(`skipped: the container: ${withoutSystemd}`);

/** What the last stage says, by instruction. */
interface Stage {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly folder: string;
  readonly entryPoint: readonly string[];
  readonly healthCheck: readonly string[];
}

function lastStage(text: string): Stage {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n');
  const stage = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  const rest = (word: string): string =>
    stage.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? '';
  const health = rest('HEALTHCHECK');
  return {
    env: Object.fromEntries(
      rest('ENV')
        .trim()
        .split(/\s+/)
        .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    ),
    user: rest('USER'),
    folder: rest('WORKDIR'),
    entryPoint: JSON.parse(rest('ENTRYPOINT')),
    healthCheck: JSON.parse(health.slice(health.indexOf('['))),
  };
}

test('the commands of the book build the package that is played, and the image of its file', () => {
  const [block] = blocksOf('image');
  const [npm = '', podman = ''] = block?.text.split('\n') ?? [];
  expect(npm).toBe('npm ci && npm run package');
  expect(JSON.parse(textOf('package.json')).scripts.package).toBe('node deploy/package.ts');
  expect(textOf('deploy/container/Containerfile')).toContain(`#   ${podman}\n`);
});

describe.skipIf(withoutSystemd !== null)('the container', () => {
  let top: string;
  let stage: Stage;
  let child: ChildProcess;
  /** Number of the container's first process on this machine; 0: it never ran. */
  let first = 0;
  let shown = '';

  beforeAll(async () => {
    stage = lastStage(await readFile(join(root, 'deploy/container/Containerfile'), 'utf8'));
    // On the same disk as the dependencies, which are linked.
    await mkdir(join(root, 'dist'), { recursive: true });
    top = await mkdtemp(join(root, 'dist/container-'));
    const system = join(top, 'root');
    const data = join(top, 'data');
    for (const folder of [system, data]) await mkdir(folder);
    await makeSystem(system);
    await mkdir(join(system, stage.folder));
    const program = join(system, 'opt/trisiel/lib/node_modules/trisiel');
    await buildPackage(program);
    await linkDependencies(program);
    await mkdir(join(system, 'opt/trisiel/bin'));
    for (const name of ['trisiel', 'wasmcloud'])
      await symlink(`../lib/node_modules/trisiel/bin/${name}.js`, join(system, 'opt/trisiel/bin', name));
    const [user = '', group = ''] = stage.user.split(':');
    await chown(data, Number(user), Number(group));
    const confined = ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups'];
    child = spawn(
      'systemd-nspawn',
      [
        ...['--quiet', `--directory=${system}`, '--read-only', '--bind-ro=/usr', `--bind=${data}:${stage.folder}`],
        ...[
          '--tmpfs=/tmp:mode=1777',
          '--timezone=off',
          '--private-network',
          '--register=no',
          '--keep-unit',
          '--console=pipe',
        ],
        ...[`--machine=trisiel-container-${process.pid}`, `--chdir=${stage.folder}`, '--setenv=TRISIEL_RUNNERS=1'],
        ...Object.entries(stage.env).map(([name, value]) => `--setenv=${name}=${value}`),
        ...['--', '/usr/bin/env', ...confined, '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'],
        ...stage.entryPoint,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const ended = once(child, 'close');
    const ready = new Promise<void>((resolve) => {
      for (const stream of [child.stdout!, child.stderr!])
        stream.on('data', (text) => {
          shown = `${shown}${text}`.slice(-100_000);
          if (/^ready /m.test(shown)) resolve();
        });
    });
    await Promise.race([ready, ended]);
    if (child.exitCode === null)
      first = Number(execFileSync('pgrep', ['--parent', String(child.pid)], { encoding: 'utf8' }).trim());
  }, 300_000);
  afterAll(async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(top, { recursive: true, force: true });
  });

  /** Runs a program beside those of the container. `user`: as the container's user, with its folders and variables. */
  function inside(
    words: readonly string[],
    user: boolean,
  ): { readonly status: number | null; readonly output: string } {
    const [id = ''] = stage.user.split(':');
    const place = user ? ['--mount', '--pid', `--setuid=${id}`, `--setgid=${id}`] : [];
    const env = user ? stage.env : process.env;
    const { status, stdout, stderr } = spawnSync(
      'nsenter',
      ['--target', String(first), '--net', ...place, '--', '/usr/bin/env', ...words],
      { encoding: 'utf8', env: { ...env, PATH: user ? stage.env.PATH : process.env.PATH } },
    );
    return { status, output: `${stdout}${stderr}` };
  }

  test('starts as a user without any rights, who may write to one folder', ({ skip }) => {
    if (first === 0) {
      // Where the kernel lets nobody have namespaces of their own.
      expect(shown).toMatch(/not permitted|permission denied|not implemented|not supported/i);
      // The program itself was never started.
      expect(shown).not.toContain('"level"');
      console.log(`skipped: no container here: ${shown.trim().split('\n').at(-1)}`);
      skip();
    }
    const status = execFileSync('cat', [`/proc/${first}/status`], { encoding: 'utf8' });
    const of = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
    expect(of('Uid').split('\t')).toEqual(Array.from({ length: 4 }, () => stage.user.split(':')[0]));
    expect([of('CapEff'), of('CapBnd'), of('NoNewPrivs')]).toEqual(['0000000000000000', '0000000000000000', '1']);
    for (const folder of ['/', '/usr', '/etc', '/opt/trisiel', '/var'])
      expect(inside(['test', '-w', folder], true).status, folder).toBe(1);
    expect(inside(['test', '-w', stage.folder], true).status).toBe(0);
  });

  test('is healthy, and not where nothing serves', ({ skip }) => {
    if (first === 0) skip();
    expect(inside(stage.healthCheck, true)).toEqual({ status: 0, output: '' });
    expect(
      inside(
        stage.healthCheck.map((word) => word.replace('3002', '3001')),
        true,
      ).status,
    ).toBe(1);
  });

  test('takes a push, answers, and ends whole with SIGTERM', async ({ skip }) => {
    if (first === 0) skip();
    const home = join(top, 'home');
    await mkdir(home);
    await writeFile(join(home, 'function.wasm'), printing('hello from a container\n'));
    const code = /"code":"([^"]+)"/.exec(shown)?.[1];
    const script = `set -eu
export HOME=${home} GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=a@example.com
cd ${home}
wasmcloud() { '${process.execPath}' '${join(root, 'bin/wasmcloud.js')}' "$@"; }
echo 'correct horse battery' | wasmcloud signup ada --server http://127.0.0.1:3002 --invite '${code}' --password-stdin
git init --quiet --initial-branch main
git add --all && git commit --quiet --message 'First version'
wasmcloud create hello
git push wasmcloud main
curl --fail --silent --show-error --max-time 60 http://127.0.0.1:3003/hello/`;
    const { status, output } = inside(['sh', '-c', script], false);
    expect(status, output).toBe(0);
    expect(output).toContain('hello from a container\n');
    const ended = once(child, 'close');
    process.kill(first, 'SIGTERM');
    expect(await ended, shown.slice(-2000)).toEqual([0, null]);
  });
});
