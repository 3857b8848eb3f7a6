/** Requests that come while control starts: none is left without an answer. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { EarlyRequests, earlyRequestsMax } from '../../../src/control/api/early-requests.ts';

let server: Server;
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Started {
  readonly url: string;
  readonly early: EarlyRequests;
  /** Resolves when the server has had `count` requests in all. */
  readonly arrived: (count: number) => Promise<void>;
}

async function start(): Promise<Started> {
  server = createServer();
  const early = new EarlyRequests(server);
  let requests = 0;
  server.on('request', () => {
    requests += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    early,
    arrived: async (count) => {
      while (requests < count) await once(server, 'request');
    },
  };
}

test('a request before the end of the start is answered after it, in order, like every later one', async () => {
  const { url, early, arrived } = await start();
  const first = fetch(`${url}/1`);
  await arrived(1);
  const second = fetch(`${url}/2`);
  await arrived(2);
  const seen: string[] = [];
  early.answer((request, response) => {
    seen.push(request.url!);
    response.end(`answer ${request.url}`);
  });
  expect(await (await first).text()).toBe('answer /1');
  expect(await (await second).text()).toBe('answer /2');
  expect(seen).toEqual(['/1', '/2']);
  expect(await (await fetch(`${url}/3`)).text()).toBe('answer /3');
  expect(seen).toEqual(['/1', '/2', '/3']);
});

test('above the limit a request is refused with the reason, and a client that has gone is not answered', async () => {
  const { url, early, arrived } = await start();
  const aborting = new AbortController();
  const gone = fetch(`${url}/gone`, { signal: aborting.signal }).catch((error: Error) => error.name);
  const [, response] = await once(server, 'request');
  aborting.abort();
  expect(await gone).toBe('AbortError');
  if (!response.destroyed) await once(response, 'close');
  const waiting = Array.from({ length: earlyRequestsMax - 1 }, () => fetch(`${url}/waits`));
  await arrived(earlyRequestsMax);
  const refused = await fetch(`${url}/refused`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(await refused.json()).toMatchObject({ code: 'unavailable', detail: 'the platform is starting' });
  const seen: string[] = [];
  early.answer((request, answer) => {
    seen.push(request.url!);
    answer.end('late');
  });
  expect(await Promise.all(waiting.map(async (one) => (await one).text()))).toEqual(
    Array.from({ length: earlyRequestsMax - 1 }, () => 'late'),
  );
  expect(new Set(seen)).toEqual(new Set(['/waits']));
});
