/**
 * Three functions with the same of everything, two of one owner: whatever is done to one of them, no row of the others
 * changes, and nothing of theirs is read in its place.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { replaceSchedules, Schedules } from '../../../src/control/calls/schedules.ts';
import { DeploymentStore } from '../../../src/control/deploy/deployment-store.ts';
import { PreviewStore } from '../../../src/control/deploy/preview-store.ts';
import { RolloutStore } from '../../../src/control/deploy/rollout-store.ts';
import type { Handler } from '../../../src/control/handlers/handlers.ts';
import { LogRetention } from '../../../src/control/logs/retention.ts';
import { KvStore } from '../../../src/control/storage/kv-store.ts';
import { RecordRetention } from '../../../src/control/usage/record-retention.ts';

import { api, logLine, type Platform, signUp, startPlatform } from '../../support/api.ts';

interface Twin {
  readonly name: string;
  readonly token: string;
  readonly handler: Handler;
  readonly callId: string;
  readonly answered: string;
  readonly invocation: string;
}

let platform: Platform;
let otter: Twin;
let others: readonly Twin[];
let kv: KvStore;

beforeAll(async () => {
  platform = await startPlatform();
  kv = new KvStore(platform);
  const ada = await signUp(platform, 'ada');
  const bob = await signUp(platform, 'bob');
  await signUp(platform, 'eve');
  const artifact = { name: 'a-m1', sha256: 'a', meter_version: 1, original_bytes: 1, bytes: 1, created_ms: 1 };
  const module = JSON.stringify({ plan: { abis: ['cwa'], imports: [{ module: 'cwa' }] } });
  await platform.db
    .insertInto('artifacts')
    .values({ ...artifact, module })
    .execute();
  otter = await fill(ada, 'otter');
  others = [await fill(ada, 'badger'), await fill(bob, 'mole')];
  const paused = [tick, { ...tick, name: 'hourly' }, { ...tick, name: 'paused' }];
  const schedules = new Schedules({ db: platform.db, now: Date.now, newId: randomUUID });
  for (const { handler } of others) {
    await replaceSchedules(platform.db, handler.id, paused, Date.now());
    await schedules.pause(handler.id, 'paused', true);
  }
  for (const token of [ada, bob]) {
    await ok(token, 'PUT', '/queues/orders', {});
    for (let n = 0; n < 2; n += 1) await ok(token, 'POST', '/queues/orders/messages', { n });
    await ok(token, 'POST', '/tokens', { label: 'ci' });
  }
});
afterAll(() => platform.close());

async function ok(token: string, method: string, path: string, body?: unknown) {
  const answer = await api(platform, token, method, path, body);
  expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
  return answer.body;
}

const tick = {
  ...{ name: 'nightly', cron: '0 3 * * *', timezone: 'UTC', everyMs: null, path: '/', body: '' },
  ...{ overlap: 'skip' as const, catchUp: 1, timeoutMs: 1_000 },
};

async function fill(token: string, name: string): Promise<Twin> {
  const { db } = platform;
  await ok(token, 'POST', '/handlers', { name });
  const handler = (await platform.handlers.find(name))!;
  const { id, ownerId } = handler;
  for (const key of ['KEY', 'OTHER']) await ok(token, 'PUT', `/handlers/${name}/env/${key}`, { value: `of ${name}` });
  await ok(token, 'PUT', `/handlers/${name}/collaborators/eve`, { role: 'viewer' });
  await ok(token, 'POST', `/handlers/${name}/transfer`, { to: 'eve' });
  await ok(token, 'POST', `/handlers/${name}/domains`, { domain: 'www.example.com' });
  await ok(token, 'PUT', `/handlers/${name}/drains/sink`, { kind: 'webhook', url: 'http://127.0.0.1:9/' });
  await replaceSchedules(db, id, [tick, { ...tick, name: 'hourly' }], Date.now());
  await new Schedules({ db, now: Date.now, newId: randomUUID }).runNow(id, 'nightly');
  await deploy(id, ownerId, name);
  for (const key of ['one', 'two'])
    await kv.put({ handlerId: id, preview: null, bucket: 'b', key }, Buffer.from(`of ${name}`));
  const request = { method: 'POST', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };
  // Lists show the first letters of ids, which are the same here.
  const callId = `${'c'.repeat(12)}${randomBytes(10).toString('hex')}`;
  const answered = `${'a'.repeat(12)}${randomBytes(10).toString('hex')}`;
  for (const one of [callId, answered])
    await platform.calls.accept({ id: one, handlerId: id, request, body: new Uint8Array(), attemptsMax: 1 });
  await db
    .updateTable('calls')
    .set({ state: 'done', status: 200, fields: '[]', answer: Buffer.from(`of ${name}`) })
    .where('id', '=', answered)
    .execute();
  const logs = new LogRetention({ db, onError });
  // Some lines of each have gone: one of the first function, two of the others.
  for (const text of name === 'otter' ? ['1', '2'] : ['1', '2', '3']) await platform.append([logLine(name, text)]);
  await logs.trimTo(id, 1);
  for (const text of [`of ${name}`, 'again']) await platform.append([logLine(name, text)]);
  if (name !== 'otter') await kv.put({ handlerId: id, preview: null, bucket: 'b', key: 'three' }, Buffer.from(name));
  const invocation = `i-${name}`;
  await platform.record({
    records: [1, 2].map((n) => ({
      ...{ handler: name, deployment: 1, durationMs: 1, method: 'GET', path: '/', status: 200, outcome: 'ok' as const },
      ...{ gas: 1, memoryPages: 1, bytesIn: 0, bytesOut: 0, syscalls: {}, io: {}, logLines: 0 },
      ...{ id: n === 1 ? invocation : `${invocation}-2`, startedMs: 1_000 + n },
    })),
    counts: [],
  });
  return { name, token, handler, callId, answered, invocation };
}

function onError(error: unknown): void {
  throw error;
}

/** Deployments in every state, on the deploy branch and on one with a preview. */
async function deploy(handlerId: Handler['id'], userId: string, name: string): Promise<void> {
  const { db } = platform;
  let number = 0;
  const made = async (id: string, state: 'staged' | 'live' | 'retired' | 'failed', branch = '') => {
    number += 1;
    const facts = { number, commit: 'c', ref: 'refs/heads/main', user_id: userId, artifact: 'a-m1', branch };
    await db
      .insertInto('deployments')
      .values({
        ...{ id: `${name}-${id}`, handler_id: handlerId, ...facts, module_path: 'a.wasm', manifest: '{}', state },
        ...{ failure: null, vet_ms: 1, created_ms: 1, ended_ms: state === 'retired' ? 1 : null },
      })
      .execute();
  };
  await made('old', 'retired');
  await made('older', 'failed');
  await made('live', 'live');
  await made('beside', 'live');
  await made('staged', 'staged');
  for (const [at, branch] of ['feature', 'fix'].entries()) {
    const preview = { handler_id: handlerId, branch };
    await made(`${branch}-live`, 'live', branch);
    await made(`${branch}-staged`, 'staged', branch);
    const facts = { slug: branch, days: 1, created_ms: 1, pushed_ms: 1 };
    await db
      .insertInto('previews')
      .values({ ...preview, ...facts, id: `${name}-p${at}` })
      .execute();
    await db
      .insertInto('releases')
      .values({ ...preview, deployment_id: `${name}-${branch}-live`, changed_ms: 1 })
      .execute();
    const sealed = { branch, key: 'KEY', sealed: 'x', updated_ms: 1 };
    await db
      .insertInto('handler_env')
      .values({ handler_id: handlerId, ...sealed })
      .execute();
    await db
      .insertInto('subscriptions')
      .values({ ...preview, queue: 'orders', settings: '{}' })
      .execute();
    await kv.put({ handlerId, preview: `${name}-p${at}`, bucket: 'b', key: 'one' }, Buffer.from(`of ${branch}`));
  }
  const release = { handler_id: handlerId, branch: '', deployment_id: `${name}-live`, changed_ms: 1 };
  await db.insertInto('releases').values(release).execute();
  const rollout = { deployment_id: `${name}-beside`, percent: 5, header: null, error_percent: 5, baseline: '{}' };
  await db
    .insertInto('rollouts')
    .values({ handler_id: handlerId, id: `${name}-rollout`, started_ms: 1, ...rollout })
    .execute();
}

