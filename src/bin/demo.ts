/**
 * `npm run demo`: starts the platform on free ports with a temporary data folder, then uses it as a user does, with
 * wasmcloud and git. Prints every step; exits 0 when the answer and the log line over the WebSocket are right.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PlatformChild, startPlatformChild } from './platform-child.ts';

/** Milliseconds that one step may take. A slow machine needs a few seconds to compile and hash. */
const stepTimeoutMs = 30_000;
const handler = 'swift-otter';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'trisiel-demo-'));
const cleanUp: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];

async function demo(): Promise<void> {
  title('Start the platform: npm start');
  const platform = await startPlatformChild({
    TRISIEL_DATA: join(folder, 'data'),
    TRISIEL_PORT: '0',
    TRISIEL_RUN_PORT: '0',
    TRISIEL_RUNNERS: '2',
  });
  cleanUp.push(() => platform.stop());
  print(`ready control=${platform.controlUrl} run=${platform.runUrl}`);
  const repo = join(folder, 'hello');
  const shell = new Shell(platform, folder, repo);

  title('The first account needs the code that the server printed');
  const { code } = JSON.parse(await platform.logged('there is no account yet')) as { code: string };
  await shell.run(
    ['wasmcloud', 'signup', 'ada', '--invite', code, '--password-stdin'],
    'correct horse battery staple\n',
  );

  title('A repository with a built module, and a handler for it');
  await mkdir(repo);
  await copyFile(join(root, 'fixtures/guests/cwa/hello.wasm'), join(repo, 'hello.wasm'));
  await shell.run(['git', 'init', '--quiet', '--initial-branch=main']);
  await shell.run(['git', 'add', 'hello.wasm']);
  await shell.run(['git', 'commit', '--quiet', '--message', 'Say hello']);
  await shell.run(['wasmcloud', 'create', handler]);

  title('Push it');
  const pushed = await shell.run(['git', 'push', 'wasmcloud', 'main']);
  expect(pushed, 'success: live', 'the push did not go live');

  title('Watch its log over a WebSocket, and call it over HTTP');
  const tail = shell.start(['wasmcloud', 'logs', handler, '--follow']);
  const answer = await shell.run(['wasmcloud', 'invoke', handler]);
  expect(answer, 'Hello, world!', 'the answer is not what the guest says');
  await tail.until('hello was called');
  tail.child.kill('SIGINT');

  title('What it did');
  await shell.run(['wasmcloud', 'invocations', handler]);
  await shell.run(['wasmcloud', 'deployments', handler]);
  print('\nThat was all of it: push, answer, log. Now your own: see README.md.');
}

/** Runs commands as the user would, in a home folder of its own. */
class Shell {
  readonly #cwd: string;
  readonly #env: NodeJS.ProcessEnv;
  /** Folder in which commands run before the repository exists. */
  readonly #home: string;

  constructor(platform: PlatformChild, home: string, cwd: string) {
    this.#home = home;
    this.#cwd = cwd;
    const { WASMCLOUD_TOKEN: _, ...inherited } = process.env;
    this.#env = {
      ...inherited,
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.com',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.com',
      WASMCLOUD_SERVER: platform.controlUrl,
    };
  }

  /** Prints the command and its output, and returns the output. Throws unless the command exits with 0. */
  async run(command: readonly string[], input = ''): Promise<string> {
    const started = this.start(command, input);
    const timer = setTimeout(() => started.child.kill('SIGKILL'), stepTimeoutMs);
    const [status] = (await once(started.child, 'close')) as [number | null];
    clearTimeout(timer);
    if (status !== 0) throw new Error(`${command.slice(0, 2).join(' ')} ended with ${status ?? 'a signal'}`);
    return started.output();
  }

  start(command: readonly string[], input = ''): Started {
    const [name = '', ...args] = command;
    print(`$ ${name} ${args.join(' ')}`);
    const isOurs = name === 'wasmcloud';
    const child = spawn(isOurs ? process.execPath : name, isOurs ? [join(root, 'bin/wasmcloud.js'), ...args] : args, {
      cwd: args[0] === 'signup' ? this.#home : this.#cwd,
      env: this.#env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return new Started(child);
  }
}

class Started {
  readonly child: ChildProcess;
  #output = '';
  #seen: () => void = () => {};

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
        process.stdout.write(chunk);
        this.#seen();
      });
    }
  }

  output(): string {
    return this.#output;
  }

  /** Resolves when the command has printed `text`. */
  until(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`"${text}" did not come within ${stepTimeoutMs} ms`)),
        stepTimeoutMs,
      );
      this.#seen = () => {
        if (!this.#output.includes(text)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#seen();
    });
  }
}

function title(text: string): void {
  print(`\n# ${text}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function expect(output: string, text: string, otherwise: string): void {
  if (!output.includes(text)) throw new Error(`${otherwise}: expected "${text}"`);
}

// Runs after the class declarations above have been evaluated.
try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  for (const step of cleanUp.reverse()) await step();
}
