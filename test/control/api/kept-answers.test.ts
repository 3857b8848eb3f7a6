/** A POST with an Idempotency-Key happens once: the store on both databases, then every such operation over HTTP. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { apiOperations } from '../../../src/control/api/api.ts';
import { KeptAnswers, keptAnswerLimits, readKey } from '../../../src/control/api/kept-answers.ts';
import type { Database } from '../../../src/control/db/database.ts';
import { api, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('kept answers', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs = 1_000;
  let reported: string[];
  let kept: KeptAnswers;

  const on = async (db: Database): Promise<KeptAnswers> => {
    const sealer = await Sealer.open({ db, keyFile: join(store.folder, 'env.key'), randomBytes });
    return new KeptAnswers({ db, sealer, now: () => nowMs, randomBytes, report: (text) => reported.push(text) });
  };
  const ask = (key: string, request: object = { a: 1 }, userId = 'u-ada') => ({ userId, key, request: { ...request } });
  /** How often the operation has run. */
  let runs = 0;
  const run = async () => {
    runs += 1;
    return { run: runs };
  };
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'done',
      (error: { code?: string }) => error.code ?? String(error),
    );
  const rows = () => store.db.selectFrom('kept_answers').selectAll().execute();

  beforeEach(async () => {
    nowMs = 1_000;
    runs = 0;
    reported = [];
    store = await dialect.temporary();
    for (const name of ['ada', 'bob'])
      await store.db
        .insertInto('users')
        .values({ id: `u-${name}`, name, password_hash: 'x', created_ms: 1 })
        .execute();
    kept = await on(store.db);
  });
  afterEach(() => store.close());

  it('gives the second request what the first was given, and runs nothing', async () => {
    expect(await kept.once(ask('k'), run)).toEqual({ result: { run: 1 }, isKept: false });
    expect(await kept.once(ask('k'), run)).toEqual({ result: { run: 1 }, isKept: true });
    expect(await kept.once(ask('other'), run)).toEqual({ result: { run: 2 }, isKept: false });
    expect(await kept.once(ask('k', { a: 1 }, 'u-bob'), run)).toEqual({ result: { run: 3 }, isKept: false });
    expect(await kept.once(ask('nothing'), async () => undefined)).toEqual({ result: undefined, isKept: false });
    expect(await kept.once(ask('nothing'), run)).toEqual({ result: null, isKept: true });
  });

  it('refuses another request with the key', async () => {
    await kept.once(ask('k'), run);
    expect(await code(kept.once(ask('k', { a: 2 }), run))).toBe('idempotency_key_reused');
    expect(runs).toBe(1);
  });

  it('runs one of many that come at once, on two controls, and tells the others to come again', async () => {
    const other = await on(await store.open());
    let isDone = () => {};
    const done = new Promise<void>((resolve) => {
      isDone = resolve;
    });
    const slow = async () => {
      await done;
      return run();
    };
    const asked = Array.from({ length: 8 }, (_, n) => code((n % 2 === 0 ? kept : other).once(ask('k'), slow)));
    const refused = asked.map((one) => one.then((text) => (text === 'done' ? null : text)));
    // Seven are refused while the eighth runs.
    const first = new Set<string | null>();
    await new Promise<void>((resolve) => {
      let count = 0;
      for (const one of refused)
        void one.then((text) => {
          first.add(text);
          count += 1;
          if (count === 7) resolve();
        });
    });
    expect([...first]).toEqual(['idempotency_key_in_use']);
    isDone();
    expect((await Promise.all(asked)).filter((text) => text === 'done')).toHaveLength(1);
    expect(runs).toBe(1);
    expect(await other.once(ask('k'), run)).toEqual({ result: { run: 1 }, isKept: true });
  });

  it('keeps no failure: the next request with the key runs', async () => {
    const fail = async () => {
      throw new Error('broken');
    };
    await expect(kept.once(ask('k'), fail)).rejects.toThrow('broken');
    expect(await rows()).toEqual([]);
    expect(await kept.once(ask('k'), run)).toMatchObject({ isKept: false });
  });

  it('gives a key free that a control died with, and what that control would still do changes nothing', async () => {
    let end = () => {};
    const held = new Promise<void>((resolve) => {
      end = resolve;
    });
    let began = () => {};
    const begun = new Promise<void>((resolve) => {
      began = resolve;
    });
    const lost = kept.once(ask('k'), async () => {
      began();
      await held;
      return { run: 'lost' };
    });
    await begun;
    nowMs += keptAnswerLimits.runningMs - 1;
    expect(await code(kept.once(ask('k'), run))).toBe('idempotency_key_in_use');
    nowMs += 1;
    expect(await kept.once(ask('k'), run)).toMatchObject({ isKept: false });
    end();
    await lost;
    expect(await kept.once(ask('k'), run)).toEqual({ result: { run: 1 }, isKept: true });
  });

  it('keeps an answer for 24 hours, sealed', async () => {
    await kept.once(ask('k'), async () => ({ token: 'tr_secret' }));
    const [row] = await rows();
    expect(row).toMatchObject({ bytes: row!.answer!.length });
    expect(Buffer.from(row!.answer!, 'base64').toString('latin1')).not.toContain('tr_secret');
    nowMs += keptAnswerLimits.keptMs - 1;
    await kept.prune();
    expect(await kept.once(ask('k'), run)).toMatchObject({ isKept: true });
    nowMs += 1;
    expect(await kept.once(ask('k', { a: 2 }), run)).toMatchObject({ isKept: false });
    nowMs += keptAnswerLimits.keptMs;
    await kept.prune();
    expect(await rows()).toEqual([]);
  });

  it('holds a bounded number of keys for a user, and still answers with those that it holds', async () => {
    const fill = { fingerprint: 'x', claim: 'x', claimed_ms: nowMs, answer: 'x', bytes: 1 };
    await kept.once(ask('mine'), run);
    const many = Array.from({ length: keptAnswerLimits.keys - 1 }, (_, n) => ({
      user_id: 'u-ada',
      key: `k${n}`,
      ...fill,
    }));
    await store.db.insertInto('kept_answers').values(many).execute();
    expect(await code(kept.once(ask('new'), run))).toBe('rate_limited');
    expect(await kept.once(ask('mine'), run)).toMatchObject({ isKept: true });
    expect(await kept.once(ask('new', {}, 'u-bob'), run)).toMatchObject({ isKept: false });
    await store.db.deleteFrom('kept_answers').where('key', 'like', 'k%').execute();
    await store.db
      .updateTable('kept_answers')
      .set({ bytes: keptAnswerLimits.bytes })
      .where('key', '=', 'mine')
      .execute();
    expect(await code(kept.once(ask('new'), run))).toBe('rate_limited');
  });

  it('tells what was done where it cannot be kept', async () => {
    const result = await kept.once(ask('k'), async () => {
      await store.db.schema.dropTable('kept_answers').execute();
      return run();
    });
    expect(result).toEqual({ result: { run: 1 }, isKept: false });
    expect(reported).toEqual(['an answer could not be kept']);
  });
});

