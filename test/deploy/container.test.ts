/**
 * The image of deploy/container/Containerfile: built by buildah, and run by systemd-nspawn as its configuration says
 * (user, variables, folder, entry point, health check), with a read-only root and one folder as its volume.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chown, cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { buildPackage } from '../../deploy/package.ts';
import { builderMissing, ImageBuilder, type ImageConfig } from '../support/container-image.ts';
import { printing } from '../support/e2e-guests.ts';
import { blocksOf, textOf } from '../support/page-blocks.ts';
import { withoutSystemd } from '../support/systemd-machine.ts';

const root = join(import.meta.dirname, '../..');
const missing = withoutSystemd ?? builderMissing();
if (missing !== null) console.log(`skipped: the container: ${missing}`);

/** Bytes of the files of the image: Node.js is 211 MB of them, Debian with git 210. */
const imageBytesMax = 600e6;
/** What a machine says where the kernel lets nobody have namespaces or mounts of their own. */
const notAllowed = /not permitted|permission denied|not implemented|not supported/i;

test('the commands of the book build the package that is played, and the image of its file', () => {
  const [block] = blocksOf('image');
  const [npm = '', podman = ''] = block?.text.split('\n') ?? [];
  expect(npm).toBe('npm ci && npm run package');
  expect(JSON.parse(textOf('package.json')).scripts.package).toBe('node deploy/package.ts');
  expect(textOf('deploy/container/Containerfile')).toContain(`#   ${podman}\n`);
});

