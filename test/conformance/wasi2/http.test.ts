/** wasi:http of a component that answers, row by row. Specification: WebAssembly/wasi-http, wit/types.wit. */
import { describe, expect, it } from 'vitest';
import { ComponentGuest } from '../../support/component-guest.ts';
import { fromFields, RecordedHttp, type RequestOptions, SlowClient } from '../../support/incoming-http.ts';

const handler = 'trisiel:http/incoming-handler';
const types = 'wasi:http/types';
const streams = 'wasi:io/streams';
const poll = 'wasi:io/poll';
const failed = { err: undefined };
const done = { ok: undefined };

async function answering(options: RequestOptions = {}) {
  const http = new RecordedHttp(options);
  const guest = new ComponentGuest({ http });
  const entry = (name: string) => guest.call(handler, name);
  return { http, guest, http2: guest.of(types), request: await entry('request'), outparam: await entry('outparam') };
}

const bytes = (text: string) => Buffer.from(text, 'latin1');
const texts = (values: readonly Uint8Array[]) => values.map((value) => Buffer.from(value).toString('latin1'));

describe('fields', () => {
  it('keep names in lower case, values as octets, and their order', async () => {
    const { http2 } = await answering();
    const fields = await http2('[constructor]fields');
    expect(await http2('[method]fields.append', fields, 'X-One', bytes('\xe4 1'))).toStrictEqual(done);
    expect(await http2('[method]fields.append', fields, 'two', bytes('2'))).toStrictEqual(done);
    expect(await http2('[method]fields.append', fields, 'x-one', bytes(''))).toStrictEqual(done);
    expect(texts(await http2('[method]fields.get', fields, 'x-ONE'))).toEqual(['\xe4 1', '']);
    expect(await http2('[method]fields.has', fields, 'TWO')).toBe(true);
    expect(await http2('[method]fields.has', fields, 'not a token')).toBe(false);
    expect(await http2('[method]fields.set', fields, 'Two', [bytes('a'), bytes('b')])).toStrictEqual(done);
    expect((await http2('[method]fields.entries', fields)).map(([name]: [string]) => name)).toEqual([
      'x-one',
      'x-one',
      'two',
      'two',
    ]);
    const clone = await http2('[method]fields.clone', fields);
    expect(await http2('[method]fields.delete', fields, 'x-one')).toStrictEqual(done);
    expect(await http2('[method]fields.get', fields, 'x-one')).toEqual([]);
    expect(texts(await http2('[method]fields.get', clone, 'x-one'))).toHaveLength(2);
    expect(await http2('[method]fields.delete', clone, 'two')).toStrictEqual(done);
    await http2('[resource-drop]fields', fields);
  });

  it('can be made from a list', async () => {
    const { http2 } = await answering();
    const { ok } = await http2('[static]fields.from-list', [
      ['A', bytes('1')],
      ['a', bytes('2')],
    ]);
    expect(texts(await http2('[method]fields.get', ok, 'a'))).toEqual(['1', '2']);
  });

  const refused = [
    ['', 'x', 'invalid-syntax'],
    ['a b', 'x', 'invalid-syntax'],
    ['a:', 'x', 'invalid-syntax'],
    ['a', 'x\r\nb: c', 'invalid-syntax'],
    ['a', '\0', 'invalid-syntax'],
    ['a', '\x7f', 'invalid-syntax'],
    ['Connection', 'x', 'forbidden'],
    ['HOST', 'x', 'forbidden'],
    ['keep-alive', 'x', 'forbidden'],
    ['proxy-connection', 'x', 'forbidden'],
    ['transfer-encoding', 'x', 'forbidden'],
    ['upgrade', 'x', 'forbidden'],
    ['http2-settings', 'x', 'forbidden'],
  ] as const;
  it.each(refused)('refuse %j: %j', async (name, value, tag) => {
    const { http2 } = await answering();
    const fields = await http2('[constructor]fields');
    const error = { err: { tag } };
    expect(await http2('[static]fields.from-list', [[name, bytes(value)]])).toEqual(error);
    expect(await http2('[method]fields.append', fields, name, bytes(value))).toEqual(error);
    expect(await http2('[method]fields.set', fields, name, [bytes(value)])).toEqual(error);
    if (value === 'x') expect(await http2('[method]fields.delete', fields, name)).toEqual(error);
    expect(await http2('[method]fields.entries', fields)).toEqual([]);
  });

  it('trap where they are too big, alone or together', async () => {
    const { http2, guest } = await answering();
    const fields = await http2('[constructor]fields');
    await expect(http2('[method]fields.append', fields, 'a', new Uint8Array(131_072).fill(65))).rejects.toThrow(
      'at most 131072 are possible',
    );
    const fill = async () => {
      for (let count = 0; count < 200; count += 1) {
        const more = await http2('[constructor]fields');
        await http2('[method]fields.append', more, 'a', new Uint8Array(100_000).fill(65));
      }
    };
    await expect(fill()).rejects.toThrow('holds too many header fields');
    await guest.process.closeAll();
    expect(guest.process.held.held).toBe(0);
  });
});

