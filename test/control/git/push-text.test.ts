import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  anyErrorText,
  commandHint,
  detail,
  errorText,
  shortPath,
  size,
  sizeChange,
  step,
  success,
  warning,
} from '../../../src/control/git/push-text.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

const words = fc
  .array(fc.stringMatching(/^[a-z0-9/.()]{1,50}$/), { minLength: 1, maxLength: 60 })
  .map((list) => list.join(' '));

describe('what a push prints', () => {
  it('has at most 72 columns and loses no word', () => {
    fc.assert(
      fc.property(words, (text) => {
        for (const block of [
          step(text),
          warning(text),
          errorText(new PlatformError('internal', text, { hints: [text] })),
        ]) {
          expect(block.endsWith('\n')).toBe(true);
          for (const line of block.split('\n')) expect(line.length, line).toBeLessThanOrEqual(72);
        }
        const shown = step(text)
          .replace(/^-----> /, '')
          .split(/\s+/)
          .filter((word) => word !== '');
        expect(shown.join(' ')).toBe(text);
      }),
    );
  });

  it('never holds a character that a terminal executes, whatever it is made from', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const error = new PlatformError('internal', text, { details: [text], hints: [text, ` ${text}`] });
        const all = [
          ...[step(text), detail(text), warning(text), errorText(error), step(shortPath(text))],
          ...[commandHint(text, 'deploys it'), success(text, text)],
        ].join('');
        expect(all).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });

  it('begins lines with the words that git colours', () => {
    const error = new PlatformError('module_missing', 'no .wasm file', {
      details: ['a.txt'],
      hints: ['commit your build output:', '  git add -f dist/hello.wasm && git commit -m "Add wasm"'],
    });
    expect(errorText(error)).toBe(
      [
        'error: no .wasm file',
        '       a.txt',
        'hint: commit your build output:',
        'hint:   git add -f dist/hello.wasm && git commit -m "Add wasm"',
        '',
      ].join('\n'),
    );
  });

  it('puts a long command on a line of its own, whole', () => {
    expect(success('live. Logs:', 'wasmcloud logs x')).toBe('success: live. Logs: wasmcloud logs x\n');
    const command = `wasmcloud rollback ${'x'.repeat(40)} v12`;
    expect(success('live. Undo:', command)).toBe(`success: live. Undo:\n       ${command}\n`);
  });

  it('moves columns closer before it breaks a line', () => {
    const line = 'cwa.resource_opne  (i32, i32) -> i32   did you mean resource_open?';
    expect(detail(line)).toBe(`       ${line.replace('   ', '  ')}\n`);
  });

  it('goes on in the next line after a comma in a list without columns', () => {
    const names = Array.from({ length: 6 }, (_, n) => `wasi:some-package/interface-${n}@0.2.1`);
    const text = detail(`it exports ${names.join(', ')}`);
    for (const line of text.trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(72);
    expect(text.replace(/\s+/g, ' ').trim()).toBe(`it exports ${names.join(', ')}`);
    expect(text.split('\n')[1]).toMatch(/^ {9}wasi:/);
  });

  it('tells a full disk from a fault of ours', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(anyErrorText(full)).toContain('its disk is full or fails');
    expect(anyErrorText(new Error('secret detail'))).not.toContain('secret');
  });

  it('gives sizes as people read them', () => {
    expect([0, 67, 1023, 1024, 188_416, 13_107_200].map(size)).toEqual([
      '0 B',
      '67 B',
      '1023 B',
      '1 KiB',
      '184 KiB',
      '12.5 MiB',
    ]);
    expect([2048, -300].map(sizeChange)).toEqual(['+2 KiB', '-300 B']);
  });
});
