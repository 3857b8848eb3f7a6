/**
 * Invocations: what a call costs, against peers on the same machine in the same run.
 * `npm run bench -- invoke [section…]`, sections: hello sizes waiting density neighbour deploys.
 * Metering and the logging of usage are on, as always. bench/README.md says how to read it. From the environment:
 * ROUNDS, SECONDS (of a round), RUNNER_FLAGS (V8's), WORKERD (its binary), LOADER (wrk or autocannon; load.ts).
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { artifactName } from '../src/protocol/module.ts';
import { handlerIdOf, handlerNameOf } from '../src/protocol/names.ts';
import { AddressReader, RouteTable } from '../src/runner/routes.ts';
import { call, compileWat, type Deployed, deploymentOf, fixture, TestFleet } from '../test/support/fleet.ts';
import { compare, count, ms, ratio, rounds, seconds } from './compare.ts';
import { type Load, load, loader, medians } from './load.ts';
import { type OpenLoadResult, openLoad } from './open-load.ts';
import { bare, findWorkerd, type Peer, workerd } from './peers/peers.ts';
import { median } from './statistics.ts';
import { type Row, table } from './table.ts';
import { computing, growing, helloCwa, helloWasi, looping, oneMegabyte, streaming, waiting } from './wat-guests.ts';

/** Flags of V8, to measure their effect on a runner. */
const nodeFlags = (process.env.RUNNER_FLAGS ?? '').split(' ').filter((flag) => flag !== '');

async function withFleet(run: (fleet: TestFleet) => Promise<void>, runners = 1): Promise<void> {
  const fleet = new TestFleet({ runners, nodeFlags });
  await fleet.start();
  try {
    await run(fleet);
  } finally {
    await fleet.stop();
  }
}

/** Measures 1: hello, one process each. */
async function hello(): Promise<void> {
  await withFleet(async (fleet) => {
    const cwa = await compileWat(helloCwa);
    await fleet.deploy(deploymentOf('cwa', cwa));
    await fleet.deployWat('wasi', helloWasi);
    const peers: Record<string, Peer> = { 'bare node:http': await bare('http'), 'bare Koa': await bare('koa') };
    const program = findWorkerd();
    if (program === null) console.log('workerd is not installed (npm install in bench/): left out');
    else {
      peers['workerd, fresh instance'] = await workerd(program, cwa, true);
      peers['workerd, one instance'] = await workerd(program, cwa, false);
    }
    const urls = Object.fromEntries(Object.entries(peers).map(([name, { url }]) => [name, url]));
    const all = await compare({ ...urls, 'Trisiel, cwa': `${fleet.url}/cwa/`, 'Trisiel, wasi': `${fleet.url}/wasi/` });
    for (const peer of Object.values(peers)) await peer.stop();
    const of = (name: string) => all[name]?.requestsPerSecond;
    table(
      `hello: 32 connections, one process each, ${loader}, medians of ${rounds} rounds of ${seconds} s`,
      ['', 'requests/s', 'p50 ms', 'p99 ms', 'x Koa', 'p99 x Koa', 'x workerd fresh', 'x workerd one', 'errors'],
      Object.entries(all).map(([name, { requestsPerSecond, p50Ms, p99Ms, errors }]) => [
        name,
        count(requestsPerSecond),
        ms(p50Ms),
        ms(p99Ms),
        ratio(requestsPerSecond, of('bare Koa')),
        ratio(p99Ms, all['bare Koa']?.p99Ms),
        ratio(requestsPerSecond, of('workerd, fresh instance')),
        ratio(requestsPerSecond, of('workerd, one instance')),
        errors,
      ]),
    );
  });
}

interface SizedGuest {
  readonly wasm: Uint8Array;
  /** Path at which ours is called; absent: the root. */
  readonly path?: string;
  /** Path at which bare Koa gives the same answer; absent: it has none. */
  readonly koaPath?: string;
  /**
   * Whether the module runs in workerd with a new instance per request, and with one instance for all; absent: in
   * neither.
   */
  readonly workerd?: { readonly fresh: boolean; readonly one: boolean };
  /** Path of a file that is POSTed. */
  readonly body?: string;
}

/** Path of a component that is measured with those of sizes; null: none. */
const component = process.env.COMPONENT ?? null;

