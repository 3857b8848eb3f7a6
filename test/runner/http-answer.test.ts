/** HttpAnswer behind a real node:http server: fields that a component sets, as they arrive. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HttpField } from '../../src/guest/kernel/incoming-http.ts';
import { runnerLimits } from '../../src/protocol/limits.ts';
import { CgiOutput } from '../../src/runner/cgi-output.ts';
import { FlushQueue } from '../../src/runner/flush-queue.ts';
import type { FunctionCall } from '../../src/runner/function-call.ts';
import { HttpAnswer } from '../../src/runner/http-answer.ts';

const own: HttpField = ['x-own', Buffer.from('1')];
const platforms = ['stale', 'node', 'error', 'invocation', 'lost-output', 'of-later-versions'].map(
  (name): HttpField => [`trisiel-${name}`, Buffer.from('forged')],
);
const fields = [own, ...platforms];

const placeOfCaller = `00-${'a'.repeat(32)}-${'1'.repeat(16)}-01`;
const placeOfCall = `00-${'a'.repeat(32)}-${'2'.repeat(16)}-01`;

/** What came of answers to `/big`. */
const ends: string[] = [];

/**
 * Answers as a component does that sets `fields` wherever it can; to `/big?N`, with fields of N bytes; to
 * `/traced` and `/untraced`, with the fields that it got.
 */
const server = createServer((asked, response) => {
  const flushes = new FlushQueue();
  const output = new CgiOutput({
    ...{ response, id: 'i-1', isHead: false, cookie: null, headMemo: { block: '', head: null } },
    origin: { byHost: true, host: 'x.localhost' },
    warn: () => {},
    badOutput: () => {},
    flushWanted: (wanting) => flushes.add(wanting),
  });
  const trace = asked.url === '/traced' ? ({ traceparent: placeOfCall } as FunctionCall['trace']) : null;
  const answer = new HttpAnswer({
    call: { request: asked, response, trace, trigger: null } as FunctionCall,
    ...{ scheme: 'http', body: output, output, isProxied: false, passAuthorization: false },
  });
  const [path, bytes] = asked.url?.split('?') ?? [];
  if (path === '/big') {
    answer.answer(200, [['x', Buffer.alloc(Number(bytes) - 5, 'y')]]);
    const end = answer.finish();
    ends.push(end.kind === 'bad' ? end.message : end.kind);
    response.destroy();
    return;
  }
  if (path?.endsWith('traced') === true) {
    const seen = answer.fields.map(([name, value]) => [name, Buffer.from(value).toString()]);
    answer.answer(200, [own]).write(Buffer.from(JSON.stringify(seen)));
    answer.end([]);
    return;
  }
  answer.inform(103, fields);
  answer.answer(200, fields).write(Buffer.from('body'));
  answer.end(fields);
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

test('a component sets no field of the platform: in an interim answer, the answer, or behind its body', async () => {
  const asking = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false }).end();
  const interim = once(asking, 'information') as Promise<[{ readonly headers: IncomingHttpHeaders }]>;
  const [response] = await once(asking, 'response');
  response.resume();
  await once(response, 'end');
  const [{ headers }] = await interim;
  for (const all of [headers, response.headers, response.trailers]) expect(all['x-own']).toBe('1');
  for (const all of [headers, response.headers, response.trailers]) expect(JSON.stringify(all)).not.toContain('forged');
  expect(response.headers['trisiel-invocation']).toBe('i-1');
});

test('a client of HTTP/1.0 gets no interim answers', async () => {
  const heads: Record<string, readonly string[]> = {};
  for (const version of ['1.0', '1.1']) {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.end(`GET / HTTP/${version}\r\nhost: x\r\nconnection: close\r\n\r\n`);
    heads[version] = (await text(socket)).match(/HTTP\/1\.1 \d{3}/g) ?? [];
  }
  expect(heads).toEqual({ '1.0': ['HTTP/1.1 200'], '1.1': ['HTTP/1.1 103', 'HTTP/1.1 200'] });
});

test('an answer is broken off where its fields take more than a head may', async () => {
  const { port } = server.address() as AddressInfo;
  for (const bytes of [runnerLimits.headerBytes, runnerLimits.headerBytes + 1]) {
    const asking = request({ port, host: '127.0.0.1', path: `/big?${bytes}`, agent: false }).end();
    await expect(once(asking, 'response')).rejects.toThrow('socket hang up');
  }
  expect(ends).toEqual([
    'the component returned before the body of its answer was finished',
    expect.stringContaining(`at most ${runnerLimits.headerBytes} are sent`),
  ]);
});

test('a component gets its own place in the trace as the field traceparent, or that of its caller where nothing is traced', async () => {
  const { port } = server.address() as AddressInfo;
  const headers = { TraceParent: placeOfCaller, 'x-traced': '1' };
  for (const [path, expected] of [
    ['/traced', placeOfCall],
    ['/untraced', placeOfCaller],
  ] as const) {
    const asking = request({ port, host: '127.0.0.1', path, headers, agent: false }).end();
    const [response] = await once(asking, 'response');
    const seen = JSON.parse(await text(response)) as readonly (readonly [string, string])[];
    expect(seen.filter(([name]) => name === 'traceparent')).toEqual([['traceparent', expected]]);
    expect(seen).toContainEqual(['x-traced', '1']);
  }
});
