/**
 * One runner as control sees it: a child process and the messages to and from it.
 *
 *     spawned --booted--> loading --listening--> serving --> ended
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { maximumLimits, pushLimits } from '../../protocol/limits.ts';
import type { FromRunner, RunnerStats, ToRunner } from '../../protocol/messages.ts';
import { fleetLimits } from './limits.ts';
import { MarkFile } from './mark-file.ts';
import { processorUse } from './processor-use.ts';
import { Watchdog } from './watchdog.ts';

export interface RunnerEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Killed by the watchdog because its event loop stood still. */
  readonly isHung: boolean;
  /** Deployment whose guest held the thread; null where none did. */
  readonly busyWith: string | null;
  /** What it said before it ended, where it said something. */
  readonly message: string | null;
}

export interface RunnerProcessOptions {
  readonly runnerId: string;
  /** src/bin/runner.ts, absolute. */
  readonly program: string;
  /** The platform's folder: absolute, with a slash at the end. The runner may read the `runnerReads` in it alone. */
  readonly programFolder: string;
  readonly env: Readonly<Record<string, string>>;
  /** More flags for Node, for tests and benchmarks. */
  readonly nodeFlags: readonly string[];
  readonly onMessage: (message: FromRunner) => void;
  readonly onStderr: (line: string) => void;
}

/** Flags of docs/safety.md; src/bin/runner.ts sets the one that would slow down its own start. */
const flags = [
  '--permission',
  '--allow-net',
  `--wasm-max-mem-pages=${maximumLimits.memoryPages}`,
  // Whatever more a table may grow to stands in the rewritten module.
  `--wasm-max-table-size=${pushLimits.tableEntries}`,
  // Every collection of the young generation visits the stacks of all suspended guests (13 ms with
  // 7,000 of them): a larger one is collected less often.
  '--min-semi-space-size=16',
  '--max-semi-space-size=64',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=SecurityWarning',
];

/** What a runner may read, below the program's folder. The rest of it is none of its business: `data` lies there by default. */
export const runnerReads: readonly string[] = ['src/', 'node_modules/', 'package.json'];

export class RunnerProcess {
  readonly runnerId: string;
  readonly pid: number | undefined;
  /** Resolves when it can be spoken to; never, if it ends before. */
  readonly booted: Promise<void>;
  /** Resolves with the port it listens on; never, if it ends before. */
  readonly listening: Promise<number>;
  readonly ended: Promise<RunnerEnd>;
  readonly #child: ChildProcess;
  readonly #mark = new MarkFile();
  readonly #prepares = new Map<string, (error: string | null) => void>();
  readonly #pings = new Map<number, () => void>();
  #lastPing = 0;
  /** Number of the last ping before the newest large message; null once a later one has been answered. */
  #pingBeforeLarge: number | null = null;
  readonly #watchdog = new Watchdog();
  #isHung = false;
  #isBooted = false;
  #message: string | null = null;
  #stats: RunnerStats | null = null;
  /** Prepared Deployments and the Artifact of each. */
  readonly prepared = new Map<string, string>();

