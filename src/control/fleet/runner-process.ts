/**
 * One runner as control sees it: a child process and the messages to and from it.
 *
 *     spawned --booted--> loading --listening--> serving --> ended
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { messageOf } from '../../protocol/errors.ts';
import { maximumLimits, pushLimits } from '../../protocol/limits.ts';
import type { FromRunner, RunnerStats, ToRunner } from '../../protocol/messages.ts';
import { sendParts } from './artifact-parts.ts';
import { lowerCompilers } from './compiler-priority.ts';
import { fleetLimits } from './limits.ts';
import type { OpenSpool } from './log-spools.ts';
import { MarkFile } from './mark-file.ts';
import { processorUse } from './processor-use.ts';
import { RequestPlaces } from './request-places.ts';
import { readStderr } from './stderr-lines.ts';
import { Watchdog } from './watchdog.ts';

export interface RunnerEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds without an answer after which the watchdog killed it; null: it did not. */
  readonly silentMs: number | null;
  /** Spec whose guest held the thread; null: none did. */
  readonly busyWith: string | null;
  /** Message of the runner before it ended; null: none. */
  readonly message: string | null;
}

export interface RunnerProcessOptions {
  readonly runnerId: string;
  /** Absolute path of src/bin/runner.ts. */
  readonly program: string;
  /** Absolute path of the platform's folder, with a slash at the end. The runner may read only `runnerReads` in it. */
  readonly programFolder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Further flags for Node, for tests and benchmarks. */
  readonly nodeFlags: readonly string[];
  /** File for log lines that no control takes; absent: none. */
  readonly spool?: OpenSpool | undefined;
  readonly onMessage: (message: FromRunner) => void;
  readonly onStderr: (line: string) => void;
}

/** Flags listed in docs/safety.md; src/bin/runner.ts sets the one that would slow down its own start. */
const flags = [
  '--permission',
  '--allow-net',
  `--wasm-max-mem-pages=${maximumLimits.memoryPages}`,
  // The rewritten module states the maximum to which each table may grow; this flag bounds all.
  `--wasm-max-table-size=${pushLimits.tableEntries}`,
  // A larger young generation is collected less often. Every collection visits the stacks of all suspended guests (13
  // ms with 7,000 of them).
  '--min-semi-space-size=16',
  '--max-semi-space-size=64',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=SecurityWarning',
];

/**
 * Paths below the program's folder that a runner may read. The rest is excluded: by default the data folder is in it.
 */
export const runnerReads: readonly string[] = ['src/', 'node_modules/', 'package.json'];

/** Returns the paths that a runner may read; where one is a link, also what it leads to, which Node.js reads. */
function readablePaths(programFolder: string): readonly string[] {
  const paths = runnerReads.map((path) => `${programFolder}${path}`);
  const behind = paths
    .filter((path) => existsSync(path))
    .map((path) => realpathSync(path) + (path.endsWith('/') ? '/' : ''));
  return [...new Set([...paths, ...behind])];
}

export class RunnerProcess {
  readonly runnerId: string;
  readonly pid: number | undefined;
  /** Resolves when the runner accepts messages; never, if it ends before. */
  readonly booted: Promise<void>;
  /** Resolves with the port that the runner listens on; never, if it ends before. */
  readonly listening: Promise<number>;
  readonly ended: Promise<RunnerEnd>;
  readonly #child: ChildProcess;
  readonly #mark = new MarkFile();
  readonly #prepares = new Map<string, (error: string | null) => void>();
  readonly #pings = new Map<number, () => void>();
  /** Number of the last ping. */
  #lastPing = 0;
  readonly #watchdog = new Watchdog();
  /** Milliseconds without an answer after which the watchdog killed it; null: it did not. */
  #silentMs: number | null = null;
  #hasEnded = false;
  /** Calls of `unlessEnded` that wait. */
  readonly #whenEnded = new Set<() => void>();
  #isBooted = false;
  #isListening = false;
  readonly #booted: PromiseWithResolvers<void>;
  readonly #listening: PromiseWithResolvers<number>;
  #message: string | null = null;
  #stats: RunnerStats | null = null;
  /** Bounds its requests. */
  readonly requests = new RequestPlaces();
  /** Ids of the specs that are prepared. */
  readonly prepared = new Set<string>();

  constructor(options: RunnerProcessOptions) {
    this.runnerId = options.runnerId;
    const grants = readablePaths(options.programFolder).map((path) => `--allow-fs-read=${path}`);
    const { spool } = options;
    const descriptors = [this.#mark.descriptor, ...(spool === undefined ? [] : [spool.descriptor])];
    const args = descriptors.map((_descriptor, index) => String(index + 4));
    this.#child = spawn(process.execPath, [...flags, ...grants, ...options.nodeFlags, options.program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', ...descriptors],
      serialization: 'advanced',
      env: { ...options.env },
    });
    const child = this.#child;
    this.pid = child.pid;
    spool?.started(child.pid);
    if (child.stderr !== null) {
      const { stderrChars: charsMax, stderrLines: linesMax, stderrWindowMs: windowMs } = fleetLimits;
      readStderr(child.stderr, { charsMax, linesMax, windowMs, onLine: options.onStderr });
    }
    const booted = Promise.withResolvers<void>();
    const listening = Promise.withResolvers<number>();
    this.booted = booted.promise;
    this.listening = listening.promise;
    this.ended = this.#end();
    void this.ended.then(() => {
      this.#hasEnded = true;
      for (const resolve of this.#whenEnded) resolve();
    });
    child.on('message', (raw) => {
      try {
        this.#hear(raw as FromRunner, options.onMessage); // plain data of our own runner; what does not fit ends it
      } catch (error) {
        // The runner is the platform's own program, but a guest that has broken out of it can send anything. Control
        // must not end over it.
        this.#message ??= `it sent a message that cannot be read: ${messageOf(error)}`;
        this.kill('SIGKILL');
      }
    });
    this.#booted = booted;
    this.#listening = listening;
  }

