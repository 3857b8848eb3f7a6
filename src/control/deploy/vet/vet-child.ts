/** One vet child as control sees it: it is started, gets one module, and is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlatformError } from '../../../protocol/errors.ts';
import type { VetLimits } from './limits.ts';
import type { FromVet, ToVet, Vetted } from './messages.ts';
import { crashed, interrupted, tooMuchMemory, tooSlow } from './refusals.ts';
import { watchProcess } from './watchdog.ts';

const programRoot = fileURLToPath(new URL('../../../../', import.meta.url));

/**
 * Paths that a child may read. Not the whole checkout: by default it contains the data folder, with the key of the
 * sealed variables. The last path tells the amount of machine code of a module.
 */
const packages = `${programRoot}node_modules/`;
const readable = [
  ...[`${programRoot}src/`, packages, `${programRoot}package.json`, '/proc/self/maps'],
  // Where the packages are a link, Node.js reads what it leads to.
  ...(existsSync(packages) ? [`${realpathSync(packages)}/`] : []),
];

export interface VetChildOptions {
  /** Program that the child runs: src/bin/vet.ts, except in tests. */
  readonly program: string;
  /** Folder of the compiled form of the platform's own source (Node's compile cache); null: none. */
  readonly cacheFolder: string | null;
  /** Whether it loads everything once, so that the cache has it for the children after it. */
  readonly fillsCache: boolean;
}

export class VetChild {
  readonly #process: ChildProcess;
  readonly #goneListeners: (() => void)[] = [];
  #stderr = '';

  constructor({ program, cacheFolder, fillsCache }: VetChildOptions) {
    const grants = [`${dirname(program)}/`, ...readable].map((path) => `--allow-fs-read=${path}`);
    // Node uses the cache only if it may write to it. The child gives up this right before it takes a module.
    if (cacheFolder !== null) grants.push(`--allow-fs-read=${cacheFolder}/`, `--allow-fs-write=${cacheFolder}/`);
    this.#process = spawn(
      process.execPath,
      [
        '--permission',
        ...grants,
        '--no-wasm-lazy-compilation',
        '--disable-warning=ExperimentalWarning',
        program,
        ...(fillsCache ? ['everything'] : []),
      ],
      // Control's environment is left out: the child does not need it, and it holds secrets.
      {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        serialization: 'advanced',
        env: cacheFolder === null ? {} : { NODE_COMPILE_CACHE: cacheFolder },
      },
    );
    this.#process.on('error', () => this.#gone());
    this.#process.once('exit', () => this.#gone());
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = `${this.#stderr}${chunk.toString('utf8')}`.slice(-4096);
    });
    // An idle child does not keep control running.
    this.#process.unref();
    this.#process.channel?.unref();
  }

  /** Calls `listener` once, when the process has ended or could not be started. */
  onGone(listener: () => void): void {
    this.#goneListeners.push(listener);
  }

  /** Lets every other process go first. Does nothing if the process has ended. */
  lowerPriority(): void {
    const { pid } = this.#process;
    try {
      if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // of Node
    }
  }

  /** Ends the process at once. Does nothing if it has ended. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /**
   * Gives the child `request`, waits for its answer and kills it in any case. Throws the child's finding
   * (`module_invalid`, `imports_unknown`, …), `vet_failed` when it exceeded `limits` or died, `bad_request` when
   * `signal` aborts. At most once per child.
   */
  run(request: ToVet, limits: VetLimits, signal: AbortSignal): Promise<Vetted> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        stopWatching();
        signal.removeEventListener('abort', abort);
        this.kill();
        act();
      };
      const abort = () => settle(() => reject(interrupted()));
      const stopWatching = watchProcess({
        pid: this.#process.pid ?? 0,
        rssBytes: limits.rssBytes,
        timeoutMs: limits.timeoutMs,
        watchMs: limits.watchMs,
        onMemory: (rss) => settle(() => reject(tooMuchMemory(request.name, rss, limits.rssBytes))),
        onTime: () => settle(() => reject(tooSlow(request.name, limits.timeoutMs))),
      });
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      this.#process.on('message', (message: FromVet) => {
        if (message.kind === 'vetted') settle(() => resolve(message));
        else if (message.kind === 'refused')
          settle(() => reject(new PlatformError(message.code, message.message, message)));
        else if (message.kind === 'failed') settle(() => reject(crashed(request.name, message.message)));
      });
      const died = () =>
        settle(() => {
          const { exitCode, signalCode } = this.#process;
          reject(crashed(request.name, `the child ended with ${signalCode ?? exitCode}\n${this.#stderr}`));
        });
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) died();
      this.onGone(died);
      this.#process.send(request, (error) => {
        if (error !== null) died();
      });
    });
  }

  #gone(): void {
    for (const listener of this.#goneListeners.splice(0)) listener();
  }
}
