/**
 * What an answer of a runner means for a delivery: dealt with, failed, or not begun. A real server plays the runner.
 */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { FunctionCaller, type TriggeredCall } from '../../../src/control/queues/function-caller.ts';

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function callOf(answer: RequestListener) {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const caller = new FunctionCaller({ target: () => ({ host: '127.0.0.1', port, key: 'key' }), domain: 'localhost' });
  const body = Buffer.from('message');
  const call = {
    kind: 'queue',
    name: 'work',
    handler: 'otter',
    path: '/',
    env: {},
    contentType: 'text/plain',
    body,
  } as const;
  return caller.call({ ...call, timeoutMs: 10_000 }).finally(() => caller.close());
}

it.each(['overloaded', 'unavailable', 'suspended', 'not_deployed', 'handler_not_found'])(
  '%s: the function has not begun, and the attempt does not count',
  async (code) => {
    const result = await callOf((_, response) =>
      response.writeHead(503, { 'trisiel-error': code }).end(JSON.stringify({ code, detail: 'why' })),
    );
    expect(result).toEqual({ kind: 'refused', reason: `${code}: why` });
  },
);

it('any other problem is a failure, with the invocation', async () => {
  const result = await callOf((_, response) =>
    response.writeHead(500, { 'trisiel-invocation': 'i-1' }).end(JSON.stringify({ code: 'trapped', detail: 'boom' })),
  );
  expect(result).toEqual({ kind: 'failed', reason: 'trapped: boom', invocation: 'i-1', isCancelled: false });
});

it.each(['overloaded', 'cancelled'])('a function that answers %s itself has failed, no more', async (code) => {
  const result = await callOf((_, response) => response.writeHead(503).end(JSON.stringify({ code, detail: 'mine' })));
  expect(result).toEqual({ kind: 'failed', reason: `${code}: mine`, invocation: null, isCancelled: false });
});

it('a call that a member of the team has ended is cancelled', async () => {
  const result = await callOf((_, response) =>
    response.writeHead(503, { 'trisiel-error': 'cancelled' }).end(JSON.stringify({ code: 'cancelled', detail: 'x' })),
  );
  expect(result).toMatchObject({ kind: 'failed', isCancelled: true });
});

it('an answer that breaks off is a failure', async () => {
  const result = await callOf((_, response) => {
    response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy());
  });
  expect(result).toMatchObject({ kind: 'failed', reason: expect.stringContaining('the runner ended') });
});

it('2xx is dealt with; output that was not kept is counted', async () => {
  const result = await callOf((_, response) => response.writeHead(200, { 'trisiel-lost-output': '3' }).end('out'));
  expect(result).toMatchObject({ kind: 'ok', lostBytes: 3, output: Buffer.from('out') });
});

const callOfOtter: TriggeredCall = {
  ...{ kind: 'queue', name: 'work', handler: 'otter', path: '/', env: {}, contentType: 'text/plain' },
  ...{ body: Buffer.from('message'), timeoutMs: 10_000 },
};

it('where nothing listens the next node is called at once: the call has not begun', async () => {
  server = createServer((_, response) => response.writeHead(200).end('here')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const refused: string[] = [];
  const target = () =>
    refused.length > 0
      ? { host: '127.0.0.1', port, key: 'key' }
      : { host: '127.0.0.1', port: 1, key: 'key', onRefused: () => void refused.push('a') };
  const caller = new FunctionCaller({ target, domain: 'localhost' });
  expect(await caller.call(callOfOtter)).toMatchObject({ kind: 'ok', output: Buffer.from('here') });
  expect(refused).toEqual(['a']);
  caller.close();
});

it('where nothing listens anywhere the attempt does not count, and a few nodes are tried', async () => {
  let tried = 0;
  const onRefused = (): void => {
    tried += 1;
  };
  const caller = new FunctionCaller({
    target: () => ({ host: '127.0.0.1', port: 1, key: 'key', onRefused }),
    domain: 'localhost',
  });
  expect(await caller.call(callOfOtter)).toEqual({ kind: 'refused', reason: 'no runner serves' });
  expect(tried).toBe(3);
  caller.close();
});
