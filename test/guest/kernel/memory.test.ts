/** What the kernel sees of a memory that has pages in reserve. */
import { describe, expect, test } from 'vitest';
import { GuestFault, GuestMemory } from '../../../src/guest/kernel/memory.ts';
import { PAGE_BYTES } from '../../../src/protocol/limits.ts';
import { runGuest } from '../../support/run-guest.ts';

function memoryOf({ pages, reserve }: { readonly pages: number; readonly reserve: number }) {
  const memory = new WebAssembly.Memory({ initial: pages + reserve });
  const left = new WebAssembly.Global({ value: 'i32', mutable: true }, reserve) as WebAssembly.Global<'i32'>;
  const guestMemory = new GuestMemory(memory);
  guestMemory.attach(left);
  return { memory, left, guestMemory };
}

describe('the memory of a guest', () => {
  test('ends where memory.size says, for every kind of access', () => {
    const { guestMemory } = memoryOf({ pages: 1, reserve: 3 });
    expect(guestMemory.pages).toBe(1);
    expect(guestMemory.all.length).toBe(PAGE_BYTES);
    const accesses = [
      () => guestMemory.bytes(PAGE_BYTES - 1, 2),
      () => guestMemory.bytes(PAGE_BYTES + 5, 1),
      () => guestMemory.check(PAGE_BYTES, 1),
      () => guestMemory.check(PAGE_BYTES + 1, 0),
      () => guestMemory.text(0, PAGE_BYTES + 1),
      () => guestMemory.strictText(PAGE_BYTES, 1),
      () => guestMemory.cString(PAGE_BYTES + 1, 10),
      () => guestMemory.put(PAGE_BYTES - 1, Uint8Array.of(1, 2)),
      () => guestMemory.putText(PAGE_BYTES, 'x', 1),
      () => guestMemory.setU8(PAGE_BYTES, 1),
      () => guestMemory.setU16(PAGE_BYTES - 1, 1),
      () => guestMemory.setU32(PAGE_BYTES - 3, 1),
      () => guestMemory.setU64(PAGE_BYTES - 7, 1n),
      () => guestMemory.u8(PAGE_BYTES),
      () => guestMemory.u16(PAGE_BYTES - 1),
      () => guestMemory.u32(PAGE_BYTES - 3),
      () => guestMemory.u64(PAGE_BYTES - 7),
    ];
    for (const access of accesses) expect(access).toThrow(GuestFault);
    expect(guestMemory.cString(PAGE_BYTES - 1, 10)).toBe('');
  });

  test('a text without a NUL in front of memory.size is none, whatever stands in the reserve', () => {
    const { guestMemory } = memoryOf({ pages: 1, reserve: 1 });
    guestMemory.all.fill(65, PAGE_BYTES - 4);
    expect(guestMemory.cString(PAGE_BYTES - 4, 10)).toBeNull();
  });

  test('follows growth in the reserve, growth beyond it, and being set back', () => {
    const { memory, left, guestMemory } = memoryOf({ pages: 1, reserve: 2 });
    left.value = 1;
    guestMemory.setU32(2 * PAGE_BYTES - 4, 7);
    expect(() => guestMemory.u8(2 * PAGE_BYTES)).toThrow(GuestFault);
    expect(guestMemory.pages).toBe(2);
    left.value = 2;
    guestMemory.attach(left);
    expect(() => guestMemory.u8(PAGE_BYTES)).toThrow(GuestFault);
    left.value = 0;
    memory.grow(1);
    expect(guestMemory.u32(2 * PAGE_BYTES - 4)).toBe(7);
    expect(guestMemory.bytes(0, 0).length).toBe(0);
    expect(guestMemory.pages).toBe(4);
  });

  test('of 0 pages takes no byte, after growth of 0 pages too', () => {
    const { memory, guestMemory } = memoryOf({ pages: 0, reserve: 0 });
    memory.grow(0);
    expect(guestMemory.bytes(0, 0).length).toBe(0);
    expect(() => guestMemory.u8(0)).toThrow(GuestFault);
  });
});

/** Reads to the last bytes of a memory that grows between two reads; the second read waits. */
const reading = (pages: number, at: string, result: string) => `(module
  (import "cwa" "io_get_stdin" (func $stdin (result i32)))
  (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
  (memory 1 8)
  (func (export "main") (result i32) (local $n i32)
    (drop (call $read (call $stdin) (i32.const 65532) (i32.const 2)))
    (drop (memory.grow (i32.const ${pages})))
    (local.set $n (call $read (call $stdin) ${at} (i32.const 4)))
    (if (i32.ne (memory.size) (i32.const ${pages + 1})) (then unreachable))
    ${result}))`;

/** Gives two bytes at once, then four that are late. */
function lateInput() {
  let reads = 0;
  return {
    scheme: 'stdin',
    read: (into: Uint8Array) => {
      reads += 1;
      if (reads === 2) return new Promise<void>((resolve) => setImmediate(resolve));
      into.fill(reads);
      return into.length;
    },
    write: () => -6,
    flush: () => 0,
    close: () => 0,
  };
}

describe('a host call', () => {
  test.each([1, 3])('fills what a growth of %i pages has given, also when it waits', async (pages) => {
    const at = '(i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4))';
    const run = await runGuest(reading(pages, at, `(i32.load ${at})`), { stdin: lateInput() });
    expect(run.end).toEqual({ kind: 'exit', status: 0x0303_0303 });
    expect(run.usage.memoryPages).toBe(pages + 1);
  });

  test.each(['65533', '65536'])(
    'refuses a pointer to %s, beyond memory.size, with a reserve as without',
    async (at) => {
      const source = reading(0, `(i32.const ${at})`, '(local.get $n)');
      const run = await runGuest(source, { stdin: lateInput() });
      const exact = await runGuest(source, { stdin: lateInput(), exactMemory: true });
      expect(run.end).toEqual(exact.end);
      expect((run.end as { status: number }).status).toBeLessThan(0);
      expect(run.usage.memoryPages).toBe(1);
      expect(run.guest.memory.all.at(-1)).toBe(0);
    },
  );
});
