/** Functions that only some nodes hold, with real nodes, NATS and a control's door. */
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { subjects } from '../../src/bus/limits.ts';
import { type Alive, kinds } from '../../src/bus/messages.ts';
import { ArtifactStore } from '../../src/control/artifacts/artifact-store.ts';
import { holdersOf, type NodePlacement } from '../../src/protocol/placement.ts';
import { beforeAttempts, story } from '../support/attempts.ts';
import {
  type ControlParts,
  controlParts,
  makeAgent,
  type SharedParts,
  StoredReleases,
  sharedParts,
} from '../support/cluster-parts.ts';
import { type Answer, call, compileWat, type Deployed, deploymentOf, writer } from '../support/fleet.ts';
import { onCluster } from '../support/nats.ts';
import { cwaGuest } from '../support/wat.ts';

type Made = Awaited<ReturnType<typeof makeAgent>>;

/** Writes `begun`, reads its input to the end, writes `ended`. */
const reading = cwaGuest({
  data: ['(data (i32.const 0) "A: b\\n\\nbegunended")'],
  body: `
    (drop (call $write (call $stdout) (i32.const 0) (i32.const 11)))
    (drop (call $flush (call $stdout)))
    (local.set $fd (call $stdin))
    (loop $more (br_if $more (i32.gt_s (call $read (local.get $fd) (i32.const 64) (i32.const 64)) (i32.const 0))))
    (drop (call $write (call $stdout) (i32.const 11) (i32.const 5)))`,
});

