/** wasi:http of WASI 0.3, row by row. Specification: WebAssembly/wasi-http, wit-0.3.0/types.wit. */
import { afterEach, describe, expect, it } from 'vitest';
import { elementName } from '../../../src/guest/component/element-name.ts';
import { sentType, trailersType } from '../../../src/guest/kernel/abi/wasi3/http/body.ts';
import { networkSchemes } from '../../../src/guest/kernel/resources/network.ts';
import { SchemeRegistry } from '../../../src/guest/kernel/scheme-registry.ts';
import type { Policy } from '../../../src/protocol/nouns.ts';
import { ComponentGuest } from '../../support/component-guest.ts';
import { fromFields, RecordedHttp, type RequestOptions, SlowClient } from '../../support/incoming-http.ts';
import { canary, cleanUp, httpServer, world } from '../../support/net.ts';

afterEach(cleanUp);

const types = 'wasi:http/types@0.3';
const handler = 'trisiel:http/handler';
const done = { ok: undefined };
const bytes = (text: string) => Buffer.from(text, 'latin1');

function answering(options: RequestOptions = {}) {
  const http = new RecordedHttp(options);
  const guest = new ComponentGuest({ http });
  return { http, guest, call: guest.of(types) };
}

type One = Pick<ReturnType<typeof answering>, 'guest' | 'call'>;

async function fieldsOf({ call }: One, fields: Readonly<Record<string, string>> = {}): Promise<number> {
  const entries = Object.entries(fields).map(([name, value]) => [name, bytes(value)]);
  return (await call('[static]fields.from-list', entries)).ok;
}

/** Makes a response. Returns it and the future of how it was sent. */
async function responseOf(one: One, body: string | null, trailers: unknown = { ok: null }, fields = {}) {
  const [response, sent] = await one.call(
    '[static]response.new',
    await fieldsOf(one, fields),
    body === null ? null : await one.guest.streamOf(body),
    await one.guest.futureOf(trailersType, trailers),
  );
  return { response: response as number, sent: sent as number };
}

describe('fields', () => {
  it('keep names in lower case, values as octets, and their order', async () => {
    const { call } = answering();
    const fields = await call('[constructor]fields');
    expect(await call('[method]fields.append', fields, 'X-One', bytes('\xe4 1'))).toStrictEqual(done);
    expect(await call('[method]fields.set', fields, 'Two', [bytes('a'), bytes('b')])).toStrictEqual(done);
    expect(await call('[method]fields.has', fields, 'TWO')).toBe(true);
    expect(await call('[method]fields.get', fields, 'x-one')).toHaveLength(1);
    const clone = await call('[method]fields.clone', fields);
    const { ok } = await call('[method]fields.get-and-delete', clone, 'two');
    expect(ok.map((value: Uint8Array) => Buffer.from(value).toString())).toEqual(['a', 'b']);
    expect(await call('[method]fields.delete', fields, 'x-one')).toStrictEqual(done);
    expect(fromFields(await call('[method]fields.copy-all', fields))).toEqual({ two: 'b' });
    await call('[resource-drop]fields', clone);
  });

  it('are refused as in 0.2, and too large ones with an error', async () => {
    const { call } = answering();
    const fields = await call('[constructor]fields');
    const append = (name: string, value: string) => call('[method]fields.append', fields, name, bytes(value));
    expect(await append('a b', 'x')).toEqual({ err: { tag: 'invalid-syntax' } });
    expect(await append('Host', 'x')).toEqual({ err: { tag: 'forbidden' } });
    expect(await append('a', 'x'.repeat(200_000))).toEqual({ err: { tag: 'size-exceeded' } });
    expect(await call('[static]fields.from-list', [['', bytes('x')]])).toEqual({ err: { tag: 'invalid-syntax' } });
  });
});

