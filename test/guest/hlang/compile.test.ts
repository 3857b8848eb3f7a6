import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileH, sourceCharsMax } from '../../../src/guest/hlang/compile.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { runGuest, text } from '../../support/run-guest.ts';

/** The language in one line: what a well-formed program prints. */
function interpret(program: string): string | null {
  return /^[h']+(?: +[h']+)*$/.test(program) ? `${program.replaceAll(' ', '\n')}\n` : null;
}

test('h compiles to exactly the bytes that the specification fixes', () => {
  const bytes = compileH('h');
  expect(Buffer.from(bytes).toString('base64')).toBe(
    'AGFzbQEAAAABCAJgAX8AYAAAAgcBAWgBaAAAAwIBAQcFAQFoAAEKGwEZAQN/QQohAEHoACEBQSchAiABEAAgABAACw==',
  );
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(
    '8457720ae0dd2deee38761a9d7b305eabe30cba731b1148a5bbc5399bf82401a',
  );
});

test('one newline at the end of the file is the editor’s', () => {
  expect(compileH('h\n')).toEqual(compileH('h'));
  expect(compileH('h\r\n')).toEqual(compileH('h'));
});

test.each([
  ['', "line 1, column 1: expected h or ', found the end"],
  [' h', 'line 1, column 1: expected h or \', found " " (U+0020)'],
  ['h ', "line 1, column 3: expected h or ', found the end"],
  ['hhx', 'line 1, column 3: expected h, \' or a space, found "x" (U+0078)'],
  ['H', 'line 1, column 1: expected h or \', found "H" (U+0048)'],
  ['h\nh', 'line 1, column 2: expected h, \' or a space, found "\\n" (U+000A)'],
  ['h \u{1f600}', 'line 1, column 3: expected h or \', found "\u{1f600}" (U+1F600)'],
  ['h\0', 'line 1, column 2: expected h, \' or a space, found "\\u0000" (U+0000)'],
])('%j is a syntax error that says where and what', (source, message) => {
  expect(() => compileH(source)).toThrow(
    expect.objectContaining({ code: 'module_invalid', message: `h syntax error at ${message}` }),
  );
});

test('a program above the limit is refused, one at the limit compiles and runs', async () => {
  expect(() => compileH('h'.repeat(sourceCharsMax + 1))).toThrow(expect.objectContaining({ code: 'module_too_large' }));
  const run = await runGuest(compileH('h'.repeat(sourceCharsMax)));
  expect(run.stdout).toHaveLength(sourceCharsMax + 1);
});

test('a program prints what the reference interpreter says, one gas per instruction', async () => {
  const program = fc
    .array(fc.constantFrom('h', "'", ' ', 'hh', ' h'), { maxLength: 200 })
    .map((parts) => parts.join(''))
    .filter((source) => interpret(source) !== null);
  await fc.assert(
    fc.asyncProperty(program, async (source) => {
      const run = await runGuest(compileH(source));
      expect(text(run.stdout)).toBe(interpret(source));
      expect(run.usage.gas).toBe(6 + 2 * (source.length + 1) + 1);
    }),
    { numRuns: 50 },
  );
});

test('the compiler accepts just the language, and says no with its own error only', () => {
  const source = fc.oneof(
    fc.stringMatching(/^[h' \n]{0,20}$/),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
  );
  fc.assert(
    fc.property(source, (text_) => {
      const isProgram = interpret(text_.replace(/\r?\n$/, '')) !== null;
      try {
        compileH(text_);
        expect(isProgram).toBe(true);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        expect(isProgram).toBe(false);
      }
    }),
    { numRuns: 500 },
  );
});
