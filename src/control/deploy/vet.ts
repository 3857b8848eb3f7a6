/**
 * Vet children: one for each push, killed after use, watched from outside for memory and time
 * (SAFETY.md, compile bombs). One is kept started and warm, so that a push does not wait for a process.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, PlatformError } from '../../protocol/errors.ts';
import { MIB, pushLimits } from '../../protocol/limits.ts';
import type { VettedModule } from '../../protocol/module.ts';
import { Semaphore } from '../../waiting/semaphore.ts';

export interface ToVet {
  readonly bytes: Uint8Array;
  /** What messages call the module. */
  readonly name: string;
  /** Where provided imports are documented, for the hint. */
  readonly docsUrl: string;
}

export interface Vetted {
  readonly module: VettedModule;
  /** Rewritten. */
  readonly bytes: Uint8Array;
  readonly rewriteMs: number;
  readonly compileMs: number;
}

export type FromVet =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'vetted' } & Vetted)
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: readonly string[];
      readonly hints: readonly string[];
    }
  | { readonly kind: 'failed'; readonly message: string };

export interface VetLimits {
  /** Vets at once: each may use a core and a gigabyte. */
  readonly children: number;
  /** Pushes waiting for one: at 20 s each more would wait for minutes. */
  readonly waiting: number;
  readonly rssBytes: number;
  readonly timeoutMs: number;
  /** A bomb was seen to take 2 GiB in a second: this lets some 50 MB pass between two looks. */
  readonly watchMs: number;
}

export const vetLimits: VetLimits = {
  children: 2,
  waiting: 32,
  rssBytes: pushLimits.vetRssBytes,
  timeoutMs: pushLimits.vetTimeoutMs,
  watchMs: 20,
};

export interface VetPoolOptions {
  readonly limits?: Partial<VetLimits>;
  /**
   * Where children keep the compiled form of our own source (Node's compile cache): a child is ready three
   * times as fast. In the data folder, mode 0700; null: no cache.
   */
  readonly cacheFolder: string | null;
  /** Other program than src/bin/vet.ts, for tests of what a child can do wrong. */
  readonly program?: string;
}

/** From a verdict to the end of its push, about. */
const refillMs = 100;

const programFolder = fileURLToPath(new URL('../../../', import.meta.url));
const vetProgram = fileURLToPath(new URL('../../bin/vet.ts', import.meta.url));

export class VetPool {
  readonly #limits: VetLimits;
  readonly #program: string;
  readonly #cacheFolder: string | null;
  #spare: VetChild | null = null;
  readonly #busy = new Set<VetChild>();
  readonly #turns: Semaphore;
  #closed = false;

  constructor(options: VetPoolOptions) {
    this.#limits = { ...vetLimits, ...options.limits };
    this.#turns = new Semaphore({ running: this.#limits.children, waiting: this.#limits.waiting, full: tooMany });
    this.#program = options.program ?? vetProgram;
    this.#cacheFolder = options.cacheFolder;
    if (options.cacheFolder !== null) mkdirSync(options.cacheFolder, { recursive: true, mode: 0o700 });
    this.#refill();
  }

