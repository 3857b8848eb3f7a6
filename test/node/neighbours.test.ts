/**
 * Controls and nodes of this version beside those of the next one. This test plays the next version on the wire: its
 * messages have properties, kinds, commands and a version that this program does not know.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, expect, test } from 'vitest';
import { parseBusUrl } from '../../src/bus/bus-url.ts';
import { encodeMessage } from '../../src/bus/codec.ts';
import { reportStream, subjects } from '../../src/bus/limits.ts';
import { kinds } from '../../src/bus/messages.ts';
import { ReportIntake } from '../../src/control/nodes/report-intake.ts';
import { beforeAttempts } from '../support/attempts.ts';
import {
  type ControlParts,
  controlParts,
  makeAgent,
  reported,
  type SharedParts,
  StoredReleases,
  sharedParts,
} from '../support/cluster-parts.ts';
import { call, compileWat, deploymentOf, writer } from '../support/fleet.ts';
import { onCluster } from '../support/nats.ts';

onCluster('beside the next version', () => {
  let shared: SharedParts;
  let parts: ControlParts;
  let next: NatsConnection;
  let stored: StoredReleases;
  beforeAttempts(async () => {
    await end();
    stored = new StoredReleases();
    shared = await sharedParts();
    parts = await controlParts(shared, { read: stored.read });
    const { servers, user, password } = parseBusUrl(shared.nats.url, 'the test');
    next = await connect({ servers: [...servers], user: user!, pass: password! });
  });
  afterAll(end);
  async function end(): Promise<void> {
    await next?.close();
    await parts?.close();
    await shared?.close();
  }

  /** A message whose version is the next one. */
  function ofNextVersion(kind: string, body: unknown): Uint8Array {
    const text = Buffer.from(encodeMessage(kind, body)).toString('latin1').replace('"version":1', '"version":2');
    return Buffer.from(text, 'latin1');
  }
  const refusals = (): number => reported.filter((line) => line.includes('was refused')).length;

  test('a control counts a newer node, ignores what it adds, and refuses what it changes', async () => {
    const alive = {
      ...{ id: 'newer', epoch: 1, bootId: 'b', version: '99', url: 'http://newer', host: 'newer', port: 80 },
      ...{ revision: 1, isServing: true, isStale: false, sinceMs: 1, labels: 0, calls: 0, runners: [] },
    };
    next.publish(subjects.alive('newer'), encodeMessage(kinds.alive, { ...alive, temperature: 40 }));
    await parts.live.until(() => parts.live.list().some(({ id }) => id === 'newer'), 60_000);
    const before = refusals();
    next.publish(subjects.alive('newer'), encodeMessage('alive-2', { ...alive, revision: 'r9' }));
    next.publish(subjects.alive('newer'), ofNextVersion(kinds.alive, { ...alive, revision: 9 }));
    await expect.poll(refusals).toBe(before + 2);
    expect(parts.live.list()).toMatchObject([{ id: 'newer', revision: 1 }]);
    parts.live.remove('newer');
  });

  test('a node goes on beside a newer control: commands that it does not know are refused, the others followed', async () => {
    const { token } = await parts.nodes.add('older');
    const deployed = deploymentOf('otter', await compileWat(writer('here')));
    parts.artifacts.set(deployed.spec.artifact, deployed.bytes);
    stored.commit(deployed.spec);
    const revision = await parts.feed.announce('heron');
    const mirror = JSON.stringify({ kind: 'mirror', label: 'heron', of: 'otter' });
    const content = shared.sealer.seal(['released', 'label/heron'], mirror);
    await shared.store.db.updateTable('released').set({ content }).where('revision', '=', revision).execute();
    const { agent, stop } = await makeAgent([parts.url], token);
    await agent.start();
    // Not `not_deployed`: something is released, and other nodes may serve it.
    const heron = await call(`${agent.url}/heron/`);
    expect(heron).toMatchObject({ status: 503, text: expect.stringContaining('a newer version of the platform') });
    const before = refusals();
    next.publish(subjects.all, encodeMessage(kinds.command, { command: 'hibernate', id: agent.id }));
    next.publish(subjects.all, ofNextVersion(kinds.command, { command: 'drain', id: agent.id }));
    // The control of this test hears them too.
    await expect.poll(refusals).toBe(before + 4);
    await parts.feed.rebuild();
    next.publish(subjects.all, encodeMessage(kinds.command, { command: 'releases', revision: 1_000, why: 'new' }));
    await expect.poll(async () => (await call(`${agent.url}/otter/`)).text).toBe('here');
    await stop();
  });

  test('a report of a newer node stays in the stream for a newer control, and each time that is told once', async () => {
    const { id } = await parts.nodes.add('reports');
    // What the node of the test before has reported.
    await (await jetstreamManager(next)).streams.purge(reportStream.name);
    await parts.bus.store(subjects.reports(id), ofNextVersion(kinds.report, { items: [] }), 'next');
    let told = 0;
    let stored = 0;
    const intake = new ReportIntake({
      bus: parts.bus,
      logs: { appendBlocks: async () => 'stored' },
      onUsage: async () => {},
      onStored: () => {
        stored += 1;
      },
      report: () => {
        told += 1;
      },
    });
    intake.follow([id]);
    await expect.poll(() => told).toBe(1);
    const { streams } = await jetstreamManager(next);
    expect((await streams.info(reportStream.name)).state.messages).toBe(1);
    // A newer control takes it, and the node is taken back to this version.
    await streams.purge(reportStream.name, { filter: subjects.reports(id) });
    const readable = { items: [{ kind: 'logs', origin: 'o', number: 1, blocks: [], dropped: {} }] };
    await parts.bus.store(subjects.reports(id), encodeMessage(kinds.report, readable), 'this');
    await expect.poll(() => stored).toBe(1);
    await parts.bus.store(subjects.reports(id), ofNextVersion(kinds.report, { items: [] }), 'next again');
    await expect.poll(() => told).toBe(2);
    await intake.close();
  });
});
