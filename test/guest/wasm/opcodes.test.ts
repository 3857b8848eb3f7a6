import { describe, expect, test } from 'vitest';
import { rewriteModule } from '../../../src/guest/wasm/rewrite.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { leb, moduleWith } from '../../support/module-builder.ts';

/** What rewriting says of one instruction in dead code, where any operand types are fine. */
function verdict(instruction: readonly number[]): string {
  try {
    rewriteModule(moduleWith([0x00, ...instruction, 0x00, 0x0b], [1, 1, 0x7f]));
    return 'accepted';
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return error.code === 'module_unsupported' ? (error.details[0] ?? '') : error.code;
  }
}

const accepts = (instruction: readonly number[]) =>
  WebAssembly.validate(moduleWith([0x00, ...instruction, 0x00, 0x0b], [1, 1, 0x7f]));

/** Immediates to try: the engine tells which fit. */
const immediates = [
  [],
  [0],
  [0, 0],
  [0, 0, 0],
  [0, 0, 0, 0],
  Array.from({ length: 8 }, () => 0),
  Array.from({ length: 16 }, () => 0),
  [0x40, 0x0b],
  [0x40, 0x05, 0x0b],
  [0x70],
  [1, 0x7f],
];

describe('the instruction table', () => {
  test('agrees with the engine on every one-byte instruction and its immediates', () => {
    const structural = [0x05, 0x0b];
    for (let opcode = 0; opcode < 256; opcode++) {
      if (structural.includes(opcode)) continue;
      for (const immediate of immediates) {
        const instruction = [opcode, ...immediate];
        const verdictText = verdict(instruction);
        if (verdictText === 'accepted') expect(accepts(instruction), `0x${instruction}`).toBe(true);
        // What the engine takes and we do not must have been refused by name.
        else if (accepts(instruction)) expect(verdictText, `0x${instruction}`).toContain(': ');
      }
    }
  });

  test.each([
    ['bulk and saturating', 0xfc, 64],
    ['vector', 0xfd, 300],
  ])('agrees with the engine on every %s instruction', (_, prefix, count) => {
    let accepted = 0;
    for (let sub = 0; sub < count; sub++) {
      for (const immediate of immediates) {
        const instruction = [prefix, ...leb(sub), ...immediate];
        const verdictText = verdict(instruction);
        if (verdictText === 'accepted') {
          accepted++;
          expect(accepts(instruction), `${sub} ${immediate}`).toBe(true);
        } else if (accepts(instruction)) expect(verdictText, `${sub} ${immediate}`).toContain(': ');
      }
    }
    expect(accepted).toBeGreaterThanOrEqual(prefix === 0xfc ? 18 : 236);
  });

  test('accepts all 236 vector instructions of the SIMD proposal and no relaxed one', () => {
    const accepted = new Set<number>();
    for (let sub = 0; sub < 300; sub++)
      if (immediates.some((immediate) => verdict([0xfd, ...leb(sub), ...immediate]) === 'accepted')) accepted.add(sub);
    expect(accepted.size).toBe(236);
    expect(Math.max(...accepted)).toBe(255);
    for (let sub = 256; sub < 276; sub++)
      expect(verdict([0xfd, ...leb(sub)])).toMatch(/^relaxed SIMD: \S+relaxed_\S+ in function 0 "_start" @\+\d+$/);
  });

  test.each([
    [[0x14, 0x00], 'function references: call_ref in'],
    [[0xd4], 'function references: ref.as_non_null in'],
    [[0xd0, 0x6e], 'garbage collection: ref.null anyref in'],
    [[0xd0, 0x00], 'function references: ref.null 0 in'],
    [[0xfb, 0x06, 0x00], 'garbage collection: array.new in'],
    [[0xfe, 0x01, 0x02, 0x00], 'threads: atomic instruction 0xfe 1 in'],
    [[0xfc, 0x13], 'wide arithmetic: i64.add128 in'],
    [[0x3f, 0x01], 'multiple memories: memory.size of memory 1 in'],
    [[0x28, 0x42, 0x00, 0x00], 'multiple memories: access with a memory index in'],
    [[0xe3, 0x00, 0x00], 'stack switching: resume in'],
  ])('names the refused instruction %j', (instruction, expected) => {
    expect(verdict(instruction)).toContain(expected);
  });
});

test.each([
  ['memory.size', [0x3f, 0x80, 0x00]],
  ['memory.grow', [0x40, 0x80, 0x80, 0x00]],
])('%s takes a memory index that is padded (3.0)', (_, instruction) => {
  expect(accepts(instruction)).toBe(true);
  expect(verdict(instruction)).toBe('accepted');
});
