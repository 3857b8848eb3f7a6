/** Queues over the API: listed, read in pages, purged, by the owner alone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, type Platform, signUp, startPlatform } from '../../support/api.ts';

let platform: Platform;
let ada: string;
let bob: string;
let handlerId: string;

beforeAll(async () => {
  platform = await startPlatform();
  ada = await signUp(platform, 'ada');
  bob = await signUp(platform, 'bob');
  const owner = (await platform.accounts.actorOfToken(ada))!.user.id;
  handlerId = (await platform.handlers.create({ name: 'otter', ownerId: owner })).id;
});
afterAll(() => platform.close());

const publish = (queue: string, message: string | Uint8Array) =>
  platform.queues.publish({ handlerId, queue, message: Buffer.from(message as string) });
const get = (path: string, token = ada) => api(platform, token, 'GET', path);

test('queues are listed in pages, with what they hold', async () => {
  expect((await get('/queues?handler=otter')).body).toEqual({ queues: [], next: null });
  for (const [queue, text] of [
    ['mail', 'first'],
    ['jobs', 'a job'],
    ['mail', 'second'],
  ] as const)
    await publish(queue, text);
  const first = (await get('/queues?handler=otter&limit=1')).body;
  expect(first).toMatchObject({ queues: [{ name: 'jobs', messages: 1, bytes: 5 }], next: 'jobs' });
  const second = (await get(`/queues?handler=otter&limit=1&after=${first.next}`)).body;
  expect(second).toMatchObject({ queues: [{ name: 'mail', messages: 2, bytes: 11 }], next: null });
});

test('messages are read in order, in pages, as text or base64', async () => {
  await publish('mixed', 'tëxt\0');
  await publish('mixed', Uint8Array.of(0xff, 0xfe));
  await publish('mixed', '');
  const first = (await get('/queues/mixed/messages?handler=otter&limit=2')).body;
  expect(first.messages).toMatchObject([
    { bytes: 6, text: 'tëxt\0', base64: null },
    { bytes: 2, text: null, base64: '//4=' },
  ]);
  expect(first.next).toBe(first.messages[1].position);
  const second = (await get(`/queues/mixed/messages?handler=otter&after=${first.next}`)).body;
  expect(second).toMatchObject({ messages: [{ bytes: 0, text: '', base64: null }], next: null });
  // Reading removed nothing.
  expect((await get('/queues/mixed/messages?handler=otter')).body.messages).toHaveLength(3);
});

test('an answer holds at most a megabyte of messages, and says where the next begins', async () => {
  for (let i = 0; i < 6; i += 1) await publish('large', Buffer.alloc(200_000, i));
  const first = (await get('/queues/large/messages?handler=otter')).body;
  expect(first.messages).toHaveLength(5);
  expect((await get(`/queues/large/messages?handler=otter&after=${first.next}`)).body.messages).toHaveLength(1);
});

test('a purge removes what one queue holds, and says how much', async () => {
  await publish('old', 'abc');
  await publish('old', 'de');
  const purged = await api(platform, ada, 'POST', '/queues/old/purge?handler=otter');
  expect(purged).toMatchObject({ status: 200, body: { messages: 2, bytes: 5 } });
  expect((await get('/queues/old/messages?handler=otter')).body).toEqual({ messages: [], next: null });
  expect((await get('/queues/mail/messages?handler=otter')).body.messages).toHaveLength(2);
  const again = await api(platform, ada, 'POST', '/queues/old/purge?handler=otter');
  expect(again.body).toEqual({ messages: 0, bytes: 0 });
});

test('a purge gives the quota its bytes back at once', async () => {
  const queued = async () => (await get('/usage')).body.byKind.queues;
  await publish('counted', Buffer.alloc(100_000));
  await platform.quota.measure(handlerId, ['queues']);
  const before = await queued();
  expect(before).toBeGreaterThanOrEqual(100_000);
  await api(platform, ada, 'POST', '/queues/counted/purge?handler=otter');
  expect(before - (await queued())).toBeGreaterThanOrEqual(100_000);
});

test.each([
  ['GET', '/queues'],
  ['GET', '/queues/mail/messages'],
  ['POST', '/queues/mail/purge'],
])('%s %s: of somebody else as of nobody; without a handler refused', async (method, path) => {
  const foreign = await api(platform, bob, method, `${path}?handler=otter`);
  const missing = await api(platform, bob, method, `${path}?handler=nobody`);
  expect([foreign.status, missing.status]).toEqual([404, 404]);
  expect(foreign.body.code).toBe(missing.body.code);
  expect((await api(platform, ada, method, path)).status).toBe(400);
  expect((await get('/queues/mail/messages?handler=otter')).body.messages).toHaveLength(2);
});

test.each(['a%20b', '%00', 'q'.repeat(65)])('a queue named %s is none', async (name) => {
  expect((await get(`/queues/${name}/messages?handler=otter`)).status).toBe(404);
  expect((await api(platform, ada, 'POST', `/queues/${name}/purge?handler=otter`)).status).toBe(404);
});
