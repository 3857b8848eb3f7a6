/** Every list of the API is read in pages: found by walking the document, so that a new list cannot be forgotten. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CallStore } from '../../../src/control/calls/call-store.ts';
import { replaceSchedules } from '../../../src/control/calls/schedules.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import { api, logLine, type Platform, signUp, startPlatform } from '../../support/api.ts';

let platform: Platform;
let ada: string;
let bob: string;

/** Answers with several series or figures of a bounded time, and the five drains at most: not lists that can grow. */
const figures = ['getUsage', 'listUsage', 'listDrains', 'listServerDrains'];

beforeAll(async () => {
  platform = await startPlatform();
  ada = await signUp(platform, 'ada');
  bob = await signUp(platform, 'bob');
  await signUp(platform, 'eve');
  const ok = async (token: string, method: string, path: string, body?: unknown) => {
    const answer = await api(platform, token, method, path, body);
    expect(answer.status, `${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
  };
  for (const name of ['otter', 'badger', 'mole']) await ok(ada, 'POST', '/handlers', { name });
  for (const name of ['b-one', 'b-two', 'b-three']) {
    await ok(bob, 'POST', '/handlers', { name });
    await ok(bob, 'POST', `/handlers/${name}/transfer`, { to: 'ada' });
  }
  for (const key of ['ZETA', 'alpha', 'Beta', '_x']) await ok(ada, 'PUT', `/handlers/otter/env/${key}`, { value: 'v' });
  for (const domain of ['a.example.com', 'b.example.com', 'c.example.com'])
    await ok(ada, 'POST', '/handlers/otter/domains', { domain });
  for (const user of ['bob', 'eve']) await ok(ada, 'PUT', `/handlers/otter/collaborators/${user}`, { role: 'viewer' });
  for (const label of ['x', 'y', 'z']) await ok(ada, 'POST', '/tokens', { label });
  for (let n = 0; n < 3; n += 1) await ok(ada, 'POST', '/invites', {});
  for (const name of ['eu-1', 'eu-2', 'us-1']) await ok(ada, 'POST', '/nodes', { name });
  for (const queue of ['one', 'two', 'three']) await ok(ada, 'PUT', `/queues/${queue}`, {});
  for (let n = 0; n < 3; n += 1) await ok(ada, 'POST', '/queues/one/messages', { n });
  const { id, ownerId } = (await platform.handlers.find('otter'))!;
  const tick = { cron: '0 3 * * *', timezone: 'UTC', everyMs: null, path: '/', body: '', overlap: 'skip', catchUp: 1 };
  await replaceSchedules(
    platform.db,
    id,
    ['nightly', 'Morning', 'evening'].map((name) => ({ ...tick, overlap: 'skip' as const, name, timeoutMs: 1_000 })),
    Date.now(),
  );
  for (let n = 0; n < 3; n += 1) await platform.append([logLine('otter', `line ${n}`)]);
  await deploy(id, ownerId);
  const calls = new CallStore({ db: platform.db, now: () => platform.clock.ms });
  for (const call of ['c1', 'c2', 'c3']) {
    const request = { method: 'POST', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };
    await calls.accept({ id: call, handlerId: id, request, body: new Uint8Array(), attemptsMax: 1 });
  }
  const record = {
    ...{
      handler: 'otter',
      deployment: 1,
      durationMs: 1,
      method: 'GET',
      path: '/',
      status: 200,
      outcome: 'ok' as const,
    },
    ...{ gas: 1, memoryPages: 1, bytesIn: 0, bytesOut: 0, syscalls: {}, io: {}, logLines: 0 },
  };
  await platform.record({
    records: ['i1', 'i2', 'i3'].map((one, at) => ({ ...record, id: one, startedMs: 1_000 + at })),
    counts: [],
  });
});
afterAll(() => platform.close());

async function deploy(handlerId: string, userId: string): Promise<void> {
  const { db } = platform;
  const artifact = { name: 'a-m1', sha256: 'a', meter_version: 1, original_bytes: 1, bytes: 1, created_ms: 1 };
  await db
    .insertInto('artifacts')
    .values({ ...artifact, module: JSON.stringify({ plan: { abis: ['cwa'], imports: [{ module: 'cwa' }] } }) })
    .execute();
  for (let number = 1; number <= 3; number += 1) {
    await db
      .insertInto('deployments')
      .values({
        ...{ id: `d${number}`, handler_id: handlerId, number, commit: 'c', ref: 'refs/heads/main', user_id: userId },
        ...{ artifact: artifact.name, module_path: 'a.wasm', manifest: '{}', state: 'retired', failure: null },
        ...{ vet_ms: 1, created_ms: 1, ended_ms: 1 },
      })
      .execute();
    const preview = { handler_id: handlerId, branch: `branch/${number}` };
    await db
      .insertInto('previews')
      .values({ ...preview, id: `p${number}`, slug: `branch-${number}`, days: 1, created_ms: 1, pushed_ms: 1 })
      .execute();
    await db
      .insertInto('releases')
      .values({ ...preview, deployment_id: `d${number}`, changed_ms: 1 })
      .execute();
  }
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}
interface Described {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: Schema }>> }>>;
}

/** The lists of the document: reads whose answer has an array. The array's field, by path. */
async function lists(): Promise<readonly { readonly id: string; readonly path: string; readonly field: string }[]> {
  const { body: document } = await api(platform, null, 'GET', '/openapi.json');
  const found: { id: string; path: string; field: string }[] = [];
  for (const [path, { get }] of Object.entries<{ readonly get?: Described }>(document.paths)) {
    const { properties } = get?.responses[200]?.content?.['application/json']?.schema ?? {};
    const fields = Object.entries(properties ?? {}).filter(([, { type }]) => type === 'array');
    if (get === undefined || fields.length === 0 || figures.includes(get.operationId)) continue;
    const names = get.parameters.map(({ name }) => name);
    expect(names, get.operationId).toEqual(expect.arrayContaining(['after', 'limit']));
    expect(
      [
        ['string', 'null'],
        ['number', 'null'],
      ],
      get.operationId,
    ).toContainEqual(properties?.next?.type);
    expect(fields, get.operationId).toHaveLength(1);
    found.push({ id: get.operationId, path, field: fields[0]![0] });
  }
  return found;
}

describe('every list of the document', () => {
  test('of one handler has nothing of another', async () => {
    const asked = (await lists()).filter(({ path }) => path.startsWith('/handlers/{name}/'));
    expect(asked.length).toBeGreaterThan(5);
    // All that has happened to this one is that it was made.
    const known: string[] = [];
    for (const { id, path, field } of asked) {
      const answer = await api(platform, ada, 'GET', path.replace('{name}', 'mole').replace('{queue}', 'one'));
      expect(answer.status, id).toBe(200);
      if (answer.body[field].length > 0) known.push(`${id} ${answer.body[field].length}`);
    }
    expect(known).toEqual(['listHandlerAudit 1']);
  });

  test('leads through all of its items, each once, in the order of the whole list', async () => {
    const seen: string[] = [];
    for (const { id, path, field } of await lists()) {
      const at = path.replace('{name}', 'otter').replace('{queue}', 'one');
      // Log lines are the newest without a cursor, and go forward from one.
      const first: Record<string, string> = id === 'queryLogs' ? { after: '0' } : {};
      const read = async (query: Record<string, string>) => {
        const answer = await api(platform, ada, 'GET', `${at}?${new URLSearchParams(query)}`);
        expect(answer.status, `${id}: ${JSON.stringify(answer.body)}`).toBe(200);
        return answer.body as Record<string, unknown[]> & { next: string | number | null };
      };
      const whole = await read(first);
      expect(whole.next, id).toBeNull();
      const items: unknown[] = [];
      for (let query: Record<string, string> | null = { ...first, limit: '1' }; query !== null; ) {
        const page: Awaited<ReturnType<typeof read>> = await read(query);
        expect(page[field]!.length, id).toBeLessThanOrEqual(1);
        items.push(...page[field]!);
        query = page.next === null ? null : { after: String(page.next), limit: '1' };
      }
      expect(items, id).toEqual(whole[field]);
      expect(items.length, id).toBeGreaterThanOrEqual(id === 'listCollaborators' ? 2 : 3);
      seen.push(id);
    }
    expect(seen.length).toBeGreaterThanOrEqual(14);
  });

  test('refuses a limit and a cursor that cannot be', async () => {
    for (const { id, path } of await lists()) {
      const at = path.replace('{name}', 'otter').replace('{queue}', 'one');
      for (const query of [
        'limit=0',
        'limit=-1',
        'limit=1e3',
        'limit=100000',
        'limit=',
        `after=${'x'.repeat(2_000)}`,
      ]) {
        const { status, body } = await api(platform, ada, 'GET', `${at}?${query}`);
        expect([status, body.code], `${id} ${query}`).toEqual([400, 'bad_request']);
      }
    }
  });
});

test('handlers are searched, and a search is read in pages', async () => {
  const names = async (query: string) => {
    const { body } = await api(platform, ada, 'GET', `/handlers?${query}`);
    return [body.handlers.map(({ name }: { name: string }) => name), body.next];
  };
  expect(await names('search=O')).toEqual([['mole', 'otter'], null]);
  expect(await names('search=o&limit=1')).toEqual([['mole'], 'mole']);
  expect(await names('search=o&limit=1&after=mole')).toEqual([['otter'], null]);
  await api(platform, ada, 'DELETE', '/handlers/mole');
  expect(await names('search=o')).toEqual([['otter'], null]);
  expect(await names('search=o&deleted=true')).toEqual([['mole'], null]);
  await api(platform, ada, 'POST', '/handlers/mole/restore');
});

test('invocations that run stand on as many pages as they fill, before those that have ended', async () => {
  const { body } = await api(platform, ada, 'GET', '/handlers/otter/invocations');
  const run = (id: string, startedMs: number) => ({ ...body.invocations[0], id, startedMs, outcome: 'running' });
  const handlerId = handlerIdOf((await platform.handlers.find('otter'))!.id);
  const started = [run('r1', 5_000), run('r2', 6_000)].map(({ handler: _, ...facts }) => ({ ...facts, handlerId }));
  platform.usage.running('runner', { started, ended: [] });
  const ids: string[] = [];
  for (let after = ''; after !== null; ) {
    const query = after === '' ? 'limit=1' : `limit=1&after=${after}`;
    const page = (await api(platform, ada, 'GET', `/handlers/otter/invocations?${query}`)).body;
    ids.push(...page.invocations.map(({ id }: { id: string }) => id));
    after = page.next;
  }
  expect(ids).toEqual(['r2', 'r1', 'i3', 'i2', 'i1']);
  platform.usage.running('runner', { started: [], ended: ['r1', 'r2'] });
});
