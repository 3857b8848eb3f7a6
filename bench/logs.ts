/**
 * Log lines: what one costs runner and control, how many a platform stores, and how fast they are read.
 * `npm run bench -- logs [cost stored platform tails hello]`; LINES of `cost` (default 1,000,000), BENCH_LINES lines of
 * `stored` (10,000,000), SECONDS of `platform` (30), RATE of `platform` in lines/s (50,000), ROUNDS of `hello` (5).
 *
 * - cost: processor time of a line in this process: packed and written to a channel as in a runner; read from the
 *   channel and stored as in control, with SQLite's threads and merging; bytes of the file
 * - stored: a handler with a day's lines: the newest page, and searches of the last hour
 * - platform: a function that writes lines, with a reader of its live log: lines stored and lost, latency
 * - tails: the same with TAILS readers of the live log (20) and a tenth of the lines
 * - hello: what a line for each call costs: of the platform (the default; a sample above 200 calls/s), and of the
 *   function; in calls/s, and in processor time of all processes, the load's included, which tells it on a busy machine
 *   too
 */
import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { sql } from 'kysely';
import { WebSocket } from 'ws';
import { type PlatformChild, startPlatformChild } from '../src/bin/platform-child.ts';
import { type Database, openDatabase } from '../src/control/db/database.ts';
import { Handlers } from '../src/control/handlers/handlers.ts';
import { LogStore } from '../src/control/logs/log-store.ts';
import { packAll } from '../src/protocol/log-block.ts';
import { type HandlerId, handlerIdOf } from '../src/protocol/names.ts';
import type { LogFrame, PendingLogLine } from '../src/protocol/nouns.ts';
import { InvocationLog } from '../src/runner/invocation-log.ts';
import { type LogBatch, LogBuffer } from '../src/runner/log-buffer.ts';
import { assemble } from '../test/support/e2e-guests.ts';
import { cwaGuest } from '../test/support/wat.ts';
import { load } from './load.ts';
import { processorMs } from './processor-time.ts';
import { median, percentile } from './statistics.ts';
import { type Row, table } from './table.ts';

const lines = Number(process.env.LINES ?? 1_000_000);
const stored = Number(process.env.BENCH_LINES ?? 10_000_000);
const seconds = Number(process.env.SECONDS ?? 30);
const rate = Number(process.env.RATE ?? 50_000);
const tails = Number(process.env.TAILS ?? 20);
const rounds = Number(process.env.ROUNDS ?? 5);
const wanted = process.argv.slice(2);
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);
const run = promisify(execFile);

/** Lines of one call in `cost` and `platform`. */
const linesPerCall = 100;

function textOf(n: number): string {
  return `GET /items/${(n * 7_919) % 100_000} answered 200 in ${n % 37} ms for user ${(n * 31) % 977}`;
}

interface Store {
  readonly db: Database;
  readonly logs: LogStore;
  readonly handler: { readonly id: string; readonly name: string };
  readonly fileBytes: () => Promise<number>;
  close(): Promise<void>;
}