  constructor(options: RunnerProcessOptions) {
    this.runnerId = options.runnerId;
    const grants = runnerReads.map((path) => `--allow-fs-read=${options.programFolder}${path}`);
    this.#child = spawn(process.execPath, [...flags, ...grants, ...options.nodeFlags, options.program, '4'], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', this.#mark.descriptor],
      serialization: 'advanced',
      env: { ...options.env },
    });
    const child = this.#child;
    this.pid = child.pid;
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) =>
        options.onStderr(line.slice(0, fleetLimits.stderrChars)),
      );
    }
    const booted = Promise.withResolvers<void>();
    const listening = Promise.withResolvers<number>();
    this.booted = booted.promise;
    this.listening = listening.promise;
    this.ended = this.#end();
    child.on('message', (raw) => {
      // The runner is our own program, but a guest might break out of it: take nothing for granted that matters.
      const message = raw as FromRunner;
      switch (message.kind) {
        case 'booted':
          this.#isBooted = true;
          booted.resolve();
          return;
        case 'listening':
          listening.resolve(message.port);
          return;
        case 'failed':
          this.#message = message.message;
          return;
        case 'prepared':
          this.#prepares.get(message.specId)?.(message.error);
          return;
        case 'pong':
          this.#watchdog.answered();
          if (this.#pingBeforeLarge !== null && message.n > this.#pingBeforeLarge) this.#pingBeforeLarge = null;
          this.#stats = message.stats;
          this.#pings.get(message.n)?.();
          this.#pings.delete(message.n);
          return;
        default:
          options.onMessage(message);
      }
    });
  }

  get stats(): RunnerStats | null {
    return this.#stats;
  }

  /** Sends a message. What is said to a runner that has ended is lost, as it should be. */
  send(message: ToRunner): void {
    if (bytesOf(message) >= fleetLimits.largeMessageBytes) this.#pingBeforeLarge = this.#lastPing;
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Lets the runner compile: null when it is ready, else why it is not; `ended` when the runner went away over it. */
  async prepare(
    message: Extract<ToRunner, { kind: 'prepare' }>,
    artifact: Extract<ToRunner, { kind: 'artifact' }> | null,
  ): Promise<{ readonly error: string | null } | 'ended'> {
    const { specId } = message.spec;
    if (this.prepared.has(specId)) return { error: null };
    // The runner frees code that no Deployment uses, so its bytes are sent again then.
    if (artifact !== null && ![...this.prepared.values()].includes(artifact.name)) this.send(artifact);
    this.prepared.set(specId, message.spec.artifact);
    const answer = new Promise<{ readonly error: string | null }>((resolve) => {
      this.#prepares.set(specId, (error) => resolve({ error }));
    });
    this.send(message);
    const late = new Promise<{ readonly error: string }>((resolve) => {
      const timer = setTimeout(
        () => resolve({ error: `not compiled after ${fleetLimits.prepareMs} ms` }),
        fleetLimits.prepareMs,
      );
      void answer.then(() => clearTimeout(timer));
      void this.ended.then(() => clearTimeout(timer));
    });
    const result = await Promise.race([answer, late, this.ended.then(() => 'ended' as const)]);
    this.#prepares.delete(specId);
    if (result === 'ended' || result.error !== null) this.prepared.delete(specId);
    return result;
  }

  forget(specId: string): void {
    this.prepared.delete(specId);
    this.send({ kind: 'forget', specId });
  }

  /** Resolves when everything sent so far has been acted upon, or the runner has ended. */
  async sync(): Promise<void> {
    this.#lastPing += 1;
    const n = this.#lastPing;
    const pong = new Promise<void>((resolve) => this.#pings.set(n, resolve));
    this.send({ kind: 'ping', n });
    await Promise.race([pong, this.ended]);
    this.#pings.delete(n);
  }

  /** Looks whether it is stuck, and kills it then; else asks for an answer. To be called every fleetLimits.pingMs. */
  watch(): void {
    // Loading our own program may take seconds on a busy machine; fleetLimits.bootMs bounds it.
    if (!this.#isBooted) return;
    const isCarrying = this.#pingBeforeLarge !== null;
    if (this.#watchdog.look({ progress: this.#mark.progress(), use: processorUse(this.pid ?? 0), isCarrying })) {
      this.#isHung = true;
      this.kill('SIGKILL');
      return;
    }
    this.#lastPing += 1;
    this.send({ kind: 'ping', n: this.#lastPing });
  }

  /** Closes the channel and forgets the process, which goes on by itself. */
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
        const end = { status, signal, isHung: this.#isHung, busyWith: this.#mark.read(), message: this.#message };
        this.#mark.close();
        resolve(end);
      };
      child.once('error', (error) => {
        this.#message ??= error.message;
        if (child.pid === undefined) done(null, null);
      });
      child.once('exit', (status, signal) => {
        // Its last messages may still lie in the channel; they come before the disconnect.
        if (child.connected) child.once('disconnect', () => done(status, signal));
        else done(status, signal);
      });
    });
  }
}

/** Returns the bytes of an Artifact that `message` carries, 0 where it carries none. */
function bytesOf(message: ToRunner): number {
  if (message.kind === 'artifact') return message.bytes.length;
  return message.kind === 'reply' && message.ok && message.value instanceof Uint8Array ? message.value.length : 0;
}
