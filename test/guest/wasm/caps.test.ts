/** Counts of a module as a whole: each at its cap passes, one more is refused by name. */
import { describe, expect, test } from 'vitest';
import { caps } from '../../../src/guest/wasm/format/caps.ts';
import { inspectModule } from '../../../src/guest/wasm/inspect/inspect.ts';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { body, bytes, largeSection, leb, section, text } from '../../support/module-builder.ts';
import { wat } from '../../support/wasm.ts';

/** A vector of `count` items, item by item. */
function repeated(count: number, item: (index: number) => readonly number[]): number[] {
  const out = leb(count);
  for (let index = 0; index < count; index++) for (const byte of item(index)) out.push(byte);
  return out;
}

interface Parts {
  readonly types?: number;
  readonly imports?: number;
  /** Besides `_start`. */
  readonly exports?: number;
  readonly globals?: readonly (readonly number[])[];
  readonly elements?: number[];
  readonly data?: number[];
  readonly table?: number;
}

const constant = [0x41, 0, 0x0b];
const immutableGlobal = [0x7f, 0, ...constant];
const mutableGlobal = [0x7f, 1, ...constant];

/** A module that imports only h.h, with `_start`, one function beside it, a memory, a table. */
function moduleOf({ types = 1, imports = 1, exports = 0, globals = [], elements = [0], data = [0], table = 1 }: Parts) {
  return bytes(
    largeSection(
      1,
      repeated(types, () => [0x60, 0, 0]),
    ),
    largeSection(
      2,
      repeated(imports, () => [...text('h'), ...text('h'), 0, 0]),
    ),
    section(3, 1, 0),
    section(4, 1, 0x70, 0, ...leb(table)),
    section(5, 1, 0, 1),
    largeSection(
      6,
      repeated(globals.length, (index) => globals[index] ?? []),
    ),
    largeSection(
      7,
      repeated(exports + 1, (index) => [...text(index === 0 ? '_start' : index.toString(36)), 0, ...leb(imports)]),
    ),
    largeSection(9, elements),
    section(10, 1, ...body([0x0b])),
    largeSection(11, data),
  );
}

const filled = (count: number, global: readonly number[]) => Array.from({ length: count }, () => global);

/** A module whose count for the cap is `count`. */
const builders = {
  types: (count: number) => moduleOf({ types: count }),
  imports: (count: number) => moduleOf({ imports: count }),
  exports: (count: number) => moduleOf({ exports: count - 1 }),
  globals: (count: number) => moduleOf({ globals: filled(count, immutableGlobal) }),
  mutableGlobals: (count: number) => moduleOf({ globals: filled(count, mutableGlobal) }),
  tableEntries: (count: number) => moduleOf({ table: count }),
  // Passive segments of one function.
  elementSegments: (count: number) => moduleOf({ elements: repeated(count, () => [1, 0, 1, 0]) }),
  elements: (count: number) =>
    moduleOf({ elements: [1, 1, 0, ...leb(count), ...Array.from({ length: count }, () => 0)] }),
  dataSegments: (count: number) => moduleOf({ data: repeated(count, () => [0, ...constant, 0]) }),
  // i32.const, then pairs of i32.const and i32.add, then `end`: always an even number.
  constantInstructions: (count: number) =>
    moduleOf({
      globals: [[0x7f, 0, 0x41, 0, ...Array.from({ length: (count - 2) / 2 }, () => [0x41, 0, 0x6a]).flat(), 0x0b]],
    }),
} as const;

const provided = [{ module: 'h', name: 'h', abi: 'h' as const, signatures: [{ params: [], results: [] }] }];
const details = (module: Uint8Array) =>
  inspectModule(module, { provided }).findings.flatMap((finding) => [finding.code, ...finding.details]);

describe('counts', () => {
  test.each(Object.keys(builders).filter((cap) => cap !== 'constantInstructions') as (keyof typeof builders)[])(
    '%s: the cap is accepted, one more is refused by name',
    (cap) => {
      const { limit, noun } = caps[cap];
      expect(details(builders[cap](limit))).toEqual([]);
      const shown = (value: number) => value.toLocaleString('en-US');
      expect(details(builders[cap](limit + 1))).toEqual([
        'module_too_large',
        `${noun}: ${shown(limit + 1)}, at most ${shown(limit)}`,
      ]);
    },
  );

  test('constantInstructions: the cap is accepted, more is refused by name', () => {
    const { limit, noun } = caps.constantInstructions;
    expect(details(builders.constantInstructions(limit))).toEqual([]);
    expect(details(builders.constantInstructions(limit + 2))).toEqual([
      'module_too_large',
      `${noun}: 500,002, at most 500,000`,
    ]);
  });
});

describe('a count ten times its cap', () => {
  test.each(['types', 'imports', 'exports', 'elementSegments'] as const)(
    '%s: ends the reading, so that a bomb of names is refused in time',
    (cap) => {
      const { noun, limit } = caps[cap];
      const count = 10 * limit + 2;
      expect(details(builders[cap](count))).toEqual([
        'module_too_large',
        `${noun}: ${count.toLocaleString('en-US')}, at most ${limit.toLocaleString('en-US')}`,
      ]);
      // Without the caps on counts too.
      expect(() => rewriteModule(builders[cap](count))).toThrow('exceeds a limit');
    },
  );
});

describe('an active data segment', () => {
  const data = (text: string) =>
    inspectModule(wat(`(module ${text} (func (export "_start")))`), { provided }).findings[0];

  test('that begins or ends behind the memory is refused, with where it lies', () => {
    expect(
      data('(memory 1) (data (i32.const 0) "ok") (data (i32.const 65534) "abc") (data (i32.const -1) "x")'),
    ).toMatchObject({
      code: 'module_invalid',
      message: 'has 2 data segments outside of its memory of 65,536 bytes',
      details: ['data segment 1: 3 bytes at address 65,534', 'data segment 2: 1 bytes at address 4,294,967,295'],
    });
    // A segment of no bytes traps too if it begins behind the end (4.5.5, memory.init).
    expect(data('(memory 0) (data (i32.const 1) "")')?.details).toEqual(['data segment 0: 0 bytes at address 1']);
  });

  test.each([
    ['ends where the memory ends', '(memory 1) (data (i32.const 65533) "abc")'],
    ['is empty, at the end of the memory', '(memory 1) (data (i32.const 65536) "")'],
    ['is passive', '(memory 0) (data "abc")'],
  ])('that %s is accepted', (_, text) => {
    expect(data(text)).toBeUndefined();
  });

  test('of an imported memory may fit: the import is what is refused', () => {
    expect(data('(import "env" "memory" (memory 0)) (data (i32.const 0) "abc")')?.code).toBe('imports_unknown');
  });
});
