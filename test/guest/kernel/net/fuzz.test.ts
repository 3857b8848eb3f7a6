import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import { ByteQueue } from '../../../../src/guest/kernel/net/byte-queue.ts';
import { parseRequestHead } from '../../../../src/guest/kernel/net/http-request.ts';
import { RequestFraming } from '../../../../src/guest/kernel/net/request-framing.ts';
import { parseTarget } from '../../../../src/guest/kernel/net/target.ts';
import { cleanUp, opened, readAll, tcpServer, world, write } from '../../../support/net.ts';

afterEach(cleanUp);

/** Not fast-check's own, which takes seconds to prepare. */
const anyCharacter = fc.integer({ min: 0, max: 0x2ffff }).map((code) => String.fromCodePoint(code));

/** Runs that each make a connection: a second or two. */
const runs = { numRuns: 150, timeout: 60_000 };

describe('property: a request', () => {
  // Bytes of which requests are made, and those that end or break them.
  const piece = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        '\n',
        '\r\n',
        '\r',
        ' ',
        '\t',
        ':',
        '\0',
        '/',
        '#',
        '?',
        '\x7f',
        '\xff',
        '\n\n',
        '\r\n\r\n',
      ),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'GET',
        'POST',
        'HTTP/1.1',
        'Host: a',
        'Content-Length: 3',
        'X: y',
        'abc',
        'http://a/',
        '/x',
      ),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 6 }) },
  );
  const request = fc
    .tuple(
      fc.constantFrom('GET', 'POST', 'PUT', 'X-Y', 'HEAD', 'OPTIONS'),
      fc.array(piece, { maxLength: 3 }),
      fc.array(fc.array(piece, { maxLength: 5 }), { maxLength: 5 }),
      fc.constantFrom(
        '',
        'Content-Length: 0\n',
        'Content-Length: 4\n',
        'Content-Length: 3\r\n',
        'Transfer-Encoding: chunked\n',
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 8 }),
    )
    .map(([method, target, headers, length, body]) => {
      const lines = headers.map((parts) => `X-H: ${parts.join('')}\n`).join('');
      return `${method} /${target.join('')} HTTP/1.1\r\n${lines}${length}\n${body}`;
    });

  it('that leaves is exactly one request, however its bytes are split', async () => {
    // Of the connection accepted last: one whose guest has given up may still be on its way.
    let received = '';
    const at = await tcpServer((socket) => {
      let own = '';
      socket.on('data', (data) => {
        own += data.toString('latin1');
        received = own;
        const head = own.indexOf('\r\n\r\n');
        const length = Number(/^content-length: (\d+)$/im.exec(own)?.[1] ?? 0);
        if (head >= 0 && own.length >= head + 4 + length)
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      });
    });
    const { process } = world([at]);
    await fc.assert(
      fc.asyncProperty(request, fc.array(fc.nat(60), { maxLength: 5 }), async (text, cuts) => {
        const resource = await opened(process(), `http://${at}/`);
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        let failed = false;
        for (let i = 1; i < places.length && !failed; i += 1) {
          const part = text.slice(places[i - 1], places[i]);
          failed = (await write(resource, Buffer.from(part, 'latin1'))) < part.length;
        }
        const flushed = failed ? Errno.invalid : await resource.flush();
        resource.close();
        // With body still to come flush does not wait for the server.
        if (flushed !== 0 || !received.includes('\r\n\r\n')) return;
        const raw = received;
        const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
        const lines = head.split('\r\n');
        expect(lines[0]).toMatch(/^[A-Z-]+ \/[\x21-\x7e]* HTTP\/1\.1$/);
        // RFC 9110, 5.6.2: the characters of a field's name.
        for (const line of lines.slice(1)) expect(line).toMatch(/^[\w!#$%&'*+.^`|~-]+: [\t\x20-\x7e\x80-\xff]*$/);
        expect(lines.filter((line) => /^(host|trisiel-handler):/i.test(line))).toHaveLength(2);
        const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
        expect(raw.length - head.length - 4).toBeLessThanOrEqual(length);
      }),
      runs,
    );
  });

  it('body in chunks is what the chunks hold, however they are cut', () => {
    const parts = fc.array(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 5 });
    fc.assert(
      fc.property(parts, fc.array(fc.nat(80), { maxLength: 10 }), fc.boolean(), (chunks, cuts, crlf) => {
        const eol = crlf ? '\r\n' : '\n';
        const framed = [...chunks, ''].map((part) => `${part.length.toString(16)}${eol}${part}${eol}`).join('');
        const bytes = Buffer.from(framed, 'latin1');
        const body = new RequestFraming({ contentLength: null, isChunked: true });
        let text = '';
        const places = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        for (let at = 0, i = 0; i < places.length; ) {
          const rest = bytes.subarray(at, places[i]);
          const framing = body.readFraming(rest);
          if (typeof framing === 'string') return false;
          const data = body.data(rest.subarray(framing));
          if (!body.isComplete && data.length > 0) {
            text += Buffer.from(data).toString('latin1');
            body.took(data.length);
          }
          at += framing + data.length;
          if (at >= (places[i] as number)) i += 1;
        }
        return body.isComplete && text === chunks.join('');
      }),
    );
  });

  it('head is parsed or refused with words, never thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const result = parseRequestHead(bytes);
        return typeof result === 'string' ? result.length > 0 : result.method.length > 0;
      }),
    );
  });
});

