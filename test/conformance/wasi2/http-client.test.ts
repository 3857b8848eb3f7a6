/** wasi:http of a component that sends requests, row by row, to real servers on the loopback. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ProcessTrace } from '../../../src/guest/kernel/process-trace.ts';
import { networkSchemes } from '../../../src/guest/kernel/resources/network.ts';
import { SchemeRegistry } from '../../../src/guest/kernel/scheme-registry.ts';
import type { Policy } from '../../../src/protocol/nouns.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { fromFields } from '../../support/incoming-http.ts';
import { canary, cleanUp, gate, httpServer, tcpServer, world } from '../../support/net.ts';

afterEach(cleanUp);

const types = 'wasi:http/types';
const streams = 'wasi:io/streams';
const poll = 'wasi:io/poll';
const failed = { err: undefined };
const done = { ok: undefined };
const handle = 'handle';

function client(address: string, policy?: Policy, trace?: ProcessTrace) {
  const { network } = world([address]);
  const guest = new ComponentGuest({
    schemes: new SchemeRegistry(networkSchemes(network)),
    trace,
    ...(policy === undefined ? {} : { policy }),
  });
  return { network, guest, http: guest.of(types) };
}

type Client = ReturnType<typeof client>;

interface Wanted {
  readonly path?: string | null;
  readonly method?: { readonly tag: string; readonly value?: string };
  readonly fields?: Readonly<Record<string, string>>;
  readonly scheme?: { readonly tag: string; readonly value?: string } | null;
}

async function makeRequest({ http }: Client, address: string | null, wanted: Wanted = {}): Promise<number> {
  const entries = Object.entries(wanted.fields ?? {}).map(([name, value]) => [name, Buffer.from(value)]);
  const { ok: fields } = await http('[static]fields.from-list', entries);
  const request = await http('[constructor]outgoing-request', fields);
  const scheme = wanted.scheme === undefined ? { tag: 'HTTP' } : wanted.scheme;
  expect(await http('[method]outgoing-request.set-scheme', request, scheme)).toStrictEqual(done);
  expect(await http('[method]outgoing-request.set-authority', request, address)).toStrictEqual(done);
  expect(await http('[method]outgoing-request.set-path-with-query', request, wanted.path ?? null)).toStrictEqual(done);
  expect(await http('[method]outgoing-request.set-method', request, wanted.method ?? { tag: 'get' })).toStrictEqual(
    done,
  );
  return request;
}

function send({ guest }: Client, request: number, options: number | null = null) {
  return guest.call('wasi:http/outgoing-handler', handle, request, options);
}

/** Waits for the answer of a future: what future-incoming-response.get returned. */
async function answerOf({ guest, http }: Client, future: number) {
  const pollable = await http('[method]future-incoming-response.subscribe', future);
  await guest.call(poll, '[method]pollable.block', pollable);
  await guest.call(poll, '[resource-drop]pollable', pollable);
  return (await http('[method]future-incoming-response.get', future)).ok;
}

/** Reads a body to its end: the text, and the error code where it failed. */
async function readBody({ guest, http }: Client, body: number) {
  const { ok: stream } = await http('[method]incoming-body.stream', body);
  let text = '';
  for (;;) {
    const { ok, err } = await guest.call(streams, '[method]input-stream.blocking-read', stream, 100_000n);
    if (err?.tag === 'closed') {
      await guest.call(streams, '[resource-drop]input-stream', stream);
      return { text, code: null };
    }
    if (err !== undefined) return { text, code: await http('http-error-code', err.value) };
    text += Buffer.from(ok).toString();
  }
}

async function fetchText(one: Client, address: string, wanted: Wanted = {}) {
  const { ok: future } = await send(one, await makeRequest(one, address, wanted));
  const { ok: response } = await answerOf(one, future);
  const { ok: body } = await one.http('[method]incoming-response.consume', response);
  return { status: await one.http('[method]incoming-response.status', response), ...(await readBody(one, body)) };
}