describe('an incoming-request', () => {
  it('is what the client sent', async () => {
    const { http2, request } = await answering({
      method: 'PUT',
      scheme: 'https',
      pathWithQuery: '/a%20b?c=d',
      fields: { 'x-a': '1', host: 'h', connection: 'close', 'content-length': '3' },
    });
    expect(await http2('[method]incoming-request.method', request)).toEqual({ tag: 'put' });
    expect(await http2('[method]incoming-request.scheme', request)).toEqual({ tag: 'HTTPS' });
    expect(await http2('[method]incoming-request.authority', request)).toBe('swift-otter.localhost:3003');
    expect(await http2('[method]incoming-request.path-with-query', request)).toBe('/a%20b?c=d');
    const headers = await http2('[method]incoming-request.headers', request);
    expect(fromFields(await http2('[method]fields.entries', headers))).toEqual({ 'x-a': '1', 'content-length': '3' });
    const immutable = { err: { tag: 'immutable' } };
    expect(await http2('[method]fields.set', headers, 'x-a', [])).toEqual(immutable);
    expect(await http2('[method]fields.append', headers, 'x-a', bytes('2'))).toEqual(immutable);
    expect(await http2('[method]fields.delete', headers, 'x-a')).toEqual(immutable);
    await expect(http2('[resource-drop]incoming-request', request)).rejects.toThrow('1 of its children are in use');
  });

  it('has methods that are not common, and may lack an authority', async () => {
    const { http2, request } = await answering({ method: 'BREW', authority: null, pathWithQuery: null });
    expect(await http2('[method]incoming-request.method', request)).toEqual({ tag: 'other', value: 'BREW' });
    expect(await http2('[method]incoming-request.authority', request)).toBe(null);
    expect(await http2('[method]incoming-request.path-with-query', request)).toBe(null);
  });

  it('gives its body once, and its trailers behind it', async () => {
    const { http2, guest, request } = await answering({ body: 'hello', trailers: { 'x-sum': '5' } });
    const { ok: body } = await http2('[method]incoming-request.consume', request);
    expect(await http2('[method]incoming-request.consume', request)).toStrictEqual(failed);
    const { ok: stream } = await http2('[method]incoming-body.stream', body);
    expect(await http2('[method]incoming-body.stream', body)).toStrictEqual(failed);
    await http2('[resource-drop]incoming-request', request);
    const { ok: read } = await guest.call(streams, '[method]input-stream.blocking-read', stream, 3n);
    expect(Buffer.from(read).toString()).toBe('hel');
    await guest.call(streams, '[resource-drop]input-stream', stream);
    const trailers = await http2('[static]incoming-body.finish', body);
    const pollable = await http2('[method]future-trailers.subscribe', trailers);
    await guest.call(poll, '[method]pollable.block', pollable);
    const { ok: got } = await http2('[method]future-trailers.get', trailers);
    expect(fromFields(await http2('[method]fields.entries', got.ok))).toEqual({ 'x-sum': '5' });
    expect(await http2('[method]future-trailers.get', trailers)).toStrictEqual(failed);
    await guest.call(poll, '[resource-drop]pollable', pollable);
    await http2('[resource-drop]future-trailers', trailers);
  });

  it('traps where a body is finished or dropped before its stream', async () => {
    for (const end of ['[static]incoming-body.finish', '[resource-drop]incoming-body']) {
      const { http2, request } = await answering({ body: 'x' });
      const { ok: body } = await http2('[method]incoming-request.consume', request);
      await http2('[method]incoming-body.stream', body);
      await expect(http2(end, body)).rejects.toThrow('1 of its children are in use');
    }
  });

  it('is there only where a request is', async () => {
    const guest = new ComponentGuest();
    for (const name of ['request', 'outparam'])
      await expect(guest.call(handler, name)).rejects.toThrow('there is none');
  });
});