describe.skipIf(missing !== null)('the container', () => {
  let top: string;
  let builder: ImageBuilder;
  let image: ImageConfig;
  let files: string;
  let data: string;
  /** Why no container runs here; null: one does. */
  let refused: string | null = null;
  let container: Container;

  beforeAll(async () => {
    await mkdir(join(root, 'dist'), { recursive: true });
    top = await mkdtemp(join(root, 'dist/container-'));
    const context = join(top, 'context');
    await mkdir(context);
    // As `npm run package` leaves the folder: the archive is beside everything else.
    for (const name of ['.dockerignore', 'package.json']) await cp(join(root, name), join(context, name));
    const packed = join(top, 'package');
    await buildPackage(packed);
    execFileSync('npm', ['pack', '--silent', packed], { cwd: context });
    const images = join(top, 'images');
    await mkdir(images);
    builder = new ImageBuilder(images);
    try {
      await builder.makeBases();
    } catch (error) {
      if (!notAllowed.test(String(error))) throw error;
      refused = String(error);
      return;
    }
    builder.build(context);
    image = builder.config();
    files = builder.mount();
    // A new volume gets the owner of the image's folder.
    data = join(top, 'data');
    await mkdir(data);
    const { uid, gid } = await stat(join(files, image.folder));
    await chown(data, uid, gid);
    container = await start();
  }, 1_200_000);
  afterAll(async () => {
    await container?.kill();
    if (files !== undefined) builder.clear();
    await rm(top, { recursive: true, force: true });
  });

  /**
   * Starts the container with more variables, and with folders shown at places of it; resolves when it serves, or has
   * ended.
   */
  async function start({ env = {}, binds = {} }: Started = {}): Promise<Container> {
    const hosts = join(top, 'hosts');
    await writeFile(hosts, '127.0.0.1 localhost\n');
    const [user = '', group = ''] = image.user.split(':');
    const confined = ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups'];
    const started = new Container(
      spawn(
        'systemd-nspawn',
        [
          ...['--quiet', `--directory=${files}`, '--read-only', `--bind=${data}:${image.volumes[0]}`],
          ...['--tmpfs=/tmp:mode=1777', '--timezone=off', '--resolv-conf=off', `--bind-ro=${hosts}:/etc/hosts`],
          ...['--private-network', '--register=no', '--keep-unit', '--console=pipe'],
          ...[`--machine=trisiel-container-${process.pid}`, `--chdir=${image.folder}`],
          ...Object.entries(binds).map(([place, folder]) => `--bind-ro=${folder}:${place}`),
          ...Object.entries({ TRISIEL_RUNNERS: '1', ...image.env, ...env }).map(
            (entry) => `--setenv=${entry.join('=')}`,
          ),
          ...['--', '/usr/bin/env', ...confined, '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'],
          ...image.entryPoint,
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      ),
    );
    await started.served;
    return started;
  }

  /** Runs a program beside those of the container. `user`: as the container's user, with its folders and variables. */
  function inside(
    words: readonly string[],
    user: boolean,
  ): { readonly status: number | null; readonly output: string } {
    const [id = ''] = image.user.split(':');
    const place = user ? ['--mount', '--pid', `--setuid=${id}`, `--setgid=${id}`] : [];
    const env = user ? image.env : process.env;
    const { status, stdout, stderr } = spawnSync(
      'nsenter',
      ['--target', String(container.first), '--net', ...place, '--', '/usr/bin/env', ...words],
      { encoding: 'utf8', env: { ...env, PATH: user ? image.env.PATH : process.env.PATH } },
    );
    return { status, output: `${stdout}${stderr}` };
  }

  const get = (url: string, ...more: readonly string[]): string => {
    const words = ['curl', '--fail', '--silent', '--show-error', '--max-time', '60'];
    const { status, output } = inside([...words, ...more, url], false);
    expect(status, output).toBe(0);
    return output;
  };
  const call = (): string => get('http://127.0.0.1:3003/hello/');
  const callUnderItsName = (): string => get('http://127.0.0.1:3003/', '--header', 'host: hello.functions.example.com');

  test('starts as a user without any rights, who may write to one folder', ({ skip }) => {
    if (refused === null && container.first === 0) {
      // The program itself was never started.
      expect(container.shown).toMatch(notAllowed);
      expect(container.shown).not.toContain('"level"');
      refused = container.shown;
    }
    if (refused !== null) {
      console.log(`skipped: no container here: ${refused.trim().split('\n').at(-1)}`);
      skip();
    }
    const status = execFileSync('cat', [`/proc/${container.first}/status`], { encoding: 'utf8' });
    const of = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
    expect(image.user).toBe('65532:65532');
    expect(of('Uid').split('\t')).toEqual(Array.from({ length: 4 }, () => '65532'));
    expect([of('CapEff'), of('CapBnd'), of('NoNewPrivs')]).toEqual(['0000000000000000', '0000000000000000', '1']);
    for (const folder of ['/', '/usr', '/etc', '/opt/trisiel', '/var'])
      expect(inside(['test', '-w', folder], true).status, folder).toBe(1);
    expect(image.volumes).toEqual([image.folder]);
    expect(inside(['test', '-w', image.folder], true).status).toBe(0);
  });

  test('is small, and has the package from the registry with nothing to build it', ({ skip }) => {
    if (refused !== null) skip();
    const [bytes] = execFileSync('du', ['--summarize', '--bytes', files], { encoding: 'utf8' }).split('\t');
    expect(Number(bytes)).toBeLessThan(imageBytesMax);
    console.log(`the image: ${Math.round(Number(bytes) / 1e6)} MB`);
    expect(inside(['trisiel', '--help'], true).output).toContain('Usage: trisiel serve');
    for (const name of ['npm', 'cc', 'python3'])
      expect(inside(['sh', '-c', `command -v ${name}`], true).status, name).not.toBe(0);
  });

  test('is healthy, and not where nothing serves', ({ skip }) => {
    if (refused !== null) skip();
    expect(inside(image.healthCheck, true)).toEqual({ status: 0, output: '' });
    const elsewhere = image.healthCheck.map((word) => word.replace('3002', '3001'));
    expect(inside(elsewhere, true).status).toBe(1);
  });

  test('takes a push, answers, ends whole with its signal, and answers again when it is started again', async ({
    skip,
  }) => {
    if (refused !== null) skip();
    const home = join(top, 'home');
    await mkdir(home);
    await writeFile(join(home, 'function.wasm'), printing('hello from a container\n'));
    const code = /"code":"([^"]+)"/.exec(container.shown)?.[1];
    const script = `set -eu
export HOME=${home} GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=a@example.com
cd ${home}
wasmcloud() { '${process.execPath}' '${join(root, 'bin/wasmcloud.js')}' "$@"; }
echo 'correct horse battery' | wasmcloud signup ada --server http://127.0.0.1:3002 --invite '${code}' --password-stdin
git init --quiet --initial-branch main
git add --all && git commit --quiet --message 'First version'
wasmcloud create hello
git push wasmcloud main`;
    const { status, output } = inside(['sh', '-c', script], false);
    expect(status, output).toBe(0);
    for (const isFirst of [true, false]) {
      if (!isFirst) container = await start();
      expect(call()).toBe('hello from a container\n');
      expect(await container.stop(image.stopSignal), container.shown.slice(-2000)).toEqual([0, null]);
    }
  });

  test('serves with the variables, folders and probes of the Kubernetes objects', async ({ skip }) => {
    if (refused !== null) skip();
    const text = readFileSync(join(root, 'deploy/kubernetes/trisiel.yaml'), 'utf8');
    const objects = parseAllDocuments(text).map((document) => document.toJS());
    const find = (kind: string) => objects.find((object) => object.kind === kind);
    const [{ env, ports, volumeMounts, ...probes }] = find('StatefulSet').spec.template.spec.containers;
    const folders: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      config: find('ConfigMap').data,
      // As the command at the head of the file makes it.
      secrets: { 'metrics-token': 'scrape-me-0123456789' },
    };
    const binds: Record<string, string> = {};
    for (const { name, mountPath } of volumeMounts) {
      const kept = folders[name];
      if (kept === undefined) {
        expect([image.folder, '/tmp']).toContain(mountPath);
        continue;
      }
      binds[mountPath] = join(top, name);
      // Which what runs containers makes by itself.
      if (!mountPath.startsWith('/run/')) await mkdir(join(files, mountPath), { recursive: true });
      await mkdir(join(top, name));
      for (const [file, value] of Object.entries(kept)) await writeFile(join(top, name, file), value);
    }
    const named = Object.fromEntries(env.map((one: Record<'name' | 'value', string>) => [one.name, one.value]));
    container = await start({ env: named, binds });
    for (const kind of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      const { path, port } = probes[kind].httpGet;
      const found = ports.find(({ name }: { readonly name: string }) => name === port);
      get(`http://127.0.0.1:${found.containerPort}${path}`);
    }
    expect(callUnderItsName()).toBe('hello from a container\n');
    get('http://127.0.0.1:3002/metrics', '--header', 'authorization: Bearer scrape-me-0123456789');
    expect(await container.stop('SIGTERM')).toEqual([0, null]);
  });

  test('serves with the variables of the compose file, and answers what Caddy is told to ask', async ({ skip }) => {
    if (refused !== null) skip();
    const text = readFileSync(join(root, 'deploy/container/compose.yaml'), 'utf8');
    const given: Readonly<Record<string, string>> = {
      TRISIEL_CONSOLE: 'trisiel.example.com',
      TRISIEL_DOMAIN: 'functions.example.com',
      TRISIEL_ASK_TOKEN: 'ask-me-0123456789',
    };
    for (const name of Object.keys(given)) expect(text).toMatch(new RegExp(`^#   ${name}=`, 'm'));
    const { services } = parse(text.replaceAll(/\$\{(\w+):\?\}/g, (_, name: string) => given[name] ?? `no ${name}`));
    container = await start({ env: services.trisiel.environment });
    expect(callUnderItsName()).toBe('hello from a container\n');
    const { TRISIEL_ASK, TRISIEL_CONTROL, TRISIEL_FUNCTIONS } = services.caddy.environment;
    const ask = `${TRISIEL_ASK.replace('//trisiel:', '//127.0.0.1:')}&domain=hello.functions.example.com`;
    // As from another machine, which is what Caddy is there.
    expect(get(ask, '--header', 'x-forwarded-for: 172.30.77.3')).toBe('yes\n');
    expect([TRISIEL_CONTROL, TRISIEL_FUNCTIONS]).toEqual(['trisiel:3002', 'trisiel:3003']);
    expect(await container.stop('SIGTERM')).toEqual([0, null]);
  });
});

interface Started {
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of this machine by their places in the container. */
  readonly binds?: Readonly<Record<string, string>>;
}

/** A container that was started, and what it has shown. */
class Container {
  readonly #child: ChildProcess;
  readonly #ended: Promise<readonly unknown[]>;
  /** Resolves when it serves, or has ended. */
  readonly served: Promise<void>;
  /** Number of its first process on this machine; 0: it never ran. */
  first = 0;
  shown = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'close');
    const ready = new Promise<void>((resolve) => {
      for (const stream of [child.stdout!, child.stderr!])
        stream.on('data', (text) => {
          this.shown = `${this.shown}${text}`.slice(-100_000);
          if (/^ready /m.test(this.shown)) resolve();
        });
    });
    this.served = Promise.race([ready, this.#ended]).then(() => {
      if (this.#isRunning())
        this.first = Number(execFileSync('pgrep', ['--parent', String(child.pid)], { encoding: 'utf8' }).trim());
    });
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends a signal to its first process; resolves with the exit status and the signal that it ended with. */
  stop(signal: string): Promise<readonly unknown[]> {
    process.kill(this.first, signal);
    return this.#ended;
  }

  async kill(): Promise<void> {
    if (!this.#isRunning()) return;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
