/**
 * A cluster whose NATS or PostgreSQL is away: what is promised of calls, pushes, logs, kv and tails (docs/cluster.md).
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NatsServer } from '../../src/bin/nats-server.ts';
import { openDatabase } from '../../src/control/db/database.ts';
import { TestCluster } from '../support/cluster.ts';
import { logsQuery, storesQuery } from '../support/cluster-guests.ts';
import { startLoad } from '../support/cluster-load.ts';
import { commit, LogTail, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { lostLines } from '../support/logs.ts';
import { onCluster, temporaryNats } from '../support/nats.ts';

/** Calls made while a server is away; CLUSTER_AWAY_CALLS makes it longer. */
const awayCalls = Number(process.env.CLUSTER_AWAY_CALLS ?? 1_500);

onCluster('a cluster whose servers are away', () => {
  let cluster: TestCluster;
  let nats: NatsServer;
  let repo: string;
  beforeAll(async () => {
    nats = await temporaryNats();
    cluster = await TestCluster.start({ controls: 2, nodes: 2, startNats: async () => nats });
    repo = await makeRepo({ 'a.wasm': logsQuery });
    expect((await push(cluster.control(), cluster.user, repo, 'logging')).status).toBe(0);
    const stores = await makeRepo({ 'a.wasm': storesQuery });
    expect((await push(cluster.control(), cluster.user, stores, 'storing')).status).toBe(0);
  });
  afterAll(async () => {
    await cluster?.close();
    await removeTemporaryFolders();
  });

  test('without NATS no call fails, kv works, pushes are refused and change nothing, and no line is lost uncounted', async () => {
    const load = startLoad(cluster, 'logging', { prefix: 'nats' });
    const storing = startLoad(cluster, 'storing', { prefix: 's', clients: 1 });
    await load.more(100);
    await cluster.nats.kill();
    await load.more(awayCalls);
    await commit(repo, { 'wasmcloud.toml': '[env]\nN = "1"\n' });
    const refused = await push(cluster.control(), cluster.user, repo, 'logging');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('NATS');
    expect(refused.stderr).toContain('v1 is still live');
    await storing.more(10);
    await cluster.nats.start();
    await load.more(200);
    await Promise.all([load.stop(), storing.stop()]);
    expect([...load.failed, ...storing.failed]).toEqual([]);
    await expect.poll(() => uncounted(load.answered), { timeout: 60_000 }).toBe(0);
    await expect
      .poll(async () => (await push(cluster.control(), cluster.user, repo, 'logging')).stderr)
      .toContain('live on 2 of 2 nodes');
  });

  test('a NATS that hangs, or has lost its streams, is no different from one that was away', async () => {
    const load = startLoad(cluster, 'logging', { prefix: 'hang' });
    await load.more(50);
    nats.pause();
    await load.more(300);
    nats.resume();
    await load.more(100);
    // What was in the stream and not taken yet is lost with it; nothing is under way here.
    await load.stop();
    await expect.poll(() => uncounted(load.answered), { timeout: 60_000 }).toBe(0);
    await cluster.nats.kill();
    await cluster.nats.start({ empty: true });
    const later = startLoad(cluster, 'logging', { prefix: 'empty' });
    await later.more(100);
    await later.stop();
    expect([...load.failed, ...later.failed]).toEqual([]);
    await expect.poll(() => uncounted(later.answered), { timeout: 60_000 }).toBe(0);
  });

  test('without PostgreSQL no call fails, kv answers 503, pushes are refused, and lines wait in NATS', async () => {
    const load = startLoad(cluster, 'logging', { prefix: 'pg' });
    await load.more(100);
    await cluster.postgres.kill();
    await load.more(awayCalls);
    const stored = await cluster.call(cluster.nodes[0]!, 'storing', { path: '/?x' });
    expect(stored.status).toBe(503);
    await commit(repo, { 'wasmcloud.toml': '[env]\nN = "2"\n' });
    expect((await push(cluster.control(), cluster.user, repo, 'logging')).status).not.toBe(0);
    await cluster.postgres.start();
    await load.more(100);
    await load.stop();
    expect(load.failed).toEqual([]);
    await expect.poll(() => uncounted(load.answered), { timeout: 120_000 }).toBe(0);
    await expect.poll(async () => (await cluster.call(cluster.nodes[0]!, 'storing', { path: '/?y' })).body).toBe('y');
  });

  let rounds = 0;
  test('a cursor is good on every control: a tail goes on at the other one, without a gap or a duplicate', async () => {
    // The controls have found their database again.
    for (const control of [0, 1])
      await expect.poll(async () => (await fetch(`${cluster.control(control).controlUrl}/readyz`)).status).toBe(200);
    const node = cluster.nodes[0]!;
    // Either control may have stored a line, so one round would show only every second time what a cursor of the other
    // is.
    for (let round = 0; round < 8; round += 1) {
      rounds += 1;
      const text = (n: number): string => `tail-${rounds}-${n}`;
      const first = await LogTail.open(cluster.control(round % 2), cluster.user, 'logging');
      await cluster.call(node, 'logging', { path: `/?${text(1)}` });
      const { cursor } = await first.line((line) => line.text === text(1));
      first.close();
      const second = await LogTail.open(cluster.control((round + 1) % 2), cluster.user, 'logging', cursor);
      await cluster.call(node, 'logging', { path: `/?${text(2)}` });
      await second.line((line) => line.text === text(2));
      const texts = second.lines.map((line) => line.text).filter((one) => one.startsWith('tail-'));
      second.close();
      expect(texts).toEqual([text(2)]);
    }
  });

  /** Returns how many lines of `texts` are neither stored nor told as dropped, or are stored twice. */
  async function uncounted(texts: readonly string[]): Promise<number> {
    const db = await openDatabase({ url: cluster.postgres.url('trisiel') });
    try {
      const prefix = /^[a-z]+/.exec(texts[0] ?? '')?.[0] ?? '';
      const { missing, twice } = await lostLines(db, texts, new RegExp(`^${prefix}.*\\d$`));
      return missing + twice;
    } finally {
      await db.close();
    }
  }
});
