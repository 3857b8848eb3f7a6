/**
 * A bare machine in a folder, on which the commands of docs/install.md are typed as they stand there. Its /opt, /etc,
 * /var and /usr/local/bin are folders below; units are started by the command lines and variables of their files, by
 * which systemd would start them; a name of the documentation's domain is this machine.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { CommandResult } from './e2e.ts';
import { fencedBlocks } from './page-blocks.ts';

const root = join(import.meta.dirname, '../..');

/** Variables by which this machine reaches a registry. */
const ofNetwork = /^(NODE_EXTRA_CA_CERTS|npm_config_registry|(HTTPS?|NO)_PROXY)$/i;

/** Resolves names of example.com in Node.js to this machine, as three DNS records would. */
const hosts = `import dns from 'node:dns';
const real = dns.lookup;
dns.lookup = (host, options, done = options) =>
  !host.endsWith('.example.com')
    ? real(host, options, done)
    : options.all
      ? done(null, [{ address: '127.0.0.1', family: 4 }])
      : done(null, '127.0.0.1', 4);
`;

/** Returns the commands, or the lines of a file, in the blocks below one heading of a page; comments left out. */
export function blockLines(page: string, heading: string): readonly string[] {
  const [, part = ''] = page.split(`\n## ${heading}\n`);
  return fencedBlocks(heading, part.split('\n## ')[0] ?? '').flatMap(({ text }) => linesOf(text));
}

/** Returns the lines of a block, without comments behind them. */
export function linesOf(block: string): readonly string[] {
  return block
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/\s+#\s.*$/, '').trimEnd());
}

export interface Unit {
  readonly child: ChildProcess;
  /** Lines on its stdout and stderr, which go to the journal. */
  readonly journal: readonly string[];
  /** Resolves with the first line that `pattern` matches; rejects when the unit ends before. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
}

export class Machine {
  readonly folder: string;
  /** Folder in which the next command is typed. */
  cwd: string;
  readonly #env: Record<string, string>;

