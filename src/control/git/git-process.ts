/**
 * Watches one git process: reads its stderr, handles errors of its pipes, limits its time and its priority, reports its
 * end.
 */
import type { ChildProcess } from 'node:child_process';
import { lowerProcesses } from './git-priority.ts';
import type { GitLimits } from './limits.ts';

export interface GitExit {
  /** Whether the process was started. */
  readonly started: boolean;
  /** Exit status; null: a signal ended it, or it was never started. */
  readonly status: number | null;
  /** The first `stderrBytes` of stderr. */
  readonly stderr: string;
}

export class GitProcess {
  /** Resolves when git has ended and its output has been read. Never rejects. */
  readonly closed: Promise<GitExit>;
  readonly #child: ChildProcess;
  readonly #killMs: number;
  #over = false;
  #isDiscarded = false;

  constructor(child: ChildProcess, limits: Pick<GitLimits, 'operationMs' | 'longMs' | 'killMs' | 'stderrBytes'>) {
    this.#child = child;
    this.#killMs = limits.killMs;
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      if (stderr.length < limits.stderrBytes)
        stderr = `${stderr}${chunk.toString('utf8')}`.slice(0, limits.stderrBytes);
    });
    child.on('error', () => {});
    for (const stream of child.stdio) stream?.on('error', () => {}); // EPIPE: git has ended
    const late = setTimeout(() => this.stop(), limits.operationMs);
    const long = setTimeout(() => child.pid !== undefined && lowerProcesses(child.pid), limits.longMs);
    this.closed = new Promise((resolve) => {
      const over = (status: number | null) => {
        this.#over = true;
        clearTimeout(late);
        clearTimeout(long);
        resolve({ started: child.pid !== undefined, status, stderr });
      };
      child.once('close', over);
      // A program that could not be started emits no 'close' if its pipes were never opened.
      child.once('error', () => over(null));
    });
  }

  /** Whether git's output no longer goes to the client. */
  get isDiscarded(): boolean {
    return this.#isDiscarded;
  }

  /** Drops git's further output, so that git can end without a reader. */
  discardOutput(): void {
    this.#isDiscarded = true;
    this.#child.stdout?.unpipe();
    this.#child.stdout?.resume();
  }

  /**
   * Sends SIGTERM, on which git removes its quarantine, and SIGKILL after `killMs`. git's own children end when their
   * input ends.
   */
  stop(): void {
    if (this.#over) return;
    this.discardOutput();
    this.#child.stdin?.destroy();
    this.#child.kill('SIGTERM');
    const last = setTimeout(() => this.#child.kill('SIGKILL'), this.#killMs);
    this.closed.then(() => clearTimeout(last));
  }
}
