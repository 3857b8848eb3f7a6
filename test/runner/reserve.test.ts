/**
 * Guests that grow their memory, in slots that are used again: what a guest sees, leaves and pays is that of a slot
 * that is new and has no reserve.
 */
import { describe, expect, it } from 'vitest';
import { MIB, PAGE_BYTES } from '../../src/protocol/limits.ts';
import { reserveLimits } from '../../src/runner/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { ReserveEstimate } from '../../src/runner/reserve.ts';
import { Slot } from '../../src/runner/slot.ts';
import { codeOf, type GuestRun, runIn, type TestCode } from '../support/runner-guests.ts';

const lives = 10_000;

/**
 * The guest reads one byte of standard input, grows by so many pages, ors all of its memory, does what `dirty` says and
 * writes what it has seen: the sum, its size, the answer to its growth. 0 is the address of the input, 8 of the output.
 */
const growing = (dirty: string, maximum = 40) => `(module
  (import "cwa" "io_get_stdin" (func $stdin (result i32)))
  (import "cwa" "io_get_stdout" (func $stdout (result i32)))
  (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
  (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1 ${maximum})
  (data (i32.const 65528) "the end!")
  (global $lives (mut i32) (i32.const 0))
  (func (export "cwa_main") (result i32)
    (local $grown i32) (local $at i32) (local $sum i64)
    (drop (call $read (call $stdin) (i32.const 0) (i32.const 1)))
    (local.set $grown (memory.grow (i32.load8_u (i32.const 0))))
    (local.set $at (i32.const 8))
    (loop $next
      (local.set $sum (i64.or (local.get $sum) (i64.load (local.get $at))))
      (br_if $next (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 8)))
        (i32.shl (memory.size) (i32.const 16)))))
    ${dirty}
    (i64.store (i32.const 8) (local.get $sum))
    (i32.store (i32.const 16) (memory.size))
    (i32.store (i32.const 20) (local.get $grown))
    (global.set $lives (i32.add (global.get $lives) (i32.const 1)))
    (i32.store (i32.const 24) (global.get $lives))
    (drop (call $write (call $stdout) (i32.const 8) (i32.const 20)))
    (i32.const 0)))`;

const everything = '(memory.fill (i32.const 8) (i32.const 0xa5) (i32.sub (local.get $at) (i32.const 8)))';
const lastByte = '(i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 1))';

/**
 * `inputs`: pages to grow by, one life after the other. `slotsMax`: more slots than that, and recycling is not tested.
 */
const kinds: Readonly<
  Record<string, { readonly source: string; readonly inputs: readonly number[]; readonly slotsMax: number }>
> = {
  'grows by a few pages': { source: growing(everything), inputs: [2, 3, 1, 2, 0, 3], slotsMax: 10 },
  'uses less and less': { source: growing(everything), inputs: [6, 5, 4, 3, 2, 1, 0], slotsMax: 60 },
  'touches the last byte': { source: growing(lastByte), inputs: [4, 0, 3], slotsMax: 10 },
  'grows past the reserve now and then': {
    source: growing(everything),
    inputs: [...Array.from({ length: 199 }, () => 1), 38],
    slotsMax: 120,
  },
  'grows until it is refused': {
    source: growing(`(loop $more (br_if $more (i32.ne (memory.grow (i32.const 2)) (i32.const -1)))) ${lastByte}`, 6),
    inputs: [1, 6, 5, 127],
    slotsMax: 10,
  },
  'drops a segment': {
    source: growing(
      `${everything} (memory.init $late (i32.const 64) (i32.const 0) (i32.const 4)) (data.drop $late)`,
    ).replace('(global $lives', '(data $late "late") (global $lives'),
    inputs: [2, 3, 1],
    slotsMax: 10,
  },
};

interface Life {
  readonly run: GuestRun;
  readonly memory: Buffer;
}

async function live(slot: Slot, code: TestCode, pages: number): Promise<Life> {
  const run = await runIn(slot, code, String.fromCharCode(pages));
  return { run, memory: Buffer.from(slot.guest.guestMemory.all) };
}