  private constructor(folder: string) {
    this.folder = folder;
    this.cwd = join(folder, 'root');
    const path = (process.env.PATH ?? '').split(':').filter((place) => !place.startsWith(root));
    this.#env = {
      PATH: [join(folder, 'usr/local/bin'), ...path].join(':'),
      HOME: this.cwd,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      ...{ GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com' },
      ...{ GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.com' },
    };
  }

  static async make(folder: string): Promise<Machine> {
    for (const name of [
      'root',
      'opt',
      'usr/local/bin',
      'etc/trisiel',
      'etc/systemd/system',
      'etc/caddy',
      'var/lib/trisiel',
    ])
      await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, 'hosts.mjs'), hosts);
    return new Machine(folder);
  }

  /** Returns `text` with the folders of a machine replaced by those below the folder of this one. */
  here(text: string): string {
    return text.replaceAll(
      /(?<![\w./-])\/(?=(?:opt\/trisiel|usr\/local\/bin|etc|var\/lib\/trisiel)\b)/g,
      `${this.folder}/`,
    );
  }

  /**
   * Makes commands from now on believe the authority `caFile`, and find names of example.com at `port` of this machine.
   */
  async trust(caFile: string, hostsOfPort: readonly string[], port: number): Promise<void> {
    const resolved = hostsOfPort.map((host) => `${host}:${port}:127.0.0.1`);
    await writeFile(
      join(this.#env.HOME ?? '', '.curlrc'),
      `cacert = "${caFile}"\n${resolved.map((entry) => `resolve = "${entry}"\n`).join('')}silent\nshow-error\n`,
    );
    Object.assign(this.#env, {
      NODE_OPTIONS: `--import ${pathToFileURL(join(this.folder, 'hosts.mjs')).href}`,
      NODE_EXTRA_CA_CERTS: caFile,
      GIT_SSL_CAINFO: caFile,
      ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'http.curloptResolve', GIT_CONFIG_VALUE_0: resolved[0] ?? '' },
    });
  }

  /** Types a command; `cd` applies to later ones. */
  type(command: string, input = ''): Promise<CommandResult> {
    const place = join(this.folder, 'cwd');
    const script = `{ ${this.here(command)}\n}; status=$?; pwd > '${place}'; exit $status`;
    return new Promise((resolve, reject) => {
      const child = execFile('bash', ['-c', script], { cwd: this.cwd, env: this.#env }, (error, stdout, stderr) => {
        readFile(place, 'utf8').then((folder) => {
          this.cwd = folder.trim();
          resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
        }, reject);
      });
      // A command may end without reading what it is given.
      child.stdin?.on('error', () => {}).end(input);
    });
  }

  /** Types a command that runs until it is ended. */
  follow(command: string): ChildProcess {
    return spawn('bash', ['-c', `exec ${this.here(command)}`], {
      ...{ cwd: this.cwd, env: this.#env, stdio: ['ignore', 'pipe', 'ignore'] },
    });
  }

  /**
   * Types `command` of npm with nothing in its way but a network; returns what npm said where that is missing, else
   * null.
   */
  async installFromRegistry(command: string): Promise<string | null> {
    const networked = Object.entries(process.env).filter(([name]) => ofNetwork.test(name));
    // Stands in for the file that sqlite3 fetches ready-made, from a host that may be out of reach where the registry
    // is not.
    const headers = existsSync('/usr/include/node/node_api.h') ? { npm_config_nodedir: '/usr' } : {};
    const env = { ...this.#env };
    Object.assign(this.#env, Object.fromEntries(networked), headers);
    const ping = await this.type('npm ping --fetch-retries=0 --fetch-timeout=30000');
    const installed = ping.status === 0 ? await this.type(command) : ping;
    for (const name of Object.keys(this.#env)) if (env[name] === undefined) delete this.#env[name];
    if (installed.status === 0) return null;
    if (!/\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|ENETUNREACH|ETIMEDOUT|\w+_CERT_\w+)\b/.test(installed.stderr))
      throw new Error(installed.stderr);
    return installed.stderr;
  }

  /**
   * Installs a package as `command` (npm) does. What install scripts would compile or fetch comes from the dependencies
   * of this project; all packages do where npm has them not in its cache. Returns how they came.
   */
  async install(command: string, archive: string): Promise<'npm' | 'links'> {
    const installed = await this.type(`${command} --offline --ignore-scripts --no-audit --no-fund`);
    const place = join(this.folder, 'opt/trisiel/lib/node_modules/trisiel');
    if (installed.status === 0) {
      for (const built of ['node_modules/node/bin', 'node_modules/sqlite3/build'])
        execFileSync('cp', ['--recursive', '--link', '--force', '--parents', built, place], { cwd: root });
      return 'npm';
    }
    if (!installed.stderr.includes('ENOTCACHED')) throw new Error(installed.stderr);
    await mkdir(place, { recursive: true });
    execFileSync('tar', ['--extract', '--gzip', '--strip-components=1', '--file', archive, '--directory', place]);
    await mkdir(join(this.folder, 'opt/trisiel/bin'), { recursive: true });
    for (const name of ['trisiel', 'wasmcloud'])
      execFileSync('ln', [
        '-sf',
        `../lib/node_modules/trisiel/bin/${name}.js`,
        join(this.folder, 'opt/trisiel/bin', name),
      ]);
    await linkDependencies(place);
    return 'links';
  }

  /** Starts a service of /etc/systemd/system by the command line and the variables of its unit. */
  async start(unit: string): Promise<Unit> {
    const text = this.here(await readFile(join(this.folder, 'etc/systemd/system', unit), 'utf8'));
    const values = (key: string): readonly string[] =>
      [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
    const [program = '', ...words] = (values('ExecStart')[0] ?? '').split(' ');
    const child = spawn(program, words, {
      cwd: values('WorkingDirectory')[0],
      env: {
        PATH: this.#env.PATH,
        ...Object.fromEntries(values('Environment').map((entry) => entry.split(/=(.*)/s).slice(0, 2))),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const journal: string[] = [];
    const waiting = new Set<() => void>();
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        journal.push(line);
        for (const wake of waiting) wake();
      });
    return {
      child,
      journal,
      line: (pattern) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            const found = journal.map((line) => pattern.exec(line)).find((match) => match !== null);
            if (found == null) return;
            waiting.delete(look);
            resolve(found);
          };
          waiting.add(look);
          child.once('error', reject);
          child.once('close', () => reject(new Error(`${unit} ended:\n${journal.join('\n')}`)));
          look();
        }),
    };
  }
}

/** Ends a unit with a signal to its main process, as KillMode=process does; resolves with its exit status. */
export async function endUnit({ child }: Unit, signal: 'SIGTERM' | 'SIGINT'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill(signal);
  const [status] = (await once(child, 'exit')) as [number | null];
  return status;
}

/** Returns the packages that the installed program names, with the versions that lie there. */
export async function installedVersions({ folder }: Machine): Promise<Readonly<Record<string, string>>> {
  const place = join(folder, 'opt/trisiel/lib/node_modules/trisiel');
  const read = async (path: string) => JSON.parse(await readFile(join(place, path, 'package.json'), 'utf8'));
  const { dependencies } = await read('.');
  const entries = Object.keys(dependencies).map(async (name) => [name, (await read(`node_modules/${name}`)).version]);
  return Object.fromEntries(await Promise.all(entries));
}

/** Links the packages that the platform is delivered with into an installed package, as npm would unpack them there. */
export async function linkDependencies(folder: string): Promise<void> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
  };
  const names = Object.entries(packages)
    .filter(([path, { dev }]) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) && dev !== true)
    .map(([path]) => path)
    .filter((path) => existsSync(join(root, path)));
  execFileSync('cp', ['--archive', '--link', '--force', '--parents', ...names, folder], { cwd: root });
}

/** Returns the archives of a folder that the backup script has finished. */
export function finishedArchives(folder: string): readonly string[] {
  return globSync('trisiel-*.tar', { cwd: folder });
}
