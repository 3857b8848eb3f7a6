/** Functions that call out: refused by default, allowed by the operator, and waiting without holding anybody up. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  call,
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { fixture, printing } from '../support/e2e-guests.ts';

const waiting: ServerResponse[] = [];
let arrived: () => void = () => {};
const upstream = createServer((_request, response) => {
  waiting.push(response);
  arrived();
});
/** Must never see a connection. */
let canaryConnections = 0;
const canary = createTcpServer((socket) => {
  canaryConnections += 1;
  socket.destroy();
});
let port: number;
let platform: TestPlatform;
let ada: TestUser;
beforeAll(async () => {
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  canary.listen(0, '127.0.0.1');
  await once(canary, 'listening');
  ({ port } = upstream.address() as AddressInfo);
  platform = await startPlatform({ TRISIEL_RUNNERS: '1', TRISIEL_EGRESS_ALLOW: `127.0.0.1:${port}` });
  ada = await createUser(platform, 'ada');
  const fetching = await makeRepo({ 'a.wasm': await fixture('cwa/fetch.wasm') });
  expect((await push(platform, ada, fetching, 'fetching')).status).toBe(0);
});
afterAll(async () => {
  await removeTemporaryFolders();
  upstream.closeAllConnections();
  upstream.close();
  canary.close();
});

/** Resolves when `count` requests wait upstream. */
async function waitingUpstream(count: number): Promise<void> {
  while (waiting.length < count) {
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
  }
}

describe('a function that calls out', () => {
  it('gets the answer of a server that the operator allows', async () => {
    const answer = call(platform, 'fetching', { path: `/?http://127.0.0.1:${port}/` });
    await waitingUpstream(1);
    waiting.shift()?.end('from upstream');
    expect((await answer).body).toContain('from upstream');
  });

  it.each([
    '127.0.0.1:PLATFORM',
    'localhost:CANARY',
    '2130706433:CANARY',
    '0x7f.1:CANARY',
    '169.254.169.254:80',
    '[::ffff:127.0.0.1]:CANARY',
  ])('does not reach %s', async (host) => {
    const address = host
      .replace('PLATFORM', new URL(platform.controlUrl).port)
      .replace('CANARY', `${(canary.address() as AddressInfo).port}`);
    const answer = await call(platform, 'fetching', { path: `/?http://${address}/` });
    const tail = await LogTail.open(platform, ada, 'fetching');
    const id = answer.headers['trisiel-invocation'];
    const line = await tail.line((candidate) => candidate.invocation === id && candidate.stream === 'platform');
    tail.close();
    expect(line.text).toMatch(/refused|denied|not allowed|may not/i);
    expect([canaryConnections, waiting.length]).toEqual([0, 0]);
  });

  it('waits for a slow one 2,000 times at once, while another function answers', async () => {
    const neighbour = await makeRepo({ 'a.wasm': printing('quick\n') });
    expect((await push(platform, ada, neighbour, 'neighbour')).status).toBe(0);
    const answers = Promise.all(
      Array.from({ length: 2_000 }, () => call(platform, 'fetching', { path: `/?http://127.0.0.1:${port}/` })),
    );
    answers.catch(() => {}); // Told where it is awaited.
    await waitingUpstream(2_000);
    for (let i = 0; i < 100; i += 1) expect((await call(platform, 'neighbour')).body).toBe('quick\n');
    for (const response of waiting.splice(0)) response.end('at last');
    const bodies = new Set((await answers).map(({ status, body }) => `${status} ${body.slice(-7)}`));
    expect([...bodies]).toEqual(['200 at last']);
  }, 240_000);
});
