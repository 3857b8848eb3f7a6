/**
 * Reading of arguments and writing of results: CanonicalABI.md "Loading", "Storing", "Flat Lifting", "Flat Lowering".
 */
import { describe, expect, it } from 'vitest';
import {
  asyncFunc,
  borrow,
  enumeration,
  type FunctionType,
  flags,
  func,
  hostResource,
  list,
  option,
  own,
  record,
  result,
  tuple,
  variant,
  type WitType,
} from '../../../../src/guest/component/wit.ts';
import { handlesMax } from '../../../../src/guest/kernel/canonical/handles.ts';
import { dropRow, err, ok, witRow } from '../../../../src/guest/kernel/canonical/row.ts';
import { ComponentState } from '../../../../src/guest/kernel/canonical/state.ts';
import { GuestFault, GuestMemory } from '../../../../src/guest/kernel/memory.ts';
import type { Process } from '../../../../src/guest/kernel/process.ts';
import type { SyscallResult } from '../../../../src/guest/kernel/syscall.ts';

const file = hostResource('test:files/types@1.0', 'file');
const directory = hostResource('test:files/types@1.0', 'directory');

/** The parts of a Process that rows need without a kernel behind them. */
function makeGuest(): Process {
  const memory = new GuestMemory(new WebAssembly.Memory({ initial: 1 }));
  return { memory, component: new ComponentState(), end: null, work: () => undefined } as unknown as Process;
}

type Core = number | bigint;

/**
 * Calls a row of `type` whose result is `returned`; gives the arguments that it got, and what the core call returned.
 */
function call(guest: Process, type: FunctionType, args: readonly Core[], returned?: unknown) {
  const got: unknown[] = [];
  const row = witRow('f', type, (_guest, ...values) => {
    got.push(...values);
    return returned;
  });
  const result = (row.run as unknown as (guest: Process, ...args: readonly Core[]) => SyscallResult)(guest, ...args);
  return { got, result };
}

/** Does what the glue of a linked component does; returns where each list went. */
function allocate(guest: Process, from = 0x1000): number[] {
  const { allocations } = guest.component;
  const pointers: number[] = [];
  let at = from;
  for (let next = allocations.next(); next !== 0; next = allocations.next()) {
    const align = 1 << ((next >>> 1) & 3);
    at = Math.ceil(at / align) * align;
    allocations.put(guest.memory, at);
    pointers.push(at);
    at += next >>> 3;
  }
  return pointers;
}

