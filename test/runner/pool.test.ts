import { describe, expect, it } from 'vitest';
import { MIB, PAGE_BYTES } from '../../src/protocol/limits.ts';
import { poolLimits } from '../../src/runner/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { isRecyclable, type Slot } from '../../src/runner/slot.ts';
import { codeOf, runIn, type TestCode } from '../support/runner-guests.ts';

/**
 * The guest looks at everything it could have changed in an earlier life, returns a bit for each
 * thing that is not as new, and then changes all of it. `check` and `dirty` are more of both.
 */
function suspicious(parts: { fields?: string; check?: string; dirty?: string }): string {
  return `(module
    (memory (export "memory") 2 8)
    (data (i32.const 1000) "image")
    (data (i32.const 131067) "last!")
    (global $i32 (mut i32) (i32.const 7))
    (global $i64 (mut i64) (i64.const -8))
    (global $f32 (mut f32) (f32.const 1.5))
    (global $f64 (mut f64) (f64.const -0))
    (global $func (mut funcref) (ref.func $dirt))
    (global $extern (mut externref) (ref.null extern))
    ${parts.fields ?? ''}
    (func $dirt)
    (elem declare func $dirt)
    (func (export "cwa_main") (result i32)
      (local $found i32) (local $at i32) (local $sum i64)
      ;; memory: all zero but the two strings, which are taken out of the sum
      (if (i32.ne (memory.size) (i32.const 2)) (then (local.set $found (i32.const 1))))
      (if (i32.ne (i32.load (i32.const 1000)) (i32.const 0x67616d69)) (then (local.set $found (i32.or (local.get $found) (i32.const 2)))))
      (if (i32.ne (i32.load8_u (i32.const 131071)) (i32.const 33)) (then (local.set $found (i32.or (local.get $found) (i32.const 2)))))
      (memory.fill (i32.const 1000) (i32.const 0) (i32.const 5))
      (memory.fill (i32.const 131067) (i32.const 0) (i32.const 5))
      (loop $next
        (local.set $sum (i64.or (local.get $sum) (i64.load (local.get $at))))
        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 131072))))
      (if (i64.ne (local.get $sum) (i64.const 0)) (then (local.set $found (i32.or (local.get $found) (i32.const 4)))))
      ;; globals
      (if (i32.ne (global.get $i32) (i32.const 7)) (then (local.set $found (i32.or (local.get $found) (i32.const 8)))))
      (if (i64.ne (global.get $i64) (i64.const -8)) (then (local.set $found (i32.or (local.get $found) (i32.const 16)))))
      (if (f32.ne (global.get $f32) (f32.const 1.5)) (then (local.set $found (i32.or (local.get $found) (i32.const 32)))))
      (if (i64.ne (i64.reinterpret_f64 (global.get $f64)) (i64.const 0x8000000000000000)) (then (local.set $found (i32.or (local.get $found) (i32.const 64)))))
      (if (ref.is_null (global.get $func)) (then (local.set $found (i32.or (local.get $found) (i32.const 128)))))
      ${parts.check ?? ''}
      ;; now everything else than it was
      (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 131072))
      (global.set $i32 (i32.const 99))
      (global.set $i64 (i64.const 99))
      (global.set $f32 (f32.const nan))
      (global.set $f64 (f64.const 99))
      (global.set $func (ref.null func))
      ${parts.dirty ?? ''}
      (local.get $found)))`;
}

const found = (bit: number, condition: string): string =>
  `(if ${condition} (then (local.set $found (i32.or (local.get $found) (i32.const ${bit})))))`;

const table = `
  (type $none (func))
  (table $table 4 10 funcref)
  (elem (i32.const 0) $dirt $dirt)
  (elem $passive func $dirt $dirt $dirt)`;

const tableCheck = [
  found(256, '(i32.ne (table.size $table) (i32.const 4))'),
  found(512, '(ref.is_null (table.get $table (i32.const 0)))'),
  found(1024, '(i32.eqz (ref.is_null (table.get $table (i32.const 3))))'),
].join('\n');

