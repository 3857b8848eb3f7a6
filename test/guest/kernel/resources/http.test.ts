import type { IncomingMessage } from 'node:http';
import { text as bodyText } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import {
  canary,
  cleanUp,
  exchange,
  gate,
  httpServer,
  open,
  opened,
  read,
  readAll,
  readBytes,
  staysPending,
  tcpServer,
  world,
  write,
} from '../../../support/net.ts';

afterEach(cleanUp);

describe('a request', () => {
  it('goes out with the guest’s headers, our own, and none of a hop; the answer is HTTP/1.1 text', async () => {
    const at = await httpServer(async (request, response) => {
      response.writeHead(201, 'Made', ['Content-Type', 'application/json', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
      const body = await bodyText(request);
      response.end(JSON.stringify({ line: `${request.method} ${request.url}`, headers: request.rawHeaders, body }));
    });
    const process = world([at]).process();
    const resource = await opened(process, `http://${at}/ignored`);
    const answer = await exchange(
      resource,
      `POST /a%20b?x=1 HTTP/1.1\r\nX-One: 1\r\nConnection: X-Gone\r\nX-Gone: 1\r\nTE: trailers\r\nExpect: 100-continue\r\ntrisiel-handler: fake\r\n\r\nhello`,
    );
    expect(answer.errno).toBe(Errno.end);
    const [head, body] = answer.text.split('\r\n\r\n') as [string, string];
    expect(head).toMatch(
      /^HTTP\/1\.1 201 Made\r\nContent-Type: application\/json\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n/,
    );
    expect(head).not.toMatch(/transfer-encoding|connection|keep-alive/i);
    expect(JSON.parse(body)).toEqual({
      line: 'POST /a%20b?x=1',
      headers: [
        'host',
        at,
        'connection',
        'keep-alive',
        'X-One',
        '1',
        'User-Agent',
        'Trisiel/1.2.3',
        'Trisiel-Handler',
        'swift-otter',
        'content-length',
        '5',
      ],
      body: 'hello',
    });
  });

  it('may have lines that end in \\n, and a User-Agent of its own', async () => {
    const at = await httpServer((request, response) => response.end(request.headers['user-agent']));
    const resource = await opened(world([at]).process(), `http://${at}`);
    const { text } = await exchange(resource, `GET / HTTP/1.1\nHost: ${at}\nUser-Agent: mine\n\n`);
    expect(text).toMatch(/\r\n\r\nmine$/);
  });

  it('goes to the host of the Host header when the URL has none', async () => {
    const at = await httpServer((request, response) => response.end(`${request.headers.host} ${request.url}`));
    for (const url of ['http:', 'http://']) {
      const resource = await opened(world([at]).process(), url);
      const { text } = await exchange(resource, `GET /x HTTP/1.1\nHost: ${at}\n\n`);
      expect(text.split('\r\n\r\n')[1]).toBe(`${at} /x`);
    }
  });

  it('may have a target in absolute form, of the same host only', async () => {
    const at = await httpServer((request, response) => response.end(request.url));
    const { process } = world([at]);
    const same = await exchange(await opened(process(), `http://${at}/`), `GET http://${at}/y?z HTTP/1.1\n\n`);
    expect(same.text).toMatch(/\/y\?z$/);
    const none = await exchange(await opened(process(), 'http:'), `GET http://${at}/z HTTP/1.1\n\n`);
    expect(none.text).toMatch(/\/z$/);
    const other = process();
    const refused = await exchange(await opened(other, `http://${at}/`), 'GET http://example.com/ HTTP/1.1\n\n');
    expect(refused).toEqual({ text: '', errno: Errno.invalid });
    expect(other.lines).toEqual(['http: the request target names another host than the URL that was opened']);
  });

  it('has its dot segments and raw bytes resolved before it is checked and sent', async () => {
    const at = await httpServer((request, response) => response.end(request.url));
    const { process } = world([at]);
    const { text } = await exchange(await opened(process(), `http://${at}`), 'GET /a/../b\\c/%2e%2e/\xfc HTTP/1.1\n\n');
    expect(text.split('\r\n\r\n')[1]).toBe('/b/%C3%BC');
  });

  it.each([
    ['no request line', 'hello\n\n'],
    ['HTTP/0.9', 'GET /\n\n'],
    ['HTTP/2', 'GET / HTTP/2\n\n'],
    ['a method that is no token', 'G(T / HTTP/1.1\n\n'],
    ['CONNECT', 'CONNECT example.com:80 HTTP/1.1\n\n'],
    ['a space in the target', 'GET /a b HTTP/1.1\n\n'],
    ['a target that is no path', 'GET a HTTP/1.1\n\n'],
    ['a bare CR in a value', 'GET / HTTP/1.1\nA: b\rX: y\n\n'],
    ['a NUL in a value', 'GET / HTTP/1.1\nA: b\0\n\n'],
    ['a folded line', 'GET / HTTP/1.1\nA: b\n c\n\n'],
    ['a space before the colon', 'GET / HTTP/1.1\nA : b\n\n'],
    ['an empty name', 'GET / HTTP/1.1\n: b\n\n'],
    ['two lengths', 'POST / HTTP/1.1\nContent-Length: 1\nContent-Length: 2\n\n'],
    ['a length that is none', 'POST / HTTP/1.1\nContent-Length: +1\n\n'],
    ['a transfer coding other than chunked', 'POST / HTTP/1.1\nTransfer-Encoding: gzip, chunked\n\n'],
    ['chunks and a length', 'POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n'],
    ['a chunk of no size', 'POST / HTTP/1.1\nTransfer-Encoding: chunked\n\nxyz\r\n'],
    ['a chunk of negative size', 'POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n-1\r\n'],
    ['a chunk longer than its size', 'POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\r\nabc\r\n'],
    ['a chunk size without end', `POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n${'0'.repeat(300)}`],
    ['a trailer without end', `POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n${'a: b\n'.repeat(4000)}`],
    ['two hosts', 'GET / HTTP/1.1\nHost: a\nHost: b\n\n'],
    ['a host that is none', 'GET / HTTP/1.1\nHost: a/b\n\n'],
    ['too many headers', `GET / HTTP/1.1\n${'A: b\n'.repeat(257)}\n`],
  ])('with %s is invalid, says why and never leaves', async (_what, request) => {
    const trap = await canary();
    const process = world([trap.address]).process();
    const resource = await opened(process, `http://${trap.address}`);
    await write(resource, request);
    expect(await resource.flush()).toBe(Errno.invalid);
    expect(await read(resource)).toBe(Errno.invalid);
    expect(process.lines).toHaveLength(1);
    expect(process.lines[0]?.length).toBeLessThan(500);
    expect(trap.seen()).toBe(0);
  });

  it('whose head has no end is refused, and a line of 60,000 spaces takes no time', async () => {
    const process = world(['127.0.0.1:9']).process();
    const resource = await opened(process, 'http://127.0.0.1:9');
    expect(await write(resource, `GET / HTTP/1.1\nA:${' '.repeat(60_000)}\x01\n`)).toBe(60_019);
    expect(await write(resource, `B: ${'b'.repeat(10_000)}`)).toBe(Errno.invalid);
    const spaces = await opened(process, 'http://127.0.0.1:9');
    expect(await exchange(spaces, `GET / HTTP/1.1\nA:${' '.repeat(60_000)}\x01\n\n`)).toEqual({
      text: '',
      errno: Errno.invalid,
    });
  });

  it('is an error to read before flush, and to flush before its head has ended', async () => {
    const process = world(['127.0.0.1:9']).process();
    const resource = await opened(process, 'http://127.0.0.1:9');
    expect(await read(resource)).toBe(Errno.invalid);
    await write(resource, 'GET / HTTP/1.1\n');
    expect(await resource.flush()).toBe(Errno.invalid);
  });

  it('of a URL with user information, without a port number, or of no host is invalid', async () => {
    const process = world([]).process();
    for (const url of [
      'http://a@127.0.0.1/',
      'http://a:b@x/',
      'http://x:0/',
      'http://x:65536/',
      'http://x:/',
      'http://[fe80::1%25lo]/',
      'http://%31/',
      'http:x/',
    ])
      expect([url, await open(process, url)]).toEqual([url, Errno.invalid]);
    const resource = await opened(process, 'http:');
    expect(await exchange(resource, 'GET / HTTP/1.1\n\n')).toEqual({ text: '', errno: Errno.invalid });
  });
});

describe('a request body', () => {
  const echo = () =>
    httpServer((request, response) => {
      response.writeHead(200, { 'x-length': request.headers['content-length'] ?? 'none' });
      request.pipe(response);
    });

  it('with Content-Length goes on after flush, is longer than any buffer, and comes back', async () => {
    const at = await echo();
    const resource = await opened(world([at]).process(), `http://${at}`);
    const size = 3_000_000;
    await write(resource, `PUT /up HTTP/1.1\r\nContent-Length: ${size}\r\n\r\n`);
    expect(await resource.flush()).toBe(0);
    const sent = (async () => {
      for (let done = 0; done < size; done += 100_000) {
        const part = Buffer.alloc(100_000, String.fromCharCode(97 + ((done / 100_000) % 26)));
        expect(await write(resource, part)).toBe(100_000);
      }
    })();
    const { text, errno } = await readAll(resource);
    await sent;
    const [head, body] = text.split('\r\n\r\n') as [string, string];
    expect(head).toContain(`x-length: ${size}`);
    expect(errno).toBe(Errno.end);
    expect(body.length).toBe(size);
    expect(body.slice(1_299_999, 1_300_001)).toBe('mn');
    expect(await write(resource, 'more')).toBe(Errno.closed);
  });

  it('with Content-Length starts on its way before flush once it is longer than a buffer', async () => {
    const at = await echo();
    const resource = await opened(world([at]).process(), `http://${at}`);
    const body = 'x'.repeat(500_000);
    await write(resource, `POST / HTTP/1.1\nContent-Length: 500000\n\n${body}`);
    expect(await resource.flush()).toBe(0);
    const { text } = await readAll(resource);
    expect(text.split('\r\n\r\n')[1]).toBe(body);
  });

  it('in chunks is framed anew: in one piece when it is short, streamed when it is long', async () => {
    const at = await echo();
    const { process } = world([at]);
    const head = 'POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n';
    const short = await opened(process(), `http://${at}`);
    const chunks = '3;ext="1"\r\nabc\r\n2\nde\n0\r\nX-Trailer: 1\r\n\r\n';
    expect(await write(short, `${head}${chunks}more`)).toBe(head.length + chunks.length);
    expect(await short.flush()).toBe(0);
    expect(await write(short, 'more')).toBe(Errno.closed);
    expect((await readAll(short)).text).toMatch(/x-length: 5\r\n[\s\S]*\r\n\r\nabcde$/);
    const long = await opened(process(), `http://${at}`);
    await write(long, `${head}1\r\n!\r\n`);
    expect(await long.flush()).toBe(0);
    const body = 'x'.repeat(0x30_000);
    const sent = write(long, `30000\r\n${body}\r\n0\r\n\r\n`);
    const { text, errno } = await readAll(long);
    await sent;
    expect(errno).toBe(Errno.end);
    expect(text).toMatch(/x-length: none/);
    expect(text.split('\r\n\r\n')[1]).toBe(`!${body}`);
  });

  it('never goes beyond its Content-Length', async () => {
    const at = await echo();
    const resource = await opened(world([at]).process(), `http://${at}`);
    expect(await write(resource, 'POST / HTTP/1.1\nContent-Length: 3\n\nabcGET /smuggled HTTP/1.1\n\n')).toBe(38);
    expect(await resource.flush()).toBe(0);
    const { text } = await readAll(resource);
    expect(text.split('\r\n\r\n')[1]).toBe('abc');
  });

  it('without Content-Length is what was written before flush, up to a limit', async () => {
    const at = await echo();
    const process = world([at]).process();
    const resource = await opened(process, `http://${at}`);
    await write(resource, `POST / HTTP/1.1\n\n${'y'.repeat(1024 * 1024)}`);
    expect(await resource.flush()).toBe(0);
    expect(await write(resource, 'more')).toBe(Errno.closed);
    expect((await readAll(resource)).text).toMatch(/x-length: 1048576\r\n/);
    const long = await opened(process, `http://${at}`);
    await write(long, `POST / HTTP/1.1\n\n${'y'.repeat(1024 * 1024)}`);
    expect(await write(long, 'y')).toBe(Errno.tooBig);
    expect(await long.flush()).toBe(Errno.tooBig);
  });

  it('that the server answers early ends: the answer is there, the rest is refused', async () => {
    const at = await tcpServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 413 Too Long\r\nContent-Length: 2\r\n\r\nno'));
    });
    const resource = await opened(world([at]).process(), `http://${at}`);
    await write(resource, 'PUT / HTTP/1.1\nContent-Length: 100000000\n\n');
    let result = 0;
    while (result >= 0) result = await write(resource, new Uint8Array(65_536));
    expect(result).toBe(Errno.closed);
    expect(await resource.flush()).toBe(0);
    expect(await readAll(resource)).toEqual({
      text: 'HTTP/1.1 413 Too Long\r\nContent-Length: 2\r\n\r\nno',
      errno: Errno.end,
    });
  });

  it('that nobody takes makes the guest wait, and close ends it', async () => {
    const left = gate();
    let request: IncomingMessage | null = null;
    const at = await httpServer((incoming) => {
      request = incoming;
      incoming.on('close', left.open);
    });
    const resource = await opened(world([at]).process(), `http://${at}`);
    await write(resource, 'POST / HTTP/1.1\nContent-Length: 100000000\n\n');
    let written = 0;
    // Until the buffers of both sockets and ours are full.
    for (;;) {
      const taken = resource.write(new Uint8Array(65_536));
      if (typeof taken === 'number') written += taken;
      else if (await staysPending(taken)) break;
    }
    expect(written).toBeLessThan(20_000_000);
    expect(resource.writable?.()).toBeInstanceOf(Promise);
    resource.close();
    // A server that does not read does not notice.
    (request as IncomingMessage | null)?.resume();
    await left.opened;
  });
});

