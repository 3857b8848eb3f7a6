/** Starts a real Prometheus that scrapes a platform under test. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../src/bin/free-port.ts';

/** Why tests with Prometheus are skipped; null: it is installed. */
export const noPrometheus: string | null = (() => {
  try {
    for (const program of ['prometheus', 'promtool']) execFileSync(program, ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return "Debian's package prometheus is not installed";
  }
})();

export interface Prometheus {
  /** Returns the field `data` of an answer of Prometheus' API. Throws with its error for every other answer. */
  ask(path: string, query?: Readonly<Record<string, string>>): Promise<unknown>;
  /** Asks until `found` returns a value. */
  until<T>(path: string, query: Readonly<Record<string, string>>, found: (data: never) => T | undefined): Promise<T>;
  stop(): Promise<void>;
}

/** Prometheus listens, but answers no questions yet. */
class NotReady extends Error {}

/** Starts it with the rules of a file; it scrapes `target` (host:port) each second. */
export async function startPrometheus(options: {
  readonly target: string;
  readonly rulesFile: string;
}): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-prometheus-'));
  const port = await freePort();
  await writeFile(
    join(folder, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [options.rulesFile],
      scrape_configs: [{ job_name: 'trisiel', static_configs: [{ targets: [options.target] }] }],
    }),
  );
  const child = spawn(
    'prometheus',
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk) => {
    log = `${log}${chunk}`.slice(-10_000);
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ask: Prometheus['ask'] = async (path, query = {}) => {
    const url = new URL(path, `http://127.0.0.1:${port}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const response = await fetch(url);
    if (response.status === 503) throw new NotReady();
    const answer = (await response.json()) as { status: string; error?: string; data: unknown };
    if (answer.status !== 'success') throw new Error(`${query.query ?? path}: ${answer.error}`);
    return answer.data;
  };
  return {
    ask,
    async until(path, query, found) {
      for (;;) {
        if (child.exitCode !== null) throw new Error(`Prometheus has ended: ${log}`);
        const value = await ask(path, query)
          .then((data) => found(data as never))
          .catch((error: unknown) => {
            // Not yet listening, or reading its data still; other errors are the test's.
            if (error instanceof TypeError || error instanceof NotReady) return undefined;
            throw error;
          });
        if (value !== undefined) return value;
        await pause(100);
      }
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
