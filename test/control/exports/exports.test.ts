/** Downloads of queues, log lines and invocations from the database: one moment, resumable, bounded. */
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Kysely, PostgresDialect } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseLocation } from '../../../src/control/db/database.ts';
import { postgresPool } from '../../../src/control/db/dialects/postgres-pool.ts';
import { Sqlite3Dialect } from '../../../src/control/db/dialects/sqlite3.ts';
import type { Schema } from '../../../src/control/db/schema.ts';
import { Views, viewLimits } from '../../../src/control/db/views.ts';
import { csvLine, type ExportFormat, lineStream } from '../../../src/control/exports/lines.ts';
import { exportLogLines } from '../../../src/control/logs/log-export.ts';
import { Deliveries } from '../../../src/control/queues/deliveries.ts';
import { exportLines } from '../../../src/control/queues/download.ts';
import { upload } from '../../../src/control/queues/upload.ts';
import { exportRecords } from '../../../src/control/usage/record-export.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { line, storeLines } from '../../support/logs.ts';
import { newMessage, type TestQueues, testQueues } from '../../support/queues.ts';
import { randomOf } from '../../support/random.ts';

onEachDatabase('exports', (dialect) => {
  let store: TemporaryDatabase;
  let own: TestQueues;

  beforeEach(async () => {
    store = await dialect.temporary();
    own = testQueues(store.db);
    for (const id of ['ada', 'bob'])
      await store.db.insertInto('users').values({ id, name: id, password_hash: '', created_ms: 0 }).execute();
    await store.db
      .insertInto('handlers')
      .values({
        ...{ id: 'h', name: 'otter', owner_id: 'ada', deploy_branch: null, next_number: 1 },
        ...{ created_ms: 0, deleted_ms: null, settings: null },
      })
      .execute();
  });
  afterEach(() => store.close());

  const exportOf = async (name: string, options: { after?: number; state?: 'dead'; format?: ExportFormat } = {}) => {
    const { id: queueId } = await own.queues.find('ada', name);
    const { after = 0, state, format = 'ndjson' } = options;
    return exportLines(store.db, { ownerId: 'ada', queueId }, { after, state, format });
  };
  const parsed = (ndjson: string) =>
    ndjson
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  /** Several pages: a page ends at a megabyte. */
  const long = 'x'.repeat(300_000);

  describe('of a queue', () => {
    it('is the table as it was at the begin, whatever is published, delivered and purged meanwhile', async () => {
      await own.publish(
        'ada',
        'q',
        Array.from({ length: 12 }, (_, n) => `${n} ${long}`),
      );
      const lines = await exportOf('q');
      const first = await lines.next();
      const { id: queueId } = await own.queues.find('ada', 'q');
      const before = await own.messages.read(queueId, { after: 0, limit: 100 });
      // Everything that can happen to messages, between the first page and the others.
      const deliveries = new Deliveries({ db: store.db, now: Date.now, random: Math.random });
      const delivery = { queueId, takenId: 't' };
      const { messages } = await deliveries.take({
        ...{ ...delivery, handlerId: 'h', limit: 12, inFlightMax: 12, maxAttempts: 1 },
      });
      const failed = { reason: 'x', invocation: null, maxAttempts: 1 };
      await deliveries.failed(delivery, { messages: messages.slice(0, 6), ...failed });
      await deliveries.done(delivery, messages.slice(6), 'i');
      await own.queues.purge('ada', queueId, 'done');
      await own.publish('ada', 'q', 'later');
      let rest = '';
      for await (const piece of lines) rest += piece;
      const found = parsed(first.value + rest);
      expect(found.map(({ id, position, state, attempts }) => ({ id, position, state, attempts }))).toEqual(
        before.map(({ id, position, attempts }) => ({ id, position, state: 'ready', attempts })),
      );
      expect(found.map((line) => line.text)).toEqual(before.map(({ body }) => Buffer.from(body).toString()));
    });

    it('goes on after a position, and its parts are the whole', async () => {
      await own.publish(
        'ada',
        'q',
        Array.from({ length: 9 }, (_, n) => `${n} ${long}`),
      );
      const whole = parsed(await text(await exportOf('q')));
      expect(whole).toHaveLength(9);
      const interrupted = await exportOf('q');
      const part = parsed(String((await interrupted.next()).value));
      await interrupted.return(undefined);
      const rest = parsed(await text(await exportOf('q', { after: part.at(-1).position })));
      expect([...part, ...rest]).toEqual(whole);
    });

    it('says everything of a message, whatever its texts hold', async () => {
      await own.publish('ada', 'q', Uint8Array.of(0xff, 0), { contentType: 'a/b', group: '=g', dueMs: 4e12 });
      await own.publish('ada', 'q', '\ufeffä\u0000\n', { contentType: null });
      const { id: queueId } = await own.queues.find('ada', 'q');
      const reason = '=first\nsecond "line"\u0000';
      await store.db
        .updateTable('messages')
        .set({ reason, invocation: 'i-1\n\0', ended_ms: 7, state: 'dead', attempts: 3 })
        .where('position', '=', 2)
        .execute();
      const [one, two] = await own.messages.read(queueId, { after: 0, limit: 2 });
      const shown = ({ body, ...message }: NonNullable<typeof one>) => message;
      const found = parsed(await text(await exportOf('q')));
      expect(found).toEqual([
        { ...shown(one!), text: null, base64: '/wA=' },
        { ...shown(two!), text: '\ufeffä\u0000\n', base64: null },
      ]);
      expect(found[1].reason).toBe(reason);
      const csv = await text(await exportOf('q', { state: 'dead', format: 'csv' }));
      expect(csv.split('\r\n')[1]).toContain('"=first\nsecond ""line""\u0000","i-1\n\u0000",');
    });

    it('is the same whether the database writes the lines or, after a body that is no UTF-8, the platform', async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const random = randomOf(seed);
      const signs = [...'"\\\n\r\t\b\f/\u007f\u0001\u001f\u2028\u2029\ufdd0\ufeff01äß漢😀x'];
      // PostgreSQL writes no line with a NUL in its body, see below; other columns may have it.
      const some = (extra = '') => {
        const from = [...signs, ...extra];
        return Array.from({ length: random(12) }, () => from[random(from.length)]).join('');
      };
      await own.publish(
        'ada',
        'q',
        Array.from({ length: 300 }, () => some()),
      );
      const states = ['ready', 'inflight', 'done', 'dead'] as const;
      for (let position = 1; position <= 300; position += 1)
        await store.db
          .updateTable('messages')
          .set({
            ...{
              state: states[random(4)]!,
              due_ms: random(3) * 2 ** 41 - (random(2) === 0 ? 1 : 0),
              attempts: random(9),
            },
            ...{ content_type: random(2) === 0 ? null : some('\0'), group_key: random(2) === 0 ? null : some('\0') },
            ...{ reason: random(2) === 0 ? null : some('\0'), ended_ms: random(2) === 0 ? null : 2 ** 41 },
          })
          .where('position', '=', position)
          .execute();
      const bySql = await text(await exportOf('q'));
      // Now the same messages are in a page with one that is no text.
      await own.publish('ada', 'q', Uint8Array.of(0xff));
      const byPlatform = (await text(await exportOf('q'))).split('\n');
      expect(JSON.parse(byPlatform[300]!), `seed ${seed}`).toMatchObject({ text: null, base64: '/w==' });
      expect(bySql.split('\n').slice(0, -1), `seed ${seed}`).toEqual(byPlatform.slice(0, 300));
      expect(parsed(bySql).map(({ position }) => position)).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
    });

    it.each([
      ['a NUL', Uint8Array.of(0x61, 0, 0x62), { text: 'a\0b', base64: null }],
      ['half a character', Uint8Array.of(0xc3), { text: null, base64: 'ww==' }],
      ['a surrogate', Uint8Array.of(0xed, 0xa0, 0x80), { text: null, base64: '7aCA' }],
      ['nothing', new Uint8Array(), { text: '', base64: null }],
      ['what stands for NUL in PostgreSQL', Buffer.from('\ufdd00\ufdd01'), { text: '\ufdd00\ufdd01', base64: null }],
    ])('says a body of %s as it is, and goes on', async (_, body, shown) => {
      const long3 = long.repeat(3);
      await own.messages.publish(
        'ada',
        'q',
        [long3, body, long3, body].map((one) => newMessage(one)),
      );
      const found = parsed(await text(await exportOf('q')));
      expect(found.map(({ position }) => position)).toEqual([1, 2, 3, 4]);
      expect([found[1], found[3]]).toMatchObject([shown, shown]);
    });

    it('of an import of it is the same queue', async () => {
      await own.publish('ada', 'q', Uint8Array.of(0xff), { contentType: 'a/b', group: 'g' });
      await own.publish('ada', 'q', numbered(900), { contentType: 'text/plain' });
      await own.publish('ada', 'q', numbered(900));
      // The first is done, the second a dead letter.
      const { id: queueId } = await own.queues.find('ada', 'q');
      const delivery = { queueId, takenId: 't' };
      const deliveries = new Deliveries({ db: store.db, now: Date.now, random: Math.random });
      const { messages } = await deliveries.take({
        ...{ ...delivery, handlerId: 'h', limit: 2, inFlightMax: 2, maxAttempts: 1 },
      });
      await deliveries.done(delivery, messages.slice(0, 1), 'i-1');
      const failure = { reason: 'trapped:\nboom', invocation: 'i-2', maxAttempts: 1 };
      await deliveries.failed(delivery, { messages: messages.slice(1), ...failure });
      const file = await text(await exportOf('q'));
      const done = await upload(chunksOf(file, 70_001), {
        nowMs: Date.now(),
        publish: async (batch) => {
          await own.messages.publish('ada', 'copy', batch);
          return { duplicates: 0 };
        },
      });
      expect(done).toEqual({ published: 1_801, duplicates: 0 });
      // All but what is made anew: ids, and the time of publishing.
      const kept = ({ id: _, publishedMs: __, ...line }: Record<string, unknown>) => line;
      const copy = parsed(await text(await exportOf('copy')));
      expect(copy.map(kept)).toEqual(parsed(file).map(kept));
      expect(copy.slice(0, 3).map(({ state }) => state)).toEqual(['done', 'dead', 'ready']);
    });

    it('that is damaged names the line, and nothing of its batch is imported', async () => {
      for (let part = 0; part < 3; part += 1) await own.publish('ada', 'q', numbered(900));
      const lines = (await text(await exportOf('q'))).split('\n');
      lines[1_999] = lines[1_999]!.slice(0, -5);
      const imported = upload(chunksOf(lines.join('\n'), 65_536), {
        nowMs: Date.now(),
        publish: async (batch) => {
          await own.messages.publish('ada', 'copy', batch);
          return { duplicates: 0 };
        },
      });
      await expect(imported).rejects.toMatchObject({
        code: 'bad_request',
        message: 'line 2000: is no JSON; the lines before line 1001 were published, nothing after them',
      });
      expect(parsed(await text(await exportOf('copy')))).toHaveLength(1_000);
    });
  });

  describe('of log lines', () => {
    it('has every line in order, goes on after a cursor, and nothing of another handler', async () => {
      const all60 = Array.from({ length: 60 }, (_, n) => ({
        cursor: n + 1,
        line: line('h', `line "${n}"\n`, { seq: n, timeMs: 5, gas: 11 }),
      }));
      const isOther = ({ cursor }: { cursor: number }) => (cursor - 1) % 6 === 0;
      const ours = all60.filter((one) => !isOther(one));
      // Several blocks, each with gaps where the other handler's lines are.
      for (let at = 0; at < ours.length; at += 7) await storeLines(store.db, 'h', ours.slice(at, at + 7));
      await storeLines(store.db, 'other', all60.filter(isOther));
      const of = (after: number, format: ExportFormat = 'ndjson') =>
        text(exportLogLines(store.db, { userId: 'ada', handlerId: 'h' }, { after, format }));
      const all = parsed(await of(0));
      expect(all).toHaveLength(50);
      expect(all[0]).toEqual({
        ...{ cursor: 2, deployment: 1, invocation: 'i', seq: 1, timeMs: 5, gas: 11, stream: 'log', level: 6 },
        text: 'line "1"\n',
      });
      expect(parsed(await of(all[20].cursor))).toEqual(all.slice(21));
      expect((await of(0, 'csv')).split('\r\n').slice(0, 2)).toEqual([
        'cursor,deployment,invocation,seq,timeMs,gas,stream,level,text,status,fields',
        '2,1,i,1,5,11,log,6,"line ""1""\n",,',
      ]);
    });
  });

  describe('of invocations', () => {
    it('has every record in the order of the begins, and goes on after an id', async () => {
      // Twelve hundred, many of the same millisecond: several pages.
      const ids = Array.from({ length: 1_200 }, () => randomUUID());
      for (let at = 0; at < ids.length; at += 100)
        await store.db
          .insertInto('invocations')
          .values(
            ids.slice(at, at + 100).map((id, n) => ({
              ...{
                id,
                handler_id: 'h',
                deployment: 1,
                started_ms: Math.floor((at + n) / 7),
                status: 200,
                outcome: 'ok',
              },
              ...{ duration_ms: 1, gas: 2, record: JSON.stringify(recordOf(id)) },
            })),
          )
          .execute();
      const of = (after: string | null, format: ExportFormat = 'ndjson') =>
        text(exportRecords(store.db, { userId: 'ada', handlerId: 'h' }, { after, format }));
      const all = parsed(await of(null));
      expect(new Set(all.map(({ id }) => id))).toEqual(new Set(ids));
      expect(all[0]).toEqual(recordOf(all[0].id));
      expect(parsed(await of(all[700].id))).toEqual(all.slice(701));
      expect((await of(null, 'csv')).split('\r\n')[1]).toBe(
        `${all[0].id},1,3,1.5,GET,"/a,b",200,ok,2,1,0,5,0,"{""log_write"":{""count"":1,""waitMs"":0}}",{}`,
      );
      await expect(of('nobody')).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  describe('views', () => {
    it('end after a while, and the read goes on in a newer one', async () => {
      const views = new Views({ connect: () => connectTo(store.location), ms: 1 });
      const seen: number[] = [];
      let made = 0;
      const pages = views.pages('ada', async (view) => {
        if (seen.length === 3) return null;
        const { count } = await view
          .selectFrom('users')
          .select(({ fn }) => fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow();
        seen.push(Number(count));
        return seen.length;
      });
      for await (const _ of pages) {
        made += 1;
        await store.db
          .insertInto('users')
          .values({ id: `u${made}`, name: `u${made}`, password_hash: '', created_ms: 0 })
          .execute();
        // A timer that was set later and for longer: the view's own has fired before it.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(seen).toEqual([2, 3, 4]);
      await views.close();
    });

    it('are bounded for each user and for all; those that wait get theirs when one ends', async () => {
      const { views } = store.db;
      const read = (user: string) => views.pages(user, async () => 1);
      const open = Array.from({ length: viewLimits.ofUser }, () => read('ada'));
      for (const one of open) await one.next();
      await expect(read('ada').next()).rejects.toMatchObject({ code: 'rate_limited' });
      const waiting = read('bob');
      const got = waiting.next();
      await open[0]!.return(undefined);
      expect(await got).toMatchObject({ value: 1 });
      for (const one of [...open, waiting]) await one.return(undefined);
      const next = read('ada');
      expect(await next.next()).toMatchObject({ value: 1 });
      // A reader that never comes back holds up no end of the platform.
      await views.close();
      await expect(next.next()).rejects.toMatchObject({ code: 'unavailable' });
    });
  });
});

it('a stream of lines fails before it begins where its first piece fails, and ends its source with itself', async () => {
  let ended = 0;
  async function* lines(fails: boolean): AsyncGenerator<string> {
    try {
      if (fails) throw new Error('no');
      for (;;) yield 'line\n';
    } finally {
      ended += 1;
    }
  }
  await expect(lineStream(lines(true))).rejects.toThrow('no');
  const stream = await lineStream(lines(false));
  for await (const piece of stream) {
    expect(String(piece)).toBe('line\n');
    break;
  }
  expect(ended).toBe(2);
});

it('CSV quotes what it must', () => {
  expect(csvLine(['a', 'b,c', '"', 'x\ny', null, 1])).toBe('a,"b,c","""","x\ny",,1\r\n');
});

function connectTo(location: DatabaseLocation): Kysely<Schema> {
  const pool = (url: string) => () => postgresPool({ url, connections: 1, readOnly: true, onLost: () => {} });
  return new Kysely({
    dialect:
      'url' in location
        ? new PostgresDialect({ pool: pool(location.url) })
        : new Sqlite3Dialect({ file: location.file, synchronous: 'normal', readOnly: true }),
  });
}

function recordOf(id: string) {
  return {
    ...{ id, deployment: 1, startedMs: 3, durationMs: 1.5, method: 'GET', path: '/a,b', status: 200, outcome: 'ok' },
    ...{ gas: 2, memoryPages: 1, bytesIn: 0, bytesOut: 5, syscalls: { log_write: { count: 1, waitMs: 0 } }, io: {} },
    logLines: 0,
  };
}

const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `m${n}`);

async function* chunksOf(whole: string, bytes: number): AsyncGenerator<Buffer> {
  const all = Buffer.from(whole);
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}