const kinds: Readonly<Record<string, { readonly source: string; readonly recycled: boolean; readonly grows?: true }>> =
  {
    'memory and globals': { source: suspicious({}), recycled: true },
    'table entries by set': {
      source: suspicious({
        fields: table,
        check: tableCheck,
        dirty: `(table.set $table (i32.const 0) (ref.null func)) (table.set $table (i32.const 3) (ref.func $dirt))`,
      }),
      recycled: false,
    },
    'the table by grow': {
      source: suspicious({
        fields: table,
        check: tableCheck,
        dirty: '(drop (table.grow $table (ref.func $dirt) (i32.const 3)))',
      }),
      recycled: false,
    },
    'the table by fill': {
      source: suspicious({
        fields: table,
        check: tableCheck,
        dirty: '(table.fill $table (i32.const 0) (ref.null func) (i32.const 4))',
      }),
      recycled: false,
    },
    'the table by copy': {
      source: suspicious({
        fields: table,
        check: tableCheck,
        dirty: '(table.copy $table $table (i32.const 2) (i32.const 0) (i32.const 2))',
      }),
      recycled: false,
    },
    'the table by init': {
      source: suspicious({
        fields: table,
        check: tableCheck,
        dirty: '(table.init $table $passive (i32.const 1) (i32.const 0) (i32.const 3))',
      }),
      recycled: false,
    },
    'a dropped element segment': {
      // A dropped segment makes table.init trap: the second life would not exit with 0.
      source: suspicious({
        fields: table,
        check: `${tableCheck} (table.init $table $passive (i32.const 0) (i32.const 0) (i32.const 2))`,
        dirty: '(elem.drop $passive)',
      }),
      recycled: false,
    },
    'a dropped data segment': {
      source: suspicious({
        fields: '(data $passive "segment")',
        check: `(memory.init $passive (i32.const 64) (i32.const 0) (i32.const 7))
        ${found(2048, '(i32.ne (i32.load8_u (i32.const 64)) (i32.const 115))')}`,
        dirty: '(data.drop $passive)',
      }),
      recycled: false,
    },
    'a v128 global': {
      source: suspicious({
        fields: '(global $v128 (mut v128) (v128.const i64x2 5 6))',
        check: found(4096, '(i64.ne (i64x2.extract_lane 1 (global.get $v128)) (i64.const 6))'),
        dirty: '(global.set $v128 (v128.const i64x2 9 9))',
      }),
      recycled: true,
    },
    'the size of memory': {
      source: suspicious({ dirty: '(drop (memory.grow (i32.const 1)))' }),
      recycled: true,
      grows: true,
    },
  };

const lives = 10_000;