/** Measures 2: guests that do more than hello, and components. */
async function sizes(): Promise<void> {
  const body = join(tmpdir(), `trisiel-bench-${process.pid}`);
  await writeFile(body, Buffer.alloc(100 * 1024, 'x'));
  const both = { fresh: true, one: true };
  const guests: Readonly<Record<string, SizedGuest>> = {
    hello: { wasm: await compileWat(helloCwa) },
    '1 MB of memory': { wasm: await compileWat(oneMegabyte), workerd: both },
    // A single instance keeps its grown memory, and has its 4 GB after some thousand calls.
    'grows by 1 MB': { wasm: await compileWat(growing), workerd: { fresh: true, one: false } },
    'computes 1 ms': { wasm: await compileWat(computing), workerd: both },
    'streams 1 MB': { wasm: await compileWat(streaming), koaPath: 'stream' },
    'echoes 100 KB': { wasm: await fixture('cwa/echo.wasm'), koaPath: 'echo', body },
    'hello, component of 0.2': { wasm: await fixture('component/http.wasm') },
    'hello, component of 0.3': { wasm: await fixture('component/http3.wasm') },
    'hello, command of 0.2': { wasm: await fixture('component/cgi.wasm') },
    'echoes 100 KB, 0.2': { wasm: await fixture('component/http.wasm'), koaPath: 'echo', body },
    'echoes 100 KB, 0.3': { wasm: await fixture('component/http3.wasm'), path: 'echo', koaPath: 'echo', body },
    ...(component === null ? {} : { [basename(component)]: { wasm: readFileSync(component) } }),
  };
  let hello: number | undefined;
  const program = findWorkerd();
  if (program === null) console.log('workerd is not installed (npm install in bench/): left out');
  const rows: Row[] = [];
  await withFleet(async (fleet) => {
    for (const [name, { wasm, path: ownPath = '', koaPath, workerd: hosts, body }] of Object.entries(guests)) {
      await fleet.deploy(deploymentOf('guest', wasm));
      const urls: Record<string, string> = { ours: `${fleet.url}/guest/${ownPath}` };
      const peers: Peer[] = [];
      const beside = (label: string, peer: Peer, path = '') => {
        peers.push(peer);
        urls[label] = peer.url + path;
      };
      let all: Record<string, Load>;
      try {
        if (koaPath !== undefined) beside('koa', await bare('bodies'), koaPath);
        if (program !== null && hosts?.fresh === true) beside('fresh', await workerd(program, wasm, true));
        if (program !== null && hosts?.one === true) beside('one', await workerd(program, wasm, false));
        await sameAnswers(Object.values(urls), body);
        all = await compare(urls, body);
      } finally {
        for (const peer of peers) await peer.stop();
      }
      const ours = all.ours;
      if (ours === undefined) continue;
      hello ??= ours.requestsPerSecond;
      rows.push([
        name,
        count(ours.requestsPerSecond),
        ms(ours.p50Ms),
        ms(ours.p99Ms),
        ratio(ours.requestsPerSecond, hello),
        ratio(ours.requestsPerSecond, all.koa?.requestsPerSecond),
        ratio(ours.p99Ms, all.koa?.p99Ms),
        ratio(ours.requestsPerSecond, all.fresh?.requestsPerSecond),
        ratio(ours.requestsPerSecond, all.one?.requestsPerSecond),
        Object.values(all).reduce((sum, { errors }) => sum + errors, 0),
      ]);
    }
  });
  await rm(body);
  table(
    `guests: 32 connections, one process each, ${loader}, medians of ${rounds} rounds of ${seconds} s; errors of all`,
    [
      '',
      'requests/s',
      'p50 ms',
      'p99 ms',
      'x hello',
      'x Koa',
      'p99 x Koa',
      'x workerd fresh',
      'x workerd one',
      'errors',
    ],
    rows,
  );
}

/** Throws unless all hosts give the same body: figures are compared only of hosts that do the same. */
async function sameAnswers(urls: readonly string[], body?: string): Promise<void> {
  const post = body === undefined ? {} : { method: 'POST', body: readFileSync(body) };
  const [first, ...others] = await Promise.all(urls.map((url) => call(url, post)));
  for (const answer of others) {
    if (first?.status === 200 && answer.status === 200 && answer.body.equals(first.body)) continue;
    throw new Error(
      `answers differ: ${first?.status}, ${first?.body.length} bytes; ${answer.status}, ${answer.body.length} bytes`,
    );
  }
}

/** Returns the runner's own figures from its next answer to the watchdog. */
async function stats(fleet: TestFleet) {
  const before = fleet.runners[0]?.stats;
  for (;;) {
    const now = fleet.runners[0]?.stats;
    if (now !== null && now !== undefined && now !== before) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Opens connections, each of which has sent a request. */
async function open(wanted: number, port: number, path: string): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < wanted; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    sockets.push(socket);
    if (i % 100 === 99) await once(socket, 'connect');
  }
  return sockets;
}

function rssBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