async function openStore(): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-logs-'));
  const file = join(folder, 'trisiel.db');
  const db = await openDatabase({ file });
  await db.insertInto('users').values({ id: 'u', name: 'u', password_hash: 'x', created_ms: 1 }).execute();
  const handler = await new Handlers({ db, now: Date.now, randomBytes, randomInt }).create({
    name: 'aa',
    ownerId: 'u',
  });
  const all = Number.MAX_SAFE_INTEGER;
  const onError = (error: unknown) => console.error(error);
  const logs = await LogStore.open({ db, now: Date.now, onError, retainedLines: all, retainedBytes: all });
  return {
    ...{ db, logs, handler },
    fileBytes: async () => {
      await sql`pragma wal_checkpoint(truncate)`.execute(db.relaxed);
      return (await stat(file)).size;
    },
    close: async () => {
      await logs.close();
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Returns processor microseconds of this process, all threads, per unit. */
async function processorUs(units: number, work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / units;
}

async function measureCost(): Promise<void> {
  const store = await openStore();
  try {
    const handlerId = handlerIdOf(store.handler.id);
    const messages: Buffer[] = [];
    const buffer = new LogBuffer({
      send: (batch, sent) => {
        messages.push(serialize(batch));
        sent('stored');
        return true;
      },
    });
    const write = (count: number) => writeCalls(handlerId, buffer, count);
    write(lines / 10);
    messages.length = 0;
    const packUs = await processorUs(lines, () => write(lines));
    const before = await store.fileBytes();
    const startMs = performance.now();
    const storeUs = await processorUs(lines, async () => {
      let number = 0;
      const next = async (): Promise<void> => {
        for (let message = messages.shift(); message !== undefined; message = messages.shift()) {
          const { blocks, dropped } = deserialize(message) as LogBatch;
          number += 1;
          await store.logs.appendBlocks(blocks, dropped, { origin: 'bench', number });
        }
      };
      await Promise.all([next(), next(), next(), next()]);
    });
    const perSecond = (lines / (performance.now() - startMs)) * 1_000;
    const bytes = ((await store.fileBytes()) - before) / lines;
    const { stored: kept, dropped } = store.logs.counters;
    table(
      `logs: cost of a line, ${lines.toLocaleString('en')} lines in calls of ${linesPerCall}`,
      ['', 'runner µs', 'control µs', 'bytes on disk', 'stored/s', 'stored', 'lost'],
      [
        ['SQLite', packUs.toFixed(2), storeUs.toFixed(2), bytes.toFixed(1), ...[perSecond, kept, dropped].map(whole)],
        ['aim', '2', '1.5', '38', '50,000', '', '0'],
      ],
    );
  } finally {
    await store.close();
  }
}

function writeCalls(handlerId: HandlerId, buffer: LogBuffer, count: number): void {
  for (let n = 0; n < count; n += linesPerCall) {
    const log = new InvocationLog({ handlerId, deployment: 3, invocation: `0199-${n}-4a7b-8c9d` }, buffer);
    for (let at = 0; at < linesPerCall; at += 1)
      log.line({ seq: at + 1, timeMs: Date.now(), gas: 100 * at, stream: 'log', level: 6, text: textOf(n + at) });
  }
  buffer.flush();
}

async function measureStored(): Promise<void> {
  const store = await openStore();
  try {
    const dayMs = 24 * 60 * 60_000;
    const startMs = Date.now() - dayMs;
    const perBatch = 4_000;
    for (let n = 0; n < stored; n += perBatch) {
      const batch = Array.from(
        { length: perBatch },
        (_, at): Omit<PendingLogLine, 'handlerId'> => ({
          ...{ deployment: 3, invocation: `0199-${Math.floor((n + at) / 10)}-4a7b`, seq: 1 + (at % 10), gas: at },
          ...{ timeMs: Math.round(startMs + ((n + at) / stored) * dayMs), stream: 'log', level: at % 50 === 0 ? 3 : 6 },
          text: textOf(n + at),
        }),
      );
      const handlerId = handlerIdOf(store.handler.id);
      await store.logs.appendBlocks(packAll(batch).map((block) => ({ handlerId, ...block })));
    }
    const bytes = (await store.fileBytes()) / stored;
    const hour = { sinceMs: Date.now() - dayMs / 24 };
    const questions: readonly (readonly [string, Parameters<LogStore['query']>[1], string])[] = [
      ['newest page', {}, '20'],
      ['newest warnings', { level: 3 }, ''],
      ['last hour, rare text', { ...hour, grep: 'items/77777 ' }, '1,000'],
      ['last hour, no match', { ...hour, grep: 'nowhere' }, '1,000'],
      ['one call of the last hour', { ...hour, invocation: `0199-${Math.floor(stored / 10) - 9}-4a7b` }, ''],
    ];
    const rows: Row[] = [];
    for (const [name, query, aim] of questions) {
      const times: number[] = [];
      let found = 0;
      for (let round = 0; round < rounds; round += 1) {
        const before = performance.now();
        found = await search(store, query);
        times.push(performance.now() - before);
      }
      rows.push([name, median(times).toFixed(1), aim, found]);
    }
    console.log(`\n${stored.toLocaleString('en')} lines over a day: ${bytes.toFixed(1)} bytes a line on disk`);
    table('logs: reading them', ['', 'ms', 'aim', 'lines'], rows);
  } finally {
    await store.close();
  }
}

/** Asks for the newest lines, and goes on where a search stopped at its bound. Returns the number of lines. */
async function search(store: Store, query: Parameters<LogStore['query']>[1]): Promise<number> {
  let found = 0;
  for (let before: number | null | undefined; before !== null; ) {
    const page = await store.logs.query(store.handler, { ...query, before: before ?? undefined });
    found += page.lines.length;
    if (!page.stopped) break;
    before = page.before;
  }
  return found;
}

async function onPlatform<T>(work: (platform: PlatformChild, token: string, folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-logs-'));
  const platform = await startPlatformChild({
    TRISIEL_DATA: join(folder, 'data'),
    ...{ TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_REGISTRATION: 'open', TRISIEL_RUNNERS: '1' },
  });
  try {
    const signedUp = await fetch(`${platform.controlUrl}/api/v1/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench', password: 'correct horse battery' }),
    });
    return await work(platform, ((await signedUp.json()) as { token: string }).token, folder);
  } finally {
    await platform.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Answers, and writes `count` lines of 50 characters. */
function writer(count: number): Uint8Array {
  return assemble(
    cwaGuest({
      data: [
        '(data (i32.const 0) "content-type: text/plain\\n\\nHello, world!\\n")',
        '(data (i32.const 64) "an item of the list was read and answered in 12 ms")',
      ],
      body: `
        (drop (call $write (call $stdout) (i32.const 0) (i32.const 40)))
        (local.set $n (i32.const ${count}))
        (block $done (loop $more
          (br_if $done (i32.eqz (local.get $n)))
          (call $log (i32.const 6) (i32.const 64) (i32.const 50))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $more)))`,
    }),
  );
}

async function deploy(
  { folder, platform, token }: { folder: string; platform: PlatformChild; token: string },
  name: string,
  { module, manifest = '' }: { readonly module: Uint8Array; readonly manifest?: string },
): Promise<string> {
  const repo = join(folder, name);
  await mkdir(repo);
  await writeFile(join(repo, 'a.wasm'), module);
  await writeFile(join(repo, 'wasmcloud.toml'), manifest);
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args], {
      cwd: repo,
      env: { ...process.env, HOME: folder, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
    });
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-q', '-m', 'bench');
  await git('push', '-q', `${platform.controlUrl.replace('://', `://x:${token}@`)}/${name}.git`, 'main');
  const url = `${platform.runUrl}/${name}/`;
  const { status } = await fetch(url);
  if (status !== 200) throw new Error(`${url} answers ${status}`);
  return url;
}

/** A reader of the live log, and what it was sent. */
interface Reader {
  readonly socket: WebSocket;
  readonly latencies: number[];
  seen: number;
  missed: number;
  /** Lines that the log itself tells as lost. */
  lost: number;
  lastMs: number;
}

async function openReader(url: string, token: string): Promise<Reader> {
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
  const reader: Reader = { socket, latencies: [], seen: 0, missed: 0, lost: 0, lastMs: performance.now() };
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as LogFrame;
    const nowMs = Date.now();
    reader.lastMs = performance.now();
    reader.missed += frame.dropped;
    for (const line of frame.lines) {
      if (line.stream === 'log') reader.seen += 1;
      else reader.lost += Number(/^(\d+) log lines? w/.exec(line.text)?.[1] ?? 0);
      reader.latencies.push(nowMs - line.timeMs);
    }
  });
  await new Promise((resolve) => socket.once('open', resolve));
  return reader;
}

async function measurePlatform(readersCount: number, rate: number): Promise<void> {
  await onPlatform(async (platform, token, folder) => {
    const url = await deploy({ folder, platform, token }, 'writer', { module: writer(linesPerCall) });
    const stream = `${platform.controlUrl.replace('http', 'ws')}/api/v1/handlers/writer/logs/stream`;
    const readers = await Promise.all(Array.from({ length: readersCount }, () => openReader(stream, token)));
    let calls = 0;
    const startMs = performance.now();
    const endMs = startMs + seconds * 1_000;
    const call = async (): Promise<void> => {
      for (;;) {
        const dueMs = startMs + (calls * linesPerCall * 1_000) / rate;
        calls += 1;
        if (dueMs > endMs) return;
        if (dueMs > performance.now()) await after(dueMs - performance.now());
        const answer = await fetch(url);
        await answer.text();
        if (answer.status !== 200) throw new Error(`${url} answers ${answer.status}`);
      }
    };
    const callers = 16;
    await Promise.all(Array.from({ length: callers }, call));
    const tookS = (performance.now() - startMs) / 1_000;
    const written = (calls - callers) * linesPerCall;
    while (readers.some(({ lastMs }) => performance.now() - lastMs < 2_000)) await after(100);
    for (const { socket } of readers) socket.close();
    const latencies = readers.flatMap((reader) => reader.latencies);
    const lost = Math.max(...readers.map((reader) => reader.lost));
    const seen = Math.min(...readers.map((reader) => reader.seen));
    const missed = Math.max(...readers.map((reader) => reader.missed));
    table(
      `logs: a platform at ${rate.toLocaleString('en')} lines/s for ${seconds} s, readers of the live log: ${readersCount}`,
      ['', 'written/s', 'written', 'lost', 'least lines of a reader', 'most missed', 'p50 ms', 'p99 ms'],
      [
        [
          'SQLite',
          ...[written / tookS, written, lost, seen, missed].map(whole),
          ...[50, 99].map((percent) => percentile(latencies, percent)),
        ],
        ['aim', whole(rate), '', '0', '', '0', '', '150'],
      ],
    );
  });
}

async function measureHello(): Promise<void> {
  await onPlatform(async (platform, token, folder) => {
    const silent = '[logs]\nrequests = false\n';
    const deployed = [
      { name: 'no lines', module: writer(0), manifest: silent },
      { name: 'a line of the platform', module: writer(0) },
      { name: 'a line of the function', module: writer(1), manifest: silent },
    ];
    const urls: string[] = [];
    for (const [which, one] of deployed.entries())
      urls.push(await deploy({ folder, platform, token }, `hello-${which}`, one));
    const rates: number[][] = deployed.map(() => []);
    const processorUs: number[][] = deployed.map(() => []);
    const loadSeconds = 3;
    for (let round = -1; round < rounds; round += 1)
      for (const [which, url] of urls.entries()) {
        const beforeMs = processorMs();
        const { requestsPerSecond } = await load({ url, seconds: loadSeconds });
        const spentUs = (processorMs() - beforeMs) * 1_000;
        if (round < 0) continue;
        rates[which]?.push(requestsPerSecond);
        processorUs[which]?.push(spentUs / (requestsPerSecond * loadSeconds));
      }
    const medians = rates.map(median);
    const costs = medians.map((of) => `${((1 - of / (medians[0] ?? 0)) * 100).toFixed(0)} %`);
    table(
      'logs: hello with a line for each call',
      ['', 'requests/s', 'cost', 'processor µs'],
      [
        ...deployed.map(
          ({ name }, which): Row => [
            ...[name, whole(medians[which] ?? 0), which === 0 ? '' : (costs[which] ?? '')],
            median(processorUs[which] ?? []).toFixed(1),
          ],
        ),
        ['aim', '', '20 %', ''],
      ],
    );
  });
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

if (isWanted('cost')) await measureCost();
if (isWanted('stored')) await measureStored();
if (isWanted('platform')) await measurePlatform(1, rate);
if (isWanted('tails')) await measurePlatform(tails, rate / 10);
if (isWanted('hello')) await measureHello();