  /** Handles a message; its parts are checked where they matter. Throws for one that cannot be read. */
  #hear(message: FromRunner, onMessage: RunnerProcessOptions['onMessage']): void {
    switch (message.kind) {
      case 'booted':
        this.#isBooted = true;
        if (this.pid !== undefined) lowerCompilers(this.pid);
        this.#booted.resolve();
        return;
      case 'listening':
        this.#isListening = true;
        this.#listening.resolve(message.port);
        return;
      case 'failed':
        this.#message = message.message;
        return;
      case 'prepared':
        this.#prepares.get(message.specId)?.(message.error);
        return;
      case 'pong':
        this.#watchdog.answered();
        this.#stats = message.stats;
        this.#pings.get(message.n)?.();
        this.#pings.delete(message.n);
        return;
      default:
        onMessage(message);
    }
  }

  get stats(): RunnerStats | null {
    return this.#stats;
  }

  /** Whether messages reach the runner: it has not ended. */
  get isConnected(): boolean {
    return this.#child.connected;
  }

  /** Sends a message. A message to a runner that has ended is dropped. */
  send(message: ToRunner): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Sends a message. Resolves when it has been written to the channel, or the runner has ended. */
  write(message: ToRunner): Promise<void> {
    if (!this.#child.connected) return Promise.resolve();
    return new Promise((resolve) => this.#child.send(message, () => resolve()));
  }

  /** Sends the bytes of an Artifact that the request `id` asked for. Resolves with the value of the reply. */
  async sendArtifact(id: number, bytes: Uint8Array): Promise<null> {
    await sendParts(bytes, (part) => this.write({ kind: 'part', id, part }));
    return null;
  }

  /**
   * Lets the runner compile a spec. Resolves with null on success, with the reason when it cannot, with `ended` when
   * the runner ends.
   */
  async prepare(message: Extract<ToRunner, { kind: 'prepare' }>): Promise<{ readonly error: string | null } | 'ended'> {
    const { specId } = message.spec;
    if (this.prepared.has(specId)) return { error: null };
    this.prepared.add(specId);
    const { promise, resolve } = Promise.withResolvers<{ readonly error: string | null }>();
    this.#prepares.set(specId, (error) => resolve({ error }));
    this.send(message);
    const late = { error: `not compiled after ${fleetLimits.prepareMs} ms` };
    const timer = setTimeout(() => resolve(late), fleetLimits.prepareMs);
    const result = await this.unlessEnded(promise);
    clearTimeout(timer);
    this.#prepares.delete(specId);
    if (result === 'ended' || result.error !== null) this.prepared.delete(specId);
    return result;
  }

  forget(specId: string): void {
    this.prepared.delete(specId);
    this.send({ kind: 'forget', specId });
  }

  /** Resolves when the runner has acted upon all messages sent so far, or has ended. */
  async sync(): Promise<void> {
    this.#lastPing += 1;
    const n = this.#lastPing;
    const pong = new Promise<void>((resolve) => this.#pings.set(n, resolve));
    this.send({ kind: 'ping', n });
    await this.unlessEnded(pong);
    this.#pings.delete(n);
  }

  /**
   * Resolves as `work` does, or with 'ended' as soon as the runner has ended. Keeps nothing afterwards: reactions of
   * `ended` itself, with their results, would stay for as long as the runner lives.
   */
  async unlessEnded<T>(work: Promise<T>): Promise<T | 'ended'> {
    if (this.#hasEnded) return 'ended';
    const { promise, resolve } = Promise.withResolvers<'ended'>();
    const end = () => resolve('ended');
    this.#whenEnded.add(end);
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.#whenEnded.delete(end);
    }
  }

  /** Kills the runner if it is stuck; else sends it a ping. Called every fleetLimits.pingMs. */
  watch(): void {
    // Loading may take seconds on a busy machine; fleetLimits.bootMs bounds it.
    if (!this.#isBooted) return;
    const isStarting = !this.#isListening;
    const use = processorUse(this.pid ?? 0);
    if (this.#watchdog.look({ progress: this.#mark.progress(), use, isStarting })) {
      this.#silentMs = this.#watchdog.silentMs;
      this.kill('SIGKILL');
      return;
    }
    this.#lastPing += 1;
    this.send({ kind: 'ping', n: this.#lastPing });
  }

  /** Closes the channel and forgets the process, which continues without control. */
  letGo(): void {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.stderr?.destroy();
    this.#child.unref();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #end(): Promise<RunnerEnd> {
    const child = this.#child;
    return new Promise((resolve) => {
      const done = (status: number | null, signal: NodeJS.Signals | null): void => {
        const end = { status, signal, silentMs: this.#silentMs, busyWith: this.#mark.read(), message: this.#message };
        this.#mark.close();
        resolve(end);
      };
      child.once('error', (error) => {
        this.#message ??= error.message;
        if (child.pid === undefined) done(null, null);
      });
      child.once('exit', (status, signal) => {
        // Its last messages may still be in the channel; they arrive before the disconnect.
        if (child.connected) child.once('disconnect', () => done(status, signal));
        else done(status, signal);
      });
    });
  }
}
