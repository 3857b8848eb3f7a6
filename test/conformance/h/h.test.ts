import { expect, test } from 'vitest';
import { compileH } from '../../../src/guest/hlang/compile.ts';
import { Errno } from '../../../src/guest/kernel/errno.ts';
import { bytesSource, fixture, runGuest, text } from '../../support/run-guest.ts';

test('h prints its own source with 2 system calls and 11 gas', async () => {
  const run = await runGuest(fixture('h/h'));
  expect(text(run.stdout)).toBe('h\n');
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expect(run.usage).toMatchObject({ gas: 11, syscalls: { h: { count: 2 } }, memoryPages: 0 });
  expect(run.trace).toEqual([
    { name: 'h', args: [104], result: undefined },
    { name: 'h', args: [10], result: undefined },
  ]);
});

test('spaces print newlines, the Lojbanic h prints itself', async () => {
  const run = await runGuest(fixture('h/words'));
  expect(text(run.stdout)).toBe("h\nhh\nh'h\n'\n");
});

test('h.h writes the low 8 bits', async () => {
  const run = await runGuest(
    `(module (import "h" "h" (func $h (param i32)))
       (func (export "h") (call $h (i32.const -1)) (call $h (i32.const 0x168))))`,
  );
  expect([...run.stdout]).toEqual([0xff, 0x68]);
});

test('h.h waits for a reader that is slow', async () => {
  const written: number[] = [];
  let isBusy = false;
  const run = await runGuest(compileH('hh'), {
    stdout: {
      ...bytesSource(''),
      scheme: 'stdout',
      write: (bytes) => {
        isBusy = !isBusy;
        if (isBusy) return new Promise((resolve) => setImmediate(resolve));
        written.push(...bytes);
        return bytes.length;
      },
    },
  });
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  expect(Buffer.from(written).toString()).toBe('hh\n');
});

test('h.h ends the Process where nobody takes the byte', async () => {
  const run = await runGuest(compileH('h'), {
    stdout: { ...bytesSource(''), scheme: 'stdout', write: () => Errno.closed },
  });
  expect(run.end).toEqual({ kind: 'trap', message: 'h.h: standard output is closed' });
});