describe('the request that is answered', () => {
  it('shows what the client has sent', async () => {
    const { guest, call } = answering({ method: 'POST', pathWithQuery: '/a?b', fields: { 'x-a': '1' }, body: 'text' });
    const request = await guest.call(handler, 'request');
    expect(await call('[method]request.get-method', request)).toEqual({ tag: 'post' });
    expect(await call('[method]request.get-path-with-query', request)).toBe('/a?b');
    expect(await call('[method]request.get-scheme', request)).toEqual({ tag: 'HTTP' });
    expect(await call('[method]request.get-authority', request)).toBe('swift-otter.localhost:3003');
    expect(await call('[method]request.get-options', request)).toBeNull();
    const headers = await call('[method]request.get-headers', request);
    expect(fromFields(await call('[method]fields.copy-all', headers))).toEqual({ 'x-a': '1' });
    expect(await call('[method]fields.delete', headers, 'x-a')).toEqual({ err: { tag: 'immutable' } });
  });

  it('has a body and trailers', async () => {
    const { guest, call } = answering({ body: 'text', trailers: { 'x-sum': '4' } });
    const request = await guest.call(handler, 'request');
    const consumed = await guest.futureOf(sentType, done);
    const [contents, trailers] = await call('[static]request.consume-body', request, consumed);
    expect(await guest.textOf(contents)).toBe('text');
    const { ok } = await guest.valueOf(trailers, trailersType);
    expect(fromFields(await call('[method]fields.copy-all', ok))).toEqual({ 'x-sum': '4' });
  });

  it('has trailers even if its body is dropped unread', async () => {
    const { guest, call } = answering({ body: 'text', trailers: {} });
    const request = await guest.call(handler, 'request');
    const consumed = await guest.futureOf(sentType, done);
    const [contents, trailers] = await call('[static]request.consume-body', request, consumed);
    await guest.canon('stream.drop-readable u8', contents);
    expect(await guest.valueOf(trailers, trailersType)).toEqual({ ok: null });
  });
});

