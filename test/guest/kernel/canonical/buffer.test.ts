/** Ranges of guest memory that streams copy from and to: when they are read and stored, and what they may be. */
import { describe, expect, it } from 'vitest';
import type { WitType } from '../../../../src/guest/component/wit.ts';
import { GuestBuffer } from '../../../../src/guest/kernel/canonical/async/buffer.ts';
import { elementFor } from '../../../../src/guest/kernel/canonical/async/elements.ts';
import { ComponentState } from '../../../../src/guest/kernel/canonical/state.ts';
import { GuestFault, GuestMemory } from '../../../../src/guest/kernel/memory.ts';
import type { Process } from '../../../../src/guest/kernel/process.ts';
import { MIB } from '../../../../src/protocol/limits.ts';
import { ByteBudget } from '../../../../src/waiting/byte-budget.ts';

/** `owner`: number of the part whose code calls; 0: the component is not composed. */
function makeGuest(owner: number): Process {
  const component = new ComponentState();
  component.handles.owner = owner;
  const memory = new GuestMemory(new WebAssembly.Memory({ initial: 4 }));
  return { memory, component, held: new ByteBudget(16 * MIB), end: null, work: () => undefined } as unknown as Process;
}

/** The pointer and length of a string or list, as they lie in memory. */
const words = (pointer: number, length: number) => new Uint8Array(new Uint32Array([pointer, length]).buffer);

const u8 = elementFor('u8');
const u32 = elementFor('u32');
const at = 64;
const bytesAt = (guest: Process, count: number) => [...guest.memory.bytes(at, count)];

describe('a buffer of a part of a composed component', () => {
  it('stores bytes and numbers at the latest when its event is delivered, and each at its place', () => {
    const guest = makeGuest(1);
    const bytes = new GuestBuffer(guest, u8, 'readable', at, 4);
    const chunk = new Uint8Array([1, 2]);
    bytes.write(chunk);
    chunk.fill(9); // the giver goes on with its own memory
    bytes.write(new Uint8Array([3]));
    expect(bytesAt(guest, 4)).toEqual([0, 0, 0, 0]);
    expect(bytes.progress).toBe(3);
    expect([...guest.component.unstored]).toEqual([bytes]);
    bytes.store();
    expect([bytesAt(guest, 4), guest.component.unstored.size]).toEqual([[1, 2, 3, 0], 0]);
    const numbers = new GuestBuffer(guest, u32, 'readable', at, 2);
    numbers.write([0x01020304, 5]);
    expect(bytesAt(guest, 8)).toEqual([1, 2, 3, 0, 0, 0, 0, 0]);
    numbers.store();
    expect(bytesAt(guest, 8)).toEqual([4, 3, 2, 1, 5, 0, 0, 0]);
  });

  it('gives the values that stood there when the copy began', () => {
    for (const [element, expected] of [
      [u8, [7, 8, 0, 0]],
      [u32, [0x0807, 0, 0, 0]],
    ] as const) {
      const guest = makeGuest(1);
      guest.memory.put(at, new Uint8Array([7, 8]));
      const buffer = new GuestBuffer(guest, element, 'writable', at, 4);
      guest.memory.put(at, new Uint8Array([9, 9, 9]));
      expect([...buffer.read(1), ...buffer.read(3)]).toEqual(expected);
    }
  });

  it('moves fewer values in one copy than the guest may name', () => {
    expect(new GuestBuffer(makeGuest(1), u8, 'readable', at, 200_000).remain).toBe(65_536);
    expect(new GuestBuffer(makeGuest(1), u32, 'readable', at, 60_000).remain).toBe(4_096);
  });

  it('takes fewer values where each is large, and one at least', () => {
    const taken = (type: WitType) => new GuestBuffer(makeGuest(1), elementFor(type), 'writable', at, 40).remain;
    expect(taken({ kind: 'list', of: 'u8', length: 64 })).toBe(40);
    expect(taken({ kind: 'list', of: 'u8', length: 1_000 })).toBe(5);
    expect(taken({ kind: 'list', of: 'u8', length: 6_000 })).toBe(1);
    const guest = makeGuest(1);
    for (let index = 0; index < 40; index += 1) guest.memory.put(at + index * 8, words(1_024, 20_000));
    expect(new GuestBuffer(guest, elementFor('string'), 'writable', at, 40).remain).toBe(4);
    expect(new GuestBuffer(guest, elementFor('string'), 'readable', at, 40).remain).toBe(40);
  });

  it('takes no more in all copies together than the invocation may hold, until they have ended', () => {
    const guest = makeGuest(1);
    guest.memory.put(at, words(1_024, 200_000));
    const buffers: GuestBuffer[] = [];
    const take = () => buffers.push(new GuestBuffer(guest, elementFor('string'), 'writable', at, 1));
    for (let index = 0; index < 80; index += 1) take();
    expect(() => {
      for (let index = 0; index < 5; index += 1) take();
    }).toThrow('holds too many values');
    for (const buffer of buffers) buffer.giveBack();
    expect(guest.held.held).toBe(0);
    take();
    expect(guest.held.held).toBeGreaterThan(200_000);
  });
});

describe('bytes that the host keeps for parts', () => {
  it('count as held by the invocation: those that a part offers until the copy has ended', () => {
    const guest = makeGuest(1);
    const buffers: GuestBuffer[] = [];
    const offer = () => buffers.push(new GuestBuffer(guest, u8, 'writable', at, 65_536));
    for (let index = 0; index < 256; index += 1) offer();
    expect(guest.held.held).toBe(16 * MIB);
    expect(offer).toThrow('holds too many values');
    for (const buffer of buffers) buffer.giveBack();
    expect(guest.held.held).toBe(0);
  });

  it('count as held: those that are written for a part until they are stored', () => {
    const guest = makeGuest(1);
    const buffers = Array.from({ length: 257 }, () => new GuestBuffer(guest, u8, 'readable', at, 65_536));
    const bytes = new Uint8Array(65_536);
    expect(() => {
      for (const buffer of buffers) buffer.write(bytes);
    }).toThrow('holds too many values');
    for (const buffer of buffers) buffer.store();
    expect(guest.held.held).toBe(0);
  });
});

describe('a buffer of a component that is not composed', () => {
  it('stores bytes and numbers at once', () => {
    const guest = makeGuest(0);
    new GuestBuffer(guest, u8, 'readable', at, 2).write(new Uint8Array([1, 2]));
    expect(bytesAt(guest, 2)).toEqual([1, 2]);
    new GuestBuffer(guest, u32, 'readable', at, 1).write([3]);
    expect(bytesAt(guest, 4)).toEqual([3, 0, 0, 0]);
  });
});

describe.each([0, 1])('the range of a buffer, part %i', (owner) => {
  it.each([
    ['is not aligned', u32, 2, 1],
    ['ends outside of the memory', u32, 4 * 65_536 - 4, 2],
    ['begins outside of the memory', u8, -1, 2],
  ] as const)('is refused where it %s', (_what, element, pointer, length) => {
    expect(() => new GuestBuffer(makeGuest(owner), element, 'readable', pointer, length)).toThrow(GuestFault);
  });

  it('may be empty anywhere', () => {
    expect(new GuestBuffer(makeGuest(owner), u32, 'readable', 3, 0).isEmpty).toBe(true);
  });
});

it('names at most 268,435,455 values', () => {
  const buffer = (length: number) => new GuestBuffer(makeGuest(0), elementFor(null), 'readable', 0, length);
  expect(buffer(2 ** 28 - 1).remain).toBe(2 ** 28 - 1);
  expect(() => buffer(2 ** 28)).toThrow(GuestFault);
});
