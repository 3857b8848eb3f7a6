/** What clang makes of C++ exceptions and of setjmp, in both forms: it prints what it should, for the same gas every time. */
import { expect, test } from 'vitest';
import { fixture, runGuest, text } from '../support/run-guest.ts';

const programs: readonly (readonly [string, string])[] = [
  // 55 = 1 + ... + 10; then for n up to 99 the sum up to n, and one for each that is thrown again.
  ['throws', 'caught, 55 left\n50 returned, 50 thrown again, 166755 left\n'],
  ['jumps', 'setjmp gave 7\n50 rounds, outer\n'],
];
const forms = programs.flatMap(([name, printed]) => [[name, printed] as const, [`${name}-legacy`, printed] as const]);

test.each(forms)('%s', async (name, printed) => {
  const guest = fixture(`exceptions/${name}`);
  const first = await runGuest(guest);
  expect(first.end).toEqual({ kind: 'exit', status: 0 });
  expect(text(first.stdout)).toBe(printed);
  const { gas } = first.usage;
  const enough = await runGuest(guest, { limits: { gas } });
  expect([enough.end, enough.usage.gas]).toEqual([first.end, gas]);
  const short = await runGuest(guest, { limits: { gas: gas - 1 } });
  expect(short.end.kind).toBe('gas');
});
