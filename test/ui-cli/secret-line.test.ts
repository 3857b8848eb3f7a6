import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SecretLine } from '../../ui-cli/secret-line.ts';

function read(chunks: readonly string[], multiline = true) {
  const line = new SecretLine({ multiline });
  for (const chunk of chunks) {
    const end = line.read(chunk);
    if (end !== null) return end;
  }
  return null;
}

const pasted = (text: string) => `\u001b[200~${text}\u001b[201~`;

test('typed letters, erased ones and arrows give what was meant', () => {
  expect(read(['hux', '\u007f', 'nter', '\u001b[D', '👋', '\r'])).toEqual({ kind: 'answer', text: 'hunter👋' });
  expect(read(['wrong\u0015right\r'])).toEqual({ kind: 'answer', text: 'right' });
});

test('a pasted text of several lines is kept, wherever the reads cut it', () => {
  const text = '-----BEGIN X-----\rQUJD\r\n\tx\u0003\n-----END X-----';
  const whole = `a${pasted(text)}b\r`;
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: whole.length - 1 })), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
      const chunks = places.slice(1).map((end, i) => whole.slice(places[i], end));
      const expected = 'a-----BEGIN X-----\nQUJD\n\tx\u0003\n-----END X-----b';
      expect(read(chunks)).toEqual({ kind: 'answer', text: expected });
    }),
  );
});

test('where one line is taken, several are refused, and a break at the end is dropped', () => {
  expect(read([pasted('one\ntwo')], false)).toMatchObject({ kind: 'refused' });
  expect(read([pasted('one\r'), '\r'], false)).toEqual({ kind: 'answer', text: 'one' });
});

test('several lines without the marks of a paste are refused, so that the shell does not run them', () => {
  expect(read(['one\rtwo\r'])).toMatchObject({ kind: 'refused' });
});

test('Ctrl-C cancels, and Ctrl-D where nothing was typed', () => {
  expect(read(['abc\u0003'])).toEqual({ kind: 'cancel' });
  expect(read(['\u0004'])).toEqual({ kind: 'cancel' });
  expect(read(['abc\u0004'])).toBeNull();
});