describe('an argument', () => {
  const rows: readonly (readonly [string, WitType, readonly Core[], unknown])[] = [
    ['bool is any i32 but 0', 'bool', [2], true],
    ['s8 takes the low bits', 's8', [0x1ff], -1],
    ['u8 takes the low bits', 'u8', [-1], 255],
    ['s16', 's16', [0x8000], -32_768],
    ['u32', 'u32', [-1], 4_294_967_295],
    ['u64', 'u64', [-1n], 2n ** 64n - 1n],
    ['s64', 's64', [-1n], -1n],
    ['f64', 'f64', [1.5], 1.5],
    ['char', 'char', [0x1f600], '😀'],
    ['flags', flags('a', 'b', 'c'), [5], new Set(['a', 'c'])],
    ['enum', enumeration('a', 'b'), [1], 'b'],
    ['none', option('u8'), [0, 7], null],
    ['some', option('u8'), [1, 7], 7],
    ['ok', result('u8', null), [0, 7], { tag: 'ok', value: 7 }],
    ['err without a payload', result('u8', null), [1, 7], { tag: 'err', value: undefined }],
    ['a case without a payload', variant({ a: 'u8', b: null }), [1, 7], { tag: 'b' }],
    ['a record', record({ 'last-update': 'u8', x: tuple('u16', 'bool') }), [1, 2, 0], { lastUpdate: 1, x: [2, false] }],
    ['an f32 in a shared i32', variant({ a: 'u32', b: 'f32' }), [1, 0x3fc00000], { tag: 'b', value: 1.5 }],
    ['an f64 in a shared i64', variant({ a: 'u64', b: 'f64' }), [1, 0x3ff8000000000000n], { tag: 'b', value: 1.5 }],
    ['an f32 in a shared i64', variant({ a: 'u64', b: 'f32' }), [1, 0x3fc00000n], { tag: 'b', value: 1.5 }],
    ['an i32 in a shared i64', variant({ a: 'u64', b: 's32' }), [1, 0xffff_ffffn], { tag: 'b', value: -1 }],
  ];
  it.each(rows)('%s', (_name, type, args, value) => {
    const { got } = call(makeGuest(), func({ a: type, z: 'u8' }), [...args, 99]);
    expect(got).toEqual([value, 99]);
  });

  it('of a string or list is read from memory', () => {
    const guest = makeGuest();
    guest.memory.put(16, new TextEncoder().encode('häß'));
    guest.memory.setU32(32, 16);
    guest.memory.setU32(36, 5);
    const { got } = call(guest, func({ a: 'string', b: list('string'), c: list('u8') }), [16, 5, 32, 1, 17, 2]);
    expect(got).toEqual(['häß', ['häß'], new Uint8Array([0xc3, 0xa4])]);
  });

  it('of more than 16 core values is read from memory as one tuple', () => {
    const guest = makeGuest();
    const type = func({ ...Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`p${i}`, 'u8'])), q: 'u64' });
    for (let i = 0; i < 16; i += 1) guest.memory.setU8(8 + i, i);
    guest.memory.setU64(24, 77n);
    expect(call(guest, type, [8]).got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 77n]);
    expect(() => call(guest, type, [4])).toThrow(GuestFault);
    expect(() => call(guest, type, [65_528])).toThrow(GuestFault);
  });

  const bad: readonly (readonly [string, WitType, readonly Core[]])[] = [
    ['a char that is a surrogate', 'char', [0xd800]],
    ['a char beyond Unicode', 'char', [0x110000]],
    ['an unknown case', enumeration('a', 'b'), [2]],
    ['a negative case', option('u8'), [-1, 0]],
    ['a string outside of the memory', 'string', [65_530, 7]],
    ['a string that is not UTF-8', 'string', [8, 1]],
    ['a list that is not aligned', list('u32'), [2, 1]],
    ['a list outside of the memory', list('u32'), [4, 0x4000_0000]],
    ['a list whose bytes overflow', list('u64'), [0, -1]],
    ['a handle of 0', borrow(file), [0]],
    ['a handle that never was', borrow(file), [12]],
    ['a negative handle', own(file), [-1]],
  ];
  it.each(bad)('traps: %s', (_name, type, args) => {
    const guest = makeGuest();
    guest.memory.setU8(8, 0xff);
    expect(() => call(guest, func({ a: type }), args)).toThrow(GuestFault);
  });

  it('traps: a string of two bytes for each unit that is not aligned, or lies outside of the memory', () => {
    for (const encoding of ['utf16', 'latin1+utf16'] as const) {
      const length = encoding === 'utf16' ? 1 : 0x8000_0001;
      const read = (pointer: number) => {
        const guest = makeGuest();
        guest.memory.put(8, new Uint8Array([97, 0, 97, 0]));
        guest.component.encoding = encoding;
        return call(guest, func({ a: 'string' }), [pointer, length]).got;
      };
      expect(read(8)).toEqual(['a']);
      expect(() => read(9)).toThrow(/not aligned to 2/);
      expect(() => read(65_535)).toThrow(GuestFault);
    }
  });

  it('traps where a list names one string so often that the host would run out of memory', () => {
    const guest = makeGuest();
    for (let at = 32_768; at < 65_536; at += 8) {
      guest.memory.setU32(at, 0);
      guest.memory.setU32(at + 4, 32_768);
    }
    expect(() => call(guest, func({ a: list('string') }), [32_768, 4096])).toThrow(/take more than 16777216 bytes/);
    expect(call(guest, func({ a: list('string') }), [32_768, 256]).got).toHaveLength(1);
  });
});

