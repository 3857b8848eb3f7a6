/** wasi:keyvalue, wasi:config and wasi:logging, row by row. */
import { describe, expect, it } from 'vitest';
import { logLevels } from '../../../src/protocol/nouns.ts';
import { memoryKv } from '../../../ui-cli/run/services.ts';
import { ComponentGuest } from '../../support/component-guest.ts';

const done = { ok: undefined };
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const other = (value: string) => ({ err: { tag: 'other', value: expect.stringContaining(value) } });

describe.each(['0.2.0-draft', '0.2.0-draft2'])('wasi:keyvalue %s', (version) => {
  const store = `wasi:keyvalue/store@${version}`;
  const batch = `wasi:keyvalue/batch@${version}`;
  const atomics = `wasi:keyvalue/atomics@${version}`;

  async function opened(guest = new ComponentGuest({ kv: memoryKv() })) {
    const { ok: bucket } = await guest.call(store, 'open', 'default');
    return { guest, bucket: bucket as number, call: guest.of(store) };
  }

  it('keeps values', async () => {
    const { guest, bucket, call } = await opened();
    expect(await call('[method]bucket.get', bucket, 'a')).toEqual({ ok: null });
    expect(await call('[method]bucket.exists', bucket, 'a')).toEqual({ ok: false });
    expect(await call('[method]bucket.set', bucket, 'a', 'hello')).toStrictEqual(done);
    expect(await call('[method]bucket.get', bucket, 'a')).toEqual({ ok: bytes('hello') });
    expect(await call('[method]bucket.exists', bucket, 'a')).toEqual({ ok: true });
    expect(await call('[method]bucket.delete', bucket, 'a')).toStrictEqual(done);
    expect(await call('[method]bucket.delete', bucket, 'a')).toStrictEqual(done);
    expect(await call('[method]bucket.get', bucket, 'a')).toEqual({ ok: null });
    expect(guest.process.io.get('kv')).toEqual({ bytesIn: 5, bytesOut: 5 });
    await call('[resource-drop]bucket', bucket);
  });

  it('lists keys in pages', async () => {
    const { bucket, call } = await opened();
    const all = Array.from({ length: 300 }, (_, n) => `k${1000 + n}`);
    for (const key of all) await call('[method]bucket.set', bucket, key, 'x');
    const first = await call('[method]bucket.list-keys', bucket, null);
    expect(first.ok.keys).toEqual(all.slice(0, 256));
    const second = await call('[method]bucket.list-keys', bucket, first.ok.cursor);
    expect(second).toEqual({ ok: { keys: all.slice(256), cursor: null } });
    const beyond = first.ok.cursor === 256n ? 10_000n : 'z';
    expect(await call('[method]bucket.list-keys', bucket, beyond)).toEqual({ ok: { keys: [], cursor: null } });
  });

  it('does several at once', async () => {
    const { guest, bucket } = await opened();
    const call = guest.of(batch);
    expect(
      await call('set-many', bucket, [
        ['a', bytes('1')],
        ['b', bytes('2')],
      ]),
    ).toStrictEqual(done);
    expect(await call('delete-many', bucket, ['b', 'c'])).toStrictEqual(done);
    expect(await call('get-many', bucket, ['b', 'a'])).toEqual({ ok: [null, ['a', bytes('1')]] });
    expect(await call('get-many', bucket, new Array(257).fill('a'))).toEqual(other('more than 256 keys'));
    expect(await call('set-many', bucket, [['', bytes('')]])).toEqual(other('a key has 1 to 1024 bytes'));
  });

  it('returns so many bytes at once and no more', async () => {
    const { guest, bucket, call } = await opened();
    await call('[method]bucket.set', bucket, 'a', new Uint8Array(1_000_000));
    expect(await guest.call(batch, 'get-many', bucket, new Array(9).fill('a'))).toEqual(other('of more than 8388608'));
  });

  it('adds to numbers', async () => {
    const { guest, bucket, call } = await opened();
    const increment = (key: string, delta: bigint) => guest.call(atomics, 'increment', bucket, key, delta);
    expect(await increment('n', 5n)).toEqual({ ok: 5n });
    expect(await Promise.all([1n, 2n, 3n].map((delta) => increment('n', delta)))).toHaveLength(3);
    expect(await call('[method]bucket.get', bucket, 'n')).toEqual({ ok: bytes('11') });
    const max = version === '0.2.0-draft' ? 2n ** 64n - 1n : 2n ** 63n - 1n;
    expect(await increment('n', max)).toEqual(other('out of range'));
    await call('[method]bucket.set', bucket, 't', 'text');
    expect(await increment('t', 1n)).toEqual(other('is no number'));
  });

  it('has buckets with names, where there is a store', async () => {
    const { call } = await opened();
    for (const name of ['a/b', 'x'.repeat(65)])
      expect(await call('open', name)).toEqual({ err: { tag: 'no-such-store' } });
    const { ok: unnamed } = await call('open', '');
    await call('[method]bucket.set', unnamed, 'a', 'text');
    expect((await call('[method]bucket.get', (await call('open', 'default')).ok, 'a')).ok).toBeDefined();
    const none = await new ComponentGuest().call(store, 'open', 'default');
    expect(none).toEqual({ err: { tag: 'access-denied' } });
  });

  it('says what failed, and logs it', async () => {
    const fail = () => Promise.reject(new Error('control is away'));
    const { guest, bucket, call } = await opened(
      new ComponentGuest({ kv: { get: fail, put: fail, replace: fail, delete: fail, keys: fail } }),
    );
    expect(await call('[method]bucket.get', bucket, 'a')).toEqual(other('control is away'));
    expect(await call('[method]bucket.set', bucket, 'a', 'x')).toEqual(other('control is away'));
    expect(await call('[method]bucket.list-keys', bucket, null)).toEqual(other('control is away'));
    expect(guest.lines[0]?.text).toBe('kv: control is away');
    expect(await call('[method]bucket.get', bucket, 'x'.repeat(1025))).toEqual(other('1 to 1024 bytes'));
  });

  it('that the policy forbids ends the Process', async () => {
    const policy = { allow: ['^kv://default/public-'], disallow: [] };
    const { guest, bucket, call } = await opened(new ComponentGuest({ kv: memoryKv(), policy }));
    expect(await call('[method]bucket.get', bucket, 'public-a')).toEqual({ ok: null });
    await expect(call('[method]bucket.get', bucket, 'secret')).rejects.toThrow('policy');
    expect(guest.process.end).toMatchObject({ kind: 'policy', url: 'kv://default/secret' });
  });
});

