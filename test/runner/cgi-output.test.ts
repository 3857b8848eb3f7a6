/** CgiOutput behind a real node:http server, asked by a raw socket: what arrives is compared byte by byte. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KIB, runnerLimits } from '../../src/protocol/limits.ts';
import { CgiOutput, type Finished } from '../../src/runner/cgi-output.ts';
import { FlushQueue } from '../../src/runner/flush-queue.ts';

type Step = Uint8Array | 'flush' | 'turn';

interface Played {
  readonly finished: Finished;
  readonly bad: readonly string[];
  readonly most: number;
}

let server: Server;
let script: readonly Step[] = [];
let played: Played | null = null;
/** Shared, as by all calls of one Deployment. */
const memo = { block: '', head: null };

/** Does what a guest does: writes everything, waits where it is told to. */
async function play(output: CgiOutput, pending: () => number): Promise<{ finished: Finished; most: number }> {
  let most = 0;
  for (const step of script) {
    if (step === 'flush') output.flush();
    else if (step === 'turn') await new Promise((resolve) => setImmediate(resolve));
    else {
      for (let done = 0; done < step.length; ) {
        const result = output.write(step.subarray(done));
        if (typeof result !== 'number') await result;
        else if (result < 0) throw new Error(`write: ${result}`);
        else done += result;
        most = Math.max(most, pending());
      }
    }
  }
  return { finished: output.finish(), most };
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const bad: string[] = [];
    const flushes = new FlushQueue();
    const output = new CgiOutput({
      response,
      id: 'i-1',
      isHead: request.method === 'HEAD',
      cookie: null,
      headMemo: memo,
      origin: { byHost: true, host: 'x.localhost' },
      warn: (message) => bad.push(message),
      badOutput: (message) => bad.push(message),
      flushWanted: (wanting) => flushes.add(wanting),
    });
    void play(output, () => response.writableLength).then(({ finished, most }) => {
      played = { finished, bad, most };
      if (finished.kind !== 'sent') response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());

/** Everything the server sends for one request. `slowly`: reads a little at a time. */
async function ask(method: string, steps: readonly Step[], version = '1.1'): Promise<Buffer> {
  script = steps;
  played = null;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write(`${method} / HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

interface Message {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** An HTTP/1.1 message, with chunks put together. Throws where it is not complete. */
function read(raw: Buffer, isHead = false): Message {
  const end = raw.indexOf('\r\n\r\n');
  const [statusLine, ...lines] = raw.toString('latin1', 0, end).split('\r\n');
  const headers = lines.filter((line) => !/^(date|connection|keep-alive):/i.test(line));
  let body = raw.subarray(end + 4);
  if (headers.some((line) => /^transfer-encoding: chunked$/i.test(line))) body = unchunk(body);
  const length = headers.find((line) => /^content-length:/i.test(line))?.slice(15);
  if (length !== undefined && !isHead && Number(length) !== body.length) throw new Error('the body is incomplete');
  return { status: Number(statusLine?.split(' ')[1]), headers, body };
}

function unchunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at);
    if (end < 0) throw new Error('the body is incomplete');
    const size = Number.parseInt(body.toString('latin1', at, end), 16);
    if (size === 0) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const filled = (size: number): Uint8Array => Buffer.alloc(size, 'abcdefghij');

describe('the answer of a function', () => {
  it('goes out in one piece with Content-Length where it is small and complete, flushed or not', async () => {
    for (const steps of [[bytes('A: b\n\nbody')], [bytes('A: b\n'), 'flush', bytes('\nbody'), 'flush']] as Step[][]) {
      const { headers, body } = read(await ask('GET', steps));
      expect(headers).toEqual(['A: b', 'content-length: 4', 'trisiel-invocation: i-1']);
      expect(body.toString()).toBe('body');
    }
  });

  it('is streamed in chunks from a flush or from 16 KiB on', async () => {
    const flushed = read(await ask('GET', [bytes('A: b\n\none'), 'flush', 'turn', bytes('two')]));
    expect(flushed.headers).toContain('Transfer-Encoding: chunked');
    expect(flushed.body.toString()).toBe('onetwo');
    const large = read(await ask('GET', [bytes('A: b\n\n'), filled(runnerLimits.flushBytes)]));
    expect(large.headers).toContain('Transfer-Encoding: chunked');
    expect(large.body.equals(filled(runnerLimits.flushBytes))).toBe(true);
  });

  it('keeps a Content-Length of the guest’s own, and the guest to it', async () => {
    const streamed = read(await ask('GET', [bytes('Content-Length: 6\n\none'), 'flush', 'turn', bytes('two')]));
    expect(streamed.headers).toEqual(['content-length: 6', 'trisiel-invocation: i-1']);
    await ask('GET', [bytes('Content-Length: 5\n\nfour')]);
    expect(played?.finished).toMatchObject({ kind: 'bad' });
    await ask('GET', [bytes('Content-Length: 9\n\none'), 'flush', 'turn', bytes('two')]);
    expect(played?.finished).toMatchObject({ kind: 'bad' });
    await ask('GET', [bytes('Content-Length: 4\n\none'), 'flush', 'turn', bytes('two'), 'flush', 'turn']);
    expect(played?.bad).toHaveLength(1);
  });

  it('has no body for HEAD, 204 and 304, whatever the guest writes', async () => {
    const head = read(await ask('HEAD', [bytes('A: b\n\nbody')]), true);
    expect(head.headers).toContain('content-length: 4');
    expect(head.body.length).toBe(0);
    const streamed = read(await ask('HEAD', [bytes('A: b\n\nbody'), 'flush', 'turn', filled(100 * KIB)]), true);
    expect(streamed.body.length).toBe(0);
    for (const status of [204, 304]) {
      const answer = read(await ask('GET', [bytes(`Status: ${status}\nA: b\n\nbody`)]));
      expect(answer).toMatchObject({ status, headers: ['A: b', 'trisiel-invocation: i-1'] });
      expect(answer.body.length).toBe(0);
      const later = read(await ask('GET', [bytes(`Status: ${status}\nA: b\n\n`), 'flush', 'turn', bytes('body')]));
      expect(later.body.length).toBe(0);
    }
  });

  it('answers an HTTP/1.0 client without chunks', async () => {
    const raw = await ask('GET', [bytes('A: b\n\none'), 'flush', 'turn', bytes('two')], '1.0');
    expect(raw.toString('latin1')).not.toMatch(/chunked/i);
    expect(raw.toString('latin1').endsWith('\r\n\r\nonetwo')).toBe(true);
  });

  it('is byte for byte what was written, however it was cut and flushed', async () => {
    const heads = fc.constantFrom(
      '',
      'Content-Type: text/html\r\n\r\n',
      'X-A: 1\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n',
      'Status: 103\nLink: x\n\nStatus: 404 Gone fishing\nX-A: \xe9\n\n',
    );
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 0, max: 80 * KIB }).map(filled),
      fc.constant(bytes('\n\nplain\0text\r\n')),
    );
    const cuts = fc.array(
      fc.record({ at: fc.nat(), pause: fc.constantFrom<readonly Step[]>([], ['flush'], ['turn'], ['flush', 'turn']) }),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(heads, body, cuts, async (head, content, all) => {
        // Without a head the output must not look as if it had one.
        const plain = head === '';
        const whole = Buffer.concat([bytes(plain ? '\n' : head), content]);
        const steps: Step[] = [];
        let from = 0;
        for (const { at, pause } of [...all].sort(
          (a, b) => (a.at % (whole.length + 1)) - (b.at % (whole.length + 1)),
        )) {
          const to = at % (whole.length + 1);
          steps.push(whole.subarray(from, to), ...pause);
          from = to;
        }
        steps.push(whole.subarray(from));
        const answer = read(await ask('GET', steps));
        expect(answer.body.equals(plain ? whole : Buffer.from(content))).toBe(true);
        expect(answer.status).toBe(head.includes('404') ? 404 : 200);
        const own = answer.headers.filter(
          (line) => !/^(content-length|transfer-encoding|trisiel-invocation):/i.test(line),
        );
        const wanted = plain
          ? ['content-type: text/plain; charset=utf-8']
          : head.split(/\r?\n/).filter((line) => /^(Content-Type|X-A|Set-Cookie)/.test(line));
        expect(own).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it('makes the guest wait while the client reads slowly, and keeps little meanwhile', async () => {
    const total = 64 * 1024 * KIB;
    script = [bytes('A: b\n\n'), filled(total)];
    played = null;
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let received = 0;
    for await (const part of socket) {
      received += (part as Buffer).length;
      if (received < 512 * KIB) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(received).toBeGreaterThan(total);
    // One chunk may be taken just below the limit.
    expect((played as Played | null)?.most).toBeLessThan(runnerLimits.outputBytes + 128 * KIB);
  });
});
