/** Commands of the demos: each is printed with its output, and has to succeed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Milliseconds that one step may take. A slow machine needs a few seconds to compile and hash. */
const stepTimeoutMs = 30_000;
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs commands as the user would, in a home folder of its own. */
export class Shell {
  readonly #cwd: string;
  readonly #env: NodeJS.ProcessEnv;
  /** Folder in which commands run before the repository exists. */
  readonly #home: string;

  /** `server`: URL of control; `home`: folder of the user's settings; `cwd`: folder of the repository. */
  constructor(server: string, home: string, cwd: string) {
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
      WASMCLOUD_SERVER: server,
    };
  }

  /** Prints the command and its output, and returns the output. Throws unless the command exits with 0. */
  async run(command: readonly string[], input = ''): Promise<string> {
    const started = this.start(command, input);
    const timer = setTimeout(() => started.child.kill('SIGKILL'), stepTimeoutMs);
    const [status] = (await once(started.child, 'close')) as [number | null]; // first argument of `close`
    clearTimeout(timer);
    if (status !== 0) throw new Error(`${command.slice(0, 2).join(' ')} ended with ${status ?? 'a signal'}`);
    return started.output();
  }

  /** Runs a command without printing anything; returns its output. Throws unless it exits with 0. */
  async quiet(command: readonly string[]): Promise<string> {
    const started = this.start(command, '', { isQuiet: true });
    const [status] = (await once(started.child, 'close')) as [number | null]; // first argument of `close`
    if (status !== 0) throw new Error(`${command.slice(0, 2).join(' ')} ended with ${status ?? 'a signal'}`);
    return started.output();
  }

  /** Starts a command with `input` as its standard input, and prints it unless `isQuiet`. */
  start(command: readonly string[], input = '', { isQuiet = false } = {}): Started {
    const [name = '', ...args] = command;
    if (!isQuiet) print(`$ ${name} ${args.join(' ')}`);
    const isOurs = name === 'wasmcloud';
    const child = spawn(isOurs ? process.execPath : name, isOurs ? [join(root, 'bin/wasmcloud.js'), ...args] : args, {
      cwd: args[0] === 'signup' ? this.#home : this.#cwd,
      env: this.#env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return new Started(child, isQuiet);
  }
}

/** A command that runs. */
export class Started {
  readonly child: ChildProcess;
  #output = '';
  #seen: () => void = () => {};

  constructor(child: ChildProcess, isQuiet: boolean) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
        if (!isQuiet) process.stdout.write(chunk);
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

/** Prints a heading between empty lines. */
export function title(text: string): void {
  print(`\n# ${text}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Throws an Error that begins with `otherwise` when `output` does not contain `text`. */
export function expect(output: string, text: string, otherwise: string): void {
  if (!output.includes(text)) throw new Error(`${otherwise}: expected "${text}"`);
}
