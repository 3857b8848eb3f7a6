/** Growth that is too much: refused without a price, and neither the slot nor its reserve suffers. */
import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/protocol/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import type { Slot } from '../../src/runner/slot.ts';
import { codeOf, type GuestRun, runIn } from '../support/runner-guests.ts';

/** Gas of one page, docs/limits.md. */
const pageGas = 16_384;
const pagesMax = 20;

/** Runs `body`, whose result is the exit status, `times` times in slots of one pool. Returns the runs and the slots. */
async function inPool(body: string, { exactMemory = false, times = 5, gas = 10_000_000, maximum = '' } = {}) {
  const code = await codeOf(
    `(module (memory (export "memory") 2 ${maximum}) (func (export "cwa_main") (result i32) (local $n i32) ${body}))`,
    pagesMax,
    exactMemory,
  );
  const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
  const runs: GuestRun[] = [];
  const slots = new Set<Slot>();
  for (let life = 0; life < times; life += 1) {
    const slot = pool.take();
    if (slot === null) throw new Error('no slot');
    slots.add(slot);
    runs.push(await runIn(slot, code, '', gas));
    pool.give(slot, runs.at(-1)?.end.kind === 'exit');
  }
  pool.close();
  return { runs, slots };
}

const exits = (status: number) => ({ kind: 'exit', status });

describe.each([
  ['with a reserve', false],
  ['with exact memory', true],
])('%s', (_title, exactMemory) => {
  it.each([65_536, 65_535, 65_534, pagesMax - 1, 0x7fff_ffff, -1])(
    'growing by %s pages gives -1, costs nothing beyond its instructions, and the slot is used again',
    async (pages) => {
      const status = '(i32.eq (local.get $n) (i32.const -1)) (i32.shl (memory.size) (i32.const 1)) i32.or';
      const grows = await inPool(`(local.set $n (memory.grow (i32.const ${pages}))) ${status}`, { exactMemory });
      expect(grows.runs.map(({ end }) => end)).toEqual(Array(5).fill(exits(1 + 2 * 2)));
      expect(new Set(grows.runs.map(({ gas }) => gas)).size).toBe(1);
      expect(grows.runs[0]?.gas).toBeLessThan(100);
      expect(grows.slots.size).toBe(1);
    },
  );

  it.each(['', '65536'])(
    'page by page ends at the limit, maximum %j: each page is paid for, what is refused is not',
    async (maximum) => {
      const loop = '(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (memory.size)';
      const { runs } = await inPool(loop, { exactMemory, maximum });
      expect(runs.map(({ end }) => end)).toEqual(Array(5).fill(exits(pagesMax)));
      const gas = new Set(runs.map((run) => run.gas));
      expect(gas.size).toBe(1);
      expect(Math.floor(([...gas][0] ?? 0) / pageGas)).toBe(pagesMax - 2);
    },
  );

  it('a loop that grows for ever is stopped by its gas', async () => {
    const { runs } = await inPool('(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (i32.const 0)', {
      exactMemory,
      gas: 1_000_000,
    });
    for (const { end } of runs) expect(end).toMatchObject({ kind: 'gas' });
  });
});
