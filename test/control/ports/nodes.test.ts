/** What every version of the port Nodes promises, with real runners. A second version is one more row of `versions`. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Nodes, ReleaseFeed } from '../../../src/protocol/ports.ts';
import { controlParts, makeAgent, type SharedParts, StoredReleases, sharedParts } from '../../support/cluster-parts.ts';
import { call, compileWat, type Deployed, deploymentOf, TestFleet, writer } from '../../support/fleet.ts';
import { clusterMissing } from '../../support/nats.ts';

interface Opened {
  readonly nodes: Nodes;
  readonly feed: ReleaseFeed;
  /** Puts an Artifact where Nodes read it. */
  store(deployed: Deployed): void;
  /** Notes in the database that the spec is released. */
  commit(deployed: Deployed): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Version {
  readonly name: string;
  open(): Promise<Opened>;
}

let shared: Promise<SharedParts> | null = null;
afterAll(async () => (await shared)?.close());

const versions: readonly Version[] = [
  {
    name: 'this machine',
    async open() {
      const fleet = new TestFleet({ runners: 2 });
      return {
        nodes: fleet.fleet,
        feed: fleet.feed,
        store: ({ spec, bytes }) => void fleet.artifacts.set(spec.artifact, bytes),
        commit({ spec }) {
          fleet.specs.set(spec.specId, spec);
          fleet.releases.set(spec.handler, spec.specId);
        },
        start: () => fleet.start(),
        stop: () => fleet.stop(),
      };
    },
  },
  {
    name: 'two nodes of a cluster',
    async open() {
      shared ??= sharedParts();
      const stored = new StoredReleases();
      const parts = await controlParts(await shared, { read: stored.read });
      const agents: Awaited<ReturnType<typeof makeAgent>>[] = [];
      return {
        nodes: parts.live,
        feed: parts.feed,
        store: ({ spec, bytes }) => void parts.artifacts.set(spec.artifact, bytes),
        commit: ({ spec }) => stored.commit(spec),
        async start() {
          await parts.feed.rebuild();
          for (const name of ['one', 'two']) {
            const { token } = await parts.nodes.add(name);
            agents.push(await makeAgent([parts.url], token));
          }
          await Promise.all(agents.map(({ agent }) => agent.start()));
          await parts.live.until(() => parts.live.alive().filter(({ isServing }) => isServing).length === 2, 60_000);
        },
        async stop() {
          for (const agent of agents) await agent.stop();
          for (const { name } of await parts.nodes.list()) await parts.nodes.remove(name);
          await parts.close();
        },
      };
    },
  },
];
if (clusterMissing !== null) process.stderr.write(`skipped: nodes of a cluster: ${clusterMissing}\n`);

describe.each(versions.slice(0, clusterMissing === null ? 2 : 1))('nodes: $name', (version) => {
  let it: Opened;
  beforeEach(async () => {
    it = await version.open();
  });
  afterEach(() => it.stop());

  const text = async (label: string): Promise<readonly string[]> =>
    Promise.all(it.nodes.list().map(async ({ url }) => (await call(`${url}/${label}/`)).text));
  const everywhere = (expected: string): readonly string[] => it.nodes.list().map(() => expected);
  const written = async (label: string, output: string): Promise<Deployed> => {
    const deployed = deploymentOf(label, await compileWat(writer(output)));
    it.store(deployed);
    return deployed;
  };

  test('lists what lives and serves', async () => {
    expect(it.nodes.list().filter(({ isServing }) => isServing)).toEqual([]);
    await it.start();
    for (const node of it.nodes.list()) {
      expect(node).toMatchObject({ isServing: true, url: expect.stringMatching(/^http:\/\/[^/]+$/) });
      expect(node.runners.length).toBeGreaterThan(0);
      for (const { pid, isServing } of node.runners)
        expect({ isServing, pid: pid > 0 }).toEqual({ isServing: true, pid: true });
    }
    expect(new Set(it.nodes.list().map(({ id }) => id)).size).toBe(it.nodes.list().length);
  });

  test('what is prepared serves nothing; what is released serves everywhere once it is applied', async () => {
    await it.start();
    const first = await written('otter', 'first');
    await it.nodes.prepare(first.spec);
    expect(await text('otter')).not.toContain('first');
    it.commit(first);
    const revision = await it.feed.release(first.spec);
    await it.nodes.applied(revision);
    for (const node of it.nodes.list()) expect(node.revision).toBeGreaterThanOrEqual(revision);
    expect(await text('otter')).toEqual(everywhere('first'));
    const second = await written('otter', 'second');
    await it.nodes.prepare(second.spec);
    it.commit(second);
    await it.nodes.applied(await it.feed.release(second.spec));
    it.nodes.forget(first.spec.specId);
    expect(await text('otter')).toEqual(everywhere('second'));
    await it.nodes.applied(await it.feed.remove('otter'));
    expect(JSON.stringify(await text('otter'))).toContain('handler_not_found');
  });

  test('applied counts all changes up to the revision, of every label', async () => {
    await it.start();
    const deployed = await Promise.all(['a', 'b', 'c'].map((label) => written(label, label)));
    await Promise.all(deployed.map(({ spec }) => it.nodes.prepare(spec)));
    for (const one of deployed) it.commit(one);
    const revisions = await Promise.all(deployed.map(({ spec }) => it.feed.release(spec)));
    await it.nodes.applied(revisions.at(-1)!);
    for (const label of ['a', 'b', 'c']) expect(await text(label)).toEqual(everywhere(label));
  });

  test('what cannot be compiled is refused, and nothing changes', async () => {
    await it.start();
    const good = await written('otter', 'good');
    await it.nodes.prepare(good.spec);
    it.commit(good);
    await it.nodes.applied(await it.feed.release(good.spec));
    const bad = deploymentOf('otter', await compileWat(writer('bad')));
    it.store({ ...bad, bytes: bad.bytes.slice(0, -3) });
    await expect(it.nodes.prepare(bad.spec)).rejects.toMatchObject({ code: 'vet_failed' });
    expect(await text('otter')).toEqual(everywhere('good'));
  });

  test('one that starts serves what is released already', async () => {
    it.commit(await written('otter', 'stored'));
    await it.start();
    expect(await text('otter')).toEqual(everywhere('stored'));
  });
});