describe('a response', () => {
  it('streams: the head before the body, a part before the next', async () => {
    const next = gate();
    const at = await httpServer(async (_request, response) => {
      response.write('one');
      await next.opened;
      response.end('two');
    });
    const resource = await opened(world([at]).process(), `http://${at}`);
    await write(resource, 'GET / HTTP/1.1\n\n');
    expect(await resource.flush()).toBe(0);
    let text = '';
    while (!text.endsWith('one')) text += await read(resource);
    expect(resource.readable?.()).toBeInstanceOf(Promise);
    next.open();
    expect(await read(resource)).toBe('two');
    expect(await read(resource)).toBe(Errno.end);
    expect(await read(resource)).toBe(Errno.end);
  });

  it('larger than every buffer comes whole through small reads, and holds the server back meanwhile', async () => {
    const size = 8_000_000;
    let sent = 0;
    const at = await httpServer(async (_request, response) => {
      while (sent < size) {
        sent += 80_000;
        if (!response.write(Buffer.alloc(80_000, 'z'))) await new Promise((resolve) => response.once('drain', resolve));
      }
      response.end();
    });
    const resource = await opened(world([at]).process(), `http://${at}`);
    await write(resource, 'GET / HTTP/1.1\n\n');
    await resource.flush();
    let total = 0;
    for (;;) {
      const part = await readBytes(resource, 5_000);
      if (typeof part === 'number') break;
      // What the server has got rid of lies in sockets and in our queue, not all in memory.
      if (total === 0) expect(sent).toBeLessThan(size);
      total += part.length;
    }
    expect(total).toBeGreaterThan(size);
  });

  it('without length ends with the connection; to HEAD, 204 and 304 there is no body', async () => {
    const at = await tcpServer((socket) => {
      socket.on('data', (data) => {
        const path = data.toString().split(' ')[1];
        if (path === '/close') socket.end('HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end');
        else if (path === '/204') socket.write('HTTP/1.1 204 No Content\r\n\r\n');
        else if (path === '/304') socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
      });
    });
    const { process } = world([at]);
    const get = async (line: string) => await exchange(await opened(process(), `http://${at}`), `${line} HTTP/1.1\n\n`);
    expect(await get('GET /close')).toEqual({ text: 'HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end', errno: Errno.end });
    expect(await get('GET /204')).toEqual({ text: 'HTTP/1.1 204 No Content\r\n\r\n', errno: Errno.end });
    expect((await get('GET /304')).errno).toBe(Errno.end);
    expect(await get('HEAD /')).toEqual({ text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', errno: Errno.end });
  });

  it('comes without the headers that its Connection header names: they are of the hop', async () => {
    const at = await tcpServer((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n'),
    );
    const { text } = await exchange(await opened(world([at]).process(), `http://${at}`), 'GET / HTTP/1.1\n\n');
    expect(text).toBe('HTTP/1.1 200 OK\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n');
  });

  it('of early hints is passed over', async () => {
    const at = await httpServer((_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end('after');
    });
    const { text } = await exchange(await opened(world([at]).process(), `http://${at}`), 'GET / HTTP/1.1\n\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*after$/);
  });

  it('with folded header lines has them on one line', async () => {
    const at = await tcpServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nContent-Length: 0\r\n\r\n'));
    });
    const { text, errno } = await exchange(await opened(world([at]).process(), `http://${at}`), 'POST / HTTP/1.1\n\n');
    expect(errno).toBeLessThan(0);
    for (const line of text.split('\r\n')) expect(line).not.toMatch(/^\s/);
  });

  it('is not decompressed', async () => {
    const at = await httpServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end('not really gzip');
    });
    const { text } = await exchange(await opened(world([at]).process(), `http://${at}`), 'GET / HTTP/1.1\n\n');
    expect(text).toMatch(/content-encoding: gzip[\s\S]*not really gzip$/);
  });

  it.each([
    ['garbage', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(40_000)}`],
    ['nothing', ''],
    ['a body shorter than its length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['a chunk of no length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['an upgrade nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
  ])('of %s is an error with a reason, and the next request works', async (_what, bytes) => {
    let count = 0;
    const at = await tcpServer((socket) => {
      socket.once('data', () => {
        count += 1;
        if (count === 1) socket.end(bytes);
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const { process } = world([at]);
    const first = process();
    const { errno } = await exchange(await opened(first, `http://${at}`), 'POST / HTTP/1.1\n\n');
    expect(errno).toBeLessThan(0);
    expect(errno).not.toBe(Errno.end);
    expect(first.lines).toHaveLength(1);
    const { text } = await exchange(await opened(process(), `http://${at}`), 'GET / HTTP/1.1\n\n');
    expect(text).toMatch(/ok$/);
  });

  it('that never comes ends with the Process, and the server sees it', async () => {
    const arrived = gate();
    const left = gate();
    const at = await httpServer((request) => {
      arrived.open();
      request.on('close', left.open);
    });
    const { process, network } = world([at]);
    const waiting = process();
    const resource = await opened(waiting, `http://${at}`);
    await write(resource, 'GET / HTTP/1.1\n\n');
    const flushed = resource.flush();
    await arrived.opened;
    waiting.kill({ kind: 'deadline', timeoutMs: 1 });
    await left.opened;
    expect(await flushed).toBe(Errno.closed);
    await waiting.closeAll();
    expect(network.connections).toBe(0);
  });
});

