import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { signaturesFile, signaturesText } from '../../../docs/build.ts';
import { abis } from '../../../src/guest/kernel/abi/all.ts';
import { cwa } from '../../../src/guest/kernel/abi/cwa/cwa.ts';
import { dagger } from '../../../src/guest/kernel/abi/dagger/dagger.ts';
import { moduleSignatures } from '../../../src/guest/kernel/abi/module-signatures.ts';
import { moduleAbis, providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { providedBy } from '../../../src/guest/kernel/abi/provided.ts';
import { readSignatures } from '../../../src/guest/kernel/abi/signatures.ts';
import { accepts } from '../../../src/guest/kernel/syscall.ts';

test('each module and name of each ABI is provided once, with every signature that is bound', () => {
  const names = providedFunctions.map(({ abi, module, name }) => `${abi} ${module}.${name}`);
  expect(new Set(names).size).toBe(names.length);
  for (const { abi, name, signatures } of providedFunctions) {
    const rows = abis
      .filter((one) => one.name === abi)
      .flatMap((one) => one.syscalls.filter((row) => row.name === name));
    for (const signature of signatures) expect(rows.some((row) => accepts(row, signature))).toBe(true);
  }
});

test('the signatures that vet children read are those of the rows; `node docs/build.ts` writes them', () => {
  const signatures = readSignatures(moduleSignatures);
  expect(providedBy(signatures)).toEqual(providedFunctions);
  const plain = (abis: typeof signatures) =>
    abis.map(({ name, modules, syscalls }) => ({
      name,
      modules,
      syscalls: syscalls.map((row) => ({
        name: row.name,
        params: row.params.map(({ type }) => type),
        result: row.result,
        waits: row.waits,
        looseInts: row.looseInts === true,
      })),
    }));
  expect(plain(signatures)).toEqual(plain(moduleAbis));
  expect(readFileSync(signaturesFile, 'utf8')).toBe(signaturesText());
});

test('two ABIs in one module name never provide the same signature', () => {
  const keys = providedFunctions.flatMap(({ module, name, signatures }) =>
    signatures.map((signature) => `${module}.${name} ${JSON.stringify(signature)}`),
  );
  expect(new Set(keys).size).toBe(keys.length);
});

test('CommonWA is provided as cwa and as env, resource_close with and without a result', () => {
  const close = providedBy([cwa]).filter(({ name }) => name === 'resource_close');
  expect(close.map(({ module }) => module)).toEqual(['cwa', 'env']);
  expect(close[0]?.signatures).toEqual([
    { params: ['i32'], results: [] },
    { params: ['i32'], results: ['i32'] },
  ]);
});

test('Dagger’s functions take i32 and i64 in every mixture, the plain one first', () => {
  const read = providedBy([dagger]).find(({ name }) => name === 'read');
  expect(read?.signatures[0]).toEqual({ params: ['i32', 'i32', 'i32'], results: ['i32'] });
  expect(read?.signatures).toHaveLength(16);
});

test('parameters of a row have names of their own', () => {
  for (const { syscalls } of abis) {
    for (const { params } of syscalls) {
      const names = params.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    }
  }
});