describe('an outgoing-request', () => {
  it('has what was set', async () => {
    const one = client('127.0.0.1:1');
    const { http } = one;
    const request = await http('[constructor]outgoing-request', await http('[constructor]fields'));
    expect(await http('[method]outgoing-request.method', request)).toEqual({ tag: 'get' });
    for (const name of ['path-with-query', 'scheme', 'authority'])
      expect(await http(`[method]outgoing-request.${name}`, request)).toBe(null);
    await http('[method]outgoing-request.set-method', request, { tag: 'other', value: 'BREW' });
    await http('[method]outgoing-request.set-path-with-query', request, '/%C3%A4?b');
    await http('[method]outgoing-request.set-scheme', request, { tag: 'other', value: 'HTTP' });
    await http('[method]outgoing-request.set-authority', request, 'example.com:8080');
    expect(await http('[method]outgoing-request.method', request)).toEqual({ tag: 'other', value: 'BREW' });
    expect(await http('[method]outgoing-request.path-with-query', request)).toBe('/%C3%A4?b');
    expect(await http('[method]outgoing-request.scheme', request)).toEqual({ tag: 'HTTP' });
    expect(await http('[method]outgoing-request.authority', request)).toBe('example.com:8080');
    const headers = await http('[method]outgoing-request.headers', request);
    expect(await http('[method]fields.append', headers, 'a', 'b')).toEqual({ err: { tag: 'immutable' } });
    await http('[resource-drop]fields', headers);
    await http('[resource-drop]outgoing-request', request);
  });

  it('keeps user information, other schemes and relative paths, and is refused when it is sent with them', async () => {
    const { http, guest } = client('127.0.0.1:1');
    const set: readonly (readonly [string, unknown])[] = [
      ['authority', 'user:p%20@127.0.0.1:1'],
      ['scheme', { tag: 'other', value: 'Ftp' }],
      ['path-with-query', '.example.com/../a'],
      ['path-with-query', 'a?b'],
    ];
    for (const [name, value] of set) {
      const request = await http('[constructor]outgoing-request', await http('[constructor]fields'));
      await http('[method]outgoing-request.set-authority', request, '127.0.0.1:1');
      expect(await http(`[method]outgoing-request.set-${name}`, request, value)).toStrictEqual(done);
      expect(await http(`[method]outgoing-request.${name}`, request)).toEqual(value);
      expect(await guest.call('wasi:http/outgoing-handler', 'handle', request, null)).toEqual({
        err: { tag: 'HTTP-request-URI-invalid' },
      });
    }
  });

  it('has the path / for an empty one', async () => {
    const { http } = client('127.0.0.1:1');
    const request = await http('[constructor]outgoing-request', await http('[constructor]fields'));
    expect(await http('[method]outgoing-request.set-path-with-query', request, '')).toStrictEqual(done);
    expect(await http('[method]outgoing-request.path-with-query', request)).toBe('/');
  });

  const bad = [
    ['set-method', { tag: 'other', value: 'a b' }],
    ['set-method', { tag: 'other', value: '' }],
    ['set-scheme', { tag: 'other', value: '1a' }],
    ['set-authority', 'us er@example.com'],
    ['set-authority', '@@'],
    ['set-authority', ':@'],
    ['set-authority', 'user@'],
    ['set-authority', 'localhost:what'],
    ['set-authority', ''],
    ['set-authority', 'a/b'],
    ['set-authority', 'a:99999'],
    ['set-path-with-query', '/a b'],
    ['set-path-with-query', '/ä'],
    ['set-path-with-query', '/<a>'],
    ['set-path-with-query', '/`'],
    ['set-path-with-query', '/a\r\nb'],
    ['set-path-with-query', '/a#b'],
  ] as const;
  it.each(bad)('refuses %s %j', async (name, value) => {
    const { http } = client('127.0.0.1:1');
    const request = await http('[constructor]outgoing-request', await http('[constructor]fields'));
    expect(await http(`[method]outgoing-request.${name}`, request, value)).toStrictEqual(failed);
  });

  it('keeps no path or authority of any length', async () => {
    const { http } = client('127.0.0.1:1');
    const request = await http('[constructor]outgoing-request', await http('[constructor]fields'));
    const set = (name: string, value: string) => http(`[method]outgoing-request.set-${name}`, request, value);
    expect(await set('path-with-query', `/${'a'.repeat(16_383)}`)).toStrictEqual(done);
    expect(await set('path-with-query', `/${'a'.repeat(16_384)}`)).toStrictEqual(failed);
    expect(await set('authority', `${'u'.repeat(1_012)}@example.com`)).toStrictEqual(done);
    expect(await set('authority', `${'u'.repeat(1_013)}@example.com`)).toStrictEqual(failed);
  });

  it('is sent with its fields, and with those of the platform', async () => {
    const address = await httpServer((req, res) => {
      const { host, 'x-a': a, 'user-agent': agent, 'trisiel-handler': handler } = req.headers;
      res.end(JSON.stringify([req.method, req.url, host, a, agent, handler]));
    });
    const one = client(address);
    const { status, text } = await fetchText(one, address, { path: '/p?q=%C3%A4', fields: { 'x-a': '1' } });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual(['GET', '/p?q=%C3%A4', address, '1', 'Trisiel/1.2.3', 'swift-otter']);
    expect(one.guest.process.io.get('http')?.bytesIn).toBe(text.length);
  });

  it.each([
    ['that is written at once', false, {}, ['part', 'chunked', 'x-sum', { 'x-sum': 'a\xe4', 'x-parts': '1, 2' }]],
    [
      'that is written after the request was sent',
      true,
      {},
      ['partpart', 'chunked', 'x-sum', { 'x-sum': 'a\xe4', 'x-parts': '1, 2' }],
    ],
    ['unless it has a length', false, { 'content-length': '4' }, ['part', undefined, undefined, {}]],
  ])('carries trailers after a body %s', async (_name, isLate, fields, expected) => {
    const arrived = gate();
    const address = await httpServer(async (req, res) => {
      arrived.open();
      let text = '';
      for await (const chunk of req) text += chunk;
      res.end(JSON.stringify([text, req.headers['transfer-encoding'], req.headers.trailer, req.trailers]));
    });
    const one = client(address);
    const { http, guest } = one;
    // The second one on a connection that is kept.
    for (let times = 0; times < 2; times += 1) {
      const request = await makeRequest(one, address, {
        method: { tag: 'post' },
        fields: { trailer: 'x-sum', ...fields },
      });
      const { ok: body } = await http('[method]outgoing-request.body', request);
      const { ok: stream } = await http('[method]outgoing-body.write', body);
      const write = '[method]output-stream.blocking-write-and-flush';
      await guest.call(streams, write, stream, Buffer.from('part'));
      const { ok: future } = await send(one, request);
      if (isLate) {
        const pollable = await http('[method]future-incoming-response.subscribe', future);
        expect(await guest.call(poll, '[method]pollable.ready', pollable)).toBe(false);
        await arrived.opened;
        await guest.call(poll, '[resource-drop]pollable', pollable);
        await guest.call(streams, write, stream, Buffer.from('part'));
      }
      await guest.call(streams, '[resource-drop]output-stream', stream);
      const entries = [
        ['x-sum', Buffer.from('a\xe4', 'latin1')],
        ['x-parts', Buffer.from('1')],
        ['x-parts', Buffer.from('2')],
        ['content-type', Buffer.from('text/html')],
        ['trisiel-handler', Buffer.from('another')],
      ];
      const { ok: trailers } = await http('[static]fields.from-list', entries);
      expect(await http('[static]outgoing-body.finish', body, trailers)).toStrictEqual(done);
      const { ok: response } = await answerOf(one, future);
      const { ok: incoming } = await http('[method]incoming-response.consume', response);
      expect(JSON.parse((await readBody(one, incoming)).text)).toEqual(
        expected.map((part) => (part === undefined ? null : part)),
      );
    }
  });

  it.each(['post', 'get'])('carries trailers after an empty body (%s)', async (method) => {
    const address = await httpServer(async (req, res) => {
      let text = '';
      for await (const chunk of req) text += chunk;
      res.end(JSON.stringify([text, req.headers, req.trailers]));
    });
    const one = client(address);
    const { http } = one;
    const answers = [];
    for (const hasTrailers of [true, false, true]) {
      const request = await makeRequest(one, address, { method: { tag: method } });
      const { ok: body } = await http('[method]outgoing-request.body', request);
      const { ok: future } = await send(one, request);
      const entries = hasTrailers ? [['x-sum', Buffer.from('0')]] : [];
      const { ok: trailers } = await http('[static]fields.from-list', entries);
      expect(await http('[static]outgoing-body.finish', body, trailers)).toStrictEqual(done);
      const { ok: response } = await answerOf(one, future);
      const { ok: incoming } = await http('[method]incoming-response.consume', response);
      const [text, headers, received] = JSON.parse((await readBody(one, incoming)).text);
      answers.push([text, headers['transfer-encoding'], headers['content-length'], received]);
    }
    const chunked = ['', 'chunked', undefined, { 'x-sum': '0' }];
    expect(answers).toEqual([chunked, ['', undefined, method === 'post' ? '0' : undefined, {}], chunked]);
  });

  it('carries a small body in one piece, with its length', async () => {
    const address = await httpServer((req, res) => {
      let text = '';
      req.on('data', (chunk: Buffer) => (text += chunk.toString()));
      req.on('end', () =>
        res.end(JSON.stringify([text, req.headers['content-length'], req.headers['transfer-encoding']])),
      );
    });
    const one = client(address);
    const request = await makeRequest(one, address, { method: { tag: 'post' } });
    const { ok: body } = await one.http('[method]outgoing-request.body', request);
    expect(await one.http('[method]outgoing-request.body', request)).toStrictEqual(failed);
    const { ok: stream } = await one.http('[method]outgoing-body.write', body);
    const { ok: future } = await send(one, request);
    await one.guest.call(streams, '[method]output-stream.blocking-write-and-flush', stream, 'hello');
    await one.guest.call(streams, '[resource-drop]output-stream', stream);
    expect(await one.http('[static]outgoing-body.finish', body, null)).toStrictEqual(done);
    const { ok: response } = await answerOf(one, future);
    const { ok: answer } = await one.http('[method]incoming-response.consume', response);
    expect(JSON.parse((await readBody(one, answer)).text)).toEqual(['hello', '5', null]);
  });

  it('streams a body while the answer streams back', async () => {
    const address = await httpServer((req, res) => req.pipe(res));
    const one = client(address);
    const request = await makeRequest(one, address, { method: { tag: 'post' } });
    const { ok: body } = await one.http('[method]outgoing-request.body', request);
    const { ok: stream } = await one.http('[method]outgoing-body.write', body);
    const { ok: future } = await send(one, request);
    const write = (text: string) =>
      one.guest.call(streams, '[method]output-stream.blocking-write-and-flush', stream, text);
    await write('ping');
    const { ok: response } = await answerOf(one, future);
    const { ok: answer } = await one.http('[method]incoming-response.consume', response);
    const { ok: input } = await one.http('[method]incoming-body.stream', answer);
    const read = async () =>
      Buffer.from((await one.guest.call(streams, '[method]input-stream.blocking-read', input, 10n)).ok).toString();
    expect(await read()).toBe('ping');
    await write('pong');
    expect(await read()).toBe('pong');
    await one.guest.call(streams, '[resource-drop]output-stream', stream);
    await one.http('[static]outgoing-body.finish', body, null);
    const end = await one.guest.call(streams, '[method]input-stream.blocking-read', input, 10n);
    expect(end).toEqual({ err: { tag: 'closed' } });
  });

  it('fails where its body is given up', async () => {
    const address = await httpServer((req, res) => void req.on('end', () => res.end()).resume());
    const one = client(address);
    const request = await makeRequest(one, address, { method: { tag: 'post' } });
    const { ok: body } = await one.http('[method]outgoing-request.body', request);
    const { ok: future } = await send(one, request);
    await one.http('[resource-drop]outgoing-body', body);
    const { err } = await answerOf(one, future);
    expect(err).toEqual({ tag: 'internal-error', value: 'the component has given its body up' });
  });

  it('that is given up before it is sent, by its body or by its future, never goes out', async () => {
    const seen: string[] = [];
    const address = await httpServer((req, res) => {
      seen.push(req.url!);
      req.on('end', () => res.end()).resume();
    });
    const one = client(address);
    const post = async (path: string) => {
      const request = await makeRequest(one, address, { method: { tag: 'post' }, path });
      const { ok: body } = await one.http('[method]outgoing-request.body', request);
      return { request, body };
    };
    const early = await post('/body-given-up-first');
    await one.http('[resource-drop]outgoing-body', early.body);
    const { ok: failed } = await send(one, early.request);
    expect((await answerOf(one, failed)).err.tag).toBe('internal-error');
    const late = await post('/body-given-up-later');
    const { ok: failing } = await send(one, late.request);
    await one.http('[resource-drop]outgoing-body', late.body);
    expect((await answerOf(one, failing)).err.tag).toBe('internal-error');
    const dropped = await post('/future-dropped');
    const { ok: unwanted } = await send(one, dropped.request);
    await one.http('[resource-drop]future-incoming-response', unwanted);
    await one.http('[static]outgoing-body.finish', dropped.body, null);
    // One that goes out, behind them.
    await fetchText(one, address, { path: '/wanted' });
    expect(seen).toEqual(['/wanted']);
  });

  const refused = [
    [{ method: { tag: 'connect' } }, 'HTTP-request-method-invalid'],
    [{ scheme: { tag: 'other', value: 'ftp' } }, 'HTTP-request-URI-invalid'],
    [{ path: `/${'x'.repeat(4096)}` }, 'HTTP-request-URI-too-long'],
    [{ path: '*' }, 'HTTP-request-URI-invalid'],
  ] as const;
  it.each(refused)('is refused: %j', async (wanted, tag) => {
    const one = client('127.0.0.1:1');
    expect(await send(one, await makeRequest(one, '127.0.0.1:1', wanted))).toEqual({ err: { tag } });
  });

  it('is refused without an authority, and where there is no network', async () => {
    const one = client('127.0.0.1:1');
    const noHost = await makeRequest(one, null);
    expect(await send(one, noHost)).toEqual({ err: { tag: 'HTTP-request-URI-invalid' } });
    const guest = new ComponentGuest();
    const offline = { guest, http: guest.of(types), network: one.network };
    const request = await makeRequest(offline, 'example.com', { scheme: null });
    expect(await send(offline, request)).toEqual({ err: { tag: 'destination-unavailable' } });
  });

  it('reaches no address that guests may not reach', async () => {
    const { address, seen } = await canary();
    const one = client('127.0.0.1:1');
    expect(await send(one, await makeRequest(one, address))).toEqual({ err: { tag: 'destination-IP-prohibited' } });
    expect(seen()).toBe(0);
    const port = address.split(':')[1];
    const { ok: future } = await send(one, await makeRequest(one, `localhost:${port}`));
    expect(await answerOf(one, future)).toEqual({ err: { tag: 'destination-IP-prohibited' } });
    expect(seen()).toBe(0);
  });

  it('that the policy forbids ends the Process; the whole URL counts', async () => {
    const { address, seen } = await canary();
    const policy = { allow: [`^http://${address}/public/`], disallow: [] };
    const one = client(address, policy);
    await expect(send(one, await makeRequest(one, address, { path: '/public/../admin' }))).rejects.toThrow('policy');
    expect(one.guest.process.end).toMatchObject({ kind: 'policy', url: `http://${address}/admin` });
    expect(seen()).toBe(0);
    const two = client(address, policy);
    expect(await send(two, await makeRequest(two, address, { path: '/public/a' }))).toHaveProperty('ok');
  });

  it('has at most 64 connections of one invocation open', async () => {
    const address = await httpServer(() => undefined);
    const one = client(address);
    const futures: number[] = [];
    for (let count = 0; count < 64; count += 1) futures.push((await send(one, await makeRequest(one, address))).ok);
    expect(await send(one, await makeRequest(one, address))).toEqual({ err: { tag: 'connection-limit-reached' } });
    await one.http('[resource-drop]future-incoming-response', futures[0]);
    expect(await send(one, await makeRequest(one, address))).toHaveProperty('ok');
  });
});

