/**
 * A copy of the checkout whose sources can be changed, in a temporary folder: an interrupted run leaves nothing behind
 * here.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** One run of tests; a mutant that hangs counts as noticed. */
const runTimeoutMs = 5 * 60_000;

export const root = join(import.meta.dirname, '../..');

export class Checkout {
  readonly #folder = mkdtempSync(join(tmpdir(), 'trisiel-mutate-'));
  /** Results of runs without any change, by the files of the run. */
  readonly #unchanged = new Map<string, Promise<boolean>>();

  /**
   * Copies the files that git knows or would add, and node_modules as a tree of hard links where the disk allows it.
   */
  constructor() {
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
      .toString()
      .split('\0')
      .filter((file) => file !== '');
    for (const file of files) cpSync(join(root, file), join(this.#folder, file));
    const modules = join(root, 'node_modules');
    try {
      execFileSync('cp', ['-al', modules, this.#folder], { stdio: 'ignore' });
    } catch {
      cpSync(modules, join(this.#folder, 'node_modules'), { recursive: true, verbatimSymlinks: true });
    }
    execFileSync('git', ['init', '--quiet'], { cwd: this.#folder });
  }

  /** Whether tests pass in the copy as it is: a test that is broken would seem to notice everything. Runs them once. */
  passUnchanged(tests: readonly string[]): Promise<boolean> {
    const files = tests.toSorted().join(' ');
    const known = this.#unchanged.get(files) ?? this.#pass(tests);
    this.#unchanged.set(files, known);
    return known;
  }

  /** Whether tests pass while a file of the repository has another text. */
  async passWith(file: string, change: (text: string) => string, tests: readonly string[]): Promise<boolean> {
    const path = join(this.#folder, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, change(text));
    try {
      return await this.#pass(tests);
    } finally {
      writeFileSync(path, text);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #pass(tests: readonly string[]): Promise<boolean> {
    const vitest = join(this.#folder, 'node_modules/vitest/vitest.mjs');
    const child = spawn(
      process.execPath,
      [vitest, 'run', '--project', 'all', '--retry', '0', '--bail', '1', ...tests],
      {
        cwd: this.#folder,
        stdio: 'ignore',
        detached: true,
        env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
      },
    );
    const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), runTimeoutMs);
    // The first value of `close` is the exit status.
    const [status] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    return status === 0;
  }
}