test.each([
  ['abc', 'abc'],
  ['"abc"', 'abc'],
  ['"a \\"quoted\\" \\\\ one"', 'a "quoted" \\ one'],
  ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
])('the key %s is read', (field, key) => {
  expect(readKey(field)).toBe(key);
});

test.each(['""', '"', '"a', 'a b', 'a, b', '"a", "b"', 'ключ', `"${'x'.repeat(201)}"`, 'x'.repeat(201)])(
  'the field %s is no key',
  (field) => {
    expect(() => readKey(field)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  },
);

describe('over HTTP', () => {
  let platform: Platform;
  let ada: string;
  let bob: string;
  beforeAttempts(
    async () => {
      platform = await startPlatform();
      ada = await signUp(platform, 'ada');
      bob = await signUp(platform, 'bob');
      await api(platform, ada, 'POST', '/handlers', { name: 'otter' });
      await api(platform, ada, 'PUT', '/queues/jobs', {});
    },
    () => platform.close(),
  );
  afterAll(() => platform.close());

  async function post(token: string | null, path: string, key: string, body: unknown = {}) {
    const response = await fetch(`${platform.url}/api/v1${path}`, {
      method: 'POST',
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...{ 'content-type': 'application/json', 'idempotency-key': key },
      },
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      replayed: response.headers.get('idempotent-replayed'),
      body: await response.json(),
    };
  }

  test('what is made is made once, and told again, secrets too', async () => {
    const first = await post(ada, '/tokens', 'make-token', { label: 'ci' });
    expect(first).toMatchObject({ status: 201, replayed: null });
    const second = await post(ada, '/tokens', 'make-token', { label: 'ci' });
    expect(second).toEqual({ ...first, replayed: 'true' });
    const tokens = (await api(platform, ada, 'GET', '/tokens')).body.tokens;
    expect(tokens.filter(({ label }: { label: string }) => label === 'ci')).toHaveLength(1);
    const entries = (await api(platform, ada, 'GET', '/audit?operation=createToken')).body.entries;
    expect(entries).toHaveLength(1);
    const made = [await post(ada, '/handlers', 'make'), await post(ada, '/handlers', 'make')];
    expect(made[0]!.body.handler.name).toBe(made[1]!.body.handler.name);
  });

  test('another body, path, operation or Token with the key is refused', async () => {
    await post(ada, '/handlers', 'taken', { name: 'keyed' });
    const { token } = (await api(platform, ada, 'POST', '/tokens', { label: 'x', scope: 'deploy' })).body;
    for (const [who, path, body] of [
      [ada, '/handlers', { name: 'keyed-two' }],
      [ada, '/handlers', {}],
      [ada, '/invites', { name: 'keyed' }],
      [token, '/handlers', { name: 'keyed' }],
    ] as const)
      expect(await post(who, path, 'taken', body), path).toMatchObject({
        status: 422,
        body: { code: 'idempotency_key_reused' },
      });
    // Keys are each user's own.
    expect(await post(bob, '/handlers', 'taken', { name: 'bobs' })).toMatchObject({ status: 201, replayed: null });
  });

  test('what was refused is tried again', async () => {
    expect(await post(ada, '/handlers', 'again', { name: 'NO' })).toMatchObject({ status: 422 });
    expect(await post(ada, '/handlers', 'again', { name: 'yes' })).toMatchObject({ status: 201, replayed: null });
  });

  test('requests at once make one', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => post(ada, '/invites', 'at-once')));
    expect(answers.filter(({ status, replayed }) => status === 201 && replayed === null)).toHaveLength(1);
    for (const { status, replayed, body } of answers)
      if (replayed === null && status !== 201) expect([status, body.code]).toEqual([409, 'idempotency_key_in_use']);
    expect((await api(platform, ada, 'GET', '/invites')).body.invites).toHaveLength(1);
  });

  test('a revoked Token and a stranger are given nothing that was kept', async () => {
    const { token, view } = (await api(platform, ada, 'POST', '/tokens', { label: 'y' })).body;
    expect((await post(token, '/invites', 'mine')).status).toBe(201);
    await api(platform, ada, 'DELETE', `/tokens/${view.id}`);
    expect((await post(token, '/invites', 'mine')).status).toBe(401);
    expect((await post(null, '/invites', 'mine')).status).toBe(401);
    expect(await post(null, '/sessions', 'k', { name: 'ada', password: 'correct horse' })).toMatchObject({
      status: 400,
      body: { code: 'bad_request' },
    });
  });

  test('a message is published once, and lines take their own keys', async () => {
    const first = await post(ada, '/queues/jobs/messages', 'message', { n: 1 });
    expect(first.body).toMatchObject({ published: 1, duplicates: 0 });
    const second = await post(ada, '/queues/jobs/messages', 'message', { n: 1 });
    expect(second.body).toEqual({ id: first.body.id, published: 0, duplicates: 1 });
    const lines = await fetch(`${platform.url}/api/v1/queues/jobs/messages`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${ada}`, 'content-type': 'application/x-ndjson', 'idempotency-key': 'lines' },
      },
      body: '{"body":"x"}\n',
    });
    expect(lines.status).toBe(400);
  });

  test('the document says which operations take a key: every POST with a Token that answers JSON', async () => {
    const { paths } = (await api(platform, null, 'GET', '/openapi.json')).body;
    for (const { id, method, path, access, bodyTypes } of apiOperations(platform)) {
      const { parameters, responses } = paths[path][method.toLowerCase()];
      const takes = parameters.some(({ name }: { name: string }) => name === 'Idempotency-Key');
      expect(takes, id).toBe(method === 'POST' && access === 'user' && bodyTypes === null);
      if (takes) expect([responses['409'].description, responses['422'].description].join()).toMatch(/idempotency/);
    }
  });
});
