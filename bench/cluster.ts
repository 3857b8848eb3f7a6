/**
 * A cluster on one machine, with a real PostgreSQL, NATS, one control and three nodes of one runner each.
 * `npm run bench -- cluster [push calls cold logs takeover many]`
 * From the environment: ROUNDS, CALLS (of a round), FUNCTIONS and HELD (of `many`). All processes share the machine, so
 * calls a second do not grow with nodes here; processor time of a call must stay the same.
 *
 * - push: from the command to `live on 3 of 3 nodes`, beside the same push to a platform on this machine alone
 * - calls: through 1, 2 and 3 nodes in turn, with the processor time of all processes, of this one too
 * - cold: the first call of a function on a node, 200 KB of wasm, beside the second
 * - logs: lines from the call that writes them to the database
 * - takeover: from a SIGKILL of the one node that holds a function until another one answers its calls
 * - many: 10,000 functions on three nodes, which are called for 500 each: memory, time to join, the first call of each
 */
import type { PlatformChild } from '../src/bin/platform-child.ts';
import { TestCluster } from '../test/support/cluster.ts';
import {
  commit,
  createUser,
  push as gitPush,
  makeRepo,
  removeTemporaryFolders,
  startPlatform,
  type TestUser,
} from '../test/support/e2e.ts';
import { assemble, printing } from '../test/support/e2e-guests.ts';
import { manyFunctions } from '../test/support/many-functions.ts';
import { cwaGuest } from '../test/support/wat.ts';
import { type Figure, figure, middle } from './figure.ts';
import { moduleOf } from './modules.ts';
import { median, percentile } from './statistics.ts';
import { table } from './table.ts';

const rounds = Number(process.env.ROUNDS ?? 5);
const calls = Number(process.env.CALLS ?? 2_000);
/** Calls at a time on each node. */
const clients = 8;
const linesPerCall = 50;
/**
 * Longest wait for lines that have not been stored: a buffer that was full has dropped them, and none comes any more.
 */
const storedWithinMs = 30_000;
const functions = Number(process.env.FUNCTIONS ?? 10_000);
const held = Number(process.env.HELD ?? 500);
const sections = { push, calls: callsOfNodes, cold, logs, takeover, many } as const;
const chosen = process.argv.slice(2);

/** Writes linesPerCall lines. */
const writesLines = assemble(
  cwaGuest({
    data: ['(data (i32.const 0) "a line of a log, of some length")'],
    body: `
    (loop $again
      (call $log (i32.const 6) (i32.const 0) (i32.const 31))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_s (local.get $n) (i32.const ${linesPerCall}))))`,
  }),
);

const cluster = await TestCluster.start({ controls: 1, nodes: 3 });
try {
  for (const [name, section] of Object.entries(sections))
    if (chosen.length === 0 || chosen.includes(name)) await section();
} finally {
  await cluster.close();
  await removeTemporaryFolders();
}

async function deploy(platform: PlatformChild, user: TestUser, repo: string, handler: string): Promise<number> {
  const beforeMs = performance.now();
  const { status, stderr } = await gitPush(platform, user, repo, handler);
  if (status !== 0) throw new Error(stderr);
  return performance.now() - beforeMs;
}

async function push(): Promise<void> {
  const alone = await startPlatform({ TRISIEL_RUNNERS: '1' });
  try {
    const ada = await createUser(alone, 'ada');
    const repo = await makeRepo({ 'a.wasm': printing('0') });
    const times: { readonly alone: number; readonly cluster: number }[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      await commit(repo, { 'a.wasm': printing(`round ${round}`) });
      const time = {
        alone: await deploy(alone, ada, repo, 'pushed'),
        cluster: await deploy(cluster.control(), cluster.user, repo, 'pushed'),
      };
      if (round > 0) times.push(time);
    }
    const one = median(times.map((time) => time.alone));
    const three = median(times.map((time) => time.cluster));
    table(
      'push to live',
      ['where', 'ms', 'more than alone'],
      [
        ['one machine', one.toFixed(0), ''],
        ['three nodes', three.toFixed(0), `${(three - one).toFixed(0)} (aim 500)`],
      ],
    );
  } finally {
    await alone.stop();
  }
}

/** Makes `count` calls, spread over the first `nodes` nodes, `clients` at a time on each. */
async function callThrough(nodes: number, handler: string, count: number): Promise<void> {
  let left = count;
  const client = async (node: (typeof cluster.nodes)[number]): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { status } = await cluster.call(node, handler);
      if (status !== 200) throw new Error(`${handler} answered ${status}`);
    }
  };
  await Promise.all(
    cluster.nodes.slice(0, nodes).flatMap((node) => Array.from({ length: clients }, () => client(node))),
  );
}

