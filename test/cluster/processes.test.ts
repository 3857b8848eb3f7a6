/** A cluster whose controls and nodes are killed: what is promised of calls, pushes and versions (docs/cluster.md). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../../src/control/db/database.ts';
import { TestCluster, type TestNode } from '../support/cluster.ts';
import { logsQuery } from '../support/cluster-guests.ts';
import { startLoad } from '../support/cluster-load.ts';
import { api, commit, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { storedLines } from '../support/logs.ts';
import { onCluster } from '../support/nats.ts';

onCluster('a cluster whose processes are killed', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start();
  });
  afterAll(async () => {
    await cluster?.close();
    await removeTemporaryFolders();
  });

  const node = (index: number): TestNode => cluster.nodes[index]!;
  /** What every node answers. */
  const everywhere = (handler: string): Promise<readonly string[]> =>
    Promise.all(cluster.nodes.map(async (one) => (await cluster.call(one, handler)).body));

  test('two commands add a node, and a push is live on all nodes when it says so', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('first') });
    const first = await push(cluster.control(), cluster.user, repo, 'otter');
    expect(first.stderr).toContain('live on 3 of 3 nodes');
    expect(await everywhere('otter')).toEqual(['first', 'first', 'first']);
    await cluster.addNode('node-4');
    expect(await everywhere('otter')).toEqual(['first', 'first', 'first', 'first']);
    await commit(repo, { 'a.wasm': printing('second') });
    expect((await push(cluster.control(), cluster.user, repo, 'otter')).stderr).toContain('live on 4 of 4 nodes');
    expect(await everywhere('otter')).toEqual(['second', 'second', 'second', 'second']);
    expect((await cluster.listed()).map(({ name, state, upToDate }) => [name, state, upToDate])).toEqual(
      [1, 2, 3, 4].map((n) => [`node-${n}`, 'serving', true]),
    );
  });

  test('a control that is killed under load fails no call, and loses no line', async () => {
    const repo = await makeRepo({ 'a.wasm': logsQuery });
    expect((await push(cluster.control(), cluster.user, repo, 'logging')).status).toBe(0);
    const load = startLoad(cluster, 'logging');
    await load.more(100);
    await cluster.killControl(1);
    await load.more(200);
    await cluster.restartControl(1);
    await load.more(100);
    await cluster.killControl(0);
    await load.more(200);
    // What is left works without the other one: settings, and lists.
    expect((await api(cluster.control(1), cluster.user, 'GET', '/handlers/logging')).status).toBe(200);
    await cluster.restartControl(0);
    await load.more(100);
    await load.stop();
    expect(load.failed).toEqual([]);
    await expect.poll(() => missingLines(load.answered), { timeout: 60_000 }).toEqual({ missing: 0, twice: 0 });
  });

  test('a node that is killed during a push does not stop the push, and catches up when it is back', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('before') });
    expect((await push(cluster.control(), cluster.user, repo, 'heron')).status).toBe(0);
    await commit(repo, { 'a.wasm': printing('after') });
    const pushing = push(cluster.control(), cluster.user, repo, 'heron');
    await cluster.killNode(node(2), { runners: true });
    const { status, stderr } = await pushing;
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringMatching(/live on [34] of 4 nodes/) });
    expect((await cluster.call(node(0), 'heron')).body).toBe('after');
    await cluster.restartNode(node(2));
    expect((await cluster.call(node(2), 'heron')).body).toBe('after');
  });

  test('runners serve on when the node itself is killed, and never beside those of the next start with an old version', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('old') });
    expect((await push(cluster.control(), cluster.user, repo, 'egret')).status).toBe(0);
    await cluster.killNode(node(1), { runners: false });
    const orphaned = await cluster.call(node(1), 'egret');
    expect({ body: orphaned.body, stale: orphaned.headers['trisiel-stale'] }).toEqual({ body: 'old', stale: '1' });
    await commit(repo, { 'a.wasm': printing('new') });
    expect((await push(cluster.control(), cluster.user, repo, 'egret')).stderr).toContain('live on 3 of 4 nodes');
    expect((await cluster.call(node(1), 'egret')).body).toBe('old');
    await cluster.restartNode(node(1));
    const answers = new Set<string>();
    for (let n = 0; n < 50; n += 1) answers.add((await cluster.call(node(1), 'egret')).body);
    expect([...answers]).toEqual(['new']);
    expect((await cluster.call(node(1), 'egret')).headers['trisiel-stale']).toBeUndefined();
  });

  test('a node that is drained finishes and ends; one that is removed ends and cannot join again', async () => {
    const drained = node(3).node!.child;
    expect((await api(cluster.control(), cluster.user, 'POST', '/nodes/node-4/drain')).status).toBe(204);
    await expect.poll(() => drained.exitCode).toBe(0);
    const back = await cluster.restartNode(node(3));
    expect((await cluster.call(node(3), 'otter')).body).toBe('second');
    expect((await api(cluster.control(), cluster.user, 'DELETE', '/nodes/node-4')).status).toBe(204);
    await expect.poll(() => back.child.exitCode).toBe(1);
    expect(back.log()).toContain('removed from the cluster');
    await expect(cluster.restartNode(node(3))).rejects.toThrow(/not the token of a node/);
    node(3).node = null;
    cluster.nodes.pop();
  });

  test('two processes with the token of one node: the newer one serves, the older one ends', async () => {
    const older = node(2).node!;
    const newer = await cluster.addTwin(node(2));
    await expect.poll(() => older.child.exitCode).toBe(1);
    expect(older.log()).toContain('another process has joined');
    expect(newer.child.exitCode).toBeNull();
    await newer.stop();
    await cluster.restartNode(node(2));
    expect((await cluster.call(node(2), 'otter')).body).toBe('second');
  });

  /** Numbers of texts without a line in the log, and with more than one. */
  async function missingLines(texts: readonly string[]): Promise<{ missing: number; twice: number }> {
    const db = await openDatabase({ url: cluster.postgres.url('trisiel') });
    try {
      const counts = new Map<string, number>();
      for (const { text } of await storedLines(db)) counts.set(text, (counts.get(text) ?? 0) + 1);
      const of = (isWrong: (count: number) => boolean): number =>
        texts.filter((text) => isWrong(counts.get(text) ?? 0)).length;
      return { missing: of((count) => count === 0), twice: of((count) => count > 1) };
    } finally {
      await db.close();
    }
  }
});
