/**
 * Processor time per call, memory over time, cold code: what one runner costs.
 * `npm run bench -- cpu [section…]`, sections: calls memory cold; `memory` takes ten minutes and runs only if named.
 * From the environment: ROUNDS, SECONDS (of a round), MINUTES (of `memory`), and OTHER: another checkout of this
 * repository whose runner is measured beside ours, if it understands the same messages. bench/README.md says how to
 * read it.
 *
 * - calls: user and system time of the runner's process, all threads, divided by calls, under wrk's load
 * - memory: resident memory of a runner under hello, sleep and POST in turn
 * - cold: the first call of a function whose code was dropped, 200 KB of wasm, against the calls after it
 */
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { MIB } from '../src/protocol/limits.ts';
import { codeLimits } from '../src/runner/limits.ts';
import { call, compileWat, type Deployed, deploymentOf, fixture, TestFleet } from '../test/support/fleet.ts';
import { type Load, load, loader, medians } from './load.ts';
import { moduleOf } from './modules.ts';
import { bare } from './peers/peers.ts';
import { median, percentile } from './statistics.ts';
import { type Row, table } from './table.ts';
import { helloCwa } from './wat-guests.ts';

const rounds = Number(process.env.ROUNDS ?? 5);
const seconds = Number(process.env.SECONDS ?? 3);
const minutes = Number(process.env.MINUTES ?? 10);
const other = process.env.OTHER ?? null;
/** USER_HZ: unit of processor time in /proc. */
const ticksPerSecond = 100;

interface Times {
  readonly userMs: number;
  readonly systemMs: number;
}

/**
 * Reads processor time from proc(5), /proc/PID/stat, fields 14 and 15; the second field, the program's name, may hold
 * any character.
 */
function times(pid: number): Times {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ms = (field: number) => (Number(fields[field - 3]) * 1_000) / ticksPerSecond;
  return { userMs: ms(14), systemMs: ms(15) };
}

function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kib) / 1024;
}

interface Server {
  readonly name: string;
  readonly pid: number;
  /** Of a function's name. */
  readonly url: (handler: string) => string;
  stop(): Promise<void>;
}

interface Work {
  readonly handler: string;
  readonly query: string;
  readonly connections: number;
  /** Path of a file that is POSTed. */
  readonly body?: string;
}

const bodyFile = join(tmpdir(), `trisiel-bench-${process.pid}`);
const works: Readonly<Record<string, Work>> = {
  hello: { handler: 'hello', query: '', connections: 32 },
  'sleep 2 ms': { handler: 'sleep', query: '?2', connections: 64 },
  'POST of 2 KB to a C CGI': { handler: 'post', query: '', connections: 32, body: bodyFile },
  'GET of a C CGI': { handler: 'post', query: '', connections: 32 },
};

async function functions(): Promise<readonly Deployed[]> {
  return [
    deploymentOf('hello', await compileWat(helloCwa)),
    deploymentOf('sleep', await fixture('cwa/sleep.wasm')),
    deploymentOf('post', readFileSync(join(import.meta.dirname, 'guests/cgi-post.wasm'))),
  ];
}

/** Starts a runner of `checkout`, or of this one. */
async function runner(name: string, checkout: string | null): Promise<Server> {
  const where =
    checkout === null ? {} : { program: join(checkout, 'src/bin/runner.ts'), programFolder: `${checkout}/` };
  const fleet = new TestFleet({ runners: 1, ...where });
  await fleet.start();
  for (const deployed of await functions()) await fleet.deploy(deployed);
  return {
    name,
    pid: fleet.runners[0]?.pid ?? 0,
    url: (handler) => `${fleet.url}/${handler}/`,
    stop: () => fleet.stop(),
  };
}

interface Cost extends Load {
  readonly userUs: number;
  readonly systemUs: number;
}

async function measure(server: Server, work: Work): Promise<Cost> {
  const before = times(server.pid);
  const { handler, query, connections, body } = work;
  const url = `${server.url(handler)}${query}`;
  const result = await load({ url, seconds, connections, ...(body === undefined ? {} : { body }) });
  const after = times(server.pid);
  const perCall = 1_000 / (result.requestsPerSecond * seconds);
  return {
    ...result,
    userUs: (after.userMs - before.userMs) * perCall,
    systemUs: (after.systemMs - before.systemMs) * perCall,
  };
}