async function callsOfNodes(): Promise<void> {
  await deploy(cluster.control(), cluster.user, await makeRepo({ 'a.wasm': printing('hello') }), 'called');
  await callThrough(3, 'called', calls);
  const figures = new Map<number, Figure[]>([1, 2, 3].map((nodes) => [nodes, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [nodes, some] of figures) some.push(await figure(calls, () => callThrough(nodes, 'called', calls)));
  table(
    'calls, with the processor time of all processes',
    ['nodes', 'calls/s', 'µs of a processor each', 'beside one node'],
    [...figures].map(([nodes, some]) => {
      const { rate, cpuUs } = middle(some);
      return [nodes, rate.toFixed(0), cpuUs.toFixed(0), (cpuUs / middle(figures.get(1) ?? []).cpuUs).toFixed(2)];
    }),
  );
}

async function cold(): Promise<void> {
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error('there is no node');
  const times: { readonly first: number; readonly second: number }[] = [];
  const timed = async (handler: string): Promise<number> => {
    const beforeMs = performance.now();
    const { status } = await cluster.call(node, handler);
    if (status !== 200) throw new Error(`${handler} answered ${status}`);
    return performance.now() - beforeMs;
  };
  for (let round = 0; round < rounds; round += 1)
    await deploy(
      cluster.control(),
      cluster.user,
      await makeRepo({ 'a.wasm': moduleOf(200, round + 1) }),
      `cold-${round}`,
    );
  // A runner of a new start has compiled nothing that was never called.
  await node.node?.stop();
  await cluster.restartNode(node);
  for (let round = 0; round < rounds; round += 1)
    times.push({ first: await timed(`cold-${round}`), second: await timed(`cold-${round}`) });
  table(
    'a cold function',
    ['call', 'ms'],
    [
      ['first', `${median(times.map(({ first }) => first)).toFixed(1)} (aim 50)`],
      ['second', median(times.map(({ second }) => second)).toFixed(1)],
    ],
  );
}

async function logs(): Promise<void> {
  await deploy(cluster.control(), cluster.user, await makeRepo({ 'a.wasm': writesLines }), 'logging');
  const stored = async (): Promise<number> => {
    const [row] = await cluster.sql<{ lines: string | null }>('select sum(lines) as lines from log_blocks');
    return Number(row?.lines ?? 0);
  };
  const before = await stored();
  const count = calls * linesPerCall;
  let arrived = 0;
  const { rate, cpuUs } = await figure(count, async () => {
    await callThrough(3, 'logging', calls);
    const untilMs = performance.now() + storedWithinMs;
    for (;;) {
      arrived = (await stored()) - before;
      if (arrived >= count || performance.now() > untilMs) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  // Where lines are missing, the time is that of the wait for them.
  const figures = arrived >= count ? [rate.toFixed(0), cpuUs.toFixed(1)] : ['', ''];
  table(
    'log lines, from the call to the database',
    ['lines', 'stored', 'lines/s', 'µs of a processor each'],
    [[count, arrived, ...figures]],
  );
}

async function takeover(): Promise<void> {
  const repo = await makeRepo({ 'a.wasm': printing('held'), 'wasmcloud.toml': '[placement]\nreplicas = 1\n' });
  await deploy(cluster.control(), cluster.user, repo, 'held');
  const status = async (node: (typeof cluster.nodes)[number]): Promise<number> =>
    (await cluster.call(node, 'held')).status;
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const statuses = await Promise.all(cluster.nodes.map(status));
    const holder = cluster.nodes[statuses.indexOf(200)];
    if (holder === undefined) throw new Error('no node holds it');
    const others = cluster.nodes.filter((node) => node !== holder);
    await cluster.killNode(holder, { runners: true });
    const killedMs = performance.now();
    while (!(await Promise.all(others.map(status))).includes(200))
      await new Promise((resolve) => setTimeout(resolve, 5));
    times.push(performance.now() - killedMs);
    await cluster.restartNode(holder);
    while ((await status(holder)) !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  table(
    'a function of one node, from the SIGKILL of that node to an answer of another one',
    ['', 'ms'],
    [
      ['median', median(times).toFixed(0)],
      ['longest', Math.max(...times).toFixed(0)],
    ],
  );
}

async function many(): Promise<void> {
  const it = await manyFunctions(functions, 3 * held);
  try {
    const first: number[] = [];
    const second: number[] = [];
    const before = await Promise.all(it.nodes.map((node) => it.runnerBytes(node)));
    for (const [index, node] of it.nodes.entries())
      for (const label of it.labels.slice(index * held, (index + 1) * held)) {
        first.push(await it.timed(node, label));
        second.push(await it.timed(node, label));
      }
    const after = await Promise.all(it.nodes.map((node) => it.runnerBytes(node)));
    const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(0);
    table(
      `${functions} functions on three nodes, each called for ${held} of them`,
      ['', 'median of the nodes, or of the calls'],
      [
        ['until a node serves, ms', median(it.footprints.map(({ joinMs }) => joinMs)).toFixed(0)],
        [
          'its own process for a function, KiB',
          (median(it.footprints.map(({ bytes }) => bytes)) / 1024 / functions).toFixed(1),
        ],
        ['its runner before the calls, MiB', mib(median(before))],
        ['its runner after them, MiB', mib(median(after))],
        ['first call, ms', median(first).toFixed(1)],
        ['first call, p99, ms', percentile(first, 99).toFixed(1)],
        ['second call, ms', median(second).toFixed(1)],
      ],
    );
  } finally {
    await it.close();
  }
}
