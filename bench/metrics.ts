/**
 * A scrape of /metrics with many handlers. `npm run bench -- metrics`; HANDLERS (1,000), ROUNDS (50).
 *
 * Every handler has been called with durations and gas in all buckets; the time is that of control's answer, with the
 * names read from SQLite, without the network.
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../src/control/db/database.ts';
import { Handlers } from '../src/control/handlers/handlers.ts';
import { LogStore } from '../src/control/logs/log-store.ts';
import { Metrics } from '../src/control/metrics/metrics.ts';
import { QueueRates } from '../src/control/queues/queue-rates.ts';
import { QueueStore } from '../src/control/queues/queue-store.ts';
import { UsageStore } from '../src/control/usage/usage-store.ts';
import { callGas, callSeconds, emptyBuckets } from '../src/protocol/distributions.ts';
import { handlerIdOf } from '../src/protocol/names.ts';
import { median, percentile } from './statistics.ts';
import { type Row, table } from './table.ts';

const handlersCount = Number(process.env.HANDLERS ?? 1_000);
const rounds = Number(process.env.ROUNDS ?? 50);

const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-metrics-'));
const db = await openDatabase({ file: join(folder, 'trisiel.db') });
const now = Date.now;
const onError = (error: unknown): void => {
  throw error;
};
const logs = await LogStore.open({ db, now, onError });
const usage = new UsageStore({ db, now, onError });
const queues = new QueueStore({ db, now, newId: randomUUID });
const rates = new QueueRates({ db, now, report: (_, error) => onError(error) });
const metrics = new Metrics({ logs, usage, queues, rates, nodes: () => [], now });
const handlers = new Handlers({ db, now, randomBytes, randomInt });
for (let n = 0; n < handlersCount; n++) {
  // A user may have only so many handlers.
  const ownerId = `u${Math.floor(n / 50)}`;
  if (n % 50 === 0)
    await db.insertInto('users').values({ id: ownerId, name: ownerId, password_hash: 'x', created_ms: 1 }).execute();
  const { id } = await handlers.create({ ownerId, name: `handler-number-${n}` });
  const filled = (buckets: number[]): number[] => buckets.map((_, index) => 1_000 + index * n);
  await usage.record({
    records: [],
    counts: [
      {
        ...{ handlerId: handlerIdOf(id), deployment: 1, invocations: 100_000, failures: 7, gas: 12_345_678_901 },
        ...{ durationMs: 123_456.789, bytesIn: 0, bytesOut: 0, inFlight: 0 },
        figures: {
          classes: [0, 90_000, 10, 20, 30, 4],
          seconds: filled(emptyBuckets(callSeconds)),
          gas: filled(emptyBuckets(callGas)),
          traced: { traceId: randomBytes(16).toString('hex'), seconds: 0.01, gas: 5_000, timeMs: now() },
        },
      },
    ],
  });
}
const rows: Row[] = [];
for (const [format, accept] of [
  ['text', 'text/plain'],
  ['OpenMetrics', 'application/openmetrics-text'],
] as const) {
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds + 5; round++) {
    const start = performance.now();
    const { text } = await metrics.scrape(accept);
    if (round >= 5) times.push(performance.now() - start);
    bytes = Buffer.byteLength(text);
  }
  const ms = [median(times), percentile(times, 99)].map((time) => time.toFixed(1));
  rows.push([format, handlersCount, (bytes / 1e6).toFixed(1), ...ms]);
}
rows.push(['aim', 1_000, '', '', 50]);
table('A scrape of /metrics', ['format', 'handlers', 'MB', 'median ms', 'p99 ms'], rows);
metrics.close();
await logs.close();
await usage.close();
await db.close();
await rm(folder, { recursive: true });
