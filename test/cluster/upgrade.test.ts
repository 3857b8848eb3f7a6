/**
 * A rolling upgrade with processes of two versions: controls first, one after the other, then nodes. The next version
 * is a copy of this one with what a next version may have (test/support/next-version.ts).
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAsItIs } from '../../src/control/db/database.ts';
import { TestCluster } from '../support/cluster.ts';
import { logsQuery, storesQuery } from '../support/cluster-guests.ts';
import { type Load, startLoad } from '../support/cluster-load.ts';
import { api, commit, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { lostLines } from '../support/logs.ts';
import { onCluster } from '../support/nats.ts';
import { copyNextVersion, nextVersion } from '../support/next-version.ts';
import type { ProgramCopy } from '../support/program-copy.ts';

onCluster('a rolling upgrade', () => {
  let cluster: TestCluster;
  let next: ProgramCopy;
  let repo: string;
  let pushed = 0;
  /** Calls on each node by itself. */
  let logging: Load;
  /** Calls through a proxy, of a function that needs a control. */
  let storing: Load;
  const loads: Load[] = [];
  beforeAll(async () => {
    [next, cluster] = await Promise.all([copyNextVersion(), TestCluster.start({ controls: 2, nodes: 2 })]);
    repo = await makeRepo({ 'a.wasm': printing('0') });
    for (const [name, wasm] of [
      ['logging', logsQuery],
      ['storing', storesQuery],
    ] as const) {
      const one = await makeRepo({ 'a.wasm': wasm });
      expect((await push(cluster.control(), cluster.user, one, name)).stderr).toContain('live on 2 of 2 nodes');
    }
    logging = startLoad(cluster, 'logging', { prefix: 'up', clients: 1 });
    storing = startLoad(cluster, 'storing', { prefix: 's', clients: 1, passesOver: true });
    loads.push(logging, storing);
    await logging.more(50);
  });
  afterAll(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await cluster?.close();
    await next?.remove();
    await removeTemporaryFolders();
  });

  /** Pushes through each control, whose Releases all nodes serve, and waits for calls in between. */
  async function everythingWorks(): Promise<void> {
    for (const index of [0, 1]) {
      pushed += 1;
      await commit(repo, { 'a.wasm': printing(String(pushed)) });
      const { stderr } = await push(cluster.control(index), cluster.user, repo, 'otter');
      expect(stderr).toContain('live on 2 of 2 nodes');
      for (const node of cluster.nodes) expect((await cluster.call(node, 'otter')).body).toBe(String(pushed));
    }
    const listed = await api(cluster.control(1), cluster.user, 'GET', '/handlers/otter/deployments');
    expect((listed.body as { deployments: { number: number }[] }).deployments.map(({ number }) => number)).toEqual(
      Array.from({ length: pushed }, (_, index) => pushed - index),
    );
    await Promise.all([logging.more(20), storing.more(20)]);
    expect(failures()).toEqual([]);
  }
  /** What has failed, each kind once. */
  const failures = (): readonly string[] => [
    ...new Set(loads.flatMap(({ failed }) => failed).map((text) => text.replace(/"id":"[^"]*"/, ''))),
  ];
  async function upgradeControl(index: number): Promise<void> {
    await cluster.control(index).leave();
    cluster.controls[index]!.programs = next.programs;
    await cluster.restartControl(index);
  }
  const versions = async (index: number): Promise<readonly unknown[]> => {
    const { body } = await api(cluster.control(index), cluster.user, 'GET', '/nodes');
    return (body as { nodes: { version: string }[] }).nodes.map(({ version }) => version).sort();
  };

  test('the first control is upgraded: the other one, and nodes, go on beside it', async () => {
    await upgradeControl(0);
    expect(await versions(0)).toEqual(['0.1.0', '0.1.0']);
    await everythingWorks();
    // A command that it does not know, and a kind of message.
    await cluster.control(1).logged('a message on trisiel.all was refused');
    for (const { node } of cluster.nodes) {
      await node!.logged('a message of an unknown kind came: control-2');
      await node!.logged('a message on trisiel.all was refused');
    }
  });

  test('a node is restarted before the last control is upgraded: it works with both, and its calls go on meanwhile', async () => {
    // What needs a control waits for the node's own process: such a node is drained first (below).
    await storing.stop();
    const node = cluster.nodes[0]!;
    await node.node!.leave();
    await logging.more(20);
    node.programs = next.programs;
    await cluster.restartNode(node);
    storing = startLoad(cluster, 'storing', { prefix: 't', clients: 1, passesOver: true });
    loads.push(storing);
    await everythingWorks();
    for (const index of [0, 1])
      await expect.poll(() => versions(index), { timeout: 60_000 }).toEqual(['0.1.0', nextVersion]);
    await cluster.control(1).logged('a message of an unknown kind came: alive-2');
  });

  test('a control of the earlier version that has ended does not start on the newer database, and says why', async () => {
    await cluster.control(1).leave();
    await expect(cluster.restartControl(1)).rejects.toThrow(/the database was made by another version of Trisiel/);
    cluster.controls[1]!.programs = next.programs;
    await cluster.restartControl(1);
    await everythingWorks();
  });

  test('the last node is drained and started again: behind a proxy no call fails, no line is lost, no version is missing', async () => {
    await logging.stop();
    const direct = logging.answered;
    logging = startLoad(cluster, 'logging', { prefix: 'up-again', clients: 1, passesOver: true });
    loads.push(logging);
    await logging.more(20);
    const node = cluster.nodes[1]!;
    const { child } = node.node!;
    expect((await api(cluster.control(), cluster.user, 'POST', `/nodes/${node.name}/drain`)).status).toBe(204);
    await expect.poll(() => child.exitCode, { timeout: 60_000 }).toBe(0);
    await Promise.all([logging.more(20), storing.more(20)]);
    node.programs = next.programs;
    await cluster.restartNode(node);
    await everythingWorks();
    expect(await versions(1)).toEqual([nextVersion, nextVersion]);
    await Promise.all(loads.map((load) => load.stop()));
    expect(failures()).toEqual([]);
    const db = await openAsItIs({ url: cluster.postgres.url('trisiel') });
    try {
      await expect.poll(() => lostLines(db, direct, /^up\d+$/), { timeout: 60_000 }).toEqual({ missing: 0, twice: 0 });
      // A call that was made again on another node may have written its line on both.
      await expect
        .poll(async () => (await lostLines(db, logging.answered, /^up-again\d+$/)).missing, { timeout: 60_000 })
        .toBe(0);
    } finally {
      await db.destroy();
    }
  });
});
