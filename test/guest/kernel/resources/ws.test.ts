import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { wsLimits } from '../../../../src/guest/kernel/net/ws-connect.ts';
import {
  canary,
  cleanUp,
  gate,
  httpServer,
  onCleanUp,
  open,
  opened,
  read,
  readBytes,
  staysPending,
  tcpServer,
  world,
  write,
} from '../../../support/net.ts';

afterEach(cleanUp);

async function wsServer(onSocket: (socket: WebSocket, path: string, headers: NodeJS.Dict<string | string[]>) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
  server.on('connection', (socket, request) => {
    socket.on('error', () => {});
    onSocket(socket, request.url ?? '', request.headers);
  });
  await new Promise((resolve) => server.once('listening', resolve));
  onCleanUp(async () => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that shakes hands and then sends `frames` as they are. */
function rawWsServer(frames: (path: string) => Uint8Array | null, afterwards?: (data: Buffer) => void) {
  return tcpServer((socket) => {
    socket.once('data', (data) => {
      const text = data.toString();
      const key = /sec-websocket-key: (\S+)/i.exec(text)?.[1];
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      const bytes = frames(text.split(' ')[1] ?? '');
      if (bytes === null) socket.destroy();
      else socket.write(bytes);
      if (afterwards !== undefined) socket.on('data', afterwards);
    });
  });
}

describe('ws:', () => {
  it('sends and receives one message per call, a longer one in several reads', async () => {
    const at = await wsServer((socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
    const resource = await opened(world([at]).process(), `ws://${at}/chat?room=1`);
    for (const message of ['one', 'two and more', '']) expect(await write(resource, message)).toBe(message.length);
    expect(await resource.flush()).toBe(0);
    expect(await read(resource)).toBe('one');
    expect(await read(resource, 4)).toBe('two ');
    expect(await read(resource, 4)).toBe('and ');
    expect(await read(resource, 10)).toBe('more');
    expect(await read(resource)).toBe('');
    expect(resource.readable?.()).toBeInstanceOf(Promise);
    expect(await resource.close()).toBe(0);
  });

  it('sends text where it is UTF-8, else binary; ?frame=binary forces and stays with us', async () => {
    const at = await wsServer((socket, path, headers) =>
      socket.on('message', (_data, binary) =>
        socket.send(`${binary} ${path} ${headers['user-agent']} ${headers['trisiel-handler']}`),
      ),
    );
    const { process } = world([at]);
    const plain = await opened(process(), `ws://${at}/a?b`);
    await write(plain, 'häl');
    expect(await read(plain)).toBe('false /a?b Trisiel/1.2.3 swift-otter');
    await write(plain, new Uint8Array([0xff, 0xfe]));
    expect(await read(plain)).toMatch(/^true/);
    const binary = await opened(process(), `ws://${at}/a?x=%20+1&frame=binary&y`);
    await write(binary, 'text');
    expect(await read(binary)).toMatch(/^true \/a\?x=%20\+1&y /);
  });

  it('keeps messages that came with the handshake, and those before a close', async () => {
    const at = await wsServer((socket) => {
      socket.send('first');
      socket.send('second');
      socket.close(1000);
    });
    const process = world([at]).process();
    const resource = await opened(process, `ws://${at}`);
    expect(await read(resource)).toBe('first');
    expect(await read(resource)).toBe('second');
    expect(await read(resource)).toBe(Errno.end);
    expect(await read(resource)).toBe(Errno.end);
    expect(await write(resource, 'x')).toBe(Errno.closed);
    expect(await resource.flush()).toBe(Errno.closed);
    expect(await resource.close()).toBe(0);
    expect(process.lines).toEqual([]);
  });

  it('tells in the log with which code and words the peer closed', async () => {
    const at = await wsServer((socket) => socket.close(1011, 'out of order'));
    const process = world([at]).process();
    expect(await read(await opened(process, `ws://${at}`))).toBe(Errno.end);
    expect(process.lines).toEqual(['ws: closed with code 1011 "out of order"']);
  });

  it('that breaks without a close is an error, not an end', async () => {
    const at = await rawWsServer(() => null);
    const process = world([at]).process();
    expect(await read(await opened(process, `ws://${at}`))).toBe(Errno.closed);
    expect(process.lines).toEqual(['ws: closed with code 1006']);
  });

  it.each([
    ['a reserved opcode', [0x83, 0]],
    ['a masked frame', [0x81, 0x81, 1, 2, 3, 4, 5]],
    ['invalid UTF-8 in a text message', [0x81, 2, 0xff, 0xfe]],
    ['a message too long to take', [0x82, 127, 0, 0, 0, 0, 0, 0x20, 0, 1]],
    ['compression nobody agreed to', [0xc1, 1, 0]],
  ])('with %s ends with an error and a reason', async (_what, bytes) => {
    const at = await rawWsServer(() => Uint8Array.from(bytes));
    const process = world([at]).process();
    const result = await read(await opened(process, `ws://${at}`));
    expect(result).toBeLessThan(0);
    expect(process.lines[0]).toMatch(/^ws: the connection failed: /);
  });

  it('that never stops is held back: memory bounded, every message in its order', async () => {
    let sent = 0;
    const at = await wsServer((socket) => {
      const more = () => {
        // A server that floods waits for nobody but its own socket.
        for (let i = 0; i < 100 && sent < 200_000; i += 1) socket.send(`${sent++} ${'x'.repeat(1000)}`);
        if (sent < 200_000 && socket.readyState === socket.OPEN) setImmediate(more);
      };
      more();
    });
    const { process: guest, network } = world([at]);
    const resource = await opened(guest(), `ws://${at}`);
    expect(await read(resource, 2)).toBe('0 ');
    const before = process.memoryUsage().rss;
    expect(await staysPending(new Promise(() => {}))).toBe(true);
    let number = 0;
    let heldMost = 0;
    // The rest of message 0.
    await read(resource, 65_536);
    for (let i = 1; i <= 2_000; i += 1) {
      heldMost = Math.max(heldMost, network.buffers.held);
      const message = (await read(resource)) as string;
      number = Number(message.split(' ')[0]);
      if (number !== i) break;
    }
    expect(number).toBe(2_000);
    // The server's own unsent queue is in this process as well.
    expect(process.memoryUsage().rss - before).toBeLessThan(600_000_000);
    expect(heldMost).toBeGreaterThan(0);
    await resource.close();
    expect(network.buffers.held).toBe(0);
    expect(network.webSockets).toBe(0);
  });

  it('of empty messages without end is held back too', async () => {
    const at = await rawWsServer(() => new Uint8Array(Buffer.alloc(10_000_000, Uint8Array.of(0x81, 0))));
    const resource = await opened(world([at]).process(), `ws://${at}`);
    expect(await readBytes(resource)).toHaveLength(0);
    const before = process.memoryUsage().rss;
    expect(await staysPending(new Promise(() => {}))).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
    let messages = 0;
    while (messages < 50_000 && typeof (await readBytes(resource, 1)) !== 'number') messages += 1;
    expect(messages).toBe(50_000);
    resource.close();
  });

  it('whose peer does not read makes the guest wait', async () => {
    const at = await wsServer((socket) => socket.pause());
    const resource = await opened(world([at]).process(), `ws://${at}`);
    let written = 0;
    for (;;) {
      const taken = resource.write(new Uint8Array(65_536));
      if (typeof taken === 'number') written += taken;
      else if (await staysPending(taken)) break;
    }
    expect(written).toBeLessThan(20_000_000);
    expect(await write(resource, new Uint8Array(wsLimits.messageBytes + 1))).toBe(Errno.tooBig);
  });

  it('closes with a handshake; what still comes is dropped', async () => {
    const closed = gate();
    let code = 0;
    const at = await wsServer((socket) => {
      for (let i = 0; i < 100; i += 1) socket.send('x'.repeat(10_000));
      socket.on('close', (number) => {
        code = number;
        closed.open();
      });
    });
    const { process, network } = world([at]);
    const resource = await opened(process(), `ws://${at}`);
    expect(await resource.close()).toBe(0);
    await closed.opened;
    expect(code).toBe(1000);
    expect(network.connections).toBe(0);
  });

  it('is closed when the Process exits, and cut when it is killed', async () => {
    const codes: number[] = [];
    let closed = gate();
    const at = await wsServer((socket) =>
      socket.on('close', (number) => {
        codes.push(number);
        closed.open();
      }),
    );
    const { process } = world([at]);
    for (const end of [{ kind: 'exit', status: 0 } as const, { kind: 'deadline', timeoutMs: 1 } as const]) {
      closed = gate();
      const guest = process();
      const resource = await opened(guest, `ws://${at}`);
      const waiting = resource.read(new Uint8Array(1));
      guest.kill(end);
      await guest.closeAll();
      await closed.opened;
      await waiting;
    }
    // An exit aborts everything beside the guest as well; the close frame went first.
    expect(codes).toEqual([1000, 1006]);
  });

  it('to a server that does not speak it is refused, with the status; redirects are not followed', async () => {
    const trap = await canary();
    const at = await httpServer((request, response) => {
      response.writeHead(request.url === '/302' ? 302 : 200, { location: `ws://${trap.address}` });
      response.end('no');
    });
    // An http server without 'upgrade' listener answers the request as if there was no upgrade.
    const { process } = world([at, trap.address]);
    const plain = process();
    expect(await open(plain, `ws://${at}/`)).toBe(Errno.refused);
    expect(plain.lines).toEqual(['ws: the server answered the WebSocket handshake with 200']);
    const moved = process();
    expect(await open(moved, `ws://${at}/302`)).toBe(Errno.refused);
    expect(moved.lines).toEqual([
      'ws: the server answered the WebSocket handshake with 302; redirects are not followed',
    ]);
    expect(trap.seen()).toBe(0);
  });

  it('whose handshake never ends, ends with the Process', async () => {
    const arrived = gate();
    const left = gate();
    const at = await tcpServer((socket) => {
      socket.on('data', arrived.open);
      socket.on('close', left.open);
    });
    const { process, network } = world([at]);
    const guest = process();
    const opening = open(guest, `ws://${at}`);
    await arrived.opened;
    guest.kill({ kind: 'deadline', timeoutMs: 1 });
    expect(await opening).toBe(Errno.closed);
    await left.opened;
    expect(network.connections).toBe(0);
  });

  it('is invalid with a fragment, user information or without a host', async () => {
    const process = world([]).process();
    for (const rest of ['', '//', '//x/#f', '//u:p@x/', '//x:0/', '//x y/'])
      expect([rest, await open(process, `ws:${rest}`)]).toEqual([rest, Errno.invalid]);
  });
});