onCluster('functions that some nodes hold', () => {
  let shared: SharedParts;
  let parts: ControlParts;
  let stored: StoredReleases;
  const nodes: Made[] = [];
  const zones = ['eu', 'eu', 'us'];

  const add = async (name: string, zone: string): Promise<Made> => {
    const { token } = await parts.nodes.add(name);
    const made = await makeAgent([parts.url], token, { labels: { zone } });
    nodes.push(made);
    await made.agent.start();
    return made;
  };
  beforeAttempts(async () => {
    await end();
    stored = new StoredReleases();
    shared = await sharedParts();
    parts = await controlParts(shared, { read: stored.read });
    for (const [index, zone] of zones.entries()) await add(`node-${index}`, zone);
    await parts.live.until(() => parts.live.list().filter(({ isServing }) => isServing).length === 3, 60_000);
  });
  afterAll(end);
  async function end(): Promise<void> {
    await Promise.all(nodes.splice(0).map(({ stop }) => stop()));
    await parts?.close();
    await shared?.close();
  }
  const next = story();

  async function deploy(handler: string, source: string, placement: NodePlacement | null): Promise<Deployed> {
    const deployed = deploymentOf(handler, await compileWat(source), placement === null ? {} : { placement });
    parts.artifacts.set(deployed.spec.artifact, deployed.bytes);
    stored.commit(deployed.spec);
    await parts.live.prepare(deployed.spec);
    await parts.live.applied(await parts.feed.release(deployed.spec));
    return deployed;
  }
  const ask = ({ agent }: Made, handler: string): Promise<Answer> => call(`${agent.url}/${handler}/`);
  const problem = ({ text }: Answer): { readonly code: string; readonly detail: string } => JSON.parse(text);

  next('exactly the holders answer; the others name one, and fetch no code', async () => {
    const { spec } = await deploy('otter', writer('otter'), { replicas: 1, labels: { zone: 'eu' } });
    const answers = await Promise.all(nodes.map((node) => ask(node, 'otter')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 421, 421]);
    const holder = nodes[answers.findIndex(({ status }) => status === 200)]!;
    for (const answer of answers.filter(({ status }) => status === 421)) {
      expect(problem(answer).code).toBe('misdirected');
      expect(answer.headers).toMatchObject({ 'trisiel-node': holder.agent.url, 'trisiel-error': 'misdirected' });
    }
    expect(nodes.indexOf(holder)).not.toBe(2);
    for (const node of nodes) {
      const store = await ArtifactStore.open(join(node.folder, 'artifacts'));
      expect(await store.has(spec.artifact)).toBe(node === holder);
    }
    // The control calls it there too.
    const placed = { handlerId: spec.handlerId, placement: spec.placement! };
    expect(parts.live.pick(placed)?.id).toBe(holder.agent.id);
    expect(parts.feed.placedOf('otter')).toEqual(placed);
  });

  next('a push that asks for more, or for nothing, makes more nodes hold it', async () => {
    const statuses = async (): Promise<readonly number[]> =>
      (await Promise.all(nodes.map((node) => ask(node, 'heron')))).map(({ status }) => status);
    await deploy('heron', writer('one'), { replicas: 1, labels: {} });
    expect([...(await statuses())].sort()).toEqual([200, 421, 421]);
    await deploy('heron', writer('two'), { replicas: 2, labels: {} });
    expect([...(await statuses())].sort()).toEqual([200, 200, 421]);
    await deploy('heron', writer('all'), null);
    expect(await statuses()).toEqual([200, 200, 200]);
    await deploy('heron', writer('us'), { replicas: null, labels: { zone: 'us' } });
    expect(await statuses()).toEqual([421, 421, 200]);
  });

  next(
    'a holder that goes is followed by the next one, and where none is left callers are told what is asked for',
    async () => {
      const late = await add('late', 'asia');
      await parts.live.until(() => parts.live.list().filter(({ isServing }) => isServing).length === 4, 60_000);
      await deploy('egret', writer('egret'), { replicas: 1, labels: { zone: 'asia' } });
      const from = nodes[0]!;
      await expect.poll(async () => (await ask(from, 'egret')).headers['trisiel-node']).toBe(late.agent.url);
      await late.stop();
      nodes.splice(nodes.indexOf(late), 1);
      await expect.poll(async () => (await ask(from, 'egret')).status, { timeout: 30_000 }).toBe(503);
      const answer = await ask(from, 'egret');
      expect(problem(answer)).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('zone=asia') });
      expect(answer.headers).toMatchObject({ 'retry-after': '5' });
      expect(answer.headers['trisiel-node']).toBeUndefined();
      // One that starts again finds what is released, and holds it.
      const newer = await add('newer', 'asia');
      expect((await ask(newer, 'egret')).text).toBe('egret');
      await expect.poll(async () => (await ask(from, 'egret')).headers['trisiel-node']).toBe(newer.agent.url);
    },
  );

  next(
    'a function that moves to another node finishes its calls here, and moves back when that node has gone',
    async () => {
      const { spec } = await deploy('badger', reading, { replicas: 1, labels: { zone: 'eu' } });
      const answers = await Promise.all(nodes.map((node) => ask(node, 'badger')));
      const holder = nodes[answers.findIndex(({ status }) => status === 200)]!;
      const asking = request(`${holder.agent.url}/badger/`, {
        ...{ method: 'POST', agent: false, headers: { 'content-length': '2' } },
      });
      asking.write('x');
      const [response] = await once(asking, 'response');
      const text = response.setEncoding('utf8')[Symbol.asyncIterator]();
      expect((await text.next()).value).toBe('begun');
      // A node of which the test only says that it lives: one that comes first for this function.
      const ids = nodes.map(({ agent }) => ({ id: agent.id, labels: { zone: 'eu' } }));
      const first = Array.from({ length: 1_000 }, (_, index) => ({ id: `n_${index}`, labels: { zone: 'eu' } })).find(
        (node) => holdersOf({ handlerId: spec.handlerId, placement: spec.placement! }, [...ids, node])[0] === node,
      )!;
      const alive: Alive = {
        ...{ id: first.id, epoch: 1, bootId: 'b', version: '1', url: 'http://192.0.2.7:3003/path', host: 'h', port: 1 },
        ...{ revision: 1, isServing: true, isStale: true, sinceMs: 1, labels: 0, nodeLabels: first.labels, calls: 0 },
        runners: [],
      };
      const saying = setInterval(() => parts.bus.publish(subjects.alive(first.id), kinds.alive, alive), 500);
      try {
        await expect.poll(async () => (await ask(holder, 'badger')).status, { timeout: 30_000 }).toBe(421);
        // Without a path: a proxy lays the path of the call over it.
        expect((await ask(holder, 'badger')).headers['trisiel-node']).toBe('http://192.0.2.7:3003');
        asking.end('y');
        expect((await text.next()).value).toBe('ended');
      } finally {
        clearInterval(saying);
      }
      await expect.poll(async () => (await ask(holder, 'badger')).text, { timeout: 30_000 }).toBe('begunended');
    },
  );

  next('a node that starts again while NATS is away knows the others from before', async () => {
    const { agent } = nodes[2]!;
    // The node of the test before counts as living for a moment.
    const named = async () => (await ask(nodes[2]!, 'otter')).headers['trisiel-node'];
    const urls = nodes.map((node) => node.agent.url);
    await expect.poll(async () => urls.includes(String(await named()))).toBe(true);
    const before = await named();
    const { folder } = nodes[2]!;
    await agent.stop({ runners: 'end', graceMs: 0 });
    await shared.nats.kill();
    const { token } = await parts.nodes.add('again');
    const again = await makeAgent([parts.url], token, { labels: { zone: 'us' }, dataFolder: folder });
    nodes[2] = again;
    await again.agent.start();
    expect((await ask(again, 'otter')).headers['trisiel-node']).toBe(before);
    expect((await ask(again, 'heron')).text).toBe('us');
    await shared.nats.start();
    // Hears them again, and does not lose them.
    await expect.poll(() => parts.live.list().some(({ id }) => id === again.agent.id), { timeout: 30_000 }).toBe(true);
    expect((await ask(again, 'otter')).headers['trisiel-node']).toBe(before);
  });
});
