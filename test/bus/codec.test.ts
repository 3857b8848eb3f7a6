/** Messages between the processes of a cluster, as bytes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseBusUrl } from '../../src/bus/bus-url.ts';
import { decodeMessage, encodeMessage } from '../../src/bus/codec.ts';

const bytes = fc.uint8Array({ maxLength: 40 });
const body = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `\u0001${text}`),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    bytes,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie('any'), { maxKeys: 4 }),
  ),
})).any;

/** The same value with plain Uint8Arrays and plain objects, for comparison. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return ['bytes', ...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value).map(([key, one]) => [key, plain(one)]);
}

test('every body comes back as it was, with its bytes', () => {
  fc.assert(
    fc.property(body, (value) => {
      const { body: back } = decodeMessage(encodeMessage('x', value), ['x']);
      expect(plain(back)).toEqual(plain(value));
    }),
    { numRuns: 300 },
  );
});

test('a Buffer comes back as bytes', () => {
  const { body: back } = decodeMessage(encodeMessage('x', { value: Buffer.from('hello') }), ['x']);
  expect(Buffer.from((back as { readonly value: Uint8Array }).value).toString()).toBe('hello');
});

test('damaged messages are refused, whatever the damage', () => {
  fc.assert(
    fc.property(body, fc.nat(), fc.nat({ max: 255 }), (value, at, byte) => {
      const message = Buffer.from(encodeMessage('x', value));
      message[at % message.length] = byte;
      try {
        // One changed byte may make another right message.
        decodeMessage(message, ['x']);
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad_request' });
      }
      const cut = encodeMessage('x', value);
      expect(() => decodeMessage(cut.subarray(0, at % cut.length), ['x'])).toThrow(
        expect.objectContaining({ code: 'bad_request' }),
      );
    }),
    { numRuns: 300 },
  );
});

test('a message that ends within its length is damaged', () => {
  for (const length of [0, 1, 2, 3, 4])
    expect(() => decodeMessage(Buffer.alloc(length), ['x'])).toThrow(expect.objectContaining({ code: 'bad_request' }));
});

test('a message of another version, or of an unknown kind, is refused', () => {
  const other = Buffer.from(encodeMessage('x', 1));
  const at = other.indexOf('"version":1');
  other.write('2', at + '"version":'.length);
  expect(() => decodeMessage(other, ['x'])).toThrow(/of version 2 came/);
  expect(() => decodeMessage(encodeMessage('new', 1), ['x'])).toThrow(/unknown kind/);
});

test('addresses of the bus', () => {
  expect(parseBusUrl('nats://a:b%40c@one,nats://two:4333', 'X')).toEqual({
    ...{ servers: ['one:4222', 'two:4333'], user: 'a', password: 'b@c', isTls: false },
  });
  expect(parseBusUrl('tls://one:1', 'X')).toMatchObject({ user: null, password: null, isTls: true });
  for (const wrong of ['', 'one:4222', 'http://one', 'nats://', 'nats://one/path', 'nats://one,http://two'])
    expect(() => parseBusUrl(wrong, 'X'), wrong).toThrow(/X is not a URL/);
  for (const mixed of ['nats://one,tls://two', 'tls://one,nats://two'])
    expect(() => parseBusUrl(mixed, 'X'), mixed).toThrow(/X has both nats:\/\/ and tls:\/\//);
  for (const address of ['tls://10.0.0.1', 'tls://one,tls://10.0.0.1:4222', 'tls://[fd00::1]:4222'])
    expect(() => parseBusUrl(address, 'X'), address).toThrow(/X has an IP address behind tls:\/\//);
  expect(parseBusUrl('nats://[fd00::1]', 'X').servers).toEqual(['[fd00::1]:4222']);
});
