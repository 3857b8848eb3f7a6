import { expect, test } from 'vitest';
import { hexLines } from '../../../ui-cli/text/hex.ts';

test('bytes are shown with their offset and the printable ones among them', () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, i) => (i < 16 ? 0x41 + i : i));
  expect(hexLines(bytes)).toEqual([
    '00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|',
    '00000010  10 11                                             |..|',
  ]);
  expect(hexLines(new Uint8Array())).toEqual(['(empty)']);
});

test('no byte reaches the terminal as a control character', () => {
  const all = hexLines(Uint8Array.from({ length: 256 }, (_, i) => i)).join('');
  expect(all).toMatch(/^[ -~]*$/);
});
