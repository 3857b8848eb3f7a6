/**
 * Queues end to end: messages published in bulk over HTTP, messages that each invoke a function until its
 * acknowledgement is stored, messages exported over HTTP, and the memory of control meanwhile.
 * `npm run bench -- queue [sqlite postgres peers]`; MESSAGES (default 50,000), BYTES of a message (100), ROUNDS (3).
 * The processor time of each message is that of all processes: client, server, runners, database.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type PlatformChild, startPlatformChild } from '../src/bin/platform-child.ts';
import { command } from '../test/support/database.ts';
import { assemble } from '../test/support/e2e-guests.ts';
import { postgresMissing, startPostgres } from '../test/support/postgres.ts';
import { type Figure, figure, middle } from './figure.ts';
import { measurePeers } from './peers/queues.ts';
import { type Row, table } from './table.ts';

const messages = Number(process.env.MESSAGES ?? 50_000);
const bytes = Number(process.env.BYTES ?? 100);
const rounds = Number(process.env.ROUNDS ?? 3);
const wanted = process.argv.slice(2);
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);
const run = promisify(execFile);

/** Reads its input to the end and exits with 0: the least that a consumer does. */
const reader = assemble(`(module
  (import "cwa" "io_get_stdin" (func $stdin (result i32)))
  (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "cwa_main") (result i32)
    (loop $more (br_if $more (i32.gt_s (call $read (call $stdin) (i32.const 0) (i32.const 4096)) (i32.const 0))))
    (i32.const 0)))`);

interface Figures {
  readonly publishes: Figure;
  readonly invocations: Figure;
  readonly batched: Figure;
  readonly exports: Figure;
  readonly residentMiB: readonly number[];
}

/** Measures one platform. */
async function measure(env: Readonly<Record<string, string>>): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-queue-'));
  const platform = await startPlatformChild({
    TRISIEL_DATA: join(folder, 'data'),
    TRISIEL_PORT: '0',
    TRISIEL_RUN_PORT: '0',
    TRISIEL_REGISTRATION: 'open',
    ...env,
  });
  try {
    const signedUp = await fetch(`${platform.controlUrl}/api/v1/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'bench', password: 'correct horse battery' }),
    });
    const client = new Client(platform, ((await signedUp.json()) as { token: string }).token);
    await deploy(folder, client, 'single', 'concurrency = 64\n');
    await deploy(folder, client, 'batched', 'concurrency = 4\nbatch = 100\n');
    const none = (): Figure[] => [];
    const figures = { publishes: none(), invocations: none(), batched: none(), exports: none() };
    const residentMiB: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const [queue, name] of [
        ['single', 'invocations'],
        ['batched', 'batched'],
      ] as const) {
        await client.pause(queue, true);
        figures.publishes.push(await figure(messages, () => client.publish(queue, messages)));
        if (queue === 'single') figures.exports.push(await figure(messages, () => client.exported(queue, messages)));
        figures[name].push(
          await figure(messages, async () => {
            await client.pause(queue, false);
            await client.drained(queue);
          }),
        );
        await client.purge(queue);
        residentMiB.push(residentOf(platform));
      }
    }
    return {
      publishes: middle(figures.publishes),
      invocations: middle(figures.invocations),
      batched: middle(figures.batched),
      exports: middle(figures.exports),
      residentMiB,
    };
  } finally {
    await platform.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The API as a client in a hurry uses it. */
class Client {
  readonly platform: PlatformChild;
  readonly token: string;

  constructor(platform: PlatformChild, token: string) {
    this.platform = platform;
    this.token = token;
  }

  async publish(queue: string, count: number): Promise<void> {
    const line = `${JSON.stringify({ text: 'x'.repeat(bytes) })}\n`;
    for (let left = count; left > 0; left -= 10_000)
      await this.#ask('POST', `/queues/${queue}/messages`, {
        type: 'application/x-ndjson',
        body: line.repeat(Math.min(left, 10_000)),
      });
  }

  async pause(queue: string, isPaused: boolean): Promise<void> {
    await this.#ask('PUT', `/queues/${queue}`, { type: 'application/json', body: JSON.stringify({ isPaused }) });
  }

  async purge(queue: string): Promise<void> {
    await this.#ask('POST', `/queues/${queue}/purge`, { type: 'application/json', body: '' });
  }

  /** Resolves when no message waits or is with the consumer. */
  async drained(queue: string): Promise<void> {
    for (;;) {
      const text = await this.#ask('GET', `/queues/${queue}`, null);
      const found = (JSON.parse(text) as { messages: Record<string, number> }).messages;
      if (found.dead !== 0) throw new Error('a message failed');
      if (found.ready === 0 && found.inflight === 0) return;
      await after(Math.min(500, (found.ready ?? 0) / 20 + 5));
    }
  }

  /** Reads an export as fast as it comes. Rejects where it has not `count` lines. */
  exported(queue: string, count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const url = `${this.platform.controlUrl}/api/v1/queues/${queue}/export`;
      const headers = { authorization: `Bearer ${this.token}`, 'accept-encoding': 'identity' };
      request(url, { headers }, (response) => {
        let lines = 0;
        response.on('data', (chunk: Buffer) => {
          for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1;
        });
        response.on('end', () => (lines === count ? resolve() : reject(new Error(`${lines} lines of ${count}`))));
        response.on('error', reject);
      })
        .on('error', reject)
        .end();
    });
  }

  async #ask(method: string, path: string, content: { type: string; body: string } | null): Promise<string> {
    const answer = await fetch(`${this.platform.controlUrl}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(content === null ? {} : { 'content-type': content.type }),
      },
      ...(content === null ? {} : { body: content.body }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text;
  }
}

