/** The door through which nodes ask a control: who is answered, what names a blob, and how large a request may be. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeMessage } from '../../../src/bus/codec.ts';
import { epochField, nodeDoorPath } from '../../../src/bus/door.ts';
import { NodeDoor } from '../../../src/control/nodes/node-door.ts';
import type { NodeRow } from '../../../src/control/nodes/node-store.ts';
import { MIB } from '../../../src/protocol/limits.ts';

const eu: NodeRow = { id: 'n1', name: 'eu-1', epoch: 3, createdMs: 1, joinedMs: 1 };

let server: Server;
let url: string;
/** Names of blobs that were looked up, and epochs after which Releases were. */
let asked: (string | number)[];
/** Epoch of the next process that joins; null: the node has been removed meanwhile. */
let epoch: number | null;

beforeEach(async () => {
  asked = [];
  epoch = 4;
  const door = new NodeDoor({
    nodes: { byToken: async (token) => (token === 'tn_good' ? eu : null), join: async () => epoch },
    welcome: ({ id, name }, number) => ({
      ...{ nodeId: id, name, epoch: number, platformId: 'p', key: 'secret-key' },
      ...{ domain: 'localhost', runUrl: null, egressAllow: [], nats: 'nats://localhost' },
    }),
    released: {
      rowsAfter: async (after: number) => {
        asked.push(after);
        return { revision: after, rows: [] } as never;
      },
    },
    spec: () => undefined,
    blobs: {
      get: async (name) => {
        asked.push(name);
        return new TextEncoder().encode('code');
      },
    },
    onRequest: async (request) => {
      asked.push(request.op);
      return null;
    },
    report: () => {},
  });
  server = createServer((request, response) => void door.handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${nodeDoorPath}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const good = { authorization: 'Bearer tn_good', [epochField]: '3' };
const get = (path: string, headers: Record<string, string> = good) => fetch(`${url}${path}`, { headers });

test.each<[string, Record<string, string>]>([
  ['no token', { [epochField]: '3' }],
  ['another token', { authorization: 'Bearer tn_bad', [epochField]: '3' }],
  ['an empty token', { authorization: 'Bearer ', [epochField]: '3' }],
  ['another scheme', { authorization: 'Basic tn_good', [epochField]: '3' }],
])('a request with %s learns nothing', async (_what, headers) => {
  const blob = 'a'.repeat(64);
  for (const path of [`blobs/${blob}`, 'releases?after=0', 'specs/x', 'nothing'])
    expect((await get(path, headers)).status, path).toBe(401);
  for (const path of ['join', 'request'])
    expect((await fetch(`${url}${path}`, { method: 'POST', headers })).status, path).toBe(401);
  expect(asked).toEqual([]);
});

test('a node that was removed while it joins gets no key', async () => {
  epoch = null;
  const answer = await fetch(`${url}join`, { method: 'POST', headers: good });
  expect(answer.status).toBe(401);
  expect(await answer.text()).not.toContain('secret-key');
  epoch = 4;
  expect((await fetch(`${url}join`, { method: 'POST', headers: good })).status).toBe(200);
});

test.each([undefined, '2', '', '-1', 'NaN', 'x'])(
  'a process with the epoch %s is not the node any more',
  async (older) => {
    const headers: Record<string, string> = { authorization: good.authorization };
    if (older !== undefined) headers[epochField] = older;
    expect((await get('releases?after=0', headers)).status).toBe(409);
    expect(asked).toEqual([]);
  },
);

test('only what can be a digest names a blob', async () => {
  const names = [
    '',
    'a',
    '..%2f..%2fenv.key',
    '%2e%2e',
    'A'.repeat(64),
    'a'.repeat(63),
    'a'.repeat(101),
    `${'a'.repeat(64)}%00`,
  ];
  for (const name of names) expect((await get(`blobs/${name}`)).status, name).toBe(404);
  expect(asked).toEqual([]);
  expect(await (await get(`blobs/${'a'.repeat(64)}`)).text()).toBe('code');
});

test('a page of Releases begins at a whole number', async () => {
  for (const after of ['x', 'NaN', '1.5', '1e999', '9007199254740993'])
    expect((await get(`releases?after=${after}`)).status).toBe(200);
  expect(asked).toEqual([0, 0, 0, 0, 0]);
});

test('a request of more than 8 MiB is refused before it is read whole', async () => {
  const post = (bytes: number) => fetch(`${url}request`, { method: 'POST', headers: good, body: Buffer.alloc(bytes) });
  const refused = await post(8 * MIB + 1);
  expect(refused.status).toBe(413);
  expect(await refused.json()).toMatchObject({ code: 'body_too_large' });
  // One at the limit is read, and is no message.
  expect((await post(8 * MIB)).status).not.toBe(413);
});

const kv = { handlerId: 'h1', preview: null, bucket: 'b', key: 'k' };
const asks = (body: unknown, kind = 'request') =>
  fetch(`${url}request`, { method: 'POST', headers: good, body: Buffer.from(encodeMessage(kind, body)) });

test.each<[string, unknown]>([
  ['an operation that only a newer control knows', { op: 'kv.swap', ...kv }],
  ['no operation', kv],
  ['nothing', null],
  ['a list', [{ op: 'kv.get', ...kv }]],
  ['a value that is a text', { op: 'kv.put', ...kv, value: 'text' }],
  ['no value', { op: 'kv.put', ...kv }],
  ['no value to compare with', { op: 'kv.replace', ...kv, value: Buffer.from('v') }],
  ['a key that is a list', { op: 'kv.get', ...kv, key: ['k'] }],
  ['a key that is bytes', { op: 'kv.get', ...kv, key: Buffer.from('k') }],
  ['a handler that is an object', { op: 'kv.delete', ...kv, handlerId: { toString: 'h1' } }],
  ['a handler without a name', { op: 'kv.keys', handlerId: '', preview: null, bucket: 'b', after: '' }],
  ['a message that is a number', { op: 'queue.publish', handlerId: 'h1', queue: 'q', message: 7 }],
  [
    'a call with fields that are no pairs',
    {
      ...{ op: 'call.accept', handlerId: 'h1', id: 'c1', body: Buffer.from(''), attemptsMax: 1 },
      request: { method: 'GET', path: '/', label: null, authority: null, fields: ['a: b'], env: {}, timeoutMs: 1 },
    },
  ],
])('a request with %s is refused, and no station is asked', async (_what, body) => {
  const answer = await asks(body);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: 'bad_request' });
  expect(asked).toEqual([]);
});

test('a request of a runner reaches the stations as it was; properties that only a newer control knows are left out', async () => {
  expect((await asks({ op: 'kv.get', ...kv, hint: 'hot' })).status).toBe(200);
  expect(asked).toEqual(['kv.get']);
  // Another kind of message is no request.
  expect((await asks({ op: 'kv.get', ...kv }, 'request-2')).status).toBe(400);
  expect(asked).toEqual(['kv.get']);
});