describe('a handle', () => {
  it('stands for the object that was returned, until it is given away or dropped', () => {
    const guest = makeGuest();
    const dropped: object[] = [];
    const value = { drop: () => dropped.push(value) };
    const handle = call(guest, func({}, own(file)), [], value).result as number;
    expect(handle).toBe(1);
    expect(call(guest, func({ a: borrow(file) }), [handle]).got).toEqual([value]);
    expect(() => call(guest, func({ a: borrow(directory) }), [handle])).toThrow(
      'resource handle 1 is a file, not a directory',
    );
    expect(call(guest, func({ a: own(file) }), [handle]).got).toEqual([value]);
    expect(() => call(guest, func({ a: borrow(file) }), [handle])).toThrow(GuestFault);
    const again = call(guest, func({}, own(file)), [], value).result as number;
    expect(again).toBe(handle);
    const drop = dropRow(file);
    expect(drop.name).toBe('[resource-drop]file');
    expect(drop.params.map((param) => param.type)).toEqual(['i32']);
    (drop.run as unknown as (guest: Process, handle: number) => void)(guest, again);
    expect(dropped).toEqual([value]);
    expect(guest.component.handles.size).toBe(0);
  });

  it('traps the guest beyond the limit', () => {
    const guest = makeGuest();
    for (let count = 0; count < handlesMax; count += 1) guest.component.handles.add(file, {});
    expect(() => guest.component.handles.add(file, {})).toThrow(GuestFault);
  });
});

