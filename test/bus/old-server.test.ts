/** A NATS that is older than what a cluster needs, as distributions have it, is told at the start. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Bus } from '../../src/bus/bus.ts';
import { isNewEnough } from '../../src/bus/limits.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Starts a server that says that it is a nats-server of this version, and answers its clients' pings. */
async function serverOf(version: string): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    const info = { server_id: 'A', server_name: 'a', version, proto: 1, headers: true, max_payload: 1_048_576 };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (bytes) => {
      for (const _ of bytes.toString('latin1').matchAll(/^PING\r$/gm)) socket.write('PONG\r\n');
    });
    ends.push(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readyOn(version: string): Promise<void> {
  const bus = new Bus({ url: await serverOf(version), name: 'test', role: 'control', report: () => {} });
  ends.push(() => bus.close());
  await bus.ready(60_000);
}

test('a control does not start on it, and says what is needed', async () => {
  await expect(readyOn('2.9.10')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('is nats-server 2.9.10, which is too old'),
    hints: [expect.stringContaining('2.11 or newer')],
  });
  await readyOn('2.11.0');
});

test.each([
  ['2.10.27', false],
  ['1.4.1', false],
  ['2.11.0-RC.1', true],
  ['2.15.1', true],
  ['3.0.0', true],
  ['dev', true],
])('%s: %j', (version, expected) => {
  expect(isNewEnough(version)).toBe(expected);
});
