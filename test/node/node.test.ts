/** One node against a real control's door, with bad input from either side. */

import { once } from 'node:events';
import { cp, mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { sql } from 'kysely';
import { afterAll, expect, test, vi } from 'vitest';
import { parseBusUrl } from '../../src/bus/bus-url.ts';
import { encodeMessage } from '../../src/bus/codec.ts';
import { reportStream, subjects } from '../../src/bus/limits.ts';
import { kinds } from '../../src/bus/messages.ts';
import { outerHost } from '../../src/bus/own-address.ts';
import { SqlError } from '../../src/control/db/sql-error.ts';
import { NodeDoor } from '../../src/control/nodes/node-door.ts';
import { ReportIntake } from '../../src/control/nodes/report-intake.ts';
import { Contact } from '../../src/node/contact.ts';
import { Controls } from '../../src/node/controls.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
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

onCluster('one node', () => {
  let shared: Promise<SharedParts> | null = null;
  const opened: ControlParts[] = [];
  const end = async () => {
    for (const parts of opened.splice(0)) await parts.close();
    await (await shared)?.close();
    shared = null;
  };
  beforeAttempts(async () => {}, end);
  afterAll(end);
  const control = async (stored = new StoredReleases()): Promise<ControlParts> => {
    shared ??= sharedParts();
    const parts = await controlParts(await shared, { read: stored.read });
    opened.push(parts);
    return parts;
  };
  const controls = (urls: readonly string[], token: string): Controls =>
    new Controls({ urls, token, onContact: () => {}, onRefused: () => {} });

  test('joins with a token alone, and the newest process of a token is the only one', async () => {
    const parts = await control();
    const { token } = await parts.nodes.add('joins');
    await expect(controls([parts.url], 'tn_wrong').join()).rejects.toMatchObject({ code: 'unauthorized' });
    const older = controls([parts.url], token);
    expect(await older.join()).toMatchObject({ name: 'joins', epoch: 1 });
    await older.releases(0);
    const newer = controls([parts.url], token);
    expect(await newer.join()).toMatchObject({ epoch: 2 });
    await expect(older.releases(0)).rejects.toMatchObject({ code: 'conflict' });
    const headers = { authorization: `Bearer ${token}` };
    const without = await fetch(`${parts.url}/.trisiel/node/releases?after=0`, { headers });
    expect(without.status).toBe(409);
    await newer.releases(0);
    await parts.nodes.remove('joins');
    await expect(newer.releases(0)).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('asks the next control when one is away, and repeats only what may be executed twice', async () => {
    const parts = await control();
    const { token } = await parts.nodes.add('asks');
    // Takes requests and ends the connection without an answer.
    let asked = 0;
    const broken = createServer((request) => {
      asked += 1;
      request.socket.destroy();
    });
    broken.listen(0, '127.0.0.1');
    await once(broken, 'listening');
    const dead = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`;
    const published: string[] = [];
    parts.onRequest = async (request) => {
      published.push(request.op);
      return Buffer.from('value');
    };
    const of = { handlerId: 'h' as never, preview: null, bucket: 'b', key: 'k' };
    const fresh = async (): Promise<Controls> => {
      const some = controls([dead, parts.url], token);
      some.resume(9);
      return some;
    };
    expect(Buffer.from((await (await fresh()).request({ op: 'kv.get', ...of }))!).toString()).toBe('value');
    const publish = { op: 'queue.publish', handlerId: 'h' as never, queue: 'q', message: Buffer.from('m') } as const;
    await expect((await fresh()).request(publish)).rejects.toMatchObject({ code: 'unavailable' });
    expect(published).toEqual(['kv.get']);
    broken.close();
    await once(broken, 'close');
    // Nobody listens there: the request was certainly not executed.
    await (await fresh()).request(publish);
    expect(published).toEqual(['kv.get', 'queue.publish']);
    expect(asked).toBeGreaterThan(0);
    parts.onRequest = () => Promise.reject(new PlatformError('limit_exceeded', 'no room'));
    await expect((await fresh()).request(publish)).rejects.toMatchObject({
      code: 'limit_exceeded',
      message: 'no room',
    });
  });

  test('asks the next control when one cannot reach the database, and says so when none can', async () => {
    const parts = await control();
    const { token } = await parts.nodes.add('elsewhere');
    const lost = new SqlError({ message: 'the connection was lost', sqlCode: '08006', sql: 'select' });
    const door = new NodeDoor({
      nodes: parts.nodes,
      welcome: () => expect.fail('nobody joins here'),
      released: { rowsAfter: () => Promise.reject(lost) },
      spec: () => undefined,
      blobs: { get: () => Promise.reject(lost) },
      onRequest: async () => null,
      report: () => {},
    });
    const server = createServer((request, response) => void door.handle(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const away = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const some = controls([away, parts.url], token);
    some.resume(9);
    expect(await some.releases(0)).toMatchObject({ more: false });
    const none = controls([away], token);
    none.resume(9);
    await expect(none.releases(0)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'the database does not answer',
    });
    server.close();
    server.closeAllConnections();
  });

  test('does not use a blob that came damaged', async () => {
    const lies = createServer((_request, response) => {
      response.writeHead(200, { 'trisiel-sha256': '0'.repeat(64) }).end('not it');
    });
    lies.listen(0, '127.0.0.1');
    await once(lies, 'listening');
    const url = `http://127.0.0.1:${(lies.address() as AddressInfo).port}`;
    await expect(controls([url], 't').blob('a'.repeat(64))).rejects.toMatchObject({
      message: expect.stringContaining('damaged'),
    });
    lies.close();
    lies.closeAllConnections();
  });

  test('starts without any control with what it has kept, and says when it has nothing', async () => {
    const stored = new StoredReleases();
    const parts = await control(stored);
    const { token } = await parts.nodes.add('keeps');
    const deployed = deploymentOf('otter', await compileWat(writer('kept')));
    parts.artifacts.set(deployed.spec.artifact, deployed.bytes);
    stored.commit(deployed.spec);
    await parts.feed.rebuild();
    const first = await makeAgent([parts.url], token);
    await first.agent.start();
    expect((await call(`${first.agent.url}/otter/`)).text).toBe('kept');
    await first.agent.stop({ runners: 'end', graceMs: 0 });
    const nowhere = 'http://127.0.0.1:9';
    const { agent, stop } = await makeAgent([nowhere], token, { dataFolder: first.folder, joinMs: 1_000 });
    await parts.close();
    opened.pop();
    await agent.start();
    expect((await call(`${agent.url}/otter/`)).text).toBe('kept');
    await stop();
    const empty = await makeAgent([nowhere], token, { joinMs: 1_000 });
    await expect(empty.agent.start()).rejects.toMatchObject({ code: 'unavailable' });
    await empty.agent.abandon();
  });

  test('starts without any control also when it was stopped before it first looked at its contact', async () => {
    const parts = await control();
    const { token } = await parts.nodes.add('stopped-early');
    // Something has been released: a node that has kept nothing does not start by itself.
    await parts.feed.announce('egret');
    const watch = vi.spyOn(Contact.prototype, 'watch').mockImplementation(() => {});
    const first = await makeAgent([parts.url], token);
    await first.agent.start();
    await first.agent.stop({ runners: 'end', graceMs: 0 });
    watch.mockRestore();
    const nowhere = 'http://127.0.0.1:9';
    const { agent, stop } = await makeAgent([nowhere], token, { dataFolder: first.folder, joinMs: 1_000 });
    await parts.closeDoor();
    await agent.start();
    expect(agent.name).toBe('stopped-early');
    await stop();
  });

  test('a node whose data folder is a copy of another one is itself, and does not start as the other one', async () => {
    const parts = await control();
    const [original, own] = await Promise.all(['original', 'of-the-copy'].map((name) => parts.nodes.add(name)));
    const first = await makeAgent([parts.url], original!.token);
    await first.agent.start();
    const copies = [];
    for (let n = 0; n < 2; n += 1) {
      const copy = await mkdtemp(join(tmpdir(), 'trisiel-node-'));
      await cp(first.folder, copy, { recursive: true });
      copies.push(copy);
    }
    const second = await makeAgent([parts.url], own!.token, { dataFolder: copies[0]! });
    await second.agent.start();
    expect(second.agent.id).toBe(own!.id);
    await parts.live.until(() => parts.live.list().length === 2, 60_000);
    expect(new Set(parts.live.list().map(({ id }) => id))).toEqual(new Set([original!.id, own!.id]));
    // The runners of the original are not taken for those of an earlier start.
    expect((await call(`${first.agent.url}/nobody/`)).status).toBe(404);
    await second.stop();
    await first.stop();
    await parts.closeDoor();
    const away = await makeAgent([parts.url], own!.token, { dataFolder: copies[1]!, joinMs: 1_000 });
    await expect(away.agent.start()).rejects.toMatchObject({
      code: 'unavailable',
      message: 'no control can be reached, and this data folder is of another node',
    });
    await away.agent.abandon();
  });

  test('a node that hears the bus and reaches no control says so in its answers, and nothing waits for it', async () => {
    const stored = new StoredReleases();
    const parts = await control(stored);
    const { token } = await parts.nodes.add('deaf');
    const deployed = deploymentOf('otter', await compileWat(writer('old')));
    parts.artifacts.set(deployed.spec.artifact, deployed.bytes);
    stored.commit(deployed.spec);
    await parts.feed.rebuild();
    // Reached from elsewhere: it tells an address of this machine, not the loopback one.
    const { agent, stop } = await makeAgent([parts.url], token, { host: '0.0.0.0' });
    await agent.start();
    await parts.live.until(() => parts.live.pick() !== null, 60_000);
    expect(parts.live.pick()?.host).toBe(outerHost('0.0.0.0'));
    await parts.closeDoor();
    const revision = await parts.feed.announce('heron');
    await parts.live.applied(revision);
    expect(parts.live.servingNewest).toBe(0);
    const answer = await call(`${agent.url}/otter/`);
    expect([answer.text, answer.headers['trisiel-stale']]).toEqual(['old', '1']);
    await expect(parts.live.prepare(deployed.spec)).rejects.toMatchObject({ code: 'unavailable' });
    await stop();
  });

  test('what keeps a node from reading Releases is reported once until they are read again', async () => {
    const parts = await control();
    const { db } = (await shared!).store;
    const { token } = await parts.nodes.add('reads');
    const { agent, stop } = await makeAgent([parts.url], token);
    await agent.start();
    await parts.live.until(() => parts.live.pick() !== null, 60_000);
    const begun = reported.length;
    const count = (text: string): number => reported.slice(begun).filter((line) => line.startsWith(text)).length;
    // A node asks once more for each of these.
    const wake = (): boolean =>
      parts.bus.publish(subjects.all, kinds.command, { command: 'releases', revision: 1_000_000 });
    const refusals = (): number => count('a request of a node failed');
    for (const times of [1, 2]) {
      await sql`alter table released rename to away`.execute(db);
      for (let n = 0; n < 3; n += 1) {
        const before = refusals();
        wake();
        await expect.poll(refusals).toBeGreaterThan(before);
      }
      await expect.poll(() => count('what is released cannot be read')).toBe(times);
      await sql`alter table away rename to released`.execute(db);
      const revision = await parts.feed.announce(`heron-${times}`);
      await parts.live.applied(revision);
      expect(parts.live.servingNewest).toBe(1);
    }
    await stop();
  });

  test('an existing stream gets the limits of this version', async () => {
    const { bus } = await control();
    await bus.makeStream();
    const { servers, user, password } = parseBusUrl((await shared!).nats.url, 'the test');
    const connection = await connect({ servers: [...servers], user: user!, pass: password! });
    const manager = await jetstreamManager(connection);
    await manager.streams.update(reportStream.name, { max_bytes: 1024 * 1024 });
    await bus.makeStream();
    expect((await manager.streams.info(reportStream.name)).config.max_bytes).toBe(reportStream.bytes);
    await connection.close();
  });

  test('usage that can never be stored holds nothing up; when the database is away, it is given again', async () => {
    const parts = await control();
    const { id } = await parts.nodes.add('refused');
    const stored: string[] = [];
    const said: string[] = [];
    const failure = (sqlCode: string): SqlError => new SqlError({ message: sqlCode, sqlCode, sql: 'insert' });
    const transient = [failure('53300'), failure('25006'), new PlatformError('unavailable', 'no connection')];
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const intake = new ReportIntake({
      bus: parts.bus,
      logs: {
        async appendBlocks(_blocks, _dropped, batch) {
          stored.push(`lines of ${batch?.origin}`);
          return 'stored';
        },
      },
      onUsage: async (batches) => {
        // None of them is stored then.
        if (batches.some((batch) => batch.id.origin === 'too long')) throw failure('54000');
        if (batches.some((batch) => batch.id.origin === 'odd')) throw new TypeError('no text');
        const [next] = transient;
        if (next !== undefined) {
          transient.shift();
          throw next;
        }
        for (const batch of batches) stored.push(`usage of ${batch.id.origin}`);
      },
      onStored: () => {
        if (stored.includes('lines of later')) resolve();
      },
      report: (message) => said.push(message),
    });
    const usage = (origin: string): unknown => ({ kind: 'usage', origin, number: 1, records: [], counts: [] });
    const lines = (origin: string): unknown => ({ kind: 'logs', origin, number: 1, blocks: [], dropped: { h: 1 } });
    await parts.bus.makeStream();
    const first = { items: [usage('too long'), usage('good'), usage('odd'), lines('good')] };
    await parts.bus.store(subjects.reports(id), encodeMessage(kinds.report, first), 'first');
    await parts.bus.store(subjects.reports(id), encodeMessage(kinds.report, { items: [lines('later')] }), 'second');
    intake.follow([id]);
    await done;
    await intake.close();
    expect(stored).toEqual(['usage of good', 'lines of good', 'lines of later']);
    // `too long` each time that the message is given, `odd` once.
    expect(said.filter((text) => text.includes('is lost'))).toHaveLength(5);
    expect(said.filter((text) => text.includes('trying again'))).toHaveLength(1);
  });

  test('reports that are given twice are stored once, and what cannot be read holds nothing up', async () => {
    const parts = await control();
    const { id } = await parts.nodes.add('reports');
    const usage: unknown[] = [];
    const lines: unknown[] = [];
    const refused: string[] = [];
    let isAway = true;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const intake = new ReportIntake({
      bus: parts.bus,
      logs: {
        async appendBlocks(blocks, dropped, batch) {
          if (isAway) {
            isAway = false;
            return 'lost';
          }
          lines.push([blocks.length, dropped, batch]);
          return 'stored';
        },
      },
      onUsage: async (batches) => {
        for (const { id, counts } of batches) usage.push([id.number, counts.length]);
      },
      onStored: resolve,
      report: (message) => refused.push(message),
    });
    const block = {
      ...{ handlerId: 'h', lines: 1, firstMs: 1, lastMs: 1, levels: 1, streams: 1, textChars: 1 },
      ...{ words: Buffer.from('w'), data: Buffer.from('d') },
    };
    const items = [
      { kind: 'usage', origin: 'o', number: 1, records: [], counts: [{ handlerId: 'h', deployment: 1 }] },
      { kind: 'logs', origin: 'r', number: 1, blocks: [block], dropped: { h: 1 } },
      { kind: 'logs', origin: 'r', number: 2, blocks: [block, block], dropped: { h: 2 } },
    ];
    await parts.bus.makeStream();
    await parts.bus.store(subjects.reports(id), Buffer.from('nonsense'), 'a');
    const wrong = [
      {},
      { items: [{ kind: 'logs' }] },
      { items: [{ ...items[2], blocks: [{}] }] },
      { items: [{ kind: 'new' }] },
    ];
    for (const [index, body] of wrong.entries())
      await parts.bus.store(subjects.reports(id), encodeMessage(kinds.report, body), `wrong-${index}`);
    await parts.bus.store(subjects.reports(id), encodeMessage(kinds.report, { items }), 'b');
    await parts.bus.store(subjects.reports(id), encodeMessage(kinds.report, { items }), 'b');
    intake.follow([id]);
    await done;
    await intake.close();
    // The first attempt failed after the usage was stored, which its number tells; the second one stores the lines.
    expect(refused).toHaveLength(5);
    expect({ usage, lines }).toEqual({
      usage: [
        [1, 1],
        [1, 1],
      ],
      lines: [[3, { h: 3 }, { origin: 'r', number: 2 }]],
    });
  });
});
