/** Load on one URL, by wrk where it is installed, else by autocannon. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Load {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx and broken connections. */
  readonly errors: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly seconds: number;
  readonly connections?: number;
  /** POSTs this file. */
  readonly body?: string;
}

export const loader = hasWrk() ? 'wrk' : 'autocannon';

export async function load(options: LoadOptions): Promise<Load> {
  return loader === 'wrk' ? wrk(options) : autocannon(options);
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

interface AutocannonResult {
  readonly requests: { readonly average: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly non2xx: number;
}

async function autocannon({ url, seconds, connections = 32, body }: LoadOptions): Promise<Load> {
  const program = new URL('node_modules/.bin/autocannon', import.meta.url).pathname;
  const post = body === undefined ? [] : ['-m', 'POST', '-i', body];
  const args = ['-c', String(connections), '-d', String(seconds), '-j', ...post, url];
  const { stdout } = await run(program, args, { maxBuffer: 64 * 1024 * 1024 });
  const result = JSON.parse(stdout) as AutocannonResult;
  return {
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.errors + result.non2xx,
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Medians over rounds. */
export function medians(loads: readonly Load[]): Load {
  return {
    requestsPerSecond: median(loads.map((load) => load.requestsPerSecond)),
    p50Ms: median(loads.map((load) => load.p50Ms)),
    p99Ms: median(loads.map((load) => load.p99Ms)),
    errors: loads.reduce((sum, load) => sum + load.errors, 0),
  };
}
