/** Bounds on connections: nobody is shut out by somebody else's idle or half-closed ones. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ConnectionGuard } from '../../../src/control/api/connection-guard.ts';
import { hardenServer, withValidHeads } from '../../../src/control/api/harden.ts';
import { TrustedProxies } from '../../../src/protocol/trusted-proxies.ts';

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

interface Started {
  readonly server: Server;
  readonly port: number;
}

async function start(
  limits: { readonly connections: number; readonly perAddress: number },
  trustedProxies = TrustedProxies.none,
): Promise<Started> {
  // `/wait` is answered when the test says so.
  const server = createServer(
    withValidHeads((request, response) => {
      if (request.url === '/wait') server.emit('waiting', response);
      else response.end('hello');
    }),
  );
  hardenServer(server, { limits, trustedProxies });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  servers.push(server);
  return { server, port: (server.address() as AddressInfo).port };
}

/** A connection the server has seen. */
async function open({ server, port }: Started, from = '127.0.0.1'): Promise<Socket> {
  const seen = new Promise((resolve) => server.once('connection', resolve));
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  await seen;
  return socket;
}

async function ask(started: Started, from = '127.0.0.1', path = '/'): Promise<string> {
  return answerOn(await open(started, from), path);
}

function answerOn(socket: Socket, path = '/'): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return textOf(socket, (text) => text.endsWith('hello'));
}

/** What arrives until `isWhole`, or until the connection ends. */
function textOf(socket: Socket, isWhole: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
      if (isWhole(text)) resolve(text);
    });
    socket.on('close', () => resolve(text));
    socket.on('end', () => resolve(text));
  });
}

test('one that gives way is counted as gone once', async () => {
  const accepted: Socket[] = [];
  const server = createServer();
  server.on('connection', (socket: Socket) => accepted.push(socket));
  const guard = new ConnectionGuard({
    limits: { connections: 2, perAddress: 100 },
    isProxy: () => false,
    refuse: (socket) => socket.destroy(),
  });
  guard.watch(server);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  servers.push(server);
  // A server on a port has an AddressInfo.
  const started = { server, port: (server.address() as AddressInfo).port };
  for (let i = 0; i < 2; i += 1) await open(started);
  for (let i = 0; i < 5; i += 1) {
    const gone = new Promise((resolve) => accepted[i]?.once('close', resolve));
    await open(started);
    await gone;
  }
  expect(guard.size).toBe(2);
});

describe('too many connections of one address', () => {
  test('the one idle longest gives way, a dripping head being idle; other addresses are not concerned', async () => {
    const started = await start({ connections: 100, perAddress: 4 });
    const other = await open(started, '127.0.0.2');
    const first = await open(started);
    const closed = new Promise((resolve) => first.once('close', resolve));
    for (let i = 0; i < 3; i += 1) await open(started);
    first.write('GET / HTTP/1.1\r\nHost: x\r\nA: '); // drips
    expect(await ask(started)).toContain('200 OK');
    await closed;
    expect(await answerOn(other)).toContain('200 OK');
  });

  test('one with a request that is being answered does not give way; a new one is told so when all are', async () => {
    const started = await start({ connections: 100, perAddress: 2 });
    const waiting: { end(text: string): void }[] = [];
    const both = new Promise<void>((resolve) =>
      started.server.on('waiting', (response) => {
        if (waiting.push(response) === 2) resolve();
      }),
    );
    const answers = [ask(started, '127.0.0.1', '/wait'), ask(started, '127.0.0.1', '/wait')];
    await both;
    const refused = await textOf(await open(started));
    expect(refused).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused).toContain('"code":"overloaded"');
    for (const response of waiting) response.end('hello');
    for (const answer of answers) expect(await answer).toContain('200 OK');
    expect(await ask(started)).toContain('200 OK');
  });

  test('do not count where the address is a trusted proxy', async () => {
    const started = await start({ connections: 100, perAddress: 1 }, TrustedProxies.parse('127.0.0.1'));
    const idle = await Promise.all(Array.from({ length: 5 }, () => open(started)));
    for (const socket of idle) expect(await answerOn(socket)).toContain('200 OK');
  });
});