describe('a guest that', () => {
  for (const [name, { source, inputs, slotsMax }] of Object.entries(kinds)) {
    it(`${name} cannot tell a used slot from a new one, over ${lives} lives`, async () => {
      const code = await codeOf(source);
      const fresh = new Map<number, Life>();
      for (const pages of new Set(inputs))
        fresh.set(pages, await live(new Slot(code, { image: null, reservePages: 0 }), code, pages));
      const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
      const used = new Set<Slot>();
      for (let life = 0; life < lives; life++) {
        const pages = inputs[life % inputs.length] as number;
        const slot = pool.take();
        if (slot === null) throw new Error('no slot');
        used.add(slot);
        const { run, memory } = await live(slot, code, pages);
        const expected = fresh.get(pages) as Life;
        if (!memory.equals(expected.memory)) throw new Error(`life ${life} left another memory than a new slot`);
        expect(run).toEqual(expected.run);
        expect(run.end).toEqual({ kind: 'exit', status: 0 });
        pool.give(slot, true);
      }
      expect(used.size).toBeLessThanOrEqual(slotsMax);
      pool.close();
    });
  }

  it(`writes beyond its memory finds no byte of an earlier life there, over ${lives} lives`, async () => {
    const beyond = 3;
    const code = await codeOf(`(module (memory 2 9)
      (func (export "cwa_main") (result i32) (local $at i32) (local $sum i64)
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (local.set $at (i32.const 131072))
        (loop $next
          (local.set $sum (i64.or (local.get $sum) (i64.load (local.get $at))))
          (i64.store (local.get $at) (i64.const -1))
          (br_if $next (i32.lt_u
            (local.tee $at (i32.add (local.get $at) (i32.const 8)))
            (i32.const ${(2 + beyond) * PAGE_BYTES}))))
        (i64.ne (local.get $sum) (i64.const 0))))`);
    const slot = new Slot(code, { image: null, reservePages: beyond });
    for (let life = 0; life < lives; life++) {
      const run = await runIn(slot, code);
      if (run.end.kind !== 'exit' || run.end.status !== 0) throw new Error(`life ${life}: ${JSON.stringify(run.end)}`);
      slot.restore();
    }
  });
});

describe('a slot with a reserve', () => {
  const source = '(module (memory 3 20) (func (export "_start") (drop (memory.grow (i32.const 2)))))';

  it('is restored in parts, the reserve included, and is not as new before all are done', async () => {
    const code = await codeOf(source);
    const slot = new Slot(code, { image: null, reservePages: 17 });
    const memory = new Uint8Array((slot.guest.memory as WebAssembly.Memory).buffer);
    expect(memory.length).toBe(20 * PAGE_BYTES);
    await runIn(slot, code);
    expect(slot.grownPages).toBe(2);
    memory.fill(1);
    let parts = 1;
    while (!slot.restoreSome(PAGE_BYTES)) parts += 1;
    expect(parts).toBeGreaterThan(2);
    expect(memory.every((byte) => byte === 0)).toBe(true);
    expect(slot.grownPages).toBe(0);
  });

  it('has no more of it than the memory may have pages', async () => {
    const code = await codeOf(source, 5);
    const slot = new Slot(code, { image: null, reservePages: 17 });
    expect(slot.guest.memory?.buffer.byteLength).toBe(5 * PAGE_BYTES);
    expect((await runIn(slot, code)).end).toEqual({ kind: 'exit', status: 0 });
    expect(slot.hasOutgrown).toBe(false);
  });

  it('cannot be restored once its guest has outgrown it', async () => {
    const code = await codeOf(source);
    const slot = new Slot(code, { image: null, reservePages: 1 });
    await runIn(slot, code);
    expect(slot.hasOutgrown).toBe(true);
    expect(slot.grownPages).toBe(2);
    expect(() => slot.restore()).toThrow('has grown');
  });
});

describe('a pool', () => {
  it('learns how much its guests grow, and keeps the slot from then on', async () => {
    const code = await codeOf(growing(lastByte));
    const budget = new MemoryBudget(64 * MIB);
    const pool = new SlotPool(code, budget, () => {});
    expect(pool.reservePages).toBe(1);
    const slots = new Set<Slot>();
    for (let life = 0; life < 100; life++) {
      const slot = pool.take() as Slot;
      if (life >= reserveLimits.firstReviewCalls) slots.add(slot);
      await live(slot, code, 30);
      pool.give(slot, true);
    }
    expect(pool.reservePages).toBe(32);
    expect(slots.size).toBe(1);
    expect(budget.usedBytes).toBe([...slots][0]?.bytes);
  });

  it('gives up the reserve of guests that do not grow', async () => {
    const code = await codeOf(growing(''));
    const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
    for (let life = 0; life < 20; life++) {
      const slot = pool.take() as Slot;
      await live(slot, code, 0);
      pool.give(slot, true);
    }
    expect(pool.reservePages).toBe(0);
  });

  it('has no reserve where exact memory is wanted: an access beyond memory.size traps', async () => {
    const source = `(module (memory 2 9) (func (export "cwa_main") (result i32)
      (drop (memory.grow (i32.const 0))) (i32.load (i32.const 131072))))`;
    const endWith = async (exactMemory: boolean) => {
      const code = await codeOf(source, 256, exactMemory);
      const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
      return (await runIn(pool.take() as Slot, code)).end;
    };
    expect(await endWith(true)).toMatchObject({ kind: 'trap', message: /memory access out of bounds/ });
    expect(await endWith(false)).toEqual({ kind: 'exit', status: 0 });
  });
});