/** Makes a response with a body; returns the handles. */
async function responding(http2: ReturnType<ComponentGuest['of']>, fields: readonly [string, string][] = []) {
  const { ok: headers } = await http2(
    '[static]fields.from-list',
    fields.map(([name, value]) => [name, bytes(value)]),
  );
  const response = await http2('[constructor]outgoing-response', headers);
  const { ok: body } = await http2('[method]outgoing-response.body', response);
  const { ok: stream } = await http2('[method]outgoing-body.write', body);
  return { response, body, stream };
}

const set = '[static]response-outparam.set';
const finish = '[static]outgoing-body.finish';
const write = '[method]output-stream.blocking-write-and-flush';

describe('an outgoing-response', () => {
  it('is sent with status, fields, body and trailers', async () => {
    const { http, guest, http2, outparam } = await answering();
    const { response, body, stream } = await responding(http2, [['X-A', '1']]);
    expect(await http2('[method]outgoing-response.status-code', response)).toBe(200);
    expect(await http2('[method]outgoing-response.set-status-code', response, 199)).toStrictEqual(failed);
    expect(await http2('[method]outgoing-response.set-status-code', response, 1000)).toStrictEqual(failed);
    expect(await http2('[method]outgoing-response.set-status-code', response, 201)).toStrictEqual(done);
    const headers = await http2('[method]outgoing-response.headers', response);
    expect(await http2('[method]fields.append', headers, 'a', bytes('b'))).toEqual({ err: { tag: 'immutable' } });
    await http2('[resource-drop]fields', headers);
    expect(await http2('[method]outgoing-response.body', response)).toStrictEqual(failed);
    expect(await http2('[method]outgoing-body.write', body)).toStrictEqual(failed);
    await http2(set, outparam, { ok: response });
    expect(http.events).toEqual([['answer', 201, { 'x-a': '1' }]]);
    await guest.call(streams, write, stream, 'hello');
    expect(http.answered).toBe('hello');
    await guest.call(streams, '[resource-drop]output-stream', stream);
    const { ok: trailers } = await http2('[static]fields.from-list', [['x-sum', bytes('5')]]);
    expect(await http2(finish, body, trailers)).toStrictEqual(done);
    expect(http.events.slice(1)).toEqual([['end', { 'x-sum': '5' }]]);
    expect(guest.process.component.handles.size).toBe(1);
  });

  it('without a body is complete when it is set', async () => {
    const { http, http2, outparam } = await answering();
    const response = await http2('[constructor]outgoing-response', await http2('[constructor]fields'));
    await http2(set, outparam, { ok: response });
    expect(http.events).toEqual([
      ['answer', 200, {}],
      ['end', {}],
    ]);
    await expect(http2(set, outparam, { ok: response })).rejects.toThrow('there is no resource handle');
  });

  it('may have a body before it is set', async () => {
    const { http, guest, http2, outparam } = await answering();
    const { response, body, stream } = await responding(http2);
    expect(await guest.call(streams, write, stream, 'early')).toStrictEqual(done);
    await guest.call(streams, '[resource-drop]output-stream', stream);
    expect(await http2(finish, body, null)).toStrictEqual(done);
    expect(http.events).toEqual([]);
    await http2(set, outparam, { ok: response });
    await guest.process.component.handles.drain();
    expect(http.events).toEqual([
      ['answer', 200, {}],
      ['end', {}],
    ]);
    expect(http.answered).toBe('early');
    expect(guest.process.held.held).toBe(0);
  });

  it('waits for set with more body than is held, and says so', async () => {
    const { http, guest, http2, outparam } = await answering();
    const { response, stream } = await responding(http2);
    const check = '[method]output-stream.check-write';
    let room = await guest.call(streams, check, stream);
    let written = 0n;
    for (; room.ok > 0n; room = await guest.call(streams, check, stream)) {
      await guest.call(streams, '[method]output-stream.write', stream, new Uint8Array(Number(room.ok)));
      written += room.ok;
    }
    expect(written).toBe(262_144n);
    expect(guest.lines.map(({ text }) => text)).toContain(
      'the body of the response waits: response-outparam.set has not been called',
    );
    const pollable = await guest.call(streams, '[method]output-stream.subscribe', stream);
    const waiting = guest.call(poll, '[method]pollable.block', pollable);
    await http2(set, outparam, { ok: response });
    await waiting;
    expect(http.answered.length).toBe(262_144);
  });

  it('goes out no faster than the client takes it', async () => {
    const client = new SlowClient(2);
    const { http, guest, http2, outparam } = await answering(client);
    const { response, body, stream } = await responding(http2);
    await http2(set, outparam, { ok: response });
    const writing = guest.call(streams, write, stream, 'hello');
    expect(await guest.call(streams, '[method]output-stream.check-write', stream)).toEqual({ ok: 0n });
    client.makeRoom(100);
    expect(await writing).toStrictEqual(done);
    await guest.call(streams, '[resource-drop]output-stream', stream);
    await http2(finish, body, null);
    expect([client.taken.toString(), http.events.at(-1)]).toEqual(['hello', ['end', {}]]);
  });

  it('is cut off where its body is dropped, or left behind', async () => {
    const why = 'the component has given its body up';
    const dropped = await answering();
    const one = await responding(dropped.http2);
    await dropped.http2(set, dropped.outparam, { ok: one.response });
    await dropped.guest.call(streams, '[resource-drop]output-stream', one.stream);
    await dropped.http2('[resource-drop]outgoing-body', one.body);
    expect(dropped.http.events.at(-1)).toEqual(['breakOff', why]);

    const left = await answering();
    const two = await responding(left.http2);
    await left.http2(set, left.outparam, { ok: two.response });
    left.guest.process.kill({ kind: 'exit', status: 0 });
    await left.guest.process.closeAll();
    expect(left.http.events.at(-1)).toEqual(['breakOff', why]);
  });

  it('has the length that it announces', async () => {
    const { http, guest, http2, outparam } = await answering();
    const { response, body, stream } = await responding(http2, [['content-length', '5']]);
    await http2(set, outparam, { ok: response });
    await guest.call(streams, write, stream, 'hel');
    const { err } = await guest.call(streams, write, stream, 'loo');
    expect(await http2('http-error-code', err.value)).toEqual({ tag: 'HTTP-response-body-size', value: 3n });
    await guest.call(streams, '[resource-drop]output-stream', stream);
    expect(await http2(finish, body, null)).toEqual({ err: { tag: 'HTTP-response-body-size', value: 3n } });
    expect(http.events.at(-1)?.toString()).toContain('breakOff');
    const other = await http2('[static]fields.from-list', [['content-length', bytes('five')]]);
    const bad = await http2('[constructor]outgoing-response', other.ok);
    expect(await http2('[method]outgoing-response.body', bad)).toStrictEqual(failed);
    await http2('[resource-drop]outgoing-response', bad);
  });

  it('traps where the body is finished before its stream is dropped', async () => {
    const { http2 } = await answering();
    const { body } = await responding(http2);
    await expect(http2(finish, body, null)).rejects.toThrow('1 of its children are in use');
  });

  it('may be an error code', async () => {
    const { http, http2, outparam } = await answering();
    await http2(set, outparam, { err: { tag: 'internal-error', value: 'oh' } });
    expect(http.events).toEqual([['fail', 'internal-error "oh"']]);
    const second = await answering();
    await second.http2(set, second.outparam, { err: { tag: 'HTTP-request-body-size', value: 5n } });
    expect(second.http.events).toEqual([['fail', 'HTTP-request-body-size 5']]);
  });

  it('may come behind interim responses', async () => {
    const { http, http2, outparam } = await answering();
    const send = async (status: number) => {
      const { ok } = await http2('[static]fields.from-list', [['link', bytes('</a>')]]);
      return http2('[method]response-outparam.send-informational', outparam, status, ok);
    };
    expect(await send(103)).toStrictEqual(done);
    for (const status of [99, 101, 200]) expect(await send(status)).toEqual({ err: { tag: 'HTTP-protocol-error' } });
    expect(http.events).toEqual([['inform', 103, { link: '</a>' }]]);
    await http2('[resource-drop]response-outparam', outparam);
    expect(http.events).toHaveLength(1);
  });
});