test('too many connections in all: the address with most idle ones pays', async () => {
  const started = await start({ connections: 4, perAddress: 4 });
  const modest = await open(started, '127.0.0.3');
  const greedy = [];
  for (let i = 0; i < 3; i += 1) greedy.push((await open(started, '127.0.0.2')).resume());
  const ended = greedy.map((socket) => new Promise((resolve) => socket.once('end', resolve)));
  expect(await ask(started, '127.0.0.4')).toContain('200 OK');
  await ended[0];
  expect(await answerOn(greedy[1]!)).toContain('200 OK');
  expect(await answerOn(modest)).toContain('200 OK');
});

describe('a client that never closes its side', () => {
  test('is hung up on soon after it was told that its request cannot be read', async () => {
    const started = await start({ connections: 100, perAddress: 100 });
    const accepted = new Promise<Socket>((resolve) => started.server.once('connection', resolve));
    const socket = await open(started);
    const gone = new Promise((resolve) => accepted.then((one) => one.once('close', resolve)));
    socket.write('nonsense\r\n\r\n');
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 400 /);
    await gone; // Without a limit on lingering: after 3 minutes, past this test's time.
  });

  test('holds no place after half a head and its end', async () => {
    const started = await start({ connections: 100, perAddress: 100 });
    const accepted = new Promise<Socket>((resolve) => started.server.once('connection', resolve));
    const socket = await open(started);
    const gone = new Promise((resolve) => accepted.then((one) => one.once('close', resolve)));
    socket.end('GET / HTTP/1.1\r\nHost: x\r\nA: ');
    socket.resume();
    await gone;
  });
});

test.each([
  [
    'a head that is too large',
    `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(100_000)}\r\n\r\n`,
    431,
    'header_too_large',
  ],
  [
    'an unknown expectation',
    'POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 0\r\n\r\n',
    417,
    'expectation_failed',
  ],
  ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method_not_allowed'],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', 400, 'bad_request'],
  ['two Host fields', 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400, 'bad_request'],
  ['a Host field that is no host', 'GET / HTTP/1.1\r\nHost: x@y\r\n\r\n', 400, 'bad_request'],
  ['another version of HTTP', 'GET / HTTP/2.0\r\nHost: x\r\n\r\n', 400, 'bad_request'],
  [
    'a coding that is not understood',
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    501,
    'not_implemented',
  ],
])('what the server answers by itself, %s, is a problem document', async (_what, request, status, code) => {
  const started = await start({ connections: 10, perAddress: 10 });
  const socket = await open(started);
  let text = '';
  socket.on('data', (part) => {
    text += part;
  });
  socket.write(request);
  await new Promise((resolve) => socket.once('end', resolve));
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(head).toContain(`HTTP/1.1 ${status} `);
  expect(head).toContain('application/problem+json');
  expect(body).toContain(`"code":"${code}"`);
});

test('an offer of another protocol than WebSocket is ignored, and the client told to ask elsewhere what stands behind it', async () => {
  const started = await start({ connections: 10, perAddress: 10 });
  started.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 x\r\n\r\n'));
  const answerTo = async (upgrade: string) => {
    const socket = await open(started);
    const offer = `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
    socket.write(`${offer}GET / HTTP/1.1\r\nHost: x\r\n\r\n`);
    return textOf(socket);
  };
  for (const upgrade of ['h2c', 'TLS/1.0, IRC/6.9', 'websockets']) {
    const answer = await answerTo(upgrade);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n.*hello$/is);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  }
  expect(await answerTo('WebSocket')).toMatch(/^HTTP\/1\.1 101 /);
});
