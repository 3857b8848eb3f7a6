/** `/net/SCHEME/REST`: every scheme by open, read and write alone, as a C program does it. */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createEgress } from '../../../src/guest/kernel/net/egress.ts';
import { createNetwork } from '../../../src/guest/kernel/net/network.ts';
import { localSchemes } from '../../../src/guest/kernel/resources/all.ts';
import { networkSchemes } from '../../../src/guest/kernel/resources/network.ts';
import { type Call, expectMemory, type ResultOf, runCalls } from '../../support/calls.ts';
import { fixture, type GuestOptions, runGuest } from '../../support/run-guest.ts';

const errno = { badf: 8, inval: 28, notcapable: 76, notsock: 57, spipe: 70 } as const;
const u32 = (...values: readonly number[]) => Buffer.from(new Uint32Array(values).buffer);
const program = fixture('wasi/net');
const run = (args: readonly string[], options: GuestOptions = {}) =>
  runGuest(program, { args: ['net', ...args], ...options });

describe('a C program', () => {
  test('reads what a scheme gives, to its end', async () => {
    const done = await run(['/net/meta/runtime/name']);
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(String(done.stdout)).toBe('olin');
  });

  test('writes a log line', async () => {
    const done = await run(['/net/log/?prefix=net', 'from a file\n']);
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(done.logs.map(({ text }) => text)).toEqual(['net: from a file']);
  });

  test('sees a name of no scheme as any other name', async () => {
    expect(String((await run(['/net/gopher/example.com'])).stdout)).toBe('open: No such file or directory\n');
    expect(String((await run(['/net/meta'])).stdout)).toBe('open: No such file or directory\n');
    expect(String((await run(['/net/meta/nothing/here'])).stdout)).toBe('open: No such file or directory\n');
  });

  test('is ended by the policy where the URL is forbidden', async () => {
    const policy = { allow: ['^time:'], disallow: [] };
    const done = await run(['/net/random/x'], { policy });
    expect(done.end).toMatchObject({ kind: 'policy', url: 'random://x' });
  });

  test('speaks HTTP: the request is sent when the answer is read', async () => {
    const server = createHttpServer((request, response) => {
      response.setHeader('x-seen', `${request.method} ${request.url}`);
      response.end('the answer');
    });
    const address = await listening(server);
    const done = await run([`/net/http/${address}/path?q=1`, 'GET /path?q=1 HTTP/1.1\r\n\r\n'], network(address));
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    const text = String(done.stdout);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toContain('GET /path?q=1');
    expect(text).toMatch(/\r\n\r\nthe answer$/);
  });

  test('speaks TCP', async () => {
    const server = createTcpServer((socket) => {
      socket.once('data', (bytes) => socket.end(`you said ${bytes}`));
    });
    const address = await listening(server);
    const done = await run([`/net/tcp/${address}`, 'hello'], network(address));
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(String(done.stdout)).toBe('you said hello');
  });
});

describe('sock_*', () => {
  const rights = (1n << 1n) | (1n << 6n) | (1n << 21n) | (1n << 28n) | (1n << 29n);
  const open = (path: string): Call => ['path_open', 3, 0, 0x400, Buffer.byteLength(path), 0, rights, 0n, 0, 0x10];
  const fd = 4;

  test('a connection is a socket: sent to, half closed, received from', async () => {
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      let got = '';
      socket.on('data', (bytes) => {
        got += bytes;
      });
      // Answers only when the guest has said that it is done.
      socket.on('end', () => socket.end(`got ${got}`));
    });
    const address = await listening(server);
    const path = `net/tcp/${address}`;
    const done = await runCalls({
      abi: 'wasi',
      ...network(address),
      data: { 1024: path, 32: u32(0x30, 5), 40: u32(0x100, 64), 48: 'hello', 96: u32(0x180, 2, 0x190, 1) },
      calls: [
        open(path),
        ['fd_fdstat_get', fd, 0x200],
        ['sock_send', fd, 0x20, 1, 0, 0x40],
        ['sock_send', fd, 0x20, 1, 1, 0x40],
        ['sock_shutdown', fd, 0],
        ['sock_shutdown', fd, 2],
        ['sock_recv', fd, 0x28, 1, 1, 0x44, 0x48],
        ['sock_recv', fd, 0x60, 2, 0, 0x54, 0x50],
        ['sock_recv', fd, 0x28, 1, 2, 0x44, 0x48],
        ['sock_recv', fd, 0x28, 1, 0, 0x4c, 0x50],
        ['sock_recv', fd, 0x28, 1, 4, 0x4c, 0x50],
        ['sock_accept', fd, 0, 0x70],
        ['fd_seek', fd, 0n, 0, 0x70],
        ['fd_close', fd],
      ],
    });
    expect(done.results).toEqual([
      0,
      0,
      0,
      errno.inval,
      errno.inval,
      0,
      0,
      0,
      0,
      0,
      errno.inval,
      errno.inval,
      errno.spipe,
      0,
    ]);
    const fdstat = Buffer.alloc(24);
    fdstat.writeUInt8(6, 0);
    fdstat.writeBigUInt64LE(rights, 8);
    expectMemory(done, {
      16: u32(fd),
      512: fdstat,
      64: u32(5, 6),
      72: Buffer.from([0, 0]),
      76: u32(0),
      80: Buffer.from([0, 0]),
      84: u32(3),
      // Looked at whole, then received in parts.
      256: ' hellollo',
      384: 'go',
      400: 't',
    });
  });

  test('what is no socket is notsock, a directory and what is nothing badf', async () => {
    const call = (name: string, fdOrResult: number | ResultOf): Call =>
      ({
        sock_accept: ['sock_accept', fdOrResult, 0, 0x60] as Call,
        sock_recv: ['sock_recv', fdOrResult, 0x20, 1, 0, 0x60, 0x64] as Call,
        sock_send: ['sock_send', fdOrResult, 0x20, 1, 0, 0x60] as Call,
        sock_shutdown: ['sock_shutdown', fdOrResult, 1] as Call,
      })[name] as Call;
    const names = ['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown'];
    const done = await runCalls({
      abi: 'wasi',
      data: { 256: 'tmp/f' },
      calls: [
        ...names.map((name) => call(name, 1)),
        ['path_open', 3, 0, 0x100, 5, 1, 0n, 0n, 0, 0x10],
        ...names.map((name) => call(name, fd)),
        ...names.map((name) => call(name, 3)),
        ...names.map((name) => call(name, 77)),
      ],
    });
    expect(done.results).toEqual([
      ...Array(4).fill(errno.notsock),
      0,
      ...Array(4).fill(errno.notsock),
      ...Array(8).fill(errno.badf),
    ]);
    expectMemory(done, { 16: u32(fd) });
  });
});

function network(address: string): GuestOptions {
  const opened = createNetwork({ egress: createEgress({ allow: [address], ownPorts: [] }), version: '0' });
  onTestFinished(() => opened.close());
  return { schemes: [...localSchemes, ...networkSchemes(opened)] };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
