/**
 * Many functions on three nodes: each node knows all of them, holds the code of those that are called, and pays little
 * for the others. CLUSTER_FUNCTIONS and CLUSTER_HELD: how many are released, and how many each node is called for.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KIB } from '../../src/protocol/limits.ts';
import { type ManyFunctions, manyFunctions } from '../support/many-functions.ts';
import { onCluster } from '../support/nats.ts';

const count = Number(process.env.CLUSTER_FUNCTIONS ?? 2_000);
const held = Number(process.env.CLUSTER_HELD ?? 25);
const nodes = 3;
/** Bytes of a node's own process for a function that it knows: its Release, with the manifest. */
const releaseBytesMax = 24 * KIB;
/** Milliseconds for all of it; 10,000 functions take a minute. */
const timeout = 60_000 + count * 60;

onCluster('many functions', () => {
  let it: ManyFunctions;
  beforeAll(async () => {
    it = await manyFunctions(count, nodes * held);
  }, timeout);
  afterAll(() => it?.close());

  test('every node knows all of them, for a few KiB each', async () => {
    const known = (): readonly number[] =>
      it.parts.live.alive().flatMap(({ labels, revision }) => (revision === count ? [labels] : []));
    await it.parts.live.until(() => known().length === nodes, 60_000);
    expect(known()).toEqual(Array(nodes).fill(count));
    for (const { bytes } of it.footprints) expect(bytes / count).toBeLessThan(releaseBytesMax);
  });

  test('any node answers for any of them, and a Release reaches all nodes', { timeout }, async () => {
    for (const [index, node] of it.nodes.entries())
      for (let n = 0; n < held; n += 1) await it.timed(node, it.labels[index * held + n]!);
    const revision = await it.parts.feed.announce('new');
    await it.parts.live.applied(revision);
    for (const { revision: applied } of it.parts.live.list()) expect(applied).toBeGreaterThanOrEqual(revision);
  });
});