async function deploy(folder: string, client: Client, queue: string, settings: string): Promise<void> {
  const repo = join(folder, queue);
  await mkdir(repo);
  await writeFile(join(repo, 'a.wasm'), reader);
  await writeFile(join(repo, 'wasmcloud.toml'), `[[queue]]\nname = "${queue}"\n${settings}`);
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args], {
      cwd: repo,
      env: { ...process.env, HOME: folder, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
    });
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-q', '-m', 'bench');
  await git('push', '-q', `${client.platform.controlUrl.replace('://', `://x:${client.token}@`)}/${queue}.git`, 'main');
}

/** Returns the resident memory of control in MiB; 0 where the system does not tell. */
function residentOf({ child }: PlatformChild): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}

const rows: Row[] = [];
const shown = ({ rate, cpuUs }: Figure) => [Math.round(rate).toLocaleString('en'), Math.round(cpuUs)];
const add = (name: string, figures: Figures): void => {
  rows.push([name, ...[figures.publishes, figures.invocations, figures.batched, figures.exports].flatMap(shown)]);
  console.log(`${name}: memory of control after each part, MiB: ${figures.residentMiB.join(' ')}`);
};
if (isWanted('sqlite')) add('Trisiel, SQLite', await measure({}));
if (isWanted('postgres')) {
  if (postgresMissing !== null) console.log(`skipped: Trisiel, PostgreSQL: ${postgresMissing}`);
  else {
    const server = await startPostgres();
    try {
      await command(server, 'create database trisiel');
      add('Trisiel, PostgreSQL', await measure({ TRISIEL_DATABASE: server.url('trisiel') }));
    } finally {
      await server.close();
    }
  }
}
if (isWanted('peers')) {
  for (const { name, publishes, jobs } of await measurePeers({ messages, bytes, rounds })) {
    rows.push([name, ...shown(publishes), ...shown(jobs), '', '', '', '']);
  }
}
rows.push(['aim', '5,000', '', '1,500', '', '', '', '200,000', '']);
table(
  `queue: ${messages.toLocaleString('en')} messages of ${bytes} bytes, medians of ${rounds} rounds`,
  ['', 'publishes/s', 'µs', 'invocations/s', 'µs', 'in batches of 100/s', 'µs', 'exported/s', 'µs'],
  rows,
);
