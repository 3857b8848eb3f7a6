/** A cluster in zones: pushes to functions that some nodes hold, and calls through a proxy that follows hints. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster, type TestNode } from '../support/cluster.ts';
import { api, commit, type FunctionAnswer, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';

onCluster('a cluster in zones', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ controls: 1, nodes: 0 });
    for (const [index, zone] of ['eu', 'eu', 'us'].entries())
      await cluster.addNode(`node-${index + 1}`, { TRISIEL_NODE_LABELS: `zone=${zone}` });
  });
  afterAll(async () => {
    await cluster?.close();
    await removeTemporaryFolders();
  });

  const answers = (handler: string): Promise<readonly FunctionAnswer[]> =>
    Promise.all(cluster.nodes.map((node) => cluster.call(node, handler)));
  const statuses = async (handler: string): Promise<readonly number[]> =>
    (await answers(handler)).map(({ status }) => status);
  const nodeOf = (url: unknown): TestNode | undefined =>
    cluster.nodes.find(({ env }) => String(url).endsWith(`:${env.TRISIEL_RUN_PORT}`));

  test('a push is live on the nodes that hold it, the others name them, and labels are listed', async () => {
    const inUs = '[placement]\nlabels = { zone = "us" }\n';
    const repo = await makeRepo({ 'a.wasm': printing('first'), 'wasmcloud.toml': inUs });
    const first = await push(cluster.control(), cluster.user, repo, 'otter');
    expect(first.stderr).toContain('live on 1 of 1 node.');
    expect(await statuses('otter')).toEqual([421, 421, 200]);
    for (const answer of (await answers('otter')).slice(0, 2))
      expect(nodeOf(answer.headers['trisiel-node'])?.name).toBe('node-3');
    await commit(repo, { 'a.wasm': printing('second'), 'wasmcloud.toml': '[placement]\nreplicas = 2\n' });
    const second = await push(cluster.control(), cluster.user, repo, 'otter');
    expect(second.stderr).toContain('live on 2 of 2 nodes');
    expect([...(await statuses('otter'))].sort()).toEqual([200, 200, 421]);
    // More replicas: those who held it go on, and another one takes it up; nodes that cannot be had are told.
    await commit(repo, { 'a.wasm': printing('third'), 'wasmcloud.toml': '[placement]\nreplicas = 4\n' });
    const third = await push(cluster.control(), cluster.user, repo, 'otter');
    expect(third.stderr).toContain('live on 3 of 4 nodes');
    expect((await answers('otter')).map(({ body }) => body)).toEqual(['third', 'third', 'third']);
    const { body } = await api(cluster.control(), cluster.user, 'GET', '/nodes');
    expect((body as { nodes: { nodeLabels: unknown }[] }).nodes.map(({ nodeLabels }) => nodeLabels)).toEqual([
      { zone: 'eu' },
      { zone: 'eu' },
      { zone: 'us' },
    ]);
  });

  test('labels that no node has refuse a push: it says what nodes have, and nothing changes', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('here') });
    expect((await push(cluster.control(), cluster.user, repo, 'heron')).stderr).toContain('live on 3 of 3 nodes');
    await commit(repo, { 'wasmcloud.toml': '[placement]\nlabels = { zone = "mars" }\n' });
    const { status, stderr } = await push(cluster.control(), cluster.user, repo, 'heron');
    expect(status).not.toBe(0);
    for (const text of ['zone=mars', 'node-1: zone=eu', 'node-3: zone=us', 'v1 is still live'])
      expect(stderr).toContain(text);
    expect(await statuses('heron')).toEqual([200, 200, 200]);
  });

  test('asynchronous requests are made where the function is held', async () => {
    const inUs = '[placement]\nlabels = { zone = "us" }\n';
    const repo = await makeRepo({ 'a.wasm': printing('later'), 'wasmcloud.toml': inUs });
    expect((await push(cluster.control(), cluster.user, repo, 'egret')).status).toBe(0);
    const ask = (node: TestNode) =>
      cluster.call(node, 'egret', { method: 'POST', headers: { prefer: 'respond-async' } });
    expect((await ask(cluster.nodes[0]!)).status).toBe(421);
    const accepted = await ask(cluster.nodes[2]!);
    expect(accepted.status).toBe(202);
    const place = new URL(String(accepted.headers.location), 'http://egret.localhost').pathname;
    const state = async (): Promise<string> => (await cluster.call(cluster.nodes[2]!, 'egret', { path: place })).body;
    await expect.poll(state).toContain('"done"');
  });

  test('when a holder is killed, the next node takes over, and a proxy that follows hints fails only calls in flight', async () => {
    const inEu = '[placement]\nreplicas = 1\nlabels = { zone = "eu" }\n';
    const repo = await makeRepo({ 'a.wasm': printing('held'), 'wasmcloud.toml': inEu });
    expect((await push(cluster.control(), cluster.user, repo, 'badger')).stderr).toContain('live on 1 of 1 node.');
    const before = await answers('badger');
    const holder = cluster.nodes[before.findIndex(({ status }) => status === 200)]!;
    const others = cluster.nodes.filter((node) => node !== holder);
    expect(others.map(({ name }) => name)).toContain('node-3');
    const through = followed('badger');
    await through.more(50);
    await cluster.killNode(holder, { runners: true });
    await through.more(50);
    const next = others.find(({ name }) => name !== 'node-3')!;
    expect((await cluster.call(next, 'badger')).body).toBe('held');
    // It comes back, knows the others from before, and takes what is its own.
    await cluster.restartNode(holder);
    await expect.poll(async () => (await cluster.call(next, 'badger')).status).toBe(421);
    await through.more(50);
    const { failed, inFlight } = await through.stop();
    expect(failed).toEqual([]);
    // One call of each client that was being answered, and one that stood in the queue of the port.
    expect(inFlight).toBeLessThanOrEqual(2 * clients);
  });

  const clients = 4;

  /**
   * Calls `handler` without a pause as a proxy does: on the nodes in turn, and where one names another node, there. A
   * call that no node has begun is made again: no connection could be made, or both nodes have named another one.
   */
  function followed(handler: string) {
    let answered = 0;
    let inFlight = 0;
    let isOver = false;
    let turn = 0;
    const failed: string[] = [];
    const watchers = new Set<() => void>();
    const once = async (): Promise<void> => {
      turn += 1;
      const asked = cluster.nodes[turn % cluster.nodes.length]!;
      try {
        let answer = await cluster.call(asked, handler, { method: 'POST' });
        const named = nodeOf(answer.headers['trisiel-node']);
        if (answer.status === 421 && named !== undefined)
          answer = await cluster.call(named, handler, { method: 'POST' });
        if (answer.status === 200) answered += 1;
        else if (answer.status !== 421) failed.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        const isRefused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
        if (!isRefused) inFlight += 1;
      }
      for (const wake of watchers) wake();
      watchers.clear();
    };
    const client = async (): Promise<void> => {
      while (!isOver) await once();
    };
    const running = Promise.all(Array.from({ length: clients }, client));
    return {
      async more(count: number): Promise<void> {
        const until = answered + count;
        while (answered < until) await new Promise<void>((resolve) => watchers.add(resolve));
      },
      async stop(): Promise<{ readonly failed: readonly string[]; readonly inFlight: number }> {
        isOver = true;
        await running;
        return { failed, inFlight };
      },
    };
  }
});
