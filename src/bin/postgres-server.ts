/**
 * Starts a PostgreSQL server for the demo of a cluster and for tests: in a temporary folder, on a free port of
 * 127.0.0.1; it ends with the process that started it, however that process ends.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.ts';

export interface PostgresServer {
  readonly port: number;
  /** Returns the URL postgres://… of a database of this server. */
  url(database: string): string;
  /** Ends the server at once, with every connection, like a crash; the data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port after `kill`. */
  start(): Promise<void>;
  /** Stops every process of the server (SIGSTOP), like a machine that hangs; `resume` continues them. */
  pause(): void;
  resume(): void;
  /** Ends the server and removes its data. */
  close(): Promise<void>;
}

/** Why no PostgreSQL can be started here; null: one can. */
export const postgresMissing: string | null = whyMissing();

/** Password of the user `trisiel`; the server requires it. */
export const postgresPassword = 'top-secret-word';

/** Makes and starts a server. Takes about 2 s. */
export async function startPostgres(): Promise<PostgresServer> {
  if (postgresMissing !== null) throw new Error(postgresMissing);
  const bin = programs() as string; // else postgresMissing would say so
  const account = unprivileged();
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-pg-'));
  if (account !== null) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const as = account === null ? {} : account;
  const passwords = `printf %s ${postgresPassword} > ${folder}/password`;
  const options = `--pwfile=${folder}/password -U trisiel -A scram-sha-256 -E UTF8 --locale=C --no-sync`;
  execFileSync('sh', ['-c', `${passwords} && ${bin}/initdb ${options} -D ${data}`], { ...as, cwd: folder });
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    // The data need not survive a power cut.
    fsync: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    max_connections: '150',
  };
  const flags = Object.entries(settings).map(([name, value]) => `-c ${name}='${value}'`);
  // The shell ends the server when the shell's stdin closes, which happens however this process ends. Then it removes
  // the data, unless the server is to be started again.
  const run = `${bin}/postgres -D ${data} ${flags.join(' ')} & server=$!
    cat >/dev/null
    kill -QUIT $server; wait $server; cd /
    [ -e ${folder}/kept ] || rm -rf ${folder}`;
  let shell: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    rmSync(join(folder, 'kept'), { force: true });
    const child = spawn('sh', ['-c', run], { ...as, cwd: folder, stdio: ['pipe', 'ignore', 'pipe'] });
    shell = child;
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        if (said.push(line) > 50) said.shift();
        if (line.includes('ready to accept connections')) resolve();
      });
      child.once('exit', () => reject(new Error(`postgres did not start:\n${said.join('\n')}`)));
    });
    // The child must not keep a test process alive.
    child.unref();
    for (const stream of [child.stdin, child.stderr]) if (stream instanceof Socket) stream.unref();
  };
  const stop = async (): Promise<void> => {
    const child = shell;
    shell = null;
    if (child === null) return;
    child.ref();
    const ended = once(child, 'exit');
    child.stdin?.end();
    await ended;
  };
  const signal = (name: 'SIGSTOP' | 'SIGCONT'): void => {
    const postmaster = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
    for (const pid of [postmaster, ...childrenOf(postmaster)]) process.kill(pid, name);
  };
  await start();
  return {
    port,
    url: (database) => `postgres://trisiel:${postgresPassword}@127.0.0.1:${port}/${database}`,
    async kill() {
      writeFileSync(join(folder, 'kept'), '');
      await stop();
    },
    start,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async close() {
      if (shell !== null) signal('SIGCONT');
      await stop();
      execFileSync('rm', ['-rf', folder]);
    },
  };
}

function whyMissing(): string | null {
  if (process.platform !== 'linux') return 'PostgreSQL can be started here on Linux only';
  if (programs() === null) return 'PostgreSQL is not installed (Debian: apt-get install postgresql)';
  if (process.getuid?.() === 0 && unprivileged() === null)
    return 'postgres refuses to run as root, and there is no user postgres';
  return null;
}

/** Finds the folder of initdb and postgres, of the newest version installed. */
function programs(): string | null {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(base, version, 'bin')), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null;
}

/** Returns the account to run the server as; null: this process may run it itself, or there is no such account. */
function unprivileged(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const [, , uid, gid] = (/^postgres:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0] ?? '').split(':');
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}