/**
 * What meter version 3 made of a guest that grows by two pages, counts its lives in the last of them and returns ten
 * times memory.size plus the count.
 */
const ofVersion3 = [
  'AGFzbQEAAAABFARgAAF/YAF/AX9gAX8AYAJ/fwF/AiICB3RyaXNpZWwDZ2FzAAEHdHJpc2llbAZtZW1vcnkCAQEEAwcGAAIDAwMD',
  'BgYBfwFBAAsHHwIIY3dhX21haW4AARB0cmlzaWVsLmdhc19sZWZ0AwAKogMGLgAjAEEQayQAQQJBABAGGkGAgAhBgIAIKAIAQQFq',
  'NgIAPwBBCmxBgIAIKAIAagshAQF/IwAgAGoiASQAIAEQACIBQQBIBEAACyABIABrJAALHgEAfyMAIABqIgAkACAAIAFqQQBIBEAg',
  'ARACC0EAC2cBAX8gAEGAreIESwRAIAAPCyAAIQIDQCACQYCAgMAASwRAIwBBgICAgAJrJAAjACABakEASARAIAEQAgsgAkGAgIDA',
  'AGshAgwBCwsjACACQQRsayQAIwAgAWpBAEgEQCABEAILIAALZAEBfyAAQRB2PwBLBEAgAA8LIAAhAgNAIAJBgICAgAJLBEAjAEGA',
  'gICAAmskACMAIAFqQQBIBEAgARACCyACQYCAgIACayECDAELCyMAIAJrJAAjACABakEASARAIAEQAgsgAAtjAQJ/IABAACIDQX9H',
  'BEAgACECA0AgAkGAgAJLBEAjAEGAgICAAmskACMAIAFqQQBIBEAgARACCyACQYCAAmshAgwBCwsjACACQYCAAWxrJAAjACABakEA',
  'SARAIAEQAgsLIAML',
].join('');

it('an Artifact of a meter version without a reserve runs as it did: a new slot after growth', async () => {
  const { vetted, ...code } = await codeOf(
    '(module (memory 1 4) (func (export "cwa_main") (result i32) (i32.const 0)))',
  );
  const { tableEntries: _, ...plan } = { ...code.plan, memory: { initialPages: 1, maximumPages: 4 } };
  const module = await WebAssembly.compile(new Uint8Array(Buffer.from(ofVersion3, 'base64')));
  const old: TestCode = { ...code, vetted, module, plan };
  const pool = new SlotPool(old, new MemoryBudget(MIB), () => {});
  expect(pool.reservePages).toBe(0);
  for (let life = 0; life < 20; life++) {
    const slot = pool.take() as Slot;
    expect((await runIn(slot, old)).end).toEqual({ kind: 'exit', status: 31 });
    expect(slot.guest.guestMemory.pages).toBe(3);
    pool.give(slot, true);
    expect(pool.spare).toBe(0);
  }
});

describe('the estimate of a reserve', () => {
  const after = (first: number, calls: readonly number[], most: number = reserveLimits.pagesMax) => {
    const estimate = new ReserveEstimate({ first, most });
    let changes = 0;
    for (const pages of calls) if (estimate.note(pages)) changes += 1;
    return { pages: estimate.pages, changes };
  };
  const times = (count: number, ...pages: readonly number[]) =>
    Array.from({ length: count }, (_, call) => pages[call % pages.length] as number);

  it('is the first value until some calls have been seen', () => {
    expect(after(16, times(reserveLimits.firstReviewCalls - 1, 2))).toEqual({ pages: 16, changes: 0 });
  });

  it.each([
    [0, 0],
    [2, 2],
    [7, 8],
    [200, 256],
    [256, 256],
  ])('for calls that all need %i pages is %i', (needed, expected) => {
    expect(after(16, times(1_000, needed)).pages).toBe(expected);
  });

  it('does not follow what is rare and large, and follows what is common', () => {
    expect(after(2, times(1_000, ...times(199, 1), 250)).pages).toBe(1);
    expect(after(2, times(1_000, 1, 1, 1, 50)).pages).toBe(64);
  });

  it('is at most what it may be', () => {
    expect(after(100, [], 40).pages).toBe(40);
    expect(after(16, times(1_000, 100), 40)).toEqual({ pages: 16, changes: 0 });
    expect(after(16, times(1_000, 40), 40).pages).toBe(40);
  });

  it('follows a function that changes, and changes seldom while it does not', () => {
    expect(after(4, [...times(3_000, 2), ...times(3_000, 60)]).pages).toBe(64);
    expect(after(4, times(10_000, 1, 2, 3, 40)).changes).toBeLessThanOrEqual(2);
  });
});