describe('an incoming-response', () => {
  it('has status, fields without those of the connection, and trailers', async () => {
    const address = await httpServer((_req, res) => {
      res.writeHead(404, { 'X-A': ['1', '2'], Trailer: 'X-Sum', Connection: 'close' });
      res.write('not here');
      res.addTrailers({ 'X-Sum': '8' });
      res.end();
    });
    const one = client(address);
    const { http } = one;
    const { ok: future } = await send(one, await makeRequest(one, address));
    const answer = await answerOf(one, future);
    expect(await http('[method]future-incoming-response.get', future)).toStrictEqual(failed);
    const response = answer.ok;
    expect(await http('[method]incoming-response.status', response)).toBe(404);
    const headers = await http('[method]incoming-response.headers', response);
    const entries = await http('[method]fields.entries', headers);
    expect(entries.map(([name]: [string]) => name)).toEqual(['x-a', 'x-a', 'date']);
    await http('[resource-drop]fields', headers);
    const { ok: body } = await http('[method]incoming-response.consume', response);
    expect(await http('[method]incoming-response.consume', response)).toStrictEqual(failed);
    await http('[resource-drop]incoming-response', response);
    await http('[resource-drop]future-incoming-response', future);
    // The body is not read: finish reads it away.
    const trailers = await http('[static]incoming-body.finish', body);
    const pollable = await http('[method]future-trailers.subscribe', trailers);
    await one.guest.call(poll, '[method]pollable.block', pollable);
    const { ok: got } = await http('[method]future-trailers.get', trailers);
    expect(fromFields(await http('[method]fields.entries', got.ok))).toEqual({ 'x-sum': '8' });
  });

  it('is not there at once', async () => {
    const { opened, open } = gate();
    const address = await httpServer((_req, res) => void opened.then(() => res.end('late')));
    const one = client(address);
    const { ok: future } = await send(one, await makeRequest(one, address));
    expect(await one.http('[method]future-incoming-response.get', future)).toBe(null);
    open();
    expect(await answerOf(one, future)).toHaveProperty('ok');
  });

  it('that breaks off is an error of its stream', async () => {
    const address = await tcpServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel'));
    });
    const one = client(address);
    const { text, code } = await fetchText(one, address);
    expect([text, code]).toEqual(['hel', { tag: 'HTTP-response-incomplete' }]);
  });

  const broken = [
    ['nothing', '', 'connection-terminated'],
    ['what is no HTTP', 'SSH-2.0-x\r\n\r\n', 'HTTP-protocol-error'],
    ['100, and then nothing', 'HTTP/1.1 100 Continue\r\n\r\n', 'connection-terminated'],
    ['101', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'HTTP-protocol-error'],
  ] as const;
  it.each(broken)('that is %s is an error code', async (_name, answer, tag) => {
    const address = await tcpServer((socket) => void socket.once('data', () => socket.end(answer)));
    const one = client(address);
    const { ok: future } = await send(one, await makeRequest(one, address));
    expect(await answerOf(one, future)).toEqual({ err: { tag } });
  });

  const interim = 'HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n';
  const final = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext';
  it.each([
    ['one 100', [interim, final]],
    ['one 100 in the same piece', [interim + final]],
    ['several, and 103', [interim + interim, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', final]],
    ['one 100 octet by octet', [...interim, ...final]],
    ['one 100 without a reason', ['HTTP/1.1 100\r\n\r\n', final]],
  ])('may come after %s, which nobody asked for', async (_name, parts) => {
    const address = await tcpServer((socket) => {
      socket.setNoDelay(true);
      socket.on('data', async () => {
        for (const part of parts) await new Promise((resolve) => socket.write(part, resolve));
      });
    });
    const one = client(address);
    // The second one on a connection that is kept.
    for (let times = 0; times < 2; times += 1) expect((await fetchText(one, address)).text).toBe('text');
  });

  it.each([
    ['100', interim, { tag: 'HTTP-protocol-error' }],
    ['103', 'HTTP/1.1 103 Early Hints\r\n\r\n', { tag: 'HTTP-response-header-section-size', value: null }],
  ])('after %ss without end is an error code', async (_status, interim, error) => {
    const address = await tcpServer((socket) => {
      const more = (): void => void (socket.write(interim.repeat(100)) && setImmediate(more));
      socket.on('drain', more).on('error', () => {});
      socket.once('data', more);
    });
    const one = client(address);
    const { ok: future } = await send(one, await makeRequest(one, address));
    expect(await answerOf(one, future)).toEqual({ err: error });
  });

  it('that nobody gives is connection-refused', async () => {
    const { address } = await canary();
    await cleanUp();
    const one = client(address);
    const { ok: future } = await send(one, await makeRequest(one, address));
    expect(await answerOf(one, future)).toEqual({ err: { tag: 'connection-refused' } });
  });

  it('that is not read keeps no connection', async () => {
    const closed = gate();
    const address = await httpServer((req, res) => {
      req.socket.on('close', closed.open);
      res.write('endless');
    });
    const one = client(address);
    const { ok: future } = await send(one, await makeRequest(one, address));
    const { ok: response } = await answerOf(one, future);
    await one.http('[resource-drop]incoming-response', response);
    await closed.opened;
  });

  it('is given up at the end of the Process', async () => {
    const closed = gate();
    const arrived = gate();
    const address = await httpServer((req) => {
      req.socket.on('close', closed.open);
      arrived.open();
    });
    const one = client(address);
    const { ok: future } = await send(one, await makeRequest(one, address));
    expect(future).toBeGreaterThan(0);
    await arrived.opened;
    one.guest.process.kill({ kind: 'deadline', timeoutMs: 1 });
    await closed.opened;
    await one.guest.process.closeAll();
    expect(one.network.connections).toBe(0);
  });
});