describe('a result', () => {
  const rows: readonly (readonly [string, WitType, unknown, Core | undefined])[] = [
    ['of one core value is returned', 'u64', 5n, 5n],
    ['bool', 'bool', true, 1],
    ['f64', 'f64', 1.5, 1.5],
    ['enum', enumeration('a', 'b'), 'b', 1],
    ['flags', flags('a', 'b', 'c'), new Set(['c']), 4],
    ['result without payloads', result(null, null), err(), 1],
    ['a tuple of one', tuple('u8'), [7], 7],
    ['a record of one', record({ 'a-b': 'u8' }), { aB: 7 }, 7],
    ['nothing', record({}), {}, undefined],
  ];
  it.each(rows)('%s', (_name, type, value, core) => {
    expect(call(makeGuest(), func({}, type), [], value).result).toBe(core);
  });

  it('of more is written to the pointer behind the arguments', () => {
    const guest = makeGuest();
    const type = func({ a: 'u8' }, result(record({ x: 'u64', y: option('u16') }), variant({ a: null, b: 'u32' })));
    expect(call(guest, type, [1, 64], ok({ x: 2n, y: 3 })).result).toBeUndefined();
    expect([guest.memory.u8(64), guest.memory.u64(72), guest.memory.u8(80), guest.memory.u16(82)]).toEqual([
      0,
      2n,
      1,
      3,
    ]);
    call(guest, type, [1, 64], err({ tag: 'b', value: 9 }));
    expect([guest.memory.u8(64), guest.memory.u8(72), guest.memory.u32(76)]).toEqual([1, 1, 9]);
    expect(() => call(guest, type, [1, 68], ok({ x: 2n, y: 3 }))).toThrow(GuestFault);
    expect(() => call(guest, type, [1, 65_528], ok({ x: 2n, y: 3 }))).toThrow(GuestFault);
  });

  it('puts lists where the guest allocates them, inner ones after outer ones', () => {
    const guest = makeGuest();
    call(
      guest,
      func({}, list(tuple('string', list('u16')))),
      [8],
      [
        ['ab', [1, 2]],
        ['', []],
      ],
    );
    expect(allocate(guest)).toEqual([0x1000, 0x1020, 0x1022, 0x1026, 0x1026]);
    const { memory } = guest;
    expect([memory.u32(8), memory.u32(12)]).toEqual([0x1000, 2]);
    expect([memory.u32(0x1000), memory.u32(0x1004), memory.u32(0x1008), memory.u32(0x100c)]).toEqual([
      0x1020, 2, 0x1022, 2,
    ]);
    expect(memory.text(0x1020, 2)).toBe('ab');
    expect([memory.u16(0x1022), memory.u16(0x1024)]).toEqual([1, 2]);
    // Empty ones are allocated too.
    expect([memory.u32(0x1010), memory.u32(0x1014), memory.u32(0x1018), memory.u32(0x101c)]).toEqual([
      0x1026, 0, 0x1026, 0,
    ]);
    expect(guest.component.allocations.next()).toBe(0);
  });

  it('takes no pointer outside of the memory, none askew, and none that nobody asked for', () => {
    const guest = makeGuest();
    call(guest, func({}, list('u32')), [8], [1, 2]);
    const { allocations } = guest.component;
    expect(allocations.next()).toBe(8 * 8 + 2 * 2 + 1);
    expect(() => allocations.put(guest.memory, 65_532)).toThrow(GuestFault);
    allocations.clear();
    call(guest, func({}, list('u32')), [8], [1, 2]);
    expect(() => allocations.put(guest.memory, 0x1001)).toThrow(/not aligned to 4/);
    allocations.clear();
    expect(() => allocations.put(guest.memory, 0x1000)).toThrow(GuestFault);
  });

  it('waits for no other: a call out of realloc traps', () => {
    const guest = makeGuest();
    call(guest, func({}, list('u32')), [8], [1, 2]);
    expect(() => call(guest, func({}, list('u32')), [8], [1])).toThrow('while the result of another is taken');
    expect(call(guest, func({}, 'u32'), [], 7).result).toBe(7);
    allocate(guest);
    expect(() => call(guest, func({}, list('u32')), [8], [1])).not.toThrow();
  });

  it('is made by code that calls no other function of the host', () => {
    const guest = makeGuest();
    call(guest, func({}, list('u32')), [8], [1, 2]);
    expect(guest.component.allocations.next()).toBe(8 * 8 + 2 * 2 + 1);
    expect(() => call(guest, func({}, 'u32'), [], 7)).toThrow('realloc calls the host');
    guest.component.allocations.put(guest.memory, 0x1000);
    expect(call(guest, func({}, 'u32'), [], 7).result).toBe(7);
  });

  it('that comes late is written after it, and not where the Process has ended', async () => {
    const guest = makeGuest();
    const type = func({}, result('u32', null));
    const { result: waiting } = call(guest, type, [8], Promise.resolve(ok(5)));
    await waiting;
    expect(guest.memory.u32(12)).toBe(5);
    const late = call(guest, type, [8], Promise.resolve(ok(6))).result;
    guest.end = { kind: 'aborted', message: 'gone' };
    await late;
    expect(guest.memory.u32(12)).toBe(5);
  });
});

describe('a function for which a task waits, while others run', () => {
  const waitingGuest = () => {
    const guest = makeGuest();
    guest.component.waiting = (promise) => promise;
    return guest;
  };

  it('stores its result when its memory is selected again, which may have moved', async () => {
    const guest = waitingGuest();
    const window = { base: 0, bytes: 1024 };
    guest.memory.select(window);
    const type = asyncFunc({}, tuple('u32', 'u32'));
    expect(await call(guest, type, [16], Promise.resolve([7, 8])).result).toBeUndefined();
    expect(guest.memory.bytes(16, 8)).toEqual(new Uint8Array(8));
    guest.memory.select({ ...window, base: 2048 });
    guest.component.storeResult?.();
    const words = new Uint32Array(guest.memory.all.buffer);
    expect([words[4], words[(2048 + 16) / 4], words[(2048 + 20) / 4]]).toEqual([0, 7, 8]);
  });

  it('returns one core value at once', async () => {
    const guest = waitingGuest();
    expect(await call(guest, asyncFunc({}, 'u32'), [], Promise.resolve(7)).result).toBe(7);
    expect(guest.component.storeResult).toBeNull();
  });
});
