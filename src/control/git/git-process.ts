/** One git process: its stderr read, its pipes' errors caught, its end awaited, its time limited. */
import type { ChildProcess } from 'node:child_process';
import type { GitLimits } from './limits.ts';

export interface GitExit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it said on stderr, at most `stderrBytes` of it. */
  readonly stderr: string;
}

export class GitProcess {
  /** Resolves when git has ended and its output is at an end. Never rejects. */
  readonly closed: Promise<GitExit>;
  readonly #child: ChildProcess;
  readonly #killMs: number;
  #over = false;

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
      const over = (status: number | null, signal: NodeJS.Signals | null) => {
        this.#over = true;
        clearTimeout(late);
        resolve({ status, signal, stderr });
      };
      child.once('close', over);
      // A program that could not be started has no 'close' where its pipes were never opened.
      child.once('error', () => over(null, null));
    });
  }

  /** git no longer has a reader: what it still says is thrown away, so that it can end. */
  discardOutput(): void {
    this.#child.stdout?.unpipe();
    this.#child.stdout?.resume();
  }

  /** SIGTERM, on which git removes its quarantine; SIGKILL if it does not end. Its children see their input end. */
  stop(): void {
    if (this.#over) return;
    this.discardOutput();
    this.#child.stdin?.destroy();
    this.#child.kill('SIGTERM');
    const last = setTimeout(() => this.#child.kill('SIGKILL'), this.#killMs);
    this.closed.then(() => clearTimeout(last));
  }
}