/** Columns by which a row is somebody's. */
const owning = ['id', 'handler_id', 'owner_id', 'user_id', 'queue_id', 'drain_id', 'deployment_id', 'repository_id'];

/** Returns every row of some functions and their owner, but for what time alone changes. */
async function rowsOf(twins: readonly Twin[], { withOwner = false } = {}): Promise<readonly string[]> {
  const { db } = platform;
  const ids = new Set<string>(twins.map(({ handler }) => handler.id));
  const owners = withOwner ? [...new Set(twins.map(({ handler }) => handler.ownerId))] : [];
  for (const owner of owners) {
    ids.add(owner);
    const queues = await db.selectFrom('queues').select('id').where('owner_id', '=', owner).execute();
    for (const { id } of queues) ids.add(id);
  }
  const drains = await db
    .selectFrom('drains')
    .select('id')
    .where(
      'handler_id',
      'in',
      twins.map(({ handler }) => handler.id),
    )
    .execute();
  for (const { id } of drains) ids.add(id);
  const rows: string[] = [];
  for (const { name } of await db.introspection.getTables()) {
    if (name === 'audit_entries') continue;
    const all = await db
      .selectFrom(name as 'handlers')
      .selectAll()
      .execute();
    for (const row of all as unknown as readonly Readonly<Record<string, unknown>>[])
      if (owning.some((column) => ids.has(String(row[column])))) rows.push(`${name} ${JSON.stringify(row, shown)}`);
  }
  return rows.sort();
}