describe('a response', () => {
  it('with an informational status is refused when it is sent', async () => {
    const one = answering();
    const { response, sent } = await responseOf(one, null, { ok: null });
    expect(await one.call('[method]response.set-status-code', response, 101)).toStrictEqual(done);
    expect(await one.call('[method]response.get-status-code', response)).toBe(101);
    await one.guest.call(handler, 'respond', { ok: response });
    expect(await one.guest.valueOf(sent, sentType)).toEqual({ err: { tag: 'HTTP-protocol-error' } });
  });

  it('is answered with status, fields, body and trailers', async () => {
    const one = answering();
    const trailers = await fieldsOf(one, { 'x-sum': '4' });
    const { response, sent } = await responseOf(one, 'x'.repeat(200_000), { ok: trailers }, { 'x-a': '1' });
    expect(await one.call('[method]response.set-status-code', response, 201)).toStrictEqual(done);
    for (const status of [0, 99, 600, 1000])
      expect(await one.call('[method]response.set-status-code', response, status)).toStrictEqual({ err: undefined });
    expect(await one.call('[method]response.get-status-code', response)).toBe(201);
    const headers = await one.call('[method]response.get-headers', response);
    expect(await one.call('[method]fields.has', headers, 'x-a')).toBe(true);
    await one.guest.call(handler, 'respond', { ok: response });
    expect(await one.guest.valueOf(sent, sentType)).toStrictEqual(done);
    expect(one.http.answered).toHaveLength(200_000);
    expect(one.http.events).toEqual([
      ['answer', 201, { 'x-a': '1' }],
      ['end', { 'x-sum': '4' }],
    ]);
    await one.guest.call(handler, 'responded');
    await expect(one.guest.call(handler, 'respond', { err: { tag: 'loop-detected' } })).rejects.toThrow(
      'answers twice',
    );
  });

  it('without a body has none', async () => {
    const one = answering();
    const { response, sent } = await responseOf(one, null);
    await one.guest.call(handler, 'respond', { ok: response });
    expect(await one.guest.valueOf(sent, sentType)).toStrictEqual(done);
    expect(one.http.events).toEqual([
      ['answer', 200, {}],
      ['end', {}],
    ]);
  });

  it.each([
    ['a longer body', 'four', '3', 4n],
    ['a shorter body', 'four', '5', 4n],
    ['a body of many pieces that is longer', 'x'.repeat(200_000), '150000', null],
  ])('with %s than announced is cut off', async (_what, body, length, size) => {
    const one = answering();
    const { response, sent } = await responseOf(one, body, { ok: null }, { 'content-length': length });
    await one.guest.call(handler, 'respond', { ok: response });
    const { err } = await one.guest.valueOf(sent, sentType);
    expect(err.tag).toBe('HTTP-response-body-size');
    if (size === null) expect(err.value).toBeGreaterThan(BigInt(length));
    else expect(err.value).toBe(size);
    expect(one.http.events.at(-1)).toEqual(['breakOff', 'the body has another length than its Content-Length']);
  });

  it('whose trailers are an error is cut off', async () => {
    const one = answering();
    const { response, sent } = await responseOf(one, 'half', { err: { tag: 'loop-detected' } });
    await one.guest.call(handler, 'respond', { ok: response });
    expect(await one.guest.valueOf(sent, sentType)).toEqual({ err: { tag: 'loop-detected' } });
    expect(one.http.events.at(-1)).toEqual(['breakOff', 'the component has given its body up']);
  });

  it('that is an error is an answer of the platform', async () => {
    const one = answering();
    await expect(one.guest.call(handler, 'responded')).rejects.toThrow('without task.return');
    await one.guest.call(handler, 'respond', { err: { tag: 'DNS-timeout' } });
    expect(one.http.events).toEqual([['fail', 'DNS-timeout']]);
  });

  it('goes out no faster than the client takes it', async () => {
    const client = new SlowClient(2);
    const one = answering(client);
    const { readable, writable } = await one.guest.ends('stream', 'u8');
    const [response, sent] = await one.call(
      '[static]response.new',
      await fieldsOf(one),
      readable,
      await one.guest.futureOf(trailersType, { ok: null }),
    );
    await one.guest.call(handler, 'respond', { ok: response });
    // The host takes the first part and keeps it until the client has room: the second one waits.
    expect(await one.guest.canon('stream.write u8', writable, 0, 100)).toBe(100 << 4);
    expect(await one.guest.canon('stream.write async u8', writable, 0, 100)).toBe(-1);
    const { held } = one.guest.process;
    expect(held.held).toBe(98);
    client.makeRoom(1000);
    const set = (await one.guest.canon('waitable-set.new')) as number;
    await one.guest.canon('waitable.join', writable, set);
    expect(await one.guest.canon('waitable-set.wait', set, 512)).toBe(3);
    await one.guest.canon('stream.drop-writable u8', writable);
    expect(await one.guest.valueOf(sent, sentType)).toStrictEqual(done);
    expect(client.taken).toHaveLength(200);
    expect(held.held).toBe(0);
  });

  it('that the client does not take counts as held: the Process ends that holds too much', async () => {
    const one = answering(new SlowClient(2));
    const { readable, writable } = await one.guest.ends('stream', 'u8');
    const trailers = await one.guest.futureOf(trailersType, { ok: null });
    const [response] = await one.call('[static]response.new', await fieldsOf(one), readable, trailers);
    await one.guest.call(handler, 'respond', { ok: response });
    const { held } = one.guest.process;
    held.take(held.max - 97);
    await expect(one.guest.canon('stream.write u8', writable, 0, 100)).rejects.toThrow(
      'holds too many bytes of streams',
    );
  });

  it('with trailers that are no value of their type ends the Process, also when the client has kept it waiting', async () => {
    const client = new SlowClient(2);
    const one = answering(client);
    const body = await one.guest.ends('stream', 'u8');
    const trailers = await one.guest.ends('future', trailersType);
    const [response] = await one.call('[static]response.new', await fieldsOf(one), body.readable, trailers.readable);
    await one.guest.call(handler, 'respond', { ok: response });
    await one.guest.canon('stream.write u8', body.writable, 0, 100);
    await one.guest.canon('stream.drop-writable u8', body.writable);
    one.guest.process.memory.setU8(512, 7);
    const write = `future.write async ${elementName(trailersType)}`;
    expect(await one.guest.canon(write, trailers.writable, 512)).toBe(-1);
    const ended = new Promise<void>((resolve) => one.guest.process.atEnd(resolve));
    client.makeRoom(1000);
    await ended;
    expect(one.guest.process.end).toMatchObject({ kind: 'trap' });
  });

  it('may lie in memory', async () => {
    const one = answering();
    const { response } = await responseOf(one, null);
    one.guest.process.memory.setU8(512, 0);
    one.guest.process.memory.setU32(520, response);
    await one.guest.call(handler, 'respond-from', 512);
    expect(one.http.events[0]).toEqual(['answer', 200, {}]);
  });

  it('is dropped, or read by the component itself', async () => {
    const one = answering();
    const first = await responseOf(one, 'own words');
    const consumed = await one.guest.futureOf(sentType, { err: { tag: 'DNS-timeout' } });
    const [contents] = await one.call('[static]response.consume-body', first.response, consumed);
    expect(await one.guest.textOf(contents)).toBe('own words');
    expect(await one.guest.valueOf(first.sent, sentType)).toEqual({ err: { tag: 'DNS-timeout' } });
    const { response } = await responseOf(one, null);
    await one.call('[resource-drop]response', response);
  });
});