it('wasi:keyvalue swaps a value that nobody has changed', async () => {
  const guest = new ComponentGuest({ kv: memoryKv() });
  const call = guest.of('wasi:keyvalue/atomics@0.2.0-draft2');
  const store = guest.of('wasi:keyvalue/store@0.2.0-draft2');
  const { ok: bucket } = await store('open', 'default');
  const { ok: first } = await call('[static]cas.new', bucket, 'a');
  expect(await call('[method]cas.current', first)).toEqual({ ok: null });
  expect(await call('swap', first, 'one')).toStrictEqual(done);
  const { ok: late } = await call('[static]cas.new', bucket, 'a');
  await store('[method]bucket.set', bucket, 'a', 'two');
  const { err } = await call('swap', late, 'three');
  expect(err.tag).toBe('cas-failed');
  expect(await call('[method]cas.current', err.value)).toEqual({ ok: bytes('two') });
  expect(await call('swap', err.value, 'three')).toStrictEqual(done);
  expect(await store('[method]bucket.get', bucket, 'a')).toEqual({ ok: bytes('three') });
  const { ok: left } = await call('[static]cas.new', bucket, 'a');
  expect(guest.process.held.held).toBe(5);
  await call('[resource-drop]cas', left);
  expect(guest.process.held.held).toBe(0);
});

const configs = ['wasi:config/store@0.2.0-rc.1', 'wasi:config/store@0.2.0-draft', 'wasi:config/runtime@0.2.0-draft'];
it.each(configs)('%s shows the variables', async (name) => {
  const guest = new ComponentGuest({ env: { GREETING: 'hello', EMPTY: '' } });
  expect(await guest.call(name, 'get', 'GREETING')).toEqual({ ok: 'hello' });
  expect(await guest.call(name, 'get', 'greeting')).toEqual({ ok: null });
  expect(await guest.call(name, 'get-all')).toEqual({
    ok: [
      ['GREETING', 'hello'],
      ['EMPTY', ''],
    ],
  });
});

it.each(['wasi:logging/logging', 'wasi:logging/logging@0.1.0-draft'])('%s writes log lines', async (name) => {
  const guest = new ComponentGuest();
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'critical'];
  for (const level of levels) await guest.call(name, 'log', level, 'ctx', 'said');
  await guest.call(name, 'log', 'info', '', 'two\nlines');
  expect(guest.lines.map(({ level }) => level)).toEqual([
    8,
    7,
    logLevels.info,
    logLevels.warning,
    logLevels.error,
    logLevels.error,
    logLevels.info,
    logLevels.info,
  ]);
  expect(guest.lines.map(({ text, stream }) => `${stream} ${text}`).slice(5)).toEqual([
    'log ctx: said',
    'log two',
    'log lines',
  ]);
});
