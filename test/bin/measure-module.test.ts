/** What the vet child measures with the engine, and refuses for it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { measureLimits, measureModule } from '../../src/bin/measure-module.ts';
import { moduleAbis, providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { vetModule } from '../../src/guest/wasm/rewrite.ts';
import { moduleOfTable } from '../support/large-modules.ts';
import { wat } from '../support/wasm.ts';

function measure(text: string, limits = measureLimits) {
  const vetted = vetModule(wat(`(module ${text} (func (export "_start")))`), { provided: providedFunctions });
  return measureModule(vetted.bytes, vetted.module, { name: 'dist/hello.wasm', abis: moduleAbis, limits });
}

describe('measureModule', () => {
  test('tells how much machine code a module became: more for more functions', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-measure-'));
    /** Measures a module of `count` functions in a process of its own; returns bytes of machine code. */
    const codeBytes = async (count: number): Promise<number> => {
      const filler = Array.from({ length: count }, (_, index) => `(func (result i32) i32.const ${index})`).join('');
      const source = wat(`(module ${filler} (func (export "_start")))`);
      const { bytes, module } = vetModule(source, { provided: providedFunctions });
      const file = join(folder, String(count));
      await writeFile(file, serialize({ bytes, module }));
      const child = fileURLToPath(new URL('../support/measure-child.ts', import.meta.url));
      return Number((await promisify(execFile)(process.execPath, [child, file])).stdout);
    };
    try {
      const [small, large] = [await codeBytes(10), await codeBytes(5_000)];
      expect(small).toBeGreaterThan(0);
      expect(large).toBeGreaterThan(small + 5_000 * 16);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('tells how long an instance takes, in microseconds', async () => {
    expect((await measure('(memory 1)')).measures.instantiationUs).toBeGreaterThan(0);
  });

  test('refuses a module that takes longer than the limit, with what it is made of', async () => {
    const limits = { ...measureLimits, instantiationMs: 0 };
    await expect(
      measure('(memory 2) (table 7 funcref) (global (mut i32) (i32.const 1))', limits),
    ).rejects.toMatchObject({
      code: 'module_too_large',
      message: expect.stringMatching(/^dist\/hello\.wasm takes \d+ ms to instantiate, 0 ms at most$/),
      details: ['it has 0 imports, 7 table entries, 2 pages of memory and 0.0 MiB of code and data'],
    });
  });

  test('lets a table of 707,047 entries take the time that its entries take', async () => {
    const { module, bytes } = vetModule(moduleOfTable(707_047, 20_000), { provided: providedFunctions });
    const name = 'pandoc.wasm';
    const generous = { ...measureLimits, instantiationMs: 0, tableEntryUs: 1_000 };
    await expect(measureModule(bytes, module, { name, abis: moduleAbis, limits: generous })).resolves.toBeDefined();
    const noEntries = { ...generous, tableEntryUs: 0 };
    await expect(measureModule(bytes, module, { name, abis: moduleAbis, limits: noEntries })).rejects.toMatchObject({
      details: [expect.stringContaining('707,047 table entries')],
    });
  });

  test.each([
    ['an element segment behind the table', '(table 1 funcref) (func $f) (elem (i32.const 1) $f)', 'table'],
    [
      'a data segment whose address is computed',
      '(memory 1) (data (offset (i32.add (i32.const 65000) (i32.const 999))) "x")',
      'data segment',
    ],
  ])('refuses %s: no call could succeed', async (_, text, word) => {
    const error = await measure(text).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'module_invalid', message: 'dist/hello.wasm cannot be instantiated' });
    expect((error as { details: string[] }).details[0]).toContain(word);
  });
});
