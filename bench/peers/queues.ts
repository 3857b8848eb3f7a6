/** Peers of the queue bench: BullMQ on Redis, pg-boss and graphile-worker on PostgreSQL, where they are installed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from '../../test/support/database.ts';
import { postgresMissing, startPostgres } from '../../test/support/postgres.ts';
import { type Figure, figure, middle } from '../figure.ts';

export interface PeerFigures {
  readonly name: string;
  /** Jobs added in bulk; then worked off by a function of JavaScript that does nothing. */
  readonly publishes: Figure;
  readonly jobs: Figure;
}

interface PeerOptions {
  readonly messages: number;
  readonly bytes: number;
  readonly rounds: number;
}

/** Jobs that are added at once, as our bench publishes them. */
const batch = 1_000;
/** Jobs that a peer works on at the same time. */
const concurrency = 64;

/** Measures each peer that can run here; says why for the others. */
export async function measurePeers(options: PeerOptions): Promise<readonly PeerFigures[]> {
  const all: PeerFigures[] = [];
  for (const [name, measure] of [
    ['BullMQ, Redis', bullmq],
    ['pg-boss, PostgreSQL', pgBoss],
    ['graphile-worker, PostgreSQL', graphileWorker],
  ] as const) {
    try {
      all.push({ name, ...(await measure(options)) });
    } catch (error) {
      console.log(`skipped: ${name}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  return all;
}

type Measure = Promise<Omit<PeerFigures, 'name'>>;

/** Returns a package of bench/package.json, which the project itself does not install. */
// biome-ignore lint/suspicious/noExplicitAny: the types of packages that are not installed here.
async function load(name: string): Promise<any> {
  return import(name).catch(() => {
    throw new Error('not installed: npm --prefix bench install');
  });
}

/** Counts what is worked off; `all` resolves at the last one. */
function countdown(count: number): { readonly one: () => void; readonly all: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  return {
    one: () => {
      left -= 1;
      if (left === 0) resolve();
    },
    all: promise,
  };
}

/** Runs the rounds: adds all jobs, then lets them be worked off, each timed. */
async function inRounds(
  { messages, rounds }: PeerOptions,
  add: (count: number) => Promise<void>,
  work: (count: number) => Promise<void>,
): Measure {
  const publishes: Figure[] = [];
  const jobs: Figure[] = [];
  for (let round = 0; round < rounds; round += 1) {
    publishes.push(
      await figure(messages, async () => {
        for (let left = messages; left > 0; left -= batch) await add(Math.min(batch, left));
      }),
    );
    jobs.push(await figure(messages, () => work(messages)));
  }
  return { publishes: middle(publishes), jobs: middle(jobs) };
}

async function bullmq(options: PeerOptions): Measure {
  if (!existsSync('/usr/bin/redis-server'))
    throw new Error('redis-server is not installed (Debian: apt-get install redis-server)');
  const { Queue, Worker } = await load('bullmq');
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-redis-'));
  const port = await freePort();
  // Each write is on the disk within a second, which is what Redis' own documents advise.
  const server = spawn(
    'redis-server',
    ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  try {
    for await (const chunk of server.stdout) if (String(chunk).includes('Ready to accept connections')) break;
    server.stdout.resume();
    const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
    const queue = new Queue('bench', { connection });
    const text = 'x'.repeat(options.bytes);
    const jobOptions = { removeOnComplete: 1_000, attempts: 3 };
    const figures = await inRounds(
      options,
      async (count) => {
        const jobs = Array.from({ length: count }, () => ({ name: 'm', data: { text }, opts: jobOptions }));
        await queue.addBulk(jobs);
      },
      async (count) => {
        const done = countdown(count);
        const worker = new Worker('bench', async () => {}, { connection, concurrency });
        worker.on('completed', done.one);
        await done.all;
        await worker.close();
      },
    );
    await queue.close();
    return figures;
  } finally {
    server.kill();
    await once(server, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
}

async function withPostgres(run: (url: string) => Measure): Measure {
  if (postgresMissing !== null) throw new Error(postgresMissing);
  const server = await startPostgres();
  try {
    await command(server, 'create database peer');
    return await run(server.url('peer'));
  } finally {
    await server.close();
  }
}

async function pgBoss(options: PeerOptions): Measure {
  const { PgBoss } = await load('pg-boss');
  return withPostgres(async (url) => {
    const boss = new PgBoss(url);
    boss.on('error', (error: unknown) => console.error(error));
    await boss.start();
    await boss.createQueue('bench');
    const data = { text: 'x'.repeat(options.bytes) };
    const figures = await inRounds(
      options,
      async (count) => {
        await boss.insert(
          'bench',
          Array.from({ length: count }, () => ({ data })),
        );
      },
      async (count) => {
        // Its worker looks for jobs at most twice a second: a loop that fetches at once is the fastest that it offers.
        for (let left = count; left > 0; ) {
          const jobs = await boss.fetch('bench', { batchSize: concurrency });
          await boss.complete(
            'bench',
            jobs.map(({ id }: { readonly id: string }) => id),
          );
          left -= jobs.length;
        }
      },
    );
    await boss.stop({ graceful: false });
    return figures;
  });
}

async function graphileWorker(options: PeerOptions): Measure {
  const { makeWorkerUtils, run, Logger } = await load('graphile-worker');
  return withPostgres(async (url) => {
    const logger = new Logger(() => () => {});
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    await utils.migrate();
    const payload = { text: 'x'.repeat(options.bytes) };
    const figures = await inRounds(
      options,
      async (count) => {
        await utils.addJobs(Array.from({ length: count }, () => ({ identifier: 'm', payload, maxAttempts: 3 })));
      },
      async (count) => {
        const done = countdown(count);
        const taskList = { m: async () => done.one() };
        const runner = await run({ connectionString: url, concurrency, logger, noHandleSignals: true, taskList });
        await done.all;
        await runner.stop();
      },
    );
    await utils.release();
    return figures;
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
