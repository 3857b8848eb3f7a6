/**
 * Drains with real receivers: every line at least once and in order, whatever a receiver does; nothing private reached.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { SqlLeases } from '../../../src/control/db/leases.ts';
import { DrainStore } from '../../../src/control/drains/drain-store.ts';
import { Drains, drainBatch, drainTimes } from '../../../src/control/drains/drains.ts';
import { drainRequestLimits } from '../../../src/control/drains/http-request.ts';
import { checkSettings, type DrainSettings, drainLimits } from '../../../src/control/drains/settings.ts';
import { noteExpired } from '../../../src/control/logs/expired.ts';
import type { LogStore } from '../../../src/control/logs/log-store.ts';
import { createEgress } from '../../../src/guest/kernel/net/egress.ts';
import type { LogLine } from '../../../src/protocol/nouns.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { onEachDatabase } from '../../support/database.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';
import { type Bench, bench, idOf, line } from '../../support/logs.ts';

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

onEachDatabase('drains', (dialect) => {
  let it_: Bench;
  let logs: LogStore;
  let store: DrainStore;
  let server: Server;
  let port: number;
  let nowMs: number;
  const received: Received[] = [];
  let answer: RequestListener;
  let certificates: Certificates;

  beforeAll(() => {
    certificates = makeCertificates();
  });
  afterAll(removeTemporaryFolders);

  beforeEach(async () => {
    nowMs = 1_800_000_000_000;
    it_ = await bench(dialect);
    logs = await it_.openLogs();
    const sealer = await Sealer.open({ db: it_.db, keyFile: join(await temporaryFolder(), 'key'), randomBytes });
    store = new DrainStore({ db: it_.db, sealer, now: () => nowMs, newId: randomUUID });
    received.length = 0;
    answer = (_request, response) => response.end('{}');
    server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const { method, url, headers } = request;
      received.push({ method, url, headers, body: Buffer.concat(parts) });
      answer(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await logs.close();
    await it_.close();
  });

  function drains(allow: readonly string[] = [`127.0.0.1:${port}`]): Drains {
    return new Drains({
      store,
      logs,
      egress: createEgress({ allow, ownPorts: [], ca: [certificates.ca], allowedBy: 'TRISIEL_DRAIN_ALLOW' }),
      leases: new SqlLeases({ db: it_.db, now: () => nowMs }),
      holder: 'control-1',
      hostName: 'host.example',
      now: () => nowMs,
      random: () => 0.5,
      report: (_message, error) => it_.errors.push(error),
    });
  }

  const webhook = (more: Partial<DrainSettings> = {}): DrainSettings => ({
    kind: 'webhook',
    url: `http://127.0.0.1:${port}/in?key=secret`,
    headers: { authorization: 'Bearer secret' },
    ...more,
  });
  const write = (handler: string, ...texts: string[]) =>
    logs.append(texts.map((text) => line(handler, text, { timeMs: Date.UTC(2026, 10, 27, 9, 5) })));
  const linesOf = (body: Buffer): LogLine[] =>
    body
      .toString()
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as LogLine);
  const texts = () => received.flatMap(({ body }) => linesOf(body).map(({ text }) => text));

  it('hand on what is written after they were made, once, in order, of their handler', async () => {
    await write('aa', 'before');
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one', 'two');
    await write('bb', 'of another');
    const all = drains();
    await all.look();
    await write('aa', 'three');
    await all.look();
    await all.look();
    expect(texts()).toEqual(['one', 'two', 'three']);
    expect(received[0]).toMatchObject({
      method: 'POST',
      url: '/in?key=secret',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/x-ndjson' },
    });
    const [drain] = await store.list(idOf('aa'));
    expect(drain).toMatchObject({ sent: 3, lost: 0, failures: 0, error: null, sentMs: nowMs, retryMs: null });
    // Nothing secret is shown.
    expect(drain?.target).toBe(`http://127.0.0.1:${port}/…`);
    expect(JSON.stringify(drain)).not.toContain('secret');
    const row = await it_.db.selectFrom('drains').selectAll().executeTakeFirstOrThrow();
    expect(JSON.stringify(row)).not.toContain('secret');
    expect(it_.errors).toEqual([]);
  });

  it('of the server hand on the lines of all handlers, also of those that come later', async () => {
    await write('aa', 'before');
    await store.put(null, 'all', webhook());
    await write('aa', 'of aa');
    await write('bb', 'of bb');
    await drains().look();
    expect(texts().sort()).toEqual(['of aa', 'of bb']);
    expect(await store.list(idOf('aa'))).toEqual([]);
  });

  it('send a batch again until it is taken, later and later, and go on where they were after a restart', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one');
    answer = (_request, response) => response.writeHead(500).end('oops');
    const all = drains();
    await all.look();
    await all.look();
    expect(received).toHaveLength(1);
    expect(await store.list(idOf('aa'))).toMatchObject([
      { sent: 0, failures: 1, error: 'status 500', failedMs: nowMs, retryMs: nowMs + 750 },
    ]);
    nowMs += 751;
    await all.look();
    expect(await store.list(idOf('aa'))).toMatchObject([{ failures: 2, retryMs: nowMs + 1_500 }]);
    await all.close();
    nowMs += drainTimes.mostRetryMs;
    answer = (_request, response) => response.end();
    await write('aa', 'two');
    await drains().look();
    expect(linesOf(received.at(-1)?.body ?? Buffer.of()).map(({ text }) => text)).toEqual(['one', 'two']);
    expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 2, failures: 0, error: null, retryMs: null }]);
  });

  it('wait as after a first failure when a batch was taken before it in the same turn', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one');
    answer = (_request, response) => response.writeHead(500).end();
    const all = drains();
    for (let n = 0; n < 3; n++) {
      await all.look();
      nowMs += drainTimes.mostRetryMs;
    }
    await write('aa', ...Array.from({ length: drainBatch.lines }, (_, i) => `more ${i}`));
    const before = received.length;
    answer = (_request, response) => response.writeHead(received.length === before + 1 ? 200 : 500).end();
    await all.look();
    expect(received).toHaveLength(before + 2);
    expect(await store.list(idOf('aa'))).toMatchObject([
      { sent: drainBatch.lines, failures: 1, error: 'status 500', retryMs: nowMs + 750 },
    ]);
  });

  it('count an error of any kind as a failed attempt, and others go on', async () => {
    const keys = { bucket: 'my-logs', accessKeyId: 'a', secretAccessKey: 'b' };
    // checkSettings refuses this URL; `put` takes it: no signature can be made of its path.
    await store.put(it_.a, 'bad', { kind: 's3', url: `http://127.0.0.1:${port}/100%`, ...keys });
    await store.put(it_.a, 'good', webhook());
    await write('aa', 'one');
    await drains().look();
    expect(await store.list(idOf('aa'))).toMatchObject([
      { name: 'bad', sent: 0, failures: 1, error: 'URI malformed', retryMs: nowMs + 750 },
      { name: 'good', sent: 1, failures: 0 },
    ]);
    expect(it_.errors).toEqual([]);
  });

  it('send nothing more when they are removed during their turn', async () => {
    await store.put(it_.a, 'there', webhook());
    for (let n = 0; n < 2; n++) await write('aa', ...Array.from({ length: drainBatch.lines }, (_, i) => `${n} ${i}`));
    answer = (_request, response) =>
      void store
        .remove(idOf('aa'), 'there')
        .catch(() => {})
        .then(() => response.end());
    await drains().look();
    expect(received).toHaveLength(1);
    expect(it_.errors).toEqual([]);
  });

  it('wait until the date that the receiver names', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one');
    const date = new Date(Date.now() + 40 * 60_000).toUTCString();
    answer = (_request, response) => response.writeHead(503, { 'retry-after': date }).end();
    await drains().look();
    const [drain] = await store.list(idOf('aa'));
    expect((drain?.retryMs ?? 0) - nowMs).toBeGreaterThan(30 * 60_000);
    expect((drain?.retryMs ?? 0) - nowMs).toBeLessThanOrEqual(40 * 60_000);
  });

  it('send less at once to a receiver that finds a batch too large; a line that is too large alone is lost', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', ...Array.from({ length: 20 }, (_, n) => (n === 13 ? 'x'.repeat(5_000) : `line ${n}`)));
    const taken: string[] = [];
    answer = (_request, response) => {
      const { body } = received.at(-1)!;
      if (body.length > 4_000) return response.writeHead(413).end();
      taken.push(...linesOf(body).map(({ text }) => text));
      return response.end();
    };
    await drains().look();
    expect(taken).toEqual(Array.from({ length: 20 }, (_, n) => `line ${n}`).filter((_, n) => n !== 13));
    expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 19, lost: 1, failures: 0, error: null }]);
  });

  it('wait as long as the receiver asks, and no longer than an hour', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one');
    answer = (_request, response) => response.writeHead(429, { 'retry-after': '9'.repeat(30) }).end();
    await drains().look();
    expect(await store.list(idOf('aa'))).toMatchObject([
      { error: 'status 429', retryMs: nowMs + drainTimes.mostAskedMs },
    ]);
  });

  it.each([
    [
      'a redirect to a private address',
      'redirects are not followed',
      (location: string): RequestListener =>
        (_request, response) =>
          response.writeHead(307, { location }).end(),
    ],
    [
      'an answer that breaks off',
      /./,
      (): RequestListener => (_request, response) => {
        response.writeHead(200, { 'content-length': '10' }).write('x');
        setImmediate(() => response.socket?.destroy());
      },
    ],
    [
      'an answer without end',
      'the answer is too long',
      (): RequestListener => (_request, response) => {
        response.write(Buffer.alloc(drainRequestLimits.answerBytes + 1));
      },
    ],
    [
      'a status whose answer does not end',
      /^status 503$/,
      (): RequestListener => (_request, response) => response.writeHead(503).write('wait'),
    ],
    ['a connection that is closed at once', /./, (): RequestListener => (request) => request.socket.destroy()],
  ] as const)('%s is a failure, and nothing else is asked', async (_what, error, made) => {
    const canary = createServer(() => {
      throw new Error('reached');
    }).listen(0, '127.0.0.1');
    await once(canary, 'listening');
    answer = made(`http://127.0.0.1:${(canary.address() as AddressInfo).port}/`);
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one');
    await drains().look();
    canary.close();
    expect(received).toHaveLength(1);
    const [drain] = await store.list(idOf('aa'));
    expect(drain?.failures).toBe(1);
    expect(drain?.error).toMatch(error);
  });

  it.each<[what: string, settings: DrainSettings]>([
    ['otlp', { kind: 'otlp', url: 'http://receiver/v1/logs' }],
    ['webhook', { kind: 'webhook', url: 'http://receiver/in' }],
    ['s3', { kind: 's3', url: 'http://receiver', bucket: 'my-logs', accessKeyId: 'a', secretAccessKey: 'b' }],
  ])(
    '%s: a receiver that fails, redirects, breaks off or answers too much has taken nothing',
    async (_kind, settings) => {
      await store.put(it_.a, 'there', { ...settings, url: settings.url.replace('receiver', `127.0.0.1:${port}`) });
      await write('aa', 'one');
      const all = drains();
      const bad: readonly (readonly [answer: RequestListener, error: RegExp])[] = [
        [(_request, response) => response.writeHead(500).end('oops'), /^status 500$/],
        [
          (_request, response) => response.writeHead(308, { location: 'http://127.0.0.1:1/' }).end(),
          /redirects are not followed/,
        ],
        [(request) => request.socket.destroy(), /./],
        [
          (_request, response) => response.end(Buffer.alloc(drainRequestLimits.answerBytes + 1)),
          /the answer is too long/,
        ],
      ];
      for (const [failures, [made, error]] of bad.entries()) {
        answer = made;
        await all.look();
        expect(received).toHaveLength(failures + 1);
        const [drain] = await store.list(idOf('aa'));
        expect(drain).toMatchObject({ sent: 0, lost: 0, failures: failures + 1 });
        expect(drain?.error).toMatch(error);
        nowMs += drainTimes.mostRetryMs;
      }
      answer = (_request, response) => response.end();
      await all.look();
      expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 1, failures: 0, error: null }]);
    },
  );

  it('give up a receiver that hangs after a while, and others go on meanwhile', async () => {
    vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      const controller = new AbortController();
      hanging.push(() => controller.abort());
      return controller.signal;
    });
    const hanging: (() => void)[] = [];
    try {
      answer = (request, response) => (request.url === '/hangs' ? hung() : response.end());
      const { promise, resolve: hung } = Promise.withResolvers<void>();
      await store.put(it_.a, 'hangs', webhook({ url: `http://127.0.0.1:${port}/hangs` }));
      await store.put(it_.b, 'works', webhook());
      await write('aa', 'one');
      await write('bb', 'other');
      const looking = drains().look();
      await promise;
      await vi.waitFor(async () => expect(await store.list(idOf('bb'))).toMatchObject([{ sent: 1 }]), {
        timeout: 60_000,
      });
      for (const give of hanging) give();
      await looking;
      expect(await store.list(idOf('aa'))).toMatchObject([
        { sent: 0, failures: 1, error: expect.stringMatching(/no answer within/) },
      ]);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('leave half of the places to others, however many of one user hang', async () => {
    await it_.db.insertInto('users').values({ id: 'v', name: 'v', password_hash: 'x', created_ms: 1 }).execute();
    await it_.db.updateTable('handlers').set({ owner_id: 'v' }).where('id', '=', it_.b.id).execute();
    for (let n = 0; n < 2 * drainBatch.running; n += 1) {
      const handler = await it_.handlers.create({ name: `hangs-${n}`, ownerId: 'u' });
      await store.put(handler, 'hangs', webhook({ url: `http://127.0.0.1:${port}/hangs` }));
      await logs.append([{ ...line('aa', 'one'), handlerId: handler.id }]);
    }
    const others = Promise.withResolvers<void>();
    const waiting: ServerResponse[] = [];
    answer = (request, response) => {
      if (request.url === '/hangs') return void waiting.push(response);
      response.end();
      others.resolve();
    };
    await store.put({ ...it_.b, ownerId: 'v' }, 'works', webhook());
    await write('bb', 'other');
    const looking = drains().look();
    await others.promise;
    expect(received.filter(({ url }) => url === '/hangs').length).toBeLessThanOrEqual(drainBatch.running / 2);
    // They are answered from now on, so that all have a turn.
    answer = (_request, response) => response.end();
    for (const response of waiting) response.end();
    await looking;
    expect(received.filter(({ url }) => url === '/hangs')).toHaveLength(2 * drainBatch.running);
  });

  it('end an answer that has interim ones before it without end', async () => {
    const flood = createNetServer((socket) => {
      const more = (): void => {
        while (socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)));
      };
      socket.on('error', () => {}).on('drain', more);
      more();
    }).listen(0, '127.0.0.1');
    await once(flood, 'listening');
    const hostPort = `127.0.0.1:${(flood.address() as AddressInfo).port}`;
    await store.put(it_.a, 'there', webhook({ url: `http://${hostPort}/` }));
    await write('aa', 'one');
    await drains([hostPort]).look();
    flood.close();
    expect(await store.list(idOf('aa'))).toMatchObject([
      { sent: 0, failures: 1, error: 'the answer has too many interim ones before it' },
    ]);
  });

  it('reach no private address, whatever name leads there', async () => {
    await store.put(it_.a, 'there', webhook());
    await store.put(it_.a, 'named', webhook({ url: `http://localhost:${port}/` }));
    await store.put(it_.a, 'metadata', webhook({ url: 'https://169.254.169.254/' }));
    await write('aa', 'one');
    await drains([]).look();
    expect(received).toEqual([]);
    for (const { error, sent } of await store.list(idOf('aa'))) {
      expect(sent).toBe(0);
      expect(error).toMatch(/refused.*TRISIEL_DRAIN_ALLOW/s);
    }
  });

  it('are the work of one control at a time', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one');
    await new SqlLeases({ db: it_.db, now: () => nowMs }).take({ name: 'drains', holder: 'control-2', ttlMs: 60_000 });
    await drains().look();
    expect(received).toEqual([]);
    nowMs += 60_001;
    await drains().look();
    expect(texts()).toEqual(['one']);
  });

  it('count lines that retention has removed before they were sent', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'zero');
    await drains().look();
    await write('aa', 'one', 'two');
    const { cursor } = await logs.query({ id: idOf('aa'), name: 'aa' }, {});
    await it_.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('log_blocks').execute();
      await noteExpired(trx, { handlerId: idOf('aa'), lastCursor: cursor, lines: 2 });
    });
    await logs.close();
    logs = await it_.openLogs();
    await write('aa', 'three');
    await drains().look();
    expect(texts()).toEqual(['zero', 'three']);
    expect((await store.list(idOf('aa')))[0]).toMatchObject({ sent: 2, lost: 2 });
  });

  it('count lines that retention has removed before the first success, of a log that was empty', async () => {
    await write('aa', 'of another');
    await store.put(it_.b, 'there', webhook());
    await write('bb', 'one', 'two');
    const { cursor } = await logs.query({ id: idOf('bb'), name: 'bb' }, {});
    await it_.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('log_blocks').where('handler_id', '=', idOf('bb')).execute();
      await noteExpired(trx, { handlerId: idOf('bb'), lastCursor: cursor, lines: 2 });
    });
    await logs.close();
    logs = await it_.openLogs();
    await write('bb', 'three');
    await drains().look();
    expect(texts()).toEqual(['three']);
    expect((await store.list(idOf('bb')))[0]).toMatchObject({ sent: 1, lost: 2 });
  });

  it('hand on lines of requests where they are asked for', async () => {
    await store.put(it_.a, 'plain', webhook());
    await store.put(it_.b, 'all', webhook({ requests: true }));
    for (const handler of ['aa', 'bb']) {
      await logs.append([line(handler, `line ${handler}`), line(handler, `GET / ${handler}`, { stream: 'request' })]);
    }
    await drains().look();
    expect(texts().sort()).toEqual(['GET / bb', 'line aa', 'line bb']);
  });

  it('lose their place to others while a receiver is slow, and send nothing when the lease is lost', async () => {
    await store.put(it_.a, 'slow', webhook());
    for (let n = 0; n < 3; n++) await write('aa', ...Array.from({ length: drainBatch.lines }, (_, i) => `${n} ${i}`));
    answer = (_request, response) => {
      nowMs += drainTimes.turnMs;
      response.end();
    };
    const all = drains();
    await all.look();
    expect(received).toHaveLength(1);
    answer = (_request, response) => {
      nowMs += drainTimes.leaseMs + 1;
      const takeOver = new SqlLeases({ db: it_.db, now: () => nowMs });
      void takeOver.take({ name: 'drains', holder: 'control-2', ttlMs: 60_000 }).then(() => response.end());
    };
    await all.look();
    await all.look();
    expect(received).toHaveLength(2);
    expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 2 * drainBatch.lines }]);
  });

  it('lose their place to others after a number of batches', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', ...Array.from({ length: drainBatch.perTurn + 5 }, (_, n) => `line ${n}`));
    let taken = 0;
    answer = (_request, response) => {
      if (linesOf(received.at(-1)!.body).length > 1) return response.writeHead(413).end();
      taken += 1;
      return response.end();
    };
    const all = drains();
    await all.look();
    expect(taken).toBe(drainBatch.perTurn);
    await all.look();
    expect(taken).toBe(drainBatch.perTurn + 5);
  });

  it('send nothing more when the lease is lost in the middle of a turn', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'first');
    const all = drains();
    await all.look();
    expect(received).toHaveLength(1);
    // The turn begins shortly before the lease is to be renewed, and goes on after that.
    nowMs += drainTimes.leaseMs / 2 - 2_000;
    for (let n = 0; n < 3; n++) await write('aa', ...Array.from({ length: drainBatch.lines }, (_, i) => `${n} ${i}`));
    answer = async (_request, response) => {
      nowMs += 3_000;
      await it_.db.deleteFrom('leases').where('name', '=', 'drains').execute();
      await new SqlLeases({ db: it_.db, now: () => nowMs }).take({
        name: 'drains',
        holder: 'control-2',
        ttlMs: 60_000,
      });
      response.end();
    };
    await all.look();
    expect(received).toHaveLength(2);
  });

  it('never go backwards', async () => {
    await store.put(it_.a, 'there', webhook());
    await write('aa', 'one', 'two');
    const id = (await store.due())[0]?.id ?? '';
    await store.advance(id, idOf('aa'), { cursor: 9_000_000, sent: 1, lost: 0 });
    await store.advance(id, idOf('aa'), { cursor: 1, sent: 1, lost: 0 });
    expect(await store.due()).toEqual([]);
  });

  it('go with their handler, and are bounded', async () => {
    for (let n = 0; n < drainLimits.each; n++) await store.put(it_.a, `d${n}`, webhook());
    await expect(store.put(it_.a, 'more', webhook())).rejects.toMatchObject({ code: 'limit_exceeded' });
    await store.put(it_.a, 'd0', webhook({ url: 'https://elsewhere.example/' }));
    expect((await store.show(idOf('aa'), 'd0')).target).toBe('https://elsewhere.example');
    await expect(store.remove(idOf('bb'), 'd0')).rejects.toMatchObject({ code: 'not_found' });
    await it_.db.deleteFrom('handlers').where('id', '=', idOf('aa')).execute();
    expect(await it_.db.selectFrom('drains').select('id').execute()).toEqual([]);
  });

  it('are bounded, and named once, when two controls make them at the same time', async () => {
    const db = await it_.database.open();
    const sealer = await Sealer.open({ db, keyFile: join(await temporaryFolder(), 'key'), randomBytes });
    const both = [store, new DrainStore({ db, sealer, now: () => nowMs, newId: randomUUID })] as const;
    for (const of of [it_.a, null]) {
      // Each name twice, and twice as many names as drains are allowed.
      const puts = Array.from({ length: 4 * drainLimits.each }, (_, n) =>
        both[n % 2]?.put(of, `d${Math.floor(n / 2)}`, webhook()),
      );
      const refused = (await Promise.allSettled(puts)).flatMap((put) =>
        put.status === 'rejected' ? [put.reason] : [],
      );
      expect(refused).toHaveLength(2 * drainLimits.each);
      for (const reason of refused) expect(reason).toMatchObject({ code: 'limit_exceeded' });
      expect(await store.list(of?.id ?? null)).toHaveLength(drainLimits.each);
    }
  });

  it('are refused to an earlier owner, and where the handler is deleted', async () => {
    await expect(store.put({ ...it_.a, ownerId: 'earlier' }, 'there', webhook())).rejects.toMatchObject({
      code: 'not_found',
    });
    await it_.db.updateTable('handlers').set({ deleted_ms: 1 }).where('id', '=', idOf('bb')).execute();
    await expect(store.put(it_.b, 'there', webhook())).rejects.toMatchObject({ code: 'not_found' });
    expect(await it_.db.selectFrom('drains').select('id').execute()).toEqual([]);
  });

  it('otlp: log records with severity, and records that are refused for good are lost', async () => {
    await store.put(it_.a, 'there', { kind: 'otlp', url: `http://127.0.0.1:${port}/v1/logs` });
    const fields = JSON.stringify({ user: 42, ratio: 0.5, ok: true, none: null, name: 'x' });
    await logs.append([
      line('aa', 'bad', { level: 1 }),
      line('aa', 'good', { fields }),
      line('aa', 'debug', { level: 7 }),
      line('aa', 'trace', { level: 8 }),
    ]);
    answer = (_request, response) => response.end('{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"x"}}');
    await drains().look();
    const body = JSON.parse(received[0]?.body.toString() ?? '');
    const [resource] = body.resourceLogs;
    expect(resource.resource.attributes).toEqual([{ key: 'service.name', value: { stringValue: 'aa' } }]);
    expect(resource.scopeLogs[0].logRecords).toMatchObject([
      { severityNumber: 17, severityText: 'ERROR', body: { stringValue: 'bad' } },
      { severityNumber: 9, body: { stringValue: 'good' } },
      { severityNumber: 5, severityText: 'DEBUG' },
      { severityNumber: 1, severityText: 'TRACE' },
    ]);
    expect(resource.scopeLogs[0].logRecords[1].attributes).toEqual(
      expect.arrayContaining([
        { key: 'user', value: { intValue: '42' } },
        { key: 'ratio', value: { doubleValue: 0.5 } },
        { key: 'ok', value: { boolValue: true } },
        { key: 'none', value: {} },
        { key: 'name', value: { stringValue: 'x' } },
      ]),
    );
    expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 3, lost: 1, error: null }]);
  });

  it.each([
    ['a number above the number of records', '999999999', 2],
    ['a negative number', '-1', 0],
    ['no number', '"many"', 0],
  ])('otlp: a receiver that says it refused %s', async (_what, rejected, lost) => {
    await store.put(it_.a, 'there', { kind: 'otlp', url: `http://127.0.0.1:${port}/v1/logs` });
    await write('aa', 'one', 'two');
    answer = (_request, response) => response.end(`{"partialSuccess":{"rejectedLogRecords":${rejected}}}`);
    await drains().look();
    expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 2 - lost, lost, error: null }]);
  });

  it('s3: signed objects by the hour, the same one when it is sent again', async () => {
    const settings: DrainSettings = {
      ...{ kind: 's3', url: `http://127.0.0.1:${port}`, bucket: 'my-logs', region: 'eu-west-1', prefix: 'all/' },
      ...{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
    };
    await store.put(it_.a, 'there', settings);
    await write('aa', 'one', 'two');
    answer = (_request, response) => response.writeHead(503).end();
    await drains().look();
    nowMs += drainTimes.mostRetryMs;
    answer = (_request, response) => response.end();
    await drains().look();
    const [first, second] = received;
    expect(first?.url).toMatch(/^\/my-logs\/all\/aa\/2026\/11\/27\/09\/\d{16}\.ndjson\.gz$/);
    expect(second?.url).toBe(first?.url);
    expect(first?.method).toBe('PUT');
    expect(first?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/s3\/aws4_request, /,
    );
    expect(linesOf(gunzipSync(second?.body ?? Buffer.of())).map(({ text }) => text)).toEqual(['one', 'two']);
    expect((await store.list(idOf('aa')))[0]?.target).toBe(`http://127.0.0.1:${port}/my-logs/all/`);
  });

  it('s3: a prefix of an earlier version that leads out of the bucket is not used', async () => {
    const keys = { bucket: 'my-logs', accessKeyId: 'a', secretAccessKey: 'b' };
    await store.put(it_.a, 'out', { kind: 's3', url: `http://127.0.0.1:${port}`, prefix: 'a/../../others/', ...keys });
    await write('aa', 'one');
    await drains().look();
    expect(received).toEqual([]);
    expect(await store.list(idOf('aa'))).toMatchObject([
      { sent: 0, failures: 1, error: 'the prefix has a part . or ..' },
    ]);
  });

  it('a receiver that changes the protocol has taken nothing, and is told as such', async () => {
    const switching = createNetServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
      );
    }).listen(0, '127.0.0.1');
    await once(switching, 'listening');
    const hostPort = `127.0.0.1:${(switching.address() as AddressInfo).port}`;
    await store.put(it_.a, 'there', webhook({ url: `http://${hostPort}/` }));
    await write('aa', 'one');
    await drains([hostPort]).look();
    switching.close();
    expect(await store.list(idOf('aa'))).toMatchObject([
      { sent: 0, failures: 1, error: 'status 101: the receiver changes the protocol' },
    ]);
    expect(it_.errors).toEqual([]);
  });

  it('are counted by kind: what was handed on, lost and tried, and what waits', async () => {
    await store.put(it_.a, 'there', webhook());
    await store.put(null, 'all', webhook({ kind: 'otlp' }));
    await write('aa', 'one', 'two');
    await write('bb', 'of another');
    const all = drains();
    expect(await all.counts.waiting()).toEqual(
      new Map([
        ['webhook', 2],
        ['otlp', 3],
      ]),
    );
    answer = (request, response) => {
      if (request.headers['content-type'] !== 'application/json') response.writeHead(503).end();
      else response.end(JSON.stringify({ partialSuccess: { rejectedLogRecords: 1 } }));
    };
    await all.look();
    expect(all.counts.figures.get('webhook')).toEqual({ sent: 0, lost: 0, failures: 1 });
    expect(all.counts.figures.get('otlp')).toEqual({ sent: 1, lost: 2, failures: 0 });
    expect(await store.waiting()).toEqual(new Map([['webhook', 2]]));
    answer = (_request, response) => response.end();
    nowMs += drainTimes.mostRetryMs;
    await all.look();
    expect(all.counts.figures.get('webhook')).toEqual({ sent: 2, lost: 0, failures: 1 });
    expect(await store.waiting()).toEqual(new Map());
    // Counted again only after a while: a scrape must not read the log's index each time.
    expect(await all.counts.waiting()).toEqual(
      new Map([
        ['webhook', 2],
        ['otlp', 3],
      ]),
    );
  });

  describe('syslog', () => {
    let receiver: ReturnType<typeof createTlsServer>;
    let bytes = '';
    const sockets: TLSSocket[] = [];
    let syslogPort: number;

    beforeEach(async () => {
      bytes = '';
      receiver = createTlsServer({ key: certificates.key, cert: certificates.cert }, (socket) => {
        sockets.push(socket);
        socket.on('data', (chunk) => {
          bytes += chunk;
        });
        socket.on('error', () => {});
      }).listen(0, '127.0.0.1');
      await once(receiver, 'listening');
      syslogPort = (receiver.address() as AddressInfo).port;
    });
    afterAll(() => {
      for (const socket of sockets) socket.destroy();
    });
    afterEach(() => {
      receiver.close();
    });

    it('gets messages of RFC 5424 with their lengths, over TLS', async () => {
      await store.put(it_.a, 'there', { kind: 'syslog', url: `syslog+tls://127.0.0.1:${syslogPort}` });
      const fields = JSON.stringify({ 'a=b]"c d': 'x"]\\y', n: 1 });
      await logs.append([line('aa', 'größer', { level: 3, invocation: 'i 1', timeMs: Date.UTC(2026, 0, 2), fields })]);
      await drains([`127.0.0.1:${syslogPort}`]).look();
      const [, length, message = ''] = /^(\d+) (.*)$/s.exec(bytes) ?? [];
      expect(Number(length)).toBe(Buffer.byteLength(message));
      expect(message).toMatch(
        /^<12>1 2026-01-02T00:00:00\.000Z host\.example aa i_1 log \[trisiel@32473 cursor="\d+" deployment="\d+"\]\[fields@32473 .+\] größer$/,
      );
      expect(message).toContain('[fields@32473 a_b__c_d="x\\"\\]\\\\y" n="1"] größer');
      expect(await store.list(idOf('aa'))).toMatchObject([{ sent: 1, error: null }]);
    });

    it('sends again what a receiver has not taken: one that hangs, before or after the handshake, or breaks off', async () => {
      const raw: Socket[] = [];
      let giveUp = (): void => {};
      vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
        const controller = new AbortController();
        giveUp = () => controller.abort();
        return controller.signal;
      });
      const silent = createNetServer({ allowHalfOpen: true }, (socket) => {
        raw.push(socket.on('error', () => {}));
        giveUp();
      }).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const silentPort = (silent.address() as AddressInfo).port;
      receiver.on('connection', (socket: Socket) => raw.push(socket));
      const all = drains([`127.0.0.1:${silentPort}`, `127.0.0.1:${syslogPort}`]);
      try {
        const target = (to: number): DrainSettings => ({ kind: 'syslog', url: `syslog+tls://127.0.0.1:${to}` });
        const handOver = async (to: number, end: () => void): Promise<object | undefined> => {
          await store.put(it_.a, 'there', target(to));
          receiver.removeAllListeners('secureConnection').on('secureConnection', (socket: TLSSocket) => {
            socket.allowHalfOpen = true;
            socket.on('error', () => {}).on('data', end);
          });
          nowMs += drainTimes.mostRetryMs;
          await all.look();
          return (await store.list(idOf('aa')))[0];
        };
        await store.put(it_.a, 'there', target(silentPort));
        await write('aa', 'one');
        const late = { sent: 0, error: expect.stringMatching(/^not taken within/) };
        expect(await handOver(silentPort, () => {})).toMatchObject(late);
        expect(await handOver(syslogPort, () => giveUp())).toMatchObject(late);
        const reset = { sent: 0, error: expect.stringContaining('ECONNRESET') };
        expect(await handOver(syslogPort, () => raw.at(-1)?.resetAndDestroy())).toMatchObject(reset);
        expect(await handOver(syslogPort, () => raw.at(-1)?.end())).toMatchObject({ sent: 1, lost: 0, error: null });
      } finally {
        vi.restoreAllMocks();
        for (const socket of raw) socket.destroy();
        silent.close();
      }
    });

    it('gives up a receiver that sends without end', async () => {
      receiver.removeAllListeners('secureConnection').on('secureConnection', (socket: TLSSocket) => {
        const more = (): void => {
          while (socket.write(Buffer.alloc(16_384)));
        };
        socket.on('error', () => {}).on('drain', more);
        more();
      });
      await store.put(it_.a, 'there', { kind: 'syslog', url: `syslog+tls://127.0.0.1:${syslogPort}` });
      await write('aa', 'one');
      await drains([`127.0.0.1:${syslogPort}`]).look();
      expect(await store.list(idOf('aa'))).toMatchObject([
        { sent: 0, failures: 1, error: 'the receiver sends too much' },
      ]);
    });

    it('is sent nothing where the certificate is not trusted', async () => {
      certificates = { ...certificates, ca: makeCertificates().ca };
      await store.put(it_.a, 'there', { kind: 'syslog', url: `syslog+tls://127.0.0.1:${syslogPort}` });
      await write('aa', 'one');
      await drains([`127.0.0.1:${syslogPort}`]).look();
      certificates = makeCertificates();
      expect(bytes).toBe('');
      expect(await store.list(idOf('aa'))).toMatchObject([
        { sent: 0, failures: 1, error: expect.stringContaining('TLS') },
      ]);
    });
  });
});

describe('settings of a drain', () => {
  const check = (settings: DrainSettings) => checkSettings(settings, (hostPort) => hostPort === 'collector:4318');
  const s3 = { bucket: 'bucket', accessKeyId: 'a', secretAccessKey: 'b' };

  it.each<DrainSettings>([
    { kind: 'webhook', url: 'https://example.com/in?key=1', headers: { 'x-key': 'a b' } },
    { kind: 'otlp', url: 'http://collector:4318/v1/logs' },
    { kind: 'syslog', url: 'syslog+tls://example.com:6514' },
    { kind: 's3', url: 'https://s3.example.com', ...s3 },
    { kind: 's3', url: 'https://s3.example.com/a%20b', ...s3 },
    { kind: 's3', url: 'https://s3.example.com', prefix: 'a..b/.c/..', ...s3 },
  ])('$kind $url is good', (settings) => {
    check(settings);
  });

  it.each<DrainSettings>([
    { kind: 'webhook', url: 'http://example.com/' },
    { kind: 'webhook', url: 'file:///etc/passwd' },
    { kind: 'webhook', url: 'https://user:secret@example.com/' },
    { kind: 'webhook', url: 'https://example.com/#secret' },
    { kind: 'webhook', url: 'no url' },
    { kind: 'webhook', url: 'https://example.com/', headers: { Host: 'secret' } },
    { kind: 'webhook', url: 'https://example.com/', headers: { a: 'x'.repeat(drainLimits.headerChars) } },
    { kind: 'webhook', url: 'https://example.com/', ...s3 },
    { kind: 'syslog', url: 'syslog+tls://example.com' },
    { kind: 'syslog', url: 'https://example.com:6514' },
    { kind: 'syslog', url: 'syslog+tls://example.com:6514', headers: { a: 'b' } },
    { kind: 's3', url: 'https://s3.example.com' },
    ...['../', './', 'a/../b', '../../x/', 'a/./'].map(
      (prefix): DrainSettings => ({ kind: 's3', url: 'https://s3.example.com', prefix, ...s3 }),
    ),
    { kind: 's3', url: 'https://s3.example.com/100%', ...s3 },
    { kind: 's3', url: 'https://s3.example.com/%ff', ...s3 },
  ])('$kind $url is refused, without what may be secret', (settings) => {
    expect(() => check(settings)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(() => check(settings)).toThrow(/^(?!.*secret\b)/s);
  });
});
