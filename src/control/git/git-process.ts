/** Watches one git process: reads its stderr, catches its pipes' errors, limits its time, tells its end. */
import type { ChildProcess } from 'node:child_process';
import type { GitLimits } from './limits.ts';

export interface GitExit {
  /** Whether there was a process at all. */
  readonly started: boolean;
  /** Exit status; null where a signal ended it, or where it was never started. */
  readonly status: number | null;
  /** The first `stderrBytes` of stderr. */
  readonly stderr: string;
}

export class GitProcess {
  /** Resolves when git has ended and its output is at an end. Never rejects. */
  readonly closed: Promise<GitExit>;
  readonly #child: ChildProcess;
  readonly #killMs: number;
  #over = false;
  #isDiscarded = false;

  constructor(child: ChildProcess, limits: Pick<GitLimits, 'operationMs' | 'killMs' | 'stderrBytes'>) {
    this.#child = child;
    this.#killMs = limits.killMs;
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      if (stderr.length < limits.stderrBytes) stderr += chunk.toString('utf8').slice(0, limits.stderrBytes);
    });
    child.on('error', () => {});
    for (const stream of child.stdio) stream?.on('error', () => {}); // EPIPE: git has ended
    const late = setTimeout(() => this.stop(), limits.operationMs);
    this.closed = new Promise((resolve) => {
      const over = (status: number | null) => {
        this.#over = true;
        clearTimeout(late);
        resolve({ started: child.pid !== undefined, status, stderr });
      };
      child.once('close', over);
      // A program that could not be started has no 'close' where its pipes were never opened.
      child.once('error', () => over(null));
    });
  }

  /** Whether git's output no longer goes to the client. */
  get isDiscarded(): boolean {
    return this.#isDiscarded;
  }

  /** Throws away what git still says, so that it can end without a reader. */
  discardOutput(): void {
    this.#isDiscarded = true;
    this.#child.stdout?.unpipe();
    this.#child.stdout?.resume();
  }

  /** Sends SIGTERM, on which git removes its quarantine, and after `killMs` SIGKILL. git's children see their input end. */
  stop(): void {
    if (this.#over) return;
    this.discardOutput();
    this.#child.stdin?.destroy();
    this.#child.kill('SIGTERM');
    const last = setTimeout(() => this.#child.kill('SIGKILL'), this.#killMs);
    this.closed.then(() => clearTimeout(last));
  }
}
