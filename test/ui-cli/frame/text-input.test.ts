import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Form } from '../../../ui-cli/frame/form.ts';
import { TextInput } from '../../../ui-cli/frame/text-input.ts';
import { splitWords } from '../../../ui-cli/screens/run/words.ts';

function type(input: TextInput, ...keys: readonly string[]): void {
  for (const name of keys) input.press({ name, text: [...name].length === 1 ? name : '' });
}

test('letters are inserted at the cursor', () => {
  const input = new TextInput({ value: 'ab' });
  type(input, 'left', 'X', 'home', 'Y', 'end', 'Z');
  expect(input.value).toBe('YaXbZ');
});

test('editing keys of a shell work', () => {
  const input = new TextInput({ value: 'one two three' });
  type(input, 'ctrl-w');
  expect(input.value).toBe('one two ');
  type(input, 'ctrl-a', 'delete', 'ctrl-e', 'backspace');
  expect(input.value).toBe('ne two');
  type(input, 'left', 'ctrl-k');
  expect(input.value).toBe('ne tw');
  type(input, 'ctrl-u');
  expect(input.value).toBe('');
});

test('keys that are no editing keys are left to the screen', () => {
  const input = new TextInput();
  for (const name of ['enter', 'esc', 'tab', 'up', 'pagedown', 'ctrl-s']) {
    expect(input.press({ name, text: '' })).toBe(false);
  }
});

test('every letter is taken, so none of them can be a shortcut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }), (letter) => {
      expect(new TextInput().press({ name: letter, text: letter })).toBe(true);
    }),
  );
});

test('a pasted secret of several lines arrives as pasted', () => {
  const input = new TextInput({ multiline: true, secret: true });
  // Terminals send carriage returns for line breaks.
  expect(input.insert('-----BEGIN X-----\rQUJD\r\n\t-----END X-----\n')).toBeNull();
  expect(input.value).toBe('-----BEGIN X-----\nQUJD\n\t-----END X-----\n');
  expect(input.lineCount).toBe(4);
});

test('a field of one line refuses what it would have to change, and drops one break at the end', () => {
  const input = new TextInput();
  expect(input.insert('one\r')).toBeNull();
  expect(input.insert('two\nthree')).toMatch(/2 lines .* nothing was inserted/);
  expect(input.insert('tab\there')).toMatch(/control characters/);
  expect(input.insert('x'.repeat(100_000))).toMatch(/too long/);
  expect(input.value).toBe('one');
});

test('a secret shows as dots until it is revealed', () => {
  const input = new TextInput({ value: 'hush', secret: true });
  expect(input.shown).toEqual({ before: '••••', after: '' });
  input.revealed = true;
  expect(input.shown.before).toBe('hush');
});

test('a character that takes several code units is one step and one erasure', () => {
  const input = new TextInput({ value: 'a👋' });
  type(input, 'backspace');
  expect(input.value).toBe('a');
});

test('a form goes from field to field and submits at the last', () => {
  let submitted = 0;
  const form = new Form([{ label: 'A' }, { label: 'B', secret: true }], () => {
    submitted += 1;
  });
  const press = (key: string) =>
    form
      .bindings('send')
      .find((binding) => binding.keys.includes(key))
      ?.run({ name: key, text: '' });
  press('enter');
  expect([form.focused, submitted]).toEqual([1, 0]);
  press('enter');
  expect(submitted).toBe(1);
  press('tab');
  expect(form.focused).toBe(0);
  press('shift-tab');
  expect(form.focused).toBe(1);
  press('ctrl-r');
  expect(form.fields[1]?.input.revealed).toBe(true);
});

test.each([
  ['a b  c', ['a', 'b', 'c']],
  [`'a b' "c d"`, ['a b', 'c d']],
  [String.raw`a\ b "say \"hi\"" ''`, ['a b', 'say "hi"', '']],
  ['', []],
])('%s splits into words as in a shell', (text, words) => {
  expect(splitWords(text)).toEqual(words);
});
