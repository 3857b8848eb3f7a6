/**
 * What a node that has been taken over can say over NATS, with the user that all nodes have: what only controls may say
 * is refused by the server, and what is no message of a node is refused by whoever hears it.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { parseBusUrl } from '../../src/bus/bus-url.ts';
import { encodeMessage } from '../../src/bus/codec.ts';
import { reportStream, subjects } from '../../src/bus/limits.ts';
import { kinds } from '../../src/bus/messages.ts';
import {
  type ControlParts,
  controlParts,
  reported,
  type SharedParts,
  StoredReleases,
  sharedParts,
} from '../support/cluster-parts.ts';
import { onCluster } from '../support/nats.ts';

onCluster('a node that has been taken over', () => {
  let shared: SharedParts;
  let parts: ControlParts;
  let hostile: NatsConnection;
  let control: NatsConnection;
  /** What NATS has refused to the hostile connection. */
  let refused: string[];
  const open = async (url: string, inboxPrefix?: string): Promise<NatsConnection> => {
    const { servers, user, password } = parseBusUrl(url, 'the test');
    return connect({
      servers: [...servers],
      user: user!,
      pass: password!,
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    });
  };
  beforeAll(async () => {
    shared = await sharedParts();
    parts = await controlParts(shared, { read: new StoredReleases().read });
    control = await open(shared.nats.url);
    hostile = await open(shared.nats.nodeUrl, '_INBOX.node');
    refused = [];
    void (async () => {
      for await (const status of hostile.status())
        if (status.type === 'error') refused.push(String(status.error.message));
    })();
  });
  afterAll(async () => {
    await hostile?.close();
    await control?.close();
    await parts?.close();
    await shared?.close();
  });
  afterEach(() => {
    refused.length = 0;
  });

  test.each([
    ['a command to all nodes', subjects.all],
    ['what a control says of itself', subjects.control('c1')],
    ['a question to another node', subjects.node('n1')],
    ['an answer to a control', '_INBOX.control.x'],
    ['an answer to another node', '_INBOX.node.x.1'],
    ['the end of the stream of reports', `$JS.API.STREAM.DELETE.${reportStream.name}`],
    ['what the stream holds', `$JS.API.STREAM.PURGE.${reportStream.name}`],
    ['a consumer of its own', `$JS.API.CONSUMER.CREATE.${reportStream.name}`],
    ['the next report of another node', `$JS.API.CONSUMER.MSG.NEXT.${reportStream.name}.node-n1`],
    ['the confirmation of a report', `$JS.ACK.${reportStream.name}.node-n1.1.1.1.1.0`],
    ['what the server does', '$SYS.REQ.SERVER.PING'],
    ['a subject below that of its own', 'trisiel.alive.n1.more'],
  ])('may not send %s', async (_what, subject) => {
    const heard: string[] = [];
    const listening = control.subscribe(subject, { callback: (_error, message) => void heard.push(message.subject) });
    await control.flush();
    hostile.publish(subject, encodeMessage(kinds.command, { command: 'drain', id: 'n1' }));
    await hostile.flush();
    await expect.poll(() => refused.join()).toMatch(/permissions violation for publish/i);
    await control.flush();
    expect(heard).toEqual([]);
    listening.unsubscribe();
  });

  test.each([
    ['everything', '>'],
    ['answers to controls', '_INBOX.control.>'],
    ['all answers', '_INBOX.>'],
    ['reports of other nodes', subjects.allReports],
    ['what runs on other nodes', subjects.allRunning],
    ['what the server says', '$SYS.>'],
    ['advisories of the stream', '$JS.EVENT.>'],
  ])('may not hear %s', async (_what, subject) => {
    const heard: string[] = [];
    hostile.subscribe(subject, {
      callback: (error, message) => void (error === null ? heard.push(message.subject) : refused.push(error.message)),
    });
    await hostile.flush();
    await expect.poll(() => refused.join()).toMatch(/permissions violation for subscription/i);
    control.publish('trisiel.reports.n1', 'secret');
    control.publish('_INBOX.control.y', 'secret');
    await control.flush();
    await hostile.flush();
    expect(heard).toEqual([]);
  });

  test('may not ask for the streams, and the stream stays', async () => {
    await expect(jetstreamManager(hostile, { timeout: 2_000 })).rejects.toThrow();
    const { config } = await (await jetstreamManager(control)).streams.info(reportStream.name);
    expect(config.name).toBe(reportStream.name);
  });

  const alive = (id: string) => ({
    ...{ id, epoch: 1, bootId: 'b', version: '1', url: 'http://n', host: 'n', port: 80 },
    ...{ revision: 1, isServing: true, isStale: false, sinceMs: 1, labels: 0, calls: 0, runners: [] },
  });
  const heard = (): readonly string[] => parts.live.list().map(({ id }) => id);

  test('what it says on the subject of another node, or with an id that is none, is not heard', async () => {
    hostile.publish(subjects.alive('other'), encodeMessage(kinds.alive, alive('n1')));
    const before = reported.filter((line) => line.includes('was refused')).length;
    const damaged: readonly (readonly [string, Uint8Array])[] = [
      ['no message', Buffer.from('hello')],
      ['nothing', Buffer.alloc(0)],
      ['a head that is longer than the message', Buffer.from([255, 255, 255, 255, 1])],
      ['lengths that are longer', Buffer.from(bytesWith('"bytes":[]', '"bytes":[9007199254740991]'))],
      ['negative lengths', Buffer.from(bytesWith('"bytes":[]', '"bytes":[-1]'))],
      ['a body that is none', encodeMessage(kinds.alive, null)],
      ['another kind', encodeMessage(kinds.command, { command: 'releases', revision: 1 })],
      ['an id without an end', encodeMessage(kinds.alive, { ...alive('n2'), id: 'n'.repeat(101) })],
      ['no id', encodeMessage(kinds.alive, { ...alive('n2'), id: '' })],
      ['a port that is none', encodeMessage(kinds.alive, { ...alive('n2'), port: 65_536 })],
      ['a revision beyond all numbers', encodeMessage(kinds.alive, { ...alive('n2'), revision: 2 ** 53 })],
      ['an epoch with a fraction', encodeMessage(kinds.alive, { ...alive('n2'), epoch: 1.5 })],
      ['a list for a name', encodeMessage(kinds.alive, { ...alive('n2'), url: ['http://n'] })],
      [
        'labels that no manifest can name',
        encodeMessage(kinds.alive, { ...alive('n2'), nodeLabels: { 'Z o n e': 'ü' } }),
      ],
      [
        'labels without an end',
        encodeMessage(kinds.alive, {
          ...alive('n2'),
          nodeLabels: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`l${n}`, 'x'])),
        }),
      ],
      [
        'runners without an end',
        encodeMessage(kinds.alive, {
          ...alive('n2'),
          runners: Array.from({ length: 101 }, () => ({ runnerId: 'r', pid: 1, isServing: true, stats: null })),
        }),
      ],
    ];
    for (const [, data] of damaged) hostile.publish(subjects.alive('n2'), data);
    // The last one is heard, so all before it have been.
    hostile.publish(subjects.alive('n3'), encodeMessage(kinds.alive, alive('n3')));
    await parts.live.until(() => heard().includes('n3'), 60_000);
    expect(heard()).toEqual(['n3']);
    expect(reported.filter((line) => line.includes('was refused')).length - before).toBe(damaged.length);
    parts.live.remove('n3');
  });

  test('a greater epoch holds, a smaller one is an earlier process; __proto__ is a name like others', async () => {
    for (const id of ['__proto__', 'constructor']) {
      hostile.publish(subjects.alive(id), encodeMessage(kinds.alive, { ...alive(id), epoch: 7, revision: 7 }));
      hostile.publish(subjects.alive(id), encodeMessage(kinds.alive, { ...alive(id), epoch: 6, revision: 9 }));
    }
    hostile.publish(subjects.alive('last'), encodeMessage(kinds.alive, alive('last')));
    await parts.live.until(() => heard().includes('last'), 60_000);
    const revisions = Object.fromEntries(parts.live.list().map(({ id, revision }) => [`id ${id}`, revision]));
    expect(revisions).toEqual({ 'id __proto__': 7, 'id constructor': 7, 'id last': 1 });
  });

  function bytesWith(from: string, to: string): Uint8Array {
    const text = Buffer.from(encodeMessage(kinds.alive, alive('n2')))
      .toString('latin1')
      .slice(4)
      .replace(from, to);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, Buffer.from(text, 'latin1')]);
  }
});