describe('property: a response', () => {
  const good = Buffer.from(
    'HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5;x=y\r\nhello\r\n3\r\n!!!\r\n0\r\nT: r\r\n\r\n',
    'latin1',
  );
  const damage = fc.array(fc.tuple(fc.nat(good.length), fc.nat(4), fc.uint8Array({ maxLength: 4 })), {
    minLength: 0,
    maxLength: 4,
  });

  it('of damaged bytes, cut anywhere, ends with an Errno and a head without line breaks inside', async () => {
    let bytes: Uint8Array = good;
    const at = await tcpServer((socket) => socket.once('data', () => socket.end(bytes)));
    const { process, network } = world([at]);
    await fc.assert(
      fc.asyncProperty(damage, fc.option(fc.nat(good.length)), async (edits, cut) => {
        bytes = new Uint8Array(good);
        for (const [place, remove, insert] of edits)
          bytes = Buffer.concat([bytes.subarray(0, place), insert, bytes.subarray(place + remove)]);
        if (cut !== null) bytes = bytes.subarray(0, cut);
        const guest = process();
        const resource = await opened(guest, `http://${at}/`);
        await write(resource, 'POST / HTTP/1.1\n\n');
        const flushed = await resource.flush();
        const { text, errno } = await readAll(resource);
        expect(errno).toBeLessThan(0);
        if (flushed === 0) {
          const head = text.slice(0, text.indexOf('\r\n\r\n'));
          const lines = head.split('\r\n');
          expect(lines[0]).toMatch(/^HTTP\/1\.1 \d{3} [\x20-\x7e]*$/);
          for (const line of lines.slice(1)) expect(line).toMatch(/^[^:\r\n\0]+: [^\r\n\0]*$/);
          // Fields of the hop stay out; damage may make their line another field's value, or the body's.
          expect(head).not.toMatch(/^transfer-encoding:/im);
          if (edits.length === 0 && cut === null) expect(text.slice(text.indexOf('\r\n\r\n'))).toBe('\r\n\r\nhello!!!');
        } else expect(guest.lines).toHaveLength(1);
        resource.close();
        await guest.closeAll();
      }),
      runs,
    );
    expect(network.buffers.held).toBe(0);
  });
});

describe('property: what holds bytes', () => {
  it('a queue gives back exactly what was put in, whatever the sizes', () => {
    const step = fc.oneof(
      fc.record({ push: fc.oneof(fc.nat(20), fc.nat(9000)) }),
      fc.record({ read: fc.oneof(fc.nat(20), fc.nat(9000)) }),
      fc.record({ all: fc.constant(true) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let pushed = 0;
        let readBack = 0;
        const check = (bytes: Uint8Array) => {
          for (const byte of bytes) {
            if (byte !== readBack % 251) throw new Error(`byte ${readBack} is ${byte}`);
            readBack += 1;
          }
        };
        for (const action of steps) {
          if ('push' in action) {
            const bytes = Uint8Array.from({ length: action.push }, (_, i) => (pushed + i) % 251);
            queue.push(bytes);
            bytes.fill(255);
            pushed += action.push;
          } else if ('read' in action) {
            const into = new Uint8Array(action.read);
            const count = queue.read(into);
            if (count !== Math.min(action.read, pushed - readBack)) return false;
            check(into.subarray(0, count));
          } else check(queue.takeAll());
          if (queue.length !== pushed - readBack) return false;
        }
        return true;
      }),
    );
  });

  it('a URL is a target or is refused, never thrown', () => {
    const start = fc.constantFrom('http', 'https', 'ws', 'wss', 'tcp', 'tcp+tls', 'HTTP');
    fc.assert(
      fc.property(
        start,
        fc.constantFrom(':', '://', ':/', '://['),
        fc.string({ unit: anyCharacter, maxLength: 20 }),
        (a, b, c) => {
          const target = parseTarget(`${a}${b}${c}`);
          return target === null || target.host === null || (target.port >= 1 && target.port <= 65_535);
        },
      ),
    );
  });
});
