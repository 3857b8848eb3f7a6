/**
 * Queues and schedules of a cluster whose processes and servers are killed at random: the faults follow from a printed
 * SEED. CLUSTER_MINUTES makes it last longer; absent: a few faults.
 */
import { afterEach, expect, test } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { api, commit, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { assemble, printing } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';
import { randomOf } from '../support/random.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const minutes = Number(process.env.CLUSTER_MINUTES ?? 0);
/** Faults without CLUSTER_MINUTES. */
const fewFaults = 4;
/** Milliseconds without an answer after which a request counts as forgotten; all waits of a control are shorter. */
const unansweredMs = 60_000;

/** Exits with 1 where standard input begins with `p` (poison), with 0 for any other message. */
const consumer = assemble(`(module
  (import "cwa" "io_get_stdin" (func $stdin (result i32)))
  (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "cwa_main") (result i32)
    (drop (call $read (call $stdin) (i32.const 64) (i32.const 64)))
    (i32.eq (i32.load8_u (i32.const 64)) (i32.const 112))))`);

onCluster('random faults', () => {
  let cluster: TestCluster | null = null;
  afterEach(async () => {
    await cluster?.close();
    cluster = null;
    await removeTemporaryFolders();
  });

  test('lose no message and no version, and store each tick once', async () => {
    process.stderr.write(`random faults of a cluster: SEED=${seed}\n`);
    const running = await TestCluster.start({ controls: 2, nodes: 2 });
    cluster = running;
    const random = randomOf(seed);
    const manifest = `[[queue]]\nname = "jobs"\nmax-attempts = 2\n[[schedule]]\nname = "often"\ncron = "* * * * * *"\nbody = "go"\n`;
    const worker = await makeRepo({ 'a.wasm': consumer, 'wasmcloud.toml': manifest });
    const pushed = await push(running.control(), running.user, worker, 'worker');
    expect(pushed.status, pushed.stderr).toBe(0);
    const versions = await makeRepo({ 'a.wasm': printing('0') });
    expect((await push(running.control(), running.user, versions, 'versions')).status).toBe(0);

    const published: string[] = [];
    let poisons = 0;
    let isOver = false;
    const unanswered: string[] = [];
    const publishing = (async () => {
      for (let n = 0; !isOver; n += 1) {
        const isPoison = n % 20 === 7;
        const control = running.control(n % 2);
        const text = `${isPoison ? 'poison' : 'message'} ${n}`;
        const answer = await fetch(`${control.controlUrl}/api/v1/queues/jobs/messages`, {
          method: 'POST',
          headers: { authorization: `Bearer ${running.user.token}`, 'content-type': 'text/plain' },
          body: text,
          signal: AbortSignal.timeout(unansweredMs),
        }).catch((error: Error) => {
          if (error.name === 'TimeoutError') unanswered.push(text);
          return null;
        });
        // What was not acknowledged may be published all the same.
        if (answer?.status !== 201) continue;
        published.push(text);
        if (isPoison) poisons += 1;
      }
    })();

    const endMs = performance.now() + minutes * 60_000;
    for (let fault = 0; fault < fewFaults || performance.now() < endMs; fault += 1) {
      const until = published.length + 20 + random(60);
      const what = random(5);
      const node = running.nodes[random(2)]!;
      if (what === 0) {
        await running.killControl(1);
        await running.restartControl(1);
      } else if (what === 1) {
        await running.killNode(node, { runners: random(2) === 0 });
        await running.restartNode(node);
      } else if (what === 2) {
        await running.nats.kill();
        await running.nats.start();
      } else if (what === 3) {
        await running.postgres.kill();
        await running.postgres.start();
      } else {
        await commit(versions, { 'a.wasm': printing(String(fault)) });
        await push(running.control(0), running.user, versions, 'versions');
      }
      await expect.poll(() => published.length, { timeout: 120_000 }).toBeGreaterThanOrEqual(until);
    }
    isOver = true;
    await publishing;
    expect(unanswered).toEqual([]);

    const counts = async (): Promise<unknown> => {
      const { body } = await api(running.control(), running.user, 'GET', '/queues/jobs');
      const { ready, inflight } = (body as { readonly messages: { ready: number; inflight: number } }).messages;
      return { ready, inflight };
    };
    await expect.poll(counts, { timeout: 120_000, interval: 500 }).toEqual({ ready: 0, inflight: 0 });
    const rows = await running.sql<{ body: Buffer; state: string }>('select body, state from messages');
    const states = new Map(rows.map(({ body, state }) => [body.toString(), state]));
    const gone = published.filter((text) => !states.has(text));
    // What is done is pruned from the oldest end; nothing else may be missing.
    expect(gone.filter((text) => text.startsWith('poison'))).toEqual([]);
    expect(rows.filter(({ body, state }) => body.toString().startsWith('poison') !== (state === 'dead'))).toEqual([]);
    expect(poisons).toBeGreaterThan(0);

    // Each tick of the schedule is in the store once.
    const ticks = await running.sql<{ ticks: string; distinct_ticks: string }>(
      'select count(*) as ticks, count(distinct tick_ms) as distinct_ticks from calls where schedule is not null',
    );
    expect(ticks[0]!.ticks).toBe(ticks[0]!.distinct_ticks);
    expect(Number(ticks[0]!.ticks)).toBeGreaterThan(0);

    // Every node serves what the database says, and no version is missing.
    const live = await running.sql<{ number: number }>(
      `select d.number from releases r join deployments d on d.id = r.deployment_id join handlers h on h.id = r.handler_id where h.name = 'versions'`,
    );
    const numbers = await running.sql<{ number: number }>(
      `select d.number from deployments d join handlers h on h.id = d.handler_id where h.name = 'versions' order by d.number`,
    );
    expect(numbers.map(({ number }) => number)).toEqual(numbers.map((_, index) => index + 1));
    expect(live).toHaveLength(1);
    await expect
      .poll(async () => (await running.listed()).map(({ upToDate }) => upToDate), { timeout: 60_000 })
      .toEqual([true, true]);
    const answers = await Promise.all(running.nodes.map(async (one) => (await running.call(one, 'versions')).body));
    expect(new Set(answers).size).toBe(1);
  }, 1_800_000);
});