describe('a request that is sent', () => {
  function client(address: string, policy?: Policy) {
    const { network } = world([address]);
    const guest = new ComponentGuest({
      schemes: new SchemeRegistry(networkSchemes(network)),
      ...(policy === undefined ? {} : { policy }),
    });
    return { guest, call: guest.of(types) };
  }

  async function requestTo(one: One, address: string, body: string | null, options: number | null = null) {
    const [request, sent] = await one.call(
      '[static]request.new',
      await fieldsOf(one, { 'x-a': '1' }),
      body === null ? null : await one.guest.streamOf(body),
      await one.guest.futureOf(trailersType, { ok: null }),
      options,
    );
    expect(
      await one.call('[method]request.set-method', request, { tag: body === null ? 'get' : 'post' }),
    ).toStrictEqual(done);
    expect(await one.call('[method]request.set-scheme', request, { tag: 'HTTP' })).toStrictEqual(done);
    expect(await one.call('[method]request.set-authority', request, address)).toStrictEqual(done);
    expect(await one.call('[method]request.set-path-with-query', request, '/path')).toStrictEqual(done);
    return { request: request as number, sent: sent as number };
  }

  it('streams its body, and the response comes as a stream', async () => {
    const address = await httpServer((request, response) => {
      response.setHeader('x-path', `${request.method} ${request.url} ${request.headers['x-a']}`);
      request.pipe(response);
    });
    const one = client(address);
    const { request, sent } = await requestTo(one, address, 'y'.repeat(300_000));
    const { ok: response } = await one.guest.call('wasi:http/client@0.3', 'send', request);
    expect(await one.call('[method]response.get-status-code', response)).toBe(200);
    const headers = await one.call('[method]response.get-headers', response);
    expect(fromFields(await one.call('[method]fields.copy-all', headers))).toMatchObject({ 'x-path': 'POST /path 1' });
    const consumed = await one.guest.futureOf(sentType, done);
    const [contents, trailers] = await one.call('[static]response.consume-body', response, consumed);
    expect(await one.guest.textOf(contents)).toHaveLength(300_000);
    expect(await one.guest.valueOf(trailers, trailersType)).toEqual({ ok: null });
    expect(await one.guest.valueOf(sent, sentType)).toStrictEqual(done);
  });

  it('without contents has its trailers taken, so that nobody waits for them', async () => {
    const address = await httpServer((_request, response) => void response.end('fine'));
    const one = client(address);
    const { readable, writable } = await one.guest.ends('future', trailersType);
    const [request, sent] = await one.call('[static]request.new', await fieldsOf(one), null, readable, null);
    await one.call('[method]request.set-scheme', request, { tag: 'HTTP' });
    await one.call('[method]request.set-authority', request, address);
    const element = elementName(trailersType);
    // The value ok(none) is all zeros, as memory is at first.
    const written = one.guest.canon(`future.write ${element}`, writable, 512);
    const { ok: response } = await one.guest.call('wasi:http/handler@0.3', 'handle', request);
    expect(await one.call('[method]response.get-status-code', response)).toBe(200);
    expect(await written).toBe(0);
    expect(await one.guest.valueOf(sent, sentType)).toStrictEqual(done);
  });

  it('has its trailers, after an empty body too; one whose trailers are an error has no response', async () => {
    const address = await httpServer(async (request, response) => {
      for await (const _ of request);
      response.end(JSON.stringify(request.trailers));
    });
    const one = client(address);
    const error = { err: { tag: 'internal-error', value: null } };
    const send = async (body: string, isError: boolean) => {
      const trailers = isError ? error : { ok: await fieldsOf(one, { 'x-sum': '1' }) };
      const made = [
        await fieldsOf(one),
        await one.guest.streamOf(body),
        await one.guest.futureOf(trailersType, trailers),
      ];
      const [request, sent] = await one.call('[static]request.new', ...made, null);
      await one.call('[method]request.set-method', request, { tag: 'post' });
      await one.call('[method]request.set-scheme', request, { tag: 'HTTP' });
      await one.call('[method]request.set-authority', request, address);
      return { answer: await one.guest.call('wasi:http/client@0.3', 'send', request), sent };
    };
    for (const body of ['partial', '']) {
      const { answer, sent } = await send(body, false);
      const consumed = await one.guest.futureOf(sentType, done);
      const [contents] = await one.call('[static]response.consume-body', answer.ok, consumed);
      expect(await one.guest.textOf(contents)).toBe('{"x-sum":"1"}');
      expect(await one.guest.valueOf(sent, sentType)).toStrictEqual(done);
      const failed = await send(body, true);
      expect(failed.answer).toHaveProperty('err');
      expect(await one.guest.valueOf(failed.sent, sentType)).toEqual(error);
    }
  });

  it('has time limits that cannot be changed in the request', async () => {
    const one = client('127.0.0.1:1');
    const limits = [
      ['[method]request-options.set-connect-timeout', '[method]request-options.get-connect-timeout'],
      ['[method]request-options.set-first-byte-timeout', '[method]request-options.get-first-byte-timeout'],
      ['[method]request-options.set-between-bytes-timeout', '[method]request-options.get-between-bytes-timeout'],
    ] as const;
    const options = await one.call('[constructor]request-options');
    for (const [set, get] of limits) {
      expect(await one.call(get, options)).toBeNull();
      expect(await one.call(set, options, 5n)).toStrictEqual(done);
    }
    const clone = await one.call('[method]request-options.clone', options);
    const { request } = await requestTo(one, '127.0.0.1:1', null, options);
    const shown = await one.call('[method]request.get-options', request);
    expect(await one.call('[method]request-options.get-connect-timeout', shown)).toBe(5n);
    expect(await one.call('[method]request-options.get-first-byte-timeout', shown)).toBe(5n);
    expect(await one.call('[method]request-options.get-between-bytes-timeout', shown)).toBe(5n);
    expect(await one.call('[method]request-options.set-connect-timeout', shown, 6n)).toEqual({
      err: { tag: 'immutable' },
    });
    expect(await one.call('[method]request-options.set-first-byte-timeout', clone, 6n)).toStrictEqual(done);
    expect(await one.call('[method]request-options.set-between-bytes-timeout', clone, 6n)).toStrictEqual(done);
    await one.call('[resource-drop]request-options', clone);
    await one.call('[resource-drop]request', request);
  });

  it('that the policy forbids ends the Process; the whole URL counts', async () => {
    const { address, seen } = await canary();
    const one = client(address, { allow: [`^http://${address}/public/`], disallow: [] });
    const { request } = await requestTo(one, address, null);
    await expect(one.guest.call('wasi:http/client@0.3', 'send', request)).rejects.toThrow('policy');
    expect(one.guest.process.end).toMatchObject({ kind: 'policy', url: `http://${address}/path` });
    expect(seen()).toBe(0);
    const server = await httpServer((_request, response) => void response.end('fine'));
    const allowed = client(server, { allow: [`^http://${server}/path$`], disallow: [] });
    const { request: other } = await requestTo(allowed, server, null);
    expect(await allowed.guest.call('wasi:http/client@0.3', 'send', other)).toHaveProperty('ok');
  });

  it('fails with the error codes of the connection', async () => {
    const one = client('127.0.0.1:1');
    const { request, sent } = await requestTo(one, '127.0.0.1:1', null);
    const answer = await one.guest.call('wasi:http/client@0.3', 'send', request);
    expect(answer.err.tag).toBe('connection-refused');
    expect(await one.guest.valueOf(sent, sentType)).toEqual(answer);
    const long = `${'x'.repeat(64)}.example:80`; // one byte more than a label of DNS has
    for (const body of [null, 'held'])
      for (const nobody of ['127.0.0.1:1', long]) {
        const other = await requestTo(one, nobody, body);
        expect(await one.guest.call('wasi:http/client@0.3', 'send', other.request)).toHaveProperty('err');
        expect(await one.guest.valueOf(other.sent, sentType)).toHaveProperty('err');
      }
    const away = await requestTo(one, '10.0.0.1:80', null);
    const refused = await one.guest.call('wasi:http/client@0.3', 'send', away.request);
    expect(refused).toEqual({ err: { tag: 'destination-IP-prohibited' } });
    expect(await one.guest.valueOf(away.sent, sentType)).toEqual(refused);
  });
});
