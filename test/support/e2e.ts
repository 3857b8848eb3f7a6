/** Runs real git, real HTTP and real WebSockets against a platform in a child process. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { type PlatformChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { OrphanRecord } from '../../src/control/fleet/orphan-record.ts';
import type { LogFrame, LogLine } from '../../src/protocol/nouns.ts';
import { makeProbe, runnerProbe } from '../../src/protocol/runner-probe.ts';

export interface TestPlatform extends PlatformChild {
  readonly dataFolder: string;
  readonly env: Readonly<Record<string, string>>;
}

const endWithParent = fileURLToPath(new URL('end-with-parent.ts', import.meta.url));
const folders: string[] = [];
const platforms: PlatformChild[] = [];

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-e2e-'));
  folders.push(folder);
  return folder;
}

/**
 * Ends the platforms that a failed test left running, and the runners of those whose control was killed (they would
 * serve on for an hour); then removes all folders.
 */
export async function removeTemporaryFolders(): Promise<void> {
  await Promise.all(platforms.splice(0).map((platform) => platform.stop()));
  for (const folder of folders) {
    const runners = new OrphanRecord(join(folder, 'runners.json'));
    runners.end(runners.orphans());
  }
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
}

/** Starts a platform on free ports with open registration; `env` overrides. */
export async function startPlatform(env: Readonly<Record<string, string>> = {}): Promise<TestPlatform> {
  const dataFolder = env.TRISIEL_DATA ?? (await temporaryFolder());
  const all = {
    TRISIEL_DATA: dataFolder,
    TRISIEL_PORT: '0',
    TRISIEL_RUN_PORT: '0',
    TRISIEL_RUNNERS: '2',
    TRISIEL_REGISTRATION: 'open',
    ...env,
  };
  const platform = await startPlatformChild(all, ['--import', endWithParent]);
  platforms.push(platform);
  return { ...platform, dataFolder, env: all };
}

export interface TestUser {
  readonly name: string;
  readonly token: string;
}

export async function createUser(
  platform: PlatformChild,
  name = `user-${randomBytes(4).toString('hex')}`,
): Promise<TestUser> {
  const answer = await api(platform, null, 'POST', '/users', { name, password: 'correct horse battery' });
  if (answer.status !== 201) throw new Error(`sign-up: ${answer.status} ${JSON.stringify(answer.body)}`);
  return { name, token: (answer.body as { token: string }).token };
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export async function api(
  platform: PlatformChild,
  user: TestUser | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const response = await fetch(`${platform.controlUrl}/api/v1${path}`, {
    method,
    headers: {
      ...(user === null ? {} : { authorization: `Bearer ${user.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs git without any user's configuration and without prompts. */
export function git(cwd: string, ...args: readonly string[]): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(
      'git',
      ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', '-c', 'init.defaultBranch=main', ...args],
      {
        cwd,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          ...process.env,
          HOME: cwd,
          GIT_CONFIG_GLOBAL: '/dev/null',
          GIT_CONFIG_NOSYSTEM: '1',
          GIT_TERMINAL_PROMPT: '0',
        },
      },
      (error, stdout, stderr) => resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}

export type RepoFiles = Readonly<Record<string, Uint8Array | string>>;

let repositories = 0;

/**
 * Makes a repository with one commit on main that holds `files`. The commit's id is its own, also
 * where another repository with equal files was made in the same second.
 */
export async function makeRepo(files: RepoFiles): Promise<string> {
  const folder = await temporaryFolder();
  await git(folder, 'init', '-q');
  repositories += 1;
  await commit(folder, files, `change\n\nof repository ${repositories}`);
  return folder;
}

export async function commit(repo: string, files: RepoFiles, message = 'change'): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(repo, path)), { recursive: true });
    await writeFile(join(repo, path), content);
  }
  await git(repo, 'add', '-A', '-f');
  const result = await git(repo, 'commit', '-q', '--allow-empty', '-m', message);
  if (result.status !== 0) throw new Error(result.stderr);
}

export function remoteUrl(platform: PlatformChild, user: TestUser, handler: string): string {
  const url = new URL(`${platform.controlUrl}/${handler}.git`);
  url.username = 'wasmcloud';
  url.password = user.token;
  return url.href;
}

/** Runs `git push`. git's output is in stderr, without trailing blanks after the prefix `remote: `. */
export async function push(
  platform: PlatformChild,
  user: TestUser,
  repo: string,
  handler: string,
  ...refs: readonly string[]
): Promise<CommandResult> {
  const result = await git(repo, 'push', remoteUrl(platform, user, handler), ...(refs.length > 0 ? refs : ['main']));
  return { ...result, stderr: result.stderr.replace(/[ \t]+$/gm, '') };
}

export interface FunctionAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface CallOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Calls a function under its own host name. Rejects when the connection ends early. */
export function call(platform: PlatformChild, handler: string, options: CallOptions = {}): Promise<FunctionAnswer> {
  const base = new URL(platform.runUrl);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        // Uses a connection of its own: an idle one may be closed just when the next request takes it.
        agent: false,
        host: base.hostname,
        port: base.port,
        method: options.method ?? 'GET',
        path: options.path ?? '/',
        headers: { host: `${handler}.localhost:${base.port}`, ...options.headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

/** Returns the process id of the runner that answers a new connection. */
export async function runnerPid(platform: TestPlatform): Promise<number> {
  const probe = makeProbe(await readFile(join(platform.dataFolder, 'runner.key'), 'utf8'));
  const headers = { connection: 'close', [runnerProbe.askField]: probe.field };
  const response = await fetch(platform.runUrl + runnerProbe.path, { headers });
  return ((await response.json()) as { pid: number }).pid;
}

/** Calls `handler` repeatedly until `work` has ended; returns the answers without repetitions. */
export async function answersDuring(
  platform: PlatformChild,
  handler: string,
  work: Promise<unknown>,
): Promise<readonly string[]> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  void work.then(done, done);
  const answers = new Set<string>();
  do {
    const { status, body } = await call(platform, handler);
    answers.add(`${status} ${body}`);
  } while (!isDone);
  return [...answers];
}

/** A log stream that can be awaited line by line. */
export class LogTail {
  readonly lines: LogLine[] = [];
  dropped = 0;
  readonly #socket: WebSocket;
  #wake: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as LogFrame;
      this.lines.push(...frame.lines);
      this.dropped += frame.dropped;
      this.#wake();
    });
    socket.on('close', () => this.#wake());
  }

  static async open(platform: PlatformChild, user: TestUser, handler: string, after = 0): Promise<LogTail> {
    const url = `${platform.controlUrl.replace('http', 'ws')}/api/v1/handlers/${handler}/logs/stream?after=${after}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${user.token}` } });
    const tail = new LogTail(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return tail;
  }

  /** Returns the first line, past or to come, for which `matches` holds. */
  async line(matches: (line: LogLine) => boolean): Promise<LogLine> {
    for (;;) {
      const found = this.lines.find(matches);
      if (found !== undefined) return found;
      if (this.#socket.readyState >= WebSocket.CLOSING) throw new Error('the log stream was closed');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.terminate();
  }
}
