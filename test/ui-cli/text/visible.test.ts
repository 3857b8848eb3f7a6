import fc from 'fast-check';
import { expect, test } from 'vitest';
import { safeJson, visible, visibleLines } from '../../../ui-cli/text/visible.ts';

test('escape sequences are shown in caret notation, not executed', () => {
  expect(visible('\u001b[31mred\u001b[0m')).toBe('^[[31mred^[[0m');
  expect(visible('bell\u0007 back\b del\u007f')).toBe('bell^G back^H del^?');
  expect(visible('one\rtwo\nthree')).toBe('one^Mtwo^Jthree');
});

test('a tab becomes four spaces', () => {
  expect(visible('a\tb')).toBe('a    b');
});

test('C1 controls, bidirectional overrides, zero-width characters and lone surrogates are named', () => {
  expect(visible('\u009b31m')).toBe('<U+009B>31m');
  expect(visible('user\u202egnp.exe')).toBe('user<U+202E>gnp.exe');
  expect(visible('a\u200bb\ufeffc')).toBe('a<U+200B>b<U+FEFF>c');
  expect(visible('\ud800')).toBe('<U+D800>');
});

test('ordinary text of any language stays as it is', () => {
  for (const text of ['héllo', '日本語', '👋🏽', 'नमस्ते', 'שלום']) expect(visible(text)).toBe(text);
});

test('nothing that comes out can steer a terminal, whatever goes in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(visible(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
});

test('line breaks part lines, other controls are shown', () => {
  expect(visibleLines('one\r\ntwo\u001b\nthree')).toEqual(['one', 'two^[', 'three']);
});

test('JSON for a terminal holds no raw control character and means the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = safeJson({ text }, 2);
      expect(json.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      expect(JSON.parse(json)).toEqual({ text });
    }),
  );
});