describe('a slot that has been given back', () => {
  for (const [name, { source, recycled, grows }] of Object.entries(kinds)) {
    it(`shows no trace of a guest that changed ${name}, over ${lives} lives`, async () => {
      const code = await codeOf(source);
      expect(isRecyclable(code.plan)).toBe(recycled);
      const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
      const used = new Set<Slot>();
      let gas: number | null = null;
      for (let life = 0; life < lives; life++) {
        const slot = pool.take();
        if (slot === null) throw new Error('no slot');
        const run = await runIn(slot, code);
        if (run.end.kind !== 'exit' || run.end.status !== 0)
          throw new Error(`life ${life}: ${JSON.stringify(run.end)}`);
        gas ??= run.gas;
        if (run.gas !== gas) throw new Error(`life ${life} used ${run.gas} gas, the first one ${gas}`);
        if (grows !== true) used.add(slot);
        pool.give(slot, true);
      }
      // It was really the same slot all the time, or the test would prove nothing.
      if (grows !== true) expect(used.size).toBe(1);
    });
  }

  it('is not used again after a trap, an exhausted gas limit or anything else in doubt', async () => {
    const code = await codeOf(
      '(module (memory 1) (func (export "_start") (i32.store (i32.const 0) (i32.const 1)) unreachable))',
    );
    const pool = new SlotPool(code, new MemoryBudget(MIB), () => {});
    const slot = take(pool);
    const run = await runIn(slot, code);
    expect(run.end.kind).toBe('trap');
    pool.give(slot, false);
    expect(pool.spare).toBe(0);
    expect(take(pool)).not.toBe(slot);
  });

  it('is restored later where its memory is large, and before it is used where that has not happened yet', async () => {
    const pages = poolLimits.restoreAtOnceBytes / PAGE_BYTES + 1;
    const code = await codeOf(`(module (memory (export "memory") ${pages})
      (data (i32.const ${pages * PAGE_BYTES - 4}) "tail")
      (func (export "cwa_main") (result i32)
        (local $seen i32)
        (local.set $seen (i32.load (i32.const 70000)))
        (i32.store (i32.const 70000) (i32.const 1))
        (i32.store (i32.const ${pages * PAGE_BYTES - 4}) (i32.const 0))
        (local.get $seen)))`);
    const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
    for (let life = 0; life < 50; life++) {
      const slot = take(pool);
      expect(slot.guest.guestMemory.text(pages * PAGE_BYTES - 4, 4)).toBe('tail');
      expect((await runIn(slot, code)).end).toEqual({ kind: 'exit', status: 0 });
      pool.give(slot, true);
      if (life % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pool.spare).toBe(1);
  });
});

describe('a pool', () => {
  const hello = '(module (memory 2) (func (export "_start")))';
  const slotOf2Pages = 2 * PAGE_BYTES + poolLimits.overheadBytes;

  it('gives no slot past the budget, and takes spare ones from others first', async () => {
    const [a, b] = [await codeOf(hello), await codeOf(hello)];
    const budget = new MemoryBudget(3 * slotOf2Pages);
    const [poolA, poolB] = [new SlotPool(a, budget, () => {}), new SlotPool(b, budget, () => {})];
    const slots = [take(poolA), take(poolA), take(poolA)];
    expect(poolB.take()).toBeNull();
    for (const slot of slots.slice(0, 2)) poolA.give(slot, true);
    expect(take(poolB)).toBeDefined();
    expect(budget.usedBytes).toBeLessThanOrEqual(budget.limitBytes);
  });

  it('lets go of what nobody needs, step by step, and of everything when it is closed', async () => {
    const budget = new MemoryBudget(1000 * slotOf2Pages);
    const pool = new SlotPool(await codeOf(hello), budget, () => {});
    const slots = Array.from({ length: 16 }, () => take(pool));
    for (const slot of slots) pool.give(slot, true);
    pool.sweep();
    expect(pool.spare).toBe(16);
    pool.sweep();
    expect(pool.spare).toBe(8);
    for (let i = 0; i < 5; i++) pool.sweep();
    expect(pool.spare).toBe(0);
    expect(budget.usedBytes).toBe(0);
    const last = take(pool);
    pool.close();
    pool.give(last, true);
    expect(budget.usedBytes).toBe(0);
  });

  it('says whose the thread is before it makes, restores or refills a slot, and not when one is ready', async () => {
    const large = `(module (memory ${poolLimits.restoreAtOnceBytes / PAGE_BYTES + 4})
      (func (export "_start") (drop (memory.grow (i32.const 0)))))`;
    const grows = '(module (memory 2 64) (func (export "_start") (drop (memory.grow (i32.const 30)))))';
    for (const source of [hello, large, grows]) {
      const code = await codeOf(source);
      let entered = 0;
      const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {
        entered += 1;
      });
      const slot = take(pool);
      expect(entered, 'made').toBe(1);
      await runIn(slot, code);
      pool.give(slot, true);
      while (pool.spare === 0) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      expect(entered, 'restored, or made anew').toBeGreaterThan(1);
      const before = entered;
      take(pool);
      expect(entered, 'ready').toBe(before);
    }
  });

  it('counts the entries of a table', async () => {
    const entries = 100_000;
    const code = await codeOf(`(module (memory 2) (table ${entries} funcref) (func (export "_start")))`);
    const budget = new MemoryBudget(64 * MIB);
    const pool = new SlotPool(code, budget, () => {});
    const bytes = slotOf2Pages + entries * poolLimits.tableEntryBytes;
    const slot = take(pool);
    expect(budget.usedBytes).toBe(bytes);
    expect(slot.bytes).toBe(bytes);
  });

  it('lets a table grow no further than what is worth counting', async () => {
    const code = await codeOf(`(module (table $t 1 funcref) (func (export "cwa_main") (result i32)
      (i32.add (table.grow $t (ref.null func) (i32.const 65536)) (table.grow $t (ref.null func) (i32.const 65535)))))`);
    const slot = take(new SlotPool(code, new MemoryBudget(64 * MIB), () => {}));
    expect((await runIn(slot, code)).end).toEqual({ kind: 'exit', status: -1 + 1 });
  });

  it('counts memory that a guest has grown', async () => {
    const code = await codeOf(
      '(module (memory 2 64) (func (export "_start") (drop (memory.grow (i32.const 30)))))',
      256,
      true,
    );
    const budget = new MemoryBudget(8 * MIB);
    const pool = new SlotPool(code, budget, () => {});
    const slot = take(pool);
    await runIn(slot, code);
    pool.account(slot);
    expect(budget.usedBytes).toBe(slotOf2Pages + 30 * PAGE_BYTES);
    pool.give(slot, true);
    await new Promise((resolve) => setImmediate(resolve));
    // The grown one is gone; a new one stands in for it.
    expect(pool.spare).toBe(1);
    expect(budget.usedBytes).toBe(slotOf2Pages);
  });
});

function take(pool: SlotPool): Slot {
  const slot = pool.take();
  if (slot === null) throw new Error('no slot');
  return slot;
}

export type { TestCode };

describe('the mark of who has the thread', () => {
  it('is set before an instance is made and before one is restored', async () => {
    const marks: string[] = [];
    const code = await codeOf('(module (memory 2) (func (export "_start")))');
    const instances = { made: 0 };
    const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => marks.push(`entered, ${instances.made} made`));
    const slot = pool.take() as Slot;
    instances.made += 1;
    expect(marks).toEqual(['entered, 0 made']);
    pool.give(slot, true);
    expect(marks).toEqual(['entered, 0 made', 'entered, 1 made']);
    pool.close();
  });
});
