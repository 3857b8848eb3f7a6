import { expect, it } from 'vitest';
import { framed, single } from '../../../src/control/queues/framing.ts';

const message = (id: string, body: Uint8Array, contentType: string | null = null) => ({
  ...{ id, position: 1, body, contentType, group: null, attempt: 2, publishedMs: 0 },
});
const none = new Uint8Array();
const binary = Uint8Array.of(0xff, 0, 10);

it('length: four bytes, the length big-endian, then the body, for each message, also an empty one', () => {
  const long = new Uint8Array(0x01_02_03).fill(7);
  const { body, contentType } = framed([message('a', long), message('b', none), message('c', binary)], 'length');
  expect(contentType).toBe('application/octet-stream');
  const expected = Buffer.concat([Buffer.of(0, 1, 2, 3), long, Buffer.of(0, 0, 0, 0), Buffer.of(0, 0, 0, 3), binary]);
  expect(body.equals(expected)).toBe(true);
});

it('ndjson: a line for each message, with base64 where the body is no UTF-8', () => {
  const { body, contentType } = framed(
    [message('a', Buffer.from('line\nline'), 'text/plain'), message('b', none), message('c', binary)],
    'ndjson',
  );
  expect(contentType).toBe('application/x-ndjson');
  const lines = body.toString().split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { id: 'a', attempt: 2, contentType: 'text/plain', text: 'line\nline', base64: null },
    { id: 'b', attempt: 2, contentType: null, text: '', base64: null },
    { id: 'c', attempt: 2, contentType: null, text: null, base64: '/wAK' },
  ]);
});

it('one message alone is its bytes and its type', () => {
  expect(single(message('a', binary, 'a/b'))).toEqual({ body: Buffer.from(binary), contentType: 'a/b' });
  expect(single(message('a', none)).contentType).toBe('application/octet-stream');
});