/** Measures 3: 10,000 invocations that wait, in one runner. */
async function waitingCalls(): Promise<void> {
  await withFleet(async (fleet) => {
    const wanted = 10_000;
    await fleet.deployWat('hello', helloCwa);
    await fleet.deployWat('waiting', waiting, { limits: { timeoutMs: 600_000 } });
    const url = `${fleet.url}/hello/`;
    await load({ url, seconds: 2 });
    const quiet = await load({ url, seconds });
    const before = await stats(fleet);
    const sockets = await open(wanted, fleet.fleet.port, '/waiting/');
    let now = await stats(fleet);
    for (let tries = 0; now.inFlight < wanted && tries < 40; tries++) now = await stats(fleet);
    const busy = await load({ url, seconds });
    for (const socket of sockets) socket.destroy();
    const koa = await bare('koa');
    const koaBefore = rssBytes(koa.pid);
    const koaSockets = await open(wanted, Number(new URL(koa.url).port), '/wait');
    await fetch(koa.url);
    const koaKib = (rssBytes(koa.pid) - koaBefore) / 1024 / wanted;
    for (const socket of koaSockets) socket.destroy();
    await koa.stop();
    const kib = (now.rssBytes - before.rssBytes) / 1024 / now.inFlight;
    table(
      'waiting: calls that wait for an upstream, in one runner (sockets included)',
      ['in flight', 'KB per call', 'of it in bare Koa', 'left', 'neighbour p99 ms', 'quiet p99 ms'],
      [
        [
          count(now.inFlight),
          kib.toFixed(1),
          koaKib.toFixed(1),
          (kib - koaKib).toFixed(1),
          ms(busy.p99Ms),
          ms(quiet.p99Ms),
        ],
      ],
    );
  });
}

/** Measures 4: many handlers, most of them idle. */
async function density(): Promise<void> {
  await withFleet(async (fleet) => {
    const handlers = 1_000;
    const bytes = await compileWat(helloCwa);
    const first = deploymentOf('h-0', bytes);
    await fleet.deploy(first);
    await load({ url: `${fleet.url}/h-0/`, seconds: 1 });
    const before = await stats(fleet);
    for (let i = 1; i <= handlers; i++)
      await fleet.deploy({
        ...first,
        spec: { ...first.spec, specId: `d-${i}`, handlerId: handlerIdOf(`i-${i}`), handler: handlerNameOf(`h-${i}`) },
      });
    const after = await stats(fleet);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const timed = async (name: string) => {
      const start = performance.now();
      await call(`${fleet.url}/${name}/`, { agent });
      return performance.now() - start;
    };
    const cold: number[] = [];
    const warm: number[] = [];
    for (let i = 1; i <= 200; i++) {
      cold.push(await timed(`h-${i}`));
      warm.push(await timed(`h-${i}`));
    }
    agent.destroy();
    table(
      `density: ${count(handlers)} handlers of Artifact ${artifactName(first.spec.module).slice(0, 8)}`,
      ['KB per idle handler', 'first call ms', 'next call ms'],
      [[((after.rssBytes - before.rssBytes) / 1024 / handlers).toFixed(1), ms(median(cold)), ms(median(warm))]],
    );
  });
  const rows = [10, 100, 1_000, 10_000].map((labels) => {
    const routes = new RouteTable();
    for (let i = 0; i < labels; i++) routes.set(`handler-${i}`, null);
    const reader = new AddressReader({ domain: 'localhost', defaultPort: '80', routes });
    const targets = Array.from({ length: 1_000 }, (_, i) => `handler-${(i * 7919) % labels}`);
    const times: number[] = [];
    for (let round = 0; round < 21; round++) {
      const start = performance.now();
      for (let i = 0; i < 100_000; i++)
        routes.find(reader.read(`${targets[i % 1_000]}.localhost`, '/a/b?c')?.label ?? '');
      times.push(((performance.now() - start) * 1e6) / 100_000);
    }
    return [count(labels), Math.round(median(times))];
  });
  table(
    'routing: nanoseconds from Host and path to the Deployment, another handler each time',
    ['handlers', 'ns'],
    rows,
  );
}

