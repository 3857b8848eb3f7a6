/**
 * Queues over the API: published to, listed, read, exported, paused, retried, purged, deleted, by their owner alone.
 */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { Deliveries } from '../../../src/control/queues/deliveries.ts';
import { queueLimits } from '../../../src/protocol/limits.ts';
import { api, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { beforeAttempts } from '../../support/attempts.ts';

let platform: Platform;
let ada: string;
let bob: string;
let adaId: string;

beforeAttempts(async () => {
  await platform?.close();
  platform = await startPlatform({ quotaBytes: 20_000_000 });
  ada = await signUp(platform, 'ada');
  bob = await signUp(platform, 'bob');
  adaId = (await platform.accounts.actorOfToken(ada))!.user.id;
  await publish('mail', 'hello');
  await publish('source', 'ä "quoted", text\n');
  await publish('source', Uint8Array.of(0xff));
  await post('/queues/source/messages?group=g', 'third', 'text/plain');
});
afterAll(() => platform.close());

const publish = (queue: string, ...bodies: (string | Uint8Array)[]) =>
  Promise.all(bodies.map((body) => platform.publish(adaId, queue, body)));
const get = (path: string, token = ada) => api(platform, token, 'GET', path);
const post = (path: string, body: string | Uint8Array, type?: string, token = ada) =>
  fetch(`${platform.url}/api/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) },
    body: Buffer.from(body as string),
  });
const ndjson = 'application/x-ndjson';
const texts = async (queue: string) =>
  (await get(`/queues/${queue}/messages`)).body.messages.map((one: { text: string }) => one.text);

test('a queue is made by its first message and listed with what it holds, in pages', async () => {
  const carl = await signUp(platform, 'carl');
  expect((await get('/queues', carl)).body).toEqual({ queues: [], next: null });
  const sent = await post('/queues/mail/messages', 'hello', 'text/plain', carl);
  expect([sent.status, await sent.json()]).toEqual([201, { id: expect.any(String), published: 1, duplicates: 0 }]);
  await post('/queues/jobs/messages', 'a job', 'text/plain', carl);
  const first = (await get('/queues?limit=1', carl)).body;
  expect(first).toMatchObject({ queues: [{ name: 'jobs', messages: { ready: 1, dead: 0 }, bytes: 5 }], next: 'jobs' });
  expect((await get(`/queues?limit=1&after=${first.next}`, carl)).body).toMatchObject({
    queues: [{ name: 'mail' }],
    next: null,
  });
  expect((await get('/queues/mail', carl)).body).toMatchObject({ isPaused: false, consumers: [] });
});

test('a message keeps its bytes and what was said of it', async () => {
  await post('/queues/kept/messages?group=g&delayMs=60000', Uint8Array.of(0xff, 0xfe), 'image/png');
  await post('/queues/kept/messages', '');
  const { messages } = (await get('/queues/kept/messages')).body;
  expect(messages).toMatchObject([
    { bytes: 2, text: null, base64: '//4=', contentType: 'image/png', group: 'g', dueMs: expect.any(Number) },
    { bytes: 0, text: '', base64: null, contentType: null, group: null, dueMs: null, state: 'ready', attempts: 0 },
  ]);
});

test('a second message with the same key is not published', async () => {
  const first = await (await post('/queues/once/messages?key=k', 'a')).json();
  const second = await (await post('/queues/once/messages?key=k', 'b')).json();
  expect(second).toEqual({ id: (first as { id: string }).id, published: 0, duplicates: 1 });
  expect(await texts('once')).toEqual(['a']);
});

test('messages are read in pages, at most a megabyte at once', async () => {
  for (let i = 0; i < 6; i += 1) await publish('large', Buffer.alloc(200_000, 65 + i));
  const first = (await get('/queues/large/messages')).body;
  expect(first.messages).toHaveLength(5);
  expect(first.next).toBe(first.messages[4].position);
  expect((await get(`/queues/large/messages?after=${first.next}`)).body.messages).toHaveLength(1);
});

test('a message has at most a megabyte; one byte more is refused before it is stored', async () => {
  expect((await post('/queues/big/messages', new Uint8Array(queueLimits.messageBytes))).status).toBe(201);
  const refused = await post('/queues/big/messages', new Uint8Array(queueLimits.messageBytes + 1));
  expect([refused.status, await refused.json()]).toMatchObject([413, { code: 'body_too_large' }]);
  expect((await get('/queues/big')).body.messages.ready).toBe(1);
});

const many = Array.from({ length: 2_500 }, (_, i) => `${JSON.stringify({ text: `m${i}` })}\n`).join('');

test('NDJSON publishes a message a line, in order, over several transactions', async () => {
  const answer = await post('/queues/bulk/messages', many, ndjson);
  expect([answer.status, await answer.json()]).toEqual([201, { id: null, published: 2_500, duplicates: 0 }]);
  expect((await get('/queues/bulk')).body.messages.ready).toBe(2_500);
  expect((await texts('bulk')).slice(0, 3)).toEqual(['m0', 'm1', 'm2']);
});

test.each([
  ['no JSON', '{"text":', 'is no JSON'],
  ['no UTF-8', '\udcff', 'is no UTF-8'],
  ['no object', '[1]', 'is no JSON object'],
  ['a field twice', '{"text":"x","te\\u0078t":"y"}', 'the field "text" is there twice'],
  ['an unknown field', '{"text":"x","colour":1}', 'no such field: "colour"'],
  ['both bodies', '{"text":"x","base64":"eA=="}', 'either text or base64'],
  ['no body', '{"group":"g"}', 'either text or base64'],
  ['damaged base64', '{"base64":"%%%"}', 'base64 is damaged'],
  ['half of a surrogate pair', '{"text":"a\\ud83d"}', 'text has a lone surrogate'],
  ['a negative delay', '{"text":"x","delayMs":-1}', 'delayMs must be'],
  ['a group that is no text', '{"text":"x","group":7}', 'group must be text'],
  ['an unknown state', '{"text":"x","state":"lost"}', 'state must be one of'],
  ['attempts that no column holds', '{"text":"x","state":"done","attempts":4294967296}', 'attempts must be'],
])('a line with %s is named, and nothing of its batch is published', async (_what, line, why) => {
  const before = (await get('/queues/broken')).body.messages?.ready ?? 0;
  const good = Array.from({ length: 1_000 }, () => '{"text":"good"}').join('\n');
  // A lone surrogate stands for a byte that is no UTF-8.
  const sent = Buffer.concat([
    Buffer.from(`${good}\n{"text":"lost"}\n`),
    line === '\udcff' ? Buffer.of(0xff) : Buffer.from(line),
    Buffer.from('\n'),
  ]);
  const answer = await post('/queues/broken/messages', sent, ndjson);
  expect(answer.status).toBe(400);
  const problem = (await answer.json()) as { readonly detail: string; readonly details: readonly string[] };
  expect(problem.detail).toContain(`line 1002: ${why}`.slice(0, 10));
  expect(problem.details[0]).toContain(why);
  expect(problem.detail).toContain('the lines before line 1001 were published');
  expect((await get('/queues/broken')).body.messages.ready).toBe(before + 1_000);
});

test('a line without end is refused before it fills the memory', async () => {
  const { port } = new URL(platform.url);
  const sent = request({
    ...{ port, path: '/api/v1/queues/endless/messages', method: 'POST' },
    headers: { authorization: `Bearer ${ada}`, 'content-type': ndjson },
  });
  sent.on('error', () => {});
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const answered = once(sent, 'response');
  let written = 0;
  let isAnswered = false;
  void answered.then(() => {
    isAnswered = true;
  });
  while (!isAnswered && written < 64 * 1024 * 1024) {
    written += chunk.length;
    if (!sent.write(chunk)) await Promise.race([once(sent, 'drain'), answered]);
  }
  const [response] = await answered;
  expect(response.statusCode).toBe(400);
  expect(written).toBeLessThan(32 * 1024 * 1024);
  sent.destroy();
});

test('an upload that is refused gets its answer, also where the client reads nothing before it has sent all', async () => {
  const body = Buffer.alloc(24 * 1024 * 1024, `{"text":"good"}\n{bad\n`);
  const socket = connect(Number(new URL(platform.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`POST /api/v1/queues/refused/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ada}\r\n`);
  socket.write(`content-type: ${ndjson}\r\ncontent-length: ${body.length}\r\n\r\n`);
  const failed = new Promise<never>((_, reject) => socket.once('error', reject));
  await Promise.race([new Promise((resolve) => socket.write(body, resolve)), failed]);
  const answer = await Promise.race([text(socket), failed]);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('line 2: is no JSON');
});

test('an export has every message, can be imported, and goes on from a position', async () => {
  const answer = await fetch(`${platform.url}/api/v1/queues/source/export`, {
    headers: { authorization: `Bearer ${ada}` },
  });
  expect(answer.headers.get('content-type')).toBe(ndjson);
  const exported = await answer.text();
  const lines = exported
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([{ text: 'ä "quoted", text\n' }, { base64: '/w==' }, { text: 'third', group: 'g' }]);
  const rest = await fetch(`${platform.url}/api/v1/queues/source/export?after=${lines[1].position}`, {
    headers: { authorization: `Bearer ${ada}` },
  });
  expect((await rest.text()).trimEnd()).toBe(exported.trimEnd().split('\n')[2]);
  expect((await post('/queues/copy/messages', exported, ndjson)).status).toBe(201);
  const kept = ({ text, base64, contentType, group }: Record<string, unknown>) => ({
    text,
    base64,
    contentType,
    group,
  });
  expect((await get('/queues/copy/messages')).body.messages.map(kept)).toEqual(lines.map(kept));
});

test.each([
  ['zero bytes', '\u0000'],
  ['quotes', '"'],
  ['letters of two bytes', 'ä'],
])('a message of a megabyte of %s is imported as it was exported', async (_what, character) => {
  const body = Buffer.alloc(queueLimits.messageBytes, character);
  await publish('swollen', body);
  const answer = await fetch(`${platform.url}/api/v1/queues/swollen/export`, {
    headers: { authorization: `Bearer ${ada}` },
  });
  const imported = await post('/queues/shrunken/messages', await answer.text(), ndjson);
  expect([imported.status, await imported.json()]).toEqual([201, { id: null, published: 1, duplicates: 0 }]);
  const [message] = (await get('/queues/shrunken/messages')).body.messages;
  expect(Buffer.from(message.text).equals(body)).toBe(true);
  for (const queue of ['swollen', 'shrunken']) await api(platform, ada, 'DELETE', `/queues/${queue}`);
});

test('an export in CSV quotes what it must', async () => {
  const answer = await fetch(`${platform.url}/api/v1/queues/source/export?format=csv`, {
    headers: { authorization: `Bearer ${ada}` },
  });
  const text = await answer.text();
  expect(text.startsWith('id,position,state,')).toBe(true);
  expect(text).toContain('"ä ""quoted"", text\n",');
});

test.each([
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
])('an export is compressed with %s where the client takes it', async (coding, decompress) => {
  await post(`/queues/packed-${coding}/messages`, many, ndjson);
  const sent = request(`${platform.url}/api/v1/queues/packed-${coding}/export`, {
    headers: { authorization: `Bearer ${ada}`, 'accept-encoding': coding },
  }).end();
  const [response] = await once(sent, 'response');
  expect(response.headers['content-encoding']).toBe(coding);
  const lines = decompress(await buffer(response))
    .toString()
    .trimEnd()
    .split('\n');
  expect(lines).toHaveLength(2_500);
});

test('a queue is paused and resumed; dead letters are delivered again, all or one', async () => {
  await publish('sick', 'a', 'b');
  expect((await api(platform, ada, 'POST', '/queues/sick/pause')).body).toMatchObject({ isPaused: true });
  expect((await api(platform, ada, 'POST', '/queues/sick/resume')).body).toMatchObject({ isPaused: false });
  const queueId = (await platform.queues.find(adaId, 'sick')).id;
  const deliveries = new Deliveries({ db: platform.db, now: Date.now, random: Math.random });
  const delivery = { queueId, takenId: 't' };
  const { messages } = await deliveries.take({
    ...{ ...delivery, handlerId: 'h', limit: 2, inFlightMax: 2, maxAttempts: 1 },
  });
  await deliveries.failed(delivery, { messages, reason: 'trapped', invocation: 'i-1', maxAttempts: 1 });
  const dead = (await get('/queues/sick/messages?state=dead')).body.messages;
  expect(dead).toMatchObject([{ reason: 'trapped', invocation: 'i-1', attempts: 1 }, {}]);
  expect((await api(platform, ada, 'POST', '/queues/sick/retry', { id: dead[0].id })).body).toEqual({ messages: 1 });
  expect((await api(platform, ada, 'POST', '/queues/sick/retry', { id: 'none' })).status).toBe(404);
  expect((await api(platform, ada, 'POST', '/queues/sick/retry', {})).body).toEqual({ messages: 1 });
});

test('a purge removes what one queue holds, and gives the quota its bytes back at once', async () => {
  const queued = async () => (await get('/usage')).body.byKind.queues;
  const before = await queued();
  await publish('old', 'abc', 'de');
  expect(await queued()).toBeGreaterThan(before);
  const purged = await api(platform, ada, 'POST', '/queues/old/purge');
  expect(purged).toMatchObject({ status: 200, body: { messages: 2, bytes: 5 } });
  expect(await queued()).toBe(before);
  expect((await api(platform, ada, 'POST', '/queues/old/purge')).body).toEqual({ messages: 0, bytes: 0 });
});

test('past the quota publishing is refused, saying what to do', async () => {
  const line = JSON.stringify({ text: 'x'.repeat(500_000) });
  const refused = await post('/queues/full/messages', Array.from({ length: 60 }, () => line).join('\n'), ndjson);
  expect(refused.status).toBe(507);
  expect(await refused.json()).toMatchObject({
    code: 'storage_full',
    hints: expect.arrayContaining([expect.stringContaining('wasmcloud queue purge')]),
  });
  // Somebody who goes on publishing does not fill the operator's log.
  expect(platform.logged.filter((text) => JSON.parse(text).level >= 40).join()).not.toContain('quota');
  await api(platform, ada, 'DELETE', '/queues/full');
  expect((await post('/queues/full/messages', 'fits again')).status).toBe(201);
});

test.each([
  ['GET', '/queues/mail'],
  ['GET', '/queues/mail/messages'],
  ['GET', '/queues/mail/export'],
  ['POST', '/queues/mail/purge'],
  ['POST', '/queues/mail/pause'],
  ['POST', '/queues/mail/resume'],
  ['POST', '/queues/mail/retry'],
  ['DELETE', '/queues/mail'],
])('%s %s: of somebody else as of nobody', async (method, path) => {
  const foreign = await api(platform, bob, method, path);
  const missing = await api(platform, bob, method, path.replace('mail', 'nothing'));
  expect([foreign.status, missing.status]).toEqual([404, 404]);
  expect(foreign.body.code).toBe(missing.body.code);
  expect(await texts('mail')).toEqual(['hello']);
});

test('the same name is another queue for another user', async () => {
  await post('/queues/mail/messages', 'of bob', 'text/plain', bob);
  expect(await texts('mail')).toEqual(['hello']);
});

test.each(['a%20b', '%00', 'q'.repeat(65), 'a%2Fb'])('a queue named %s is none', async (name) => {
  expect((await get(`/queues/${name}/messages`)).status).toBe(404);
  expect((await api(platform, ada, 'POST', `/queues/${name}/purge`)).status).toBe(404);
  const refused = await post(`/queues/${name}/messages`, 'm');
  expect([refused.status, await refused.json()]).toMatchObject([422, { code: 'name_invalid' }]);
});