async function calls(): Promise<void> {
  const servers = [await runner('Trisiel', null)];
  if (other !== null) servers.push(await runner('other', other));
  const koa = await bare('koa');
  servers.push({ name: 'bare Koa', pid: koa.pid, url: () => koa.url, stop: () => koa.stop() });
  const lines = Object.entries(works).flatMap(([what, work]) =>
    servers
      .filter(({ name }) => name !== 'bare Koa' || what === 'hello')
      .map((server) => ({ what, work, server, costs: [] as Cost[] })),
  );
  for (const { work, server } of lines) await measure(server, work);
  for (let round = 0; round < rounds; round += 1)
    for (const line of lines) line.costs.push(await measure(line.server, line.work));
  for (const server of servers) await server.stop();

  const summary = lines.map(({ what, server, costs }) => {
    const userUs = median(costs.map((cost) => cost.userUs));
    const systemUs = median(costs.map((cost) => cost.systemUs));
    // Median of the sums, not sum of the medians.
    const totalUs = median(costs.map((cost) => cost.userUs + cost.systemUs));
    return { what, name: server.name, userUs, systemUs, totalUs, ...medians(costs) };
  });
  const hello = (name: string) => summary.find((row) => row.what === 'hello' && row.name === name)?.totalUs;
  const rows: Row[] = summary.map((row) => [
    row.what,
    row.name,
    row.totalUs.toFixed(1),
    row.userUs.toFixed(1),
    row.systemUs.toFixed(1),
    (row.totalUs / (hello(row.name) ?? Number.NaN)).toFixed(2),
    Math.round(row.requestsPerSecond).toLocaleString('en'),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.errors,
  ]);
  table(
    `processor time of one call; ${loader}, medians of ${rounds} rounds of ${seconds} s`,
    ['', '', 'µs', 'user', 'system', 'x hello', 'requests/s', 'p50 ms', 'p99 ms', 'errors'],
    rows,
  );
}

async function memory(): Promise<void> {
  const server = await runner('Trisiel', null);
  const order = Object.entries(works).slice(0, 3);
  const stepSeconds = 10;
  const rows: Row[] = [];
  const start = performance.now();
  let peak = 0;
  let total = 0;
  for (let step = 0; performance.now() - start < minutes * 60_000; step += 1) {
    const [, work] = order[step % order.length] as [string, Work];
    const url = `${server.url(work.handler)}${work.query}`;
    const post = work.body === undefined ? {} : { body: work.body };
    const { requestsPerSecond } = await load({ url, seconds: stepSeconds, connections: work.connections, ...post });
    total += requestsPerSecond * stepSeconds;
    const mib = residentMib(server.pid);
    peak = Math.max(peak, mib);
    if (step % order.length !== order.length - 1) continue;
    const minute = (performance.now() - start) / 60_000;
    rows.push([minute.toFixed(1), Math.round(total).toLocaleString('en'), Math.round(mib), Math.round(peak)]);
  }
  await server.stop();
  table('resident memory of a runner under hello, sleep and POST in turn', ['minute', 'calls', 'MiB', 'peak'], rows);
}

async function cold(): Promise<void> {
  const fleet = new TestFleet({ runners: 1 });
  await fleet.start();
  // Each is measured once: the engine keeps the code of a module that it has seen for as long as nothing has been
  // collected.
  const victims = Array.from({ length: 40 }, (_, n) => deploymentOf(`cold${n}`, moduleOf(225, n), { ownerId: 'one' }));
  for (const victim of victims) await fleet.deploy(victim);
  // Declared to fill the budget together: a load drops one of them, and a collection follows each fourth.
  const fillers = 16;
  for (let n = 0; n < fillers; n += 1) {
    const filler = deploymentOf(`filler${n}`, moduleOf(1, 1_000 + n), { ownerId: `owner${n}` });
    const module = { ...filler.spec.module, codeBytes: codeLimits.bytes / fillers };
    await fleet.deploy({ ...filler, spec: { ...filler.spec, module } });
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const timed = async (handler: string) => {
    const start = performance.now();
    await call(`${fleet.url}/${handler}/`, { agent });
    return performance.now() - start;
  };
  // Drops the code of all victims; it has been collected then.
  for (let n = 0; n < 2 * fillers; n += 1) await timed(`filler${n % fillers}`);
  const first: number[] = [];
  const next: number[] = [];
  for (let n = 0; n < victims.length; n += 1) {
    await timed(`filler${n % fillers}`);
    // The owner's rest after the load before this one (src/runner/code-store.ts) is over.
    await after(codeLimits.restMs);
    first.push(await timed(`cold${n}`));
    next.push(await timed(`cold${n}`));
  }
  agent.destroy();
  await fleet.stop();
  const { originalBytes = 0, codeBytes = 0 } = victims[0]?.spec.module ?? {};
  const size = `${Math.round(originalBytes / 1024)} KB of wasm, ${(codeBytes / MIB).toFixed(1)} MiB of code by estimate`;
  table(
    `cold code: ${size}; ${first.length} modules`,
    ['first call ms, median', '9 of 10', 'longest', 'next call ms'],
    [
      [
        median(first).toFixed(2),
        percentile(first, 90).toFixed(2),
        Math.max(...first).toFixed(2),
        median(next).toFixed(2),
      ],
    ],
  );
}

const sections: Readonly<Record<string, () => Promise<void>>> = { calls, cold, memory };

const names = process.argv.slice(2);
const unknown = names.find((name) => sections[name] === undefined);
if (unknown !== undefined) throw new Error(`no section ${unknown}; there are ${Object.keys(sections).join(', ')}`);
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}; load by ${loader}`);
await writeFile(bodyFile, Buffer.alloc(2_048, 'x'));
try {
  for (const name of names.length > 0 ? names : ['calls', 'cold']) await sections[name]?.();
} finally {
  await rm(bodyFile);
}
process.exit(0);