describe('connections', () => {
  it('are kept alive for the next request of the handler, of no other', async () => {
    const ports: (number | undefined)[] = [];
    const at = await httpServer((request, response) => {
      ports.push(request.socket.remotePort);
      response.end('ok');
    });
    const one = world([at]);
    const two = world([at]);
    for (const { process } of [one, one, two])
      await exchange(await opened(process(), `http://${at}`), 'GET / HTTP/1.1\n\n');
    expect(ports[0]).toBe(ports[1]);
    expect(ports[2]).not.toBe(ports[0]);
    expect(one.network.connections).toBe(1);
  });

  it('that the server has closed meanwhile cost a repeatable request nothing', async () => {
    let served = 0;
    const at = await tcpServer((socket) => {
      let first = true;
      socket.on('data', () => {
        // The second request on a connection is never answered: closed as a keep-alive timeout closes.
        if (!first) return void socket.destroy();
        first = false;
        served += 1;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const { process } = world([at]);
    for (let i = 0; i < 3; i += 1) {
      const { text } = await exchange(await opened(process(), `http://${at}`), 'GET / HTTP/1.1\n\n');
      expect(text).toMatch(/ok$/);
    }
    expect(served).toBe(3);
  });

  it('are refused with the reason in the log when nobody listens or the name is unknown', async () => {
    const { process } = world(['127.0.0.1:1', 'nowhere.invalid:80'], {
      lookup: () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })),
    });
    const nobody = process();
    expect((await exchange(await opened(nobody, 'http://127.0.0.1:1'), 'GET / HTTP/1.1\n\n')).errno).toBe(
      Errno.refused,
    );
    expect(nobody.lines[0]).toMatch(/cannot connect to 127\.0\.0\.1:1: .*ECONNREFUSED/);
    const unknown = process();
    expect((await exchange(await opened(unknown, 'http://nowhere.invalid'), 'GET / HTTP/1.1\n\n')).errno).toBe(
      Errno.notFound,
    );
    expect(unknown.lines[0]).toMatch(/cannot resolve nowhere\.invalid/);
  });
});

describe('redirects', () => {
  const redirecting = (status: number, location: () => string) =>
    httpServer(async (request, response) => {
      if (request.url === '/from') {
        response.writeHead(status, { location: location() });
        response.end('moved');
        return;
      }
      const body = await bodyText(request);
      const { authorization = '-', cookie = '-' } = request.headers;
      response.end(`${request.method} ${request.url} ${body} ${authorization} ${cookie}`);
    });

  it('are the answer, unless the URL was opened with #follow', async () => {
    const at = await redirecting(302, () => '/to');
    const { process } = world([at]);
    const plain = await exchange(await opened(process(), `http://${at}/from`), 'GET /from HTTP/1.1\n\n');
    expect(plain.text).toMatch(/^HTTP\/1\.1 302 Found[\s\S]*moved$/);
    const followed = await exchange(await opened(process(), `http://${at}/from#follow`), 'GET /from HTTP/1.1\n\n');
    expect(followed.text).toMatch(/GET \/to {2}- -$/);
  });

  it.each([
    [303, 'POST', 'GET /to'],
    [302, 'POST', 'GET /to'],
    [302, 'PUT', 'PUT /to body'],
    [307, 'POST', 'POST /to body'],
    [308, 'POST', 'POST /to body'],
  ])('%i of a %s ask for %s', async (status, method, expected) => {
    const at = await redirecting(status, () => '/to');
    const { text } = await exchange(
      await opened(world([at]).process(), `http://${at}#follow`),
      `${method} /from HTTP/1.1\n\nbody`,
    );
    expect(text.split('\r\n\r\n')[1]?.startsWith(expected)).toBe(true);
  });

  it('keep credentials within the origin and drop them on the way to another', async () => {
    const other = await redirecting(302, () => '/');
    let location = '/to';
    const at = await redirecting(302, () => location);
    const { process } = world([at, other]);
    const get = async () =>
      (
        await exchange(
          await opened(process(), `http://${at}#follow`),
          'GET /from HTTP/1.1\nAuthorization: secret\nCookie: session=1\n\n',
        )
      ).text;
    expect(await get()).toMatch(/GET \/to {2}secret session=1$/);
    location = `http://${other}/there`;
    expect(await get()).toMatch(/GET \/there {2}- -$/);
  });

  it('to a denied address are refused, and the canary sees nothing', async () => {
    const trap = await canary();
    const at = await redirecting(302, () => `http://${trap.address}/`);
    const process = world([at]).process();
    const { errno } = await exchange(await opened(process, `http://${at}#follow`), 'GET /from HTTP/1.1\n\n');
    expect(errno).toBe(Errno.denied);
    expect(process.lines[0]).toMatch(/is refused: it is .* the platform’s own host/);
    expect(trap.seen()).toBe(0);
  });

  it('to a URL that the policy refuses end the Process', async () => {
    const trap = await canary();
    const at = await redirecting(302, () => `http://${trap.address}/`);
    const process = world([at, trap.address]).process({ allow: [`^http://${at}`], disallow: [] });
    const { errno } = await exchange(await opened(process, `http://${at}#follow`), 'GET /from HTTP/1.1\n\n');
    expect(errno).toBeLessThan(0);
    expect(process.end).toMatchObject({ kind: 'policy', url: `http://${trap.address}/` });
    expect(trap.seen()).toBe(0);
  });

  it('with a body that never ends are followed all the same', async () => {
    const left = gate();
    const at = await httpServer((request, response) => {
      if (request.url === '/to') return void response.end('there');
      response.writeHead(302, { location: '/to' });
      response.on('close', left.open);
      response.write('x'.repeat(200_000));
    });
    const { text } = await exchange(
      await opened(world([at]).process(), `http://${at}#follow`),
      'GET /from HTTP/1.1\n\n',
    );
    expect(text).toMatch(/there$/);
    await left.opened;
  });

  it.each([
    'ftp://x/',
    'ws://127.0.0.1:1/',
    'tcp://127.0.0.1:1',
    'file:///etc/passwd',
    'http://',
    'http://u:p@127.0.0.1/',
    '//[',
    'javascript:1',
  ])('to %s are the answer themselves', async (location) => {
    const at = await redirecting(302, () => location);
    const { text } = await exchange(
      await opened(world([at]).process(), `http://${at}#follow`),
      'GET /from HTTP/1.1\n\n',
    );
    expect(text).toMatch(/^HTTP\/1\.1 302 Found[\s\S]*moved$/);
  });

  it('in a circle end after a limit', async () => {
    const at = await redirecting(302, () => '/from');
    const process = world([at]).process();
    const { errno } = await exchange(await opened(process, `http://${at}#follow`), 'GET /from HTTP/1.1\n\n');
    expect(errno).toBe(Errno.loop);
  });
});

describe('the policy', () => {
  it('sees the URL that is really requested, by the Host header too', async () => {
    const trap = await canary();
    const { process } = world([trap.address]);
    const policy = { allow: [`^http://${trap.address}/public`, '^http:$'], disallow: [] };
    for (const [url, request] of [
      [`http://${trap.address}/public`, 'GET /private HTTP/1.1\n\n'],
      [`http://${trap.address}/public`, 'GET /public/../private HTTP/1.1\n\n'],
      [`http://${trap.address}/public`, 'GET /public HTTP/1.1\nHost: other.example\n\n'],
      ['http:', `GET /private HTTP/1.1\nHost: ${trap.address}\n\n`],
    ] as const) {
      const guest = process(policy);
      const resource = await opened(guest, url);
      await write(resource, request);
      expect(() => resource.flush()).toThrow('policy');
      expect(guest.end?.kind).toBe('policy');
    }
    expect(trap.seen()).toBe(0);
  });
});
