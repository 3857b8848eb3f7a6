/**
 * Load on one URL, by wrk where it is installed, else by autocannon; `LOADER=wrk` or `LOADER=autocannon` in the
 * environment decides. Either is a process of its own with one thread. As many requests are underway as there are
 * connections, each sent when the one before it is answered: this is how much a server can do. What callers see
 * who come when they like is measured by open-load.ts.
 */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { median } from './statistics.ts';

const run = promisify(execFile);

export interface Load {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Number of answers other than 2xx, and of broken connections. */
  readonly errors: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly seconds: number;
  readonly connections?: number;
  /** Path of a file that is POSTed. */
  readonly body?: string;
}

export const loader = chosen(process.env.LOADER ?? '');

export async function load(options: LoadOptions): Promise<Load> {
  return loader === 'wrk' ? wrk(options) : autocannon(options);
}

function chosen(name: string): 'wrk' | 'autocannon' {
  if (name === 'wrk' && !hasWrk()) throw new Error('LOADER=wrk, but wrk is not installed');
  if (name === 'wrk' || name === 'autocannon') return name;
  if (name !== '') throw new Error(`LOADER is wrk or autocannon, not ${name}`);
  return hasWrk() ? 'wrk' : 'autocannon';
}

function hasWrk(): boolean {
  try {
    execFileSync('wrk', ['-v'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // `wrk -v` prints its version and exits with 1.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

async function wrk({ url, seconds, connections = 32, body }: LoadOptions): Promise<Load> {
  const script = body === undefined ? [] : ['-s', new URL('post.lua', import.meta.url).pathname];
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...script, url];
  const { stdout } = await run('wrk', args, { env: { ...process.env, ...(body === undefined ? {} : { BODY: body }) } });
  const ms = (pattern: RegExp): number => {
    const [, value = 'NaN', unit = ''] = pattern.exec(stdout) ?? [];
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000, m: 60_000 }[unit] ?? Number.NaN);
  };
  const count = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0);
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  return {
    requestsPerSecond: count(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: ms(/50%\s+([\d.]+)(us|ms|s|m)/),
    p99Ms: ms(/99%\s+([\d.]+)(us|ms|s|m)/),
    errors:
      count(/Non-2xx or 3xx responses: (\d+)/) +
      (broken === null ? 0 : broken.slice(1).reduce((sum, text) => sum + Number(text), 0)),
  };
}

async function autocannon(options: LoadOptions): Promise<Load> {
  const program = new URL('autocannon.ts', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [program, JSON.stringify(options)]);
  return JSON.parse(stdout) as Load;
}

/** Returns medians over rounds. */
export function medians(loads: readonly Load[]): Load {
  return {
    requestsPerSecond: median(loads.map((load) => load.requestsPerSecond)),
    p50Ms: median(loads.map((load) => load.p50Ms)),
    p99Ms: median(loads.map((load) => load.p99Ms)),
    errors: loads.reduce((sum, load) => sum + load.errors, 0),
  };
}