describe('request-options', () => {
  const limits = [
    ['[method]request-options.connect-timeout', '[method]request-options.set-connect-timeout'],
    ['[method]request-options.first-byte-timeout', '[method]request-options.set-first-byte-timeout'],
    ['[method]request-options.between-bytes-timeout', '[method]request-options.set-between-bytes-timeout'],
  ] as const;
  it('have three time limits, none at first', async () => {
    const { http } = client('127.0.0.1:1');
    const options = await http('[constructor]request-options');
    for (const [get, set] of limits) {
      expect(await http(get, options)).toBe(null);
      expect(await http(set, options, 5n)).toStrictEqual(done);
      expect(await http(get, options)).toBe(5n);
      expect(await http(set, options, null)).toStrictEqual(done);
      expect(await http(get, options)).toBe(null);
    }
    await http('[resource-drop]request-options', options);
  });

  it('end the wait for the first byte', async () => {
    const address = await httpServer(() => undefined);
    const one = client(address);
    const options = await one.http('[constructor]request-options');
    await one.http('[method]request-options.set-first-byte-timeout', options, 20_000_000n);
    const { ok: future } = await send(one, await makeRequest(one, address), options);
    expect(await answerOf(one, future)).toEqual({ err: { tag: 'connection-read-timeout' } });
  });

  it('end the wait between bytes', async () => {
    const address = await httpServer((_req, res) => void res.write('start'));
    const one = client(address);
    const options = await one.http('[constructor]request-options');
    await one.http('[method]request-options.set-between-bytes-timeout', options, 20_000_000n);
    const { ok: future } = await send(one, await makeRequest(one, address), options);
    const { ok: response } = await answerOf(one, future);
    const { ok: body } = await one.http('[method]incoming-response.consume', response);
    expect(await readBody(one, body)).toEqual({ text: 'start', code: { tag: 'connection-read-timeout' } });
  });

  it('end the wait for a connection', async () => {
    const never = new Promise<readonly { address: string }[]>(() => undefined);
    const { network } = world([], { lookup: () => never });
    const guest = new ComponentGuest({ schemes: new SchemeRegistry(networkSchemes(network)) });
    const one = { network, guest, http: guest.of(types) };
    const options = await one.http('[constructor]request-options');
    await one.http('[method]request-options.set-connect-timeout', options, 20_000_000n);
    const { ok: future } = await send(one, await makeRequest(one, 'slow.example'), options);
    expect(await answerOf(one, future)).toEqual({ err: { tag: 'connection-timeout' } });
  });
});

it('a request is a part of the trace, of which its server is told', async () => {
  const seen: unknown[] = [];
  const address = await httpServer((request, response) => {
    seen.push(request.headers.traceparent, request.headers.tracestate);
    response.writeHead(202).end('done');
  });
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const ended: unknown[] = [];
  const trace: ProcessTrace = {
    begin: ({ name, kind, attributes }) => ({
      ...{ traceparent, tracestate: 'vendor=1' },
      end: (error, more) => ended.push({ name, kind, error, attributes: { ...attributes, ...more } }),
    }),
  };
  const one = client(address, undefined, trace);
  expect(await fetchText(one, address, { path: '/secret?secret' })).toMatchObject({ status: 202, text: 'done' });
  expect(seen).toEqual([traceparent, 'vendor=1']);
  expect(ended).toMatchObject([
    { name: 'GET', kind: 'client', error: null, attributes: { 'http.response.status_code': 202 } },
  ]);
  expect(JSON.stringify(ended)).not.toContain('secret');
});
