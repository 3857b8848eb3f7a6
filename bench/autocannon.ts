/**
 * Load by autocannon, a process of its own like wrk. Argument: LoadOptions as JSON. Prints a Load as JSON.
 * Its own percentiles are whole milliseconds (it records into a histogram of integers), so they are taken
 * here from the times that it hands out with each response, which are as exact as the clock.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Load, LoadOptions } from './load.ts';
import { percentile } from './statistics.ts';

/** The part of its interface that is used; it has no types, and it may not be installed. */
type Autocannon = (
  options: {
    readonly url: string;
    readonly duration: number;
    readonly connections: number;
    readonly method: 'GET' | 'POST';
    readonly body?: Buffer;
  },
  done: (error: Error | null, result: Result) => void,
) => {
  on(event: 'response', listener: (client: unknown, status: number, bytes: number, tookMs: number) => void): void;
};

interface Result {
  readonly requests: { readonly total: number };
  /** Seconds. */
  readonly duration: number;
  /** Broken connections, timeouts among them. */
  readonly errors: number;
  readonly non2xx: number;
}

const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon;
const { url, seconds, connections = 32, body } = JSON.parse(process.argv[2] ?? '') as LoadOptions;
const post = body === undefined ? { method: 'GET' as const } : { method: 'POST' as const, body: readFileSync(body) };
const times: number[] = [];
autocannon({ url, duration: seconds, connections, ...post }, (error, result) => {
  if (error !== null) throw error;
  const load: Load = {
    requestsPerSecond: result.requests.total / result.duration,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    errors: result.errors + result.non2xx,
  };
  console.log(JSON.stringify(load));
}).on('response', (_client, _status, _bytes, tookMs) => times.push(tookMs));