  /**
   * Throws what the child found (`module_invalid`, `imports_unknown`, …), `vet_failed` when the child had
   * to be killed or died, `overloaded` when too many wait, `bad_request` when `signal` aborts.
   */
  async vet(request: ToVet, signal: AbortSignal): Promise<Vetted> {
    const leave = await this.#turns.enter({ abort: { signal, error: interrupted } });
    const child = this.#spare ?? this.#start();
    this.#spare = null;
    this.#busy.add(child);
    try {
      return await child.run(request, this.#limits, signal);
    } finally {
      child.kill();
      this.#busy.delete(child);
      leave();
      // Not while the push that was just served still needs the machine for its last steps.
      setTimeout(() => this.#refill(), refillMs).unref();
    }
  }

  close(): void {
    this.#closed = true;
    this.#spare?.kill();
    this.#spare = null;
    for (const child of this.#busy) child.kill();
  }

  #start(): VetChild {
    return new VetChild(this.#program, this.#cacheFolder);
  }

  #refill(): void {
    if (this.#closed || this.#spare !== null) return;
    const child = this.#start();
    this.#spare = child;
    child.onGone(() => {
      // A spare that dies by itself is not replaced at once: it would die again. The next push starts one.
      if (this.#spare === child) this.#spare = null;
    });
  }
}

class VetChild {
  readonly #process: ChildProcess;
  readonly #goneListeners: (() => void)[] = [];
  #stderr = '';

  constructor(program: string, cacheFolder: string | null) {
    this.#process = spawn(
      process.execPath,
      [
        '--permission',
        `--allow-fs-read=${programFolder}`,
        // How much machine code a module became is read from there.
        '--allow-fs-read=/proc/self/maps',
        // Node uses its cache only where it may write. Nothing of a module runs here, so nothing of it writes.
        ...(cacheFolder === null ? [] : [`--allow-fs-read=${cacheFolder}/`, `--allow-fs-write=${cacheFolder}/`]),
        '--no-wasm-lazy-compilation',
        '--disable-warning=ExperimentalWarning',
        program,
      ],
      // No environment of ours: it needs none, and there is nothing in it to be found.
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
    // A spare is no reason for control to stay.
    this.#process.unref();
    this.#process.channel?.unref();
  }

  onGone(listener: () => void): void {
    this.#goneListeners.push(listener);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  run(request: ToVet, limits: VetLimits, signal: AbortSignal): Promise<Vetted> {
    return new Promise((resolve, reject) => {
      const startMs = performance.now();
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearInterval(watch);
        signal.removeEventListener('abort', abort);
        this.kill();
        act();
      };
      const abort = () => settle(() => reject(interrupted()));
      const look = async () => {
        const rss = await residentBytes(this.#process.pid ?? 0);
        if (rss > limits.rssBytes) settle(() => reject(tooMuchMemory(request.name, rss, limits.rssBytes)));
        const ms = performance.now() - startMs;
        if (ms > limits.timeoutMs) settle(() => reject(tooSlow(request.name, limits.timeoutMs)));
      };
      const watch = setInterval(look, limits.watchMs);
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

/** Resident memory of a process; 0 when it is gone. */
export async function residentBytes(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    // proc(5): the second field is resident pages, of 4 KiB on every machine that Node's builds run on but a few ARM ones.
    const statm = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '');
    return Number(statm.split(' ')[1] ?? 0) * 4096;
  }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], (error, stdout) =>
      resolve(error === null ? Number(stdout.trim()) * 1024 : 0),
    );
  });
}

function tooMuchMemory(name: string, rss: number, max: number): PlatformError {
  return new PlatformError(
    'vet_failed',
    `checking ${name} took more than ${Math.round(max / MIB)} MiB of memory (${Math.round(rss / MIB)} MiB when it was stopped)`,
    { hints: ['very large functions are the usual cause: build with optimisation for size, or split them'] },
  );
}

function tooSlow(name: string, timeoutMs: number): PlatformError {
  return new PlatformError('vet_failed', `checking ${name} took longer than ${timeoutMs / 1000} s and was stopped`, {
    hints: ['very large functions are the usual cause: build with optimisation for size, or split them'],
  });
}

function crashed(name: string, cause: string): PlatformError {
  return new PlatformError('vet_failed', `the check of ${name} failed; the module was not deployed`, {
    hints: ['try again; if it fails again, this module makes the WebAssembly engine fail'],
    cause: new Error(cause),
  });
}

function tooMany(): PlatformError {
  return new PlatformError('overloaded', 'too many modules wait to be checked', {
    hints: ['push again in a minute'],
    retryAfterSeconds: 60,
  });
}

function interrupted(): PlatformError {
  return new PlatformError('bad_request', 'the push was interrupted');
}
