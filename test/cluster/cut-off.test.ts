/**
 * A node that reaches neither NATS nor a control: it goes on, says that it may be old, and ends after an hour (here 15
 * s).
 */
import { once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import { TestCluster } from '../support/cluster.ts';
import { makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';
import { copyPrograms, type ProgramCopy } from '../support/program-copy.ts';

onCluster('a node that is cut off', () => {
  let cluster: TestCluster;
  let copy: ProgramCopy;
  beforeAttempts(async () => {
    await cluster?.close();
    await copy?.remove();
    copy = await copyPrograms([{ file: 'src/node/limits.ts', from: 'cutOffMs: 60 * 60_000', to: 'cutOffMs: 15_000' }]);
    cluster = await TestCluster.start({ controls: 1, nodes: 0 });
    await cluster.addNode('alone', {}, copy.programs);
  });
  afterAll(async () => {
    await cluster?.close();
    await copy?.remove();
    await removeTemporaryFolders();
  });

  test('serves what it has, marked as stale, then ends with its runners, and starts again only with a control', async () => {
    const node = cluster.nodes[0]!;
    const { child, logged } = node.node!;
    const repo = await makeRepo({ 'a.wasm': printing('kept') });
    expect((await push(cluster.control(), cluster.user, repo, 'otter')).stderr).toContain('live on 1 of 1 node');
    expect((await cluster.call(node, 'otter')).headers['trisiel-stale']).toBeUndefined();
    const ended = once(child, 'exit');
    await Promise.all([cluster.killControl(0), cluster.nats.kill()]);
    await expect.poll(async () => (await cluster.call(node, 'otter')).headers['trisiel-stale']).toBe('1');
    expect((await cluster.call(node, 'otter')).body).toBe('kept');
    expect((await ended)[0]).toBe(1);
    expect(await logged('neither NATS nor a control')).toContain(
      'this node has reached neither NATS nor a control for an hour',
    );
    await expect(cluster.call(node, 'otter')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    node.node = null;
    await expect(cluster.restartNode(node)).rejects.toThrow(/no control can be reached/);
    await cluster.nats.start();
    await cluster.restartControl(0);
    await cluster.restartNode(node);
    const answer = await cluster.call(node, 'otter');
    expect([answer.body, answer.headers['trisiel-stale']]).toEqual(['kept', undefined]);
  });
});