/** Measures 5: hello beside a handler that computes without end. */
async function neighbour(): Promise<void> {
  await withFleet(async (fleet) => {
    await fleet.deployWat('hello', helloCwa);
    await fleet.deployWat('loop', looping, { limits: { gas: 1e12, timeoutMs: 60_000 } });
    const url = `${fleet.url}/hello/`;
    await load({ url, seconds: 2 });
    const rows: Row[] = [];
    let quiet: Load | null = null;
    for (const loops of [0, 1, 4, 16]) {
      const running = Array.from({ length: loops }, () => {
        const socket = connect(fleet.fleet.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write('GET /loop/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
        return socket;
      });
      const loads: Load[] = [];
      for (let round = 0; round < rounds; round++) loads.push(await load({ url, seconds: Math.min(seconds, 2) }));
      const result = medians(loads);
      quiet ??= result;
      rows.push([
        loops,
        count(result.requestsPerSecond),
        ms(result.p50Ms),
        ms(result.p99Ms),
        ratio(result.p99Ms, quiet.p99Ms),
      ]);
      for (const socket of running) socket.destroy();
    }
    table(
      'neighbour: hello beside endless loops, one runner',
      ['loops', 'requests/s', 'p50 ms', 'p99 ms', 'p99 x quiet'],
      rows,
    );
  });
}

/**
 * Measures 6: Deployments while calls are answered: the runners' share, loading and switching. Calls and deployments
 * come by the clock: at full speed, 100 deployments would be over before a thousand calls are made.
 */
async function deploys(): Promise<void> {
  await withFleet(async (fleet) => {
    const versions = 100;
    const everyMs = 100;
    const perSecond = 1_000;
    const deployments: Deployed[] = [];
    for (let version = 0; version <= versions; version++) {
      const source = helloCwa.replace('world', String(version).padStart(5, '0'));
      deployments.push(deploymentOf('hello', await compileWat(source)));
    }
    let begun = -1;
    let acknowledged = -1;
    const times: number[] = [];
    const deploy = async (version: number) => {
      const deployed = deployments[version];
      if (deployed === undefined) return;
      begun = version;
      const start = performance.now();
      await fleet.deploy(deployed);
      acknowledged = version;
      times.push(performance.now() - start);
    };
    /**
     * Returns the valid answers to a call that is sent now: of the Deployment that is live by now, or of a later one.
     */
    const expect = () => {
      const oldest = acknowledged;
      return ({ text }: { readonly text: string }) => {
        const version = Number(/^Hello, (\d{5})!\n$/.exec(text)?.[1] ?? Number.NaN);
        if (version < oldest) return 'an older version';
        return version <= begun ? null : 'no version deployed';
      };
    };
    const load = () => openLoad({ url: `${fleet.url}/hello/`, perSecond, expect });
    const pause = (timeMs: number) => new Promise((resolve) => setTimeout(resolve, timeMs));
    await deploy(0);
    // Warms up until V8 has optimised both runners and the sender; before that, the quiet p99 is several times as long.
    const warming = await load();
    await pause(3_000);
    await warming.stop();
    const calm = await load();
    await pause(seconds * 1_000);
    const quiet = await calm.stop();

    times.length = 0;
    const busy = await load();
    const start = performance.now();
    for (let version = 1; version <= versions; version++) {
      await pause(Math.max(0, start + version * everyMs - performance.now()));
      await deploy(version);
    }
    const deploying = await busy.stop();
    const row = (name: string, result: OpenLoadResult, deployMs: string): Row => [
      name,
      result.tookS.toFixed(1),
      count(perSecond),
      count(result.callsPerSecond),
      result.failed,
      ms(result.medianMs),
      ms(result.p99Ms),
      ms(result.longestMs),
      `${ms(result.senderLateMs.median)} / ${ms(result.senderLateMs.p99)}`,
      deployMs,
    ];
    table(
      `deploys: ${versions}, one each ${everyMs} ms, two runners; calls by the clock, latency from when one was due`,
      [
        '',
        'took s',
        'calls/s due',
        'answered',
        'failed',
        'median ms',
        'p99 ms',
        'longest ms',
        'sender late, median / p99 ms',
        'median deploy ms',
      ],
      [row('no deployment', quiet, '-'), row(`${versions} deployments`, deploying, ms(median(times)))],
    );
    for (const [what, often] of [...quiet.failures, ...deploying.failures])
      console.log(`failed: ${what}, ${often} times`);
  }, 2);
}

const sections: Readonly<Record<string, () => Promise<void>>> = {
  hello,
  sizes,
  waiting: waitingCalls,
  density,
  neighbour,
  deploys,
};

/** Runs the sections named, or all. */
async function invoke(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => sections[name] === undefined);
  if (unknown !== undefined) throw new Error(`no section ${unknown}; there are ${Object.keys(sections).join(', ')}`);
  const machine = `${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
  console.log(`${machine}; load by ${loader}, in deploys by open-load.ts`);
  for (const name of names.length > 0 ? names : Object.keys(sections)) await sections[name]?.();
}

await invoke(process.argv.slice(2));
process.exit(0);
