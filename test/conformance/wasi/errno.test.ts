/** The translation of the kernel's errors: complete, and never success by mistake. */
import { expect, test } from 'vitest';
import { toWasi, Wasi } from '../../../src/guest/kernel/abi/wasi/errno.ts';
import { Errno } from '../../../src/guest/kernel/errno.ts';

test.each(Object.entries(Errno))('%s has a number of its own in WASI', (name, errno) => {
  const found = toWasi(errno);
  if (name === 'end') expect(found).toBe(Wasi.success);
  else if (name === 'unknown') expect(found).toBe(Wasi.io);
  else expect([Wasi.success, Wasi.io]).not.toContain(found);
});

test('counts are success; what nobody knows is an error', () => {
  expect([toWasi(0), toWasi(77)]).toEqual([Wasi.success, Wasi.success]);
  expect(toWasi(-999)).toBe(Wasi.io);
});
