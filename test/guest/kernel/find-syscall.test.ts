import { expect, test } from 'vitest';
import { abis } from '../../../src/guest/kernel/abi/all.ts';
import { type Abi, findSyscall, type Syscall } from '../../../src/guest/kernel/syscall.ts';

const row = (name: string): Syscall => ({ name, params: [], result: null, waits: false, run: () => undefined });
const declared = (name: string) => ({ module: 'm', name, params: [], results: [] });

test('binding many imports reads the rows once: it is linear in the imports', () => {
  let reads = 0;
  const rows = Array.from({ length: 50 }, (_, index) => row(`f${index}`));
  const counted: Abi = {
    name: 'cwa',
    modules: ['m'],
    get syscalls() {
      reads += 1;
      return rows;
    },
  };
  const list = [counted];
  for (let index = 0; index < 1_000; index += 1)
    expect(findSyscall(list, declared(`f${index % 50}`))).toBe(rows[index % 50]);
  expect(reads).toBe(1);
});

test('an import is bound by module, name and type', () => {
  const log = { module: 'cwa', name: 'log_write', params: ['i32', 'i32', 'i32'], results: [] } as const;
  expect(findSyscall(abis, log)?.name).toBe('log_write');
  expect(findSyscall(abis, { ...log, module: 'wasi' })).toBeUndefined();
  expect(findSyscall(abis, { ...log, name: 'log_writ' })).toBeUndefined();
  expect(findSyscall(abis, { ...log, params: ['i32'] })).toBeUndefined();
});