const shown = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

/** Returns the id of a call as lists show it. */
const shortOf = ({ callId }: Twin): string => callId.slice(0, 12);

interface Change {
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

describe('what changes one function', () => {
  const own = (method: string, path: string, body?: unknown): Change => ({
    what: `${method} ${path}`,
    run: () => ok(otter.token, method, path, body),
  });
  const h = '/handlers/otter';
  const id = () => otter.handler.id;
  const stored = (what: string, run: () => Promise<unknown>): Change => ({ what, run });
  const deployments = () => new DeploymentStore({ db: platform.db, now: () => 9_000, randomBytes });
  const rollouts = () => new RolloutStore({ db: platform.db, now: () => 9_000, randomBytes });
  const previews = () => new PreviewStore({ db: platform.db, now: () => 9_000 });
  const logs = () => new LogRetention({ db: platform.db, onError });
  const records = () => new RecordRetention({ db: platform.db, onError });
  const at = (key: string, preview: string | null = null) => ({ handlerId: id(), preview, bucket: 'b', key });

  const changes: readonly Change[] = [
    own('PUT', `${h}/env/KEY`, { value: 'new' }),
    own('DELETE', `${h}/env/OTHER`),
    own('PUT', `${h}/collaborators/eve`, { role: 'deployer' }),
    own('DELETE', `${h}/collaborators/eve`),
    own('DELETE', `${h}/transfer`),
    own('DELETE', `${h}/domains/www.example.com`),
    own('PUT', `${h}/drains/sink`, { kind: 'webhook', url: 'http://127.0.0.1:9/other' }),
    own('DELETE', `${h}/drains/sink`),
    own('POST', `${h}/schedules/nightly/pause`),
    own('POST', `${h}/schedules/nightly/run`),
    stored('schedules without nightly', () =>
      replaceSchedules(platform.db, id(), [{ ...tick, name: 'hourly' }], Date.now()),
    ),
    stored('a schedule that another one has, paused', async () => {
      const schedules = new Schedules({ db: platform.db, now: Date.now, newId: randomUUID });
      await replaceSchedules(platform.db, id(), [{ ...tick, name: 'paused' }], Date.now());
      expect(await schedules.show(id(), 'paused')).toMatchObject({ isPaused: false });
    }),
    stored('a cancelled call', () => platform.calls.cancelWaiting(id(), shortOf(otter))),
    stored('a call that is tried again', () => platform.calls.retry(id(), shortOf(otter))),
    stored('a value', () => kv.put(at('one'), Buffer.from('new'))),
    stored('a value that is compared', () => kv.put(at('one'), Buffer.from('newer'), { expected: Buffer.from('new') })),
    stored('a first value, where others have one', async () => {
      expect(await kv.put(at('three'), Buffer.from('mine'), { expected: null })).toBe(true);
    }),
    stored('a value that goes', () => kv.delete(at('two'))),
    stored('a Deployment that fails', () => deployments().fail('otter-staged', 'why')),
    stored('a share of calls', () => rollouts().setPercent('otter-rollout', 50)),
    stored('a gradual release that ends', () => rollouts().abort(id(), 'otter-rollout')),
    stored('a gradual release', () =>
      rollouts().start(
        {
          ...{ handler_id: id(), deployment_id: 'otter-old', percent: 5, header: null, error_percent: 5 },
          baseline: '{}',
        },
        'retired',
      ),
    ),
    stored('a Deployment that goes', () => deployments().drop('otter-older')),
    stored('a preview that goes', () => previews().remove(id(), 'feature')),
    stored('old log lines', () => logs().trimTo(id(), 1)),
    stored('all log lines', () => logs().removeAll(id())),
    stored('all records', () => records().removeAll(id())),
    own('PATCH', h, { deployBranch: 'trunk' }),
    stored('another name', () => platform.handlers.rename(id(), 'beaver')),
    stored('its name again', () => platform.handlers.rename(id(), 'otter')),
    own('DELETE', h),
    own('POST', `${h}/restore`),
  ];

  test('changes no other one', async () => {
    const before = await rowsOf(others);
    expect(before.length).toBeGreaterThan(50);
    for (const { what, run } of changes) {
      const mine = await rowsOf([otter]);
      await run();
      expect(await rowsOf([otter]), `${what} changes nothing`).not.toEqual(mine);
      expect(await rowsOf(others), what).toEqual(before);
    }
    const { items, bytes } = await platform.db
      .selectFrom('storage_totals')
      .select(['items', 'bytes'])
      .where('handler_id', '=', id())
      .where('kind', '=', 'kv')
      .executeTakeFirstOrThrow();
    expect([Number(items), Number(bytes)]).toEqual([2, 'newer'.length + 'mine'.length]);
  });

  test('and what changes one user changes no other one', async () => {
    const [, mole] = others as readonly [Twin, Twin];
    const before = await rowsOf([mole], { withOwner: true });
    const { tokens } = await ok(otter.token, 'GET', '/tokens');
    const ci = tokens.find(({ label }: { readonly label: string }) => label === 'ci');
    for (const [method, path, body] of [
      ['POST', '/queues/orders/messages', { n: 3 }],
      ['POST', '/queues/orders/pause', undefined],
      ['POST', '/queues/orders/purge', {}],
      ['DELETE', `/tokens/${ci.id}`, undefined],
      ['POST', '/tokens', { label: 'again' }],
      ['DELETE', '/queues/orders', undefined],
    ] as const) {
      if (path === '/tokens') expect((await api(platform, otter.token, 'DELETE', `/tokens/${ci.id}`)).status).toBe(404);
      await ok(otter.token, method, path, body);
      expect(await rowsOf([mole], { withOwner: true }), `${method} ${path}`).toEqual(before);
    }
    const everything = stored('all of it', () => deployments().removeHandler(id()));
    await everything.run();
    expect(await rowsOf([mole], { withOwner: true }), everything.what).toEqual(before);
  });
});

describe('what belongs to one function', () => {
  test('is not found under another, by its id or name', async () => {
    const [badger, mole] = others as readonly [Twin, Twin];
    const schedules = new Schedules({ db: platform.db, now: Date.now, newId: randomUUID });
    await replaceSchedules(platform.db, mole.handler.id, [{ ...tick, name: 'of-mole' }], Date.now());
    await ok(mole.token, 'PUT', '/handlers/mole/env/OF_MOLE', { value: 'x' });
    await ok(mole.token, 'PUT', '/handlers/mole/drains/of-mole', { kind: 'webhook', url: 'http://127.0.0.1:9/' });
    await ok(mole.token, 'POST', '/handlers/mole/domains', { domain: 'mole.example.com' });
    const b = badger.handler.id;
    const request = { method: 'POST', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };
    const callId = `${'m'.repeat(12)}${randomBytes(10).toString('hex')}`;
    const call = { id: callId, request, body: new Uint8Array(), attemptsMax: 1 };
    await platform.calls.accept({ ...call, handlerId: mole.handler.id });
    const asked: Readonly<Record<string, () => Promise<unknown>>> = {
      call: () => platform.calls.show(b, callId),
      'answer of a call': () => platform.calls.answer(b, mole.answered),
      'call to cancel': () => platform.calls.cancelWaiting(b, callId.slice(0, 12)),
      'call to try again': () => platform.calls.retry(b, callId.slice(0, 12)),
      schedule: () => schedules.show(b, 'of-mole'),
      'schedule to run': () => schedules.runNow(b, 'of-mole'),
      'schedule to pause': () => schedules.pause(b, 'of-mole', true),
      variable: () => platform.env.get(b, 'OF_MOLE'),
      'variable to remove': () => platform.env.remove(b, 'OF_MOLE'),
      drain: () => platform.drains.show(b, 'of-mole'),
      'drain to remove': () => platform.drains.remove(b, 'of-mole'),
      domain: () => platform.domains.get(b, 'mole.example.com'),
      'domain to check': () => platform.domains.check(b, 'mole.example.com'),
      'domain to remove': () => platform.domains.remove(b, 'mole.example.com'),
    };
    for (const [what, ask] of Object.entries(asked))
      await expect(ask(), what).rejects.toMatchObject({ code: 'not_found' });
    expect(await platform.usage.find(badger.handler, mole.invocation)).toBeNull();
    expect(await platform.usage.find(mole.handler, mole.invocation)).not.toBeNull();
    const before = await rowsOf([mole], { withOwner: true });
    const { tokens } = await ok(mole.token, 'GET', '/tokens');
    for (const { id } of tokens)
      expect((await api(platform, badger.token, 'DELETE', `/tokens/${id}`)).status).toBe(404);
    expect(await rowsOf([mole], { withOwner: true })).toEqual(before);
  });

  test('is read as it is, where others have the same names', async () => {
    for (const { name, token, handler, callId, answered, invocation } of others) {
      const at = { handlerId: handler.id, preview: null, bucket: 'b', key: 'one' };
      expect(Buffer.from((await kv.get(at))!).toString()).toBe(`of ${name}`);
      expect(await kv.keys({ handlerId: handler.id, preview: null, bucket: 'b', after: '' })).toEqual([
        'one',
        'three',
        'two',
      ]);
      expect(await platform.env.envOf(handler.id)).toMatchObject({ KEY: `of ${name}`, OTHER: `of ${name}` });
      const { calls } = await ok(token, 'GET', `/handlers/${name}/calls`);
      expect(calls).toHaveLength(name === 'mole' ? 3 : 2);
      const answer = await platform.calls.answer(handler.id, answered);
      expect(Buffer.from(answer.body).toString()).toBe(`of ${name}`);
      const { invocations } = await ok(token, 'GET', `/handlers/${name}/invocations`);
      expect(invocations.map((one: { readonly id: string }) => one.id).sort()).toEqual([invocation, `${invocation}-2`]);
      const { lines } = await ok(token, 'GET', `/handlers/${name}/logs`);
      expect(lines.map(({ text }: { readonly text: string }) => text)).toContain(`of ${name}`);
      for (const { name: other } of others)
        if (other !== name)
          expect(lines.map(({ text }: { readonly text: string }) => text)).not.toContain(`of ${other}`);
      expect(calls.map((call: { readonly id: string }) => call.id)).toContain(callId.slice(0, 12));
    }
  });
});
