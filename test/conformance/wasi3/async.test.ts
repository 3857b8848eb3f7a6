/**
 * Asynchronous calls of the canonical ABI. Specification: component-model, CanonicalABI.md "canon subtask.cancel" to
 * "canon error-context.drop".
 */
import { describe, expect, it } from 'vitest';
import { elementName } from '../../../src/guest/component/element-name.ts';
import { trailersType } from '../../../src/guest/kernel/abi/wasi3/http/body.ts';
import { Subtask } from '../../../src/guest/kernel/canonical/async/subtask.ts';
import { Lent } from '../../../src/guest/kernel/canonical/handles.ts';
import { ComponentGuest, rowOf } from '../../support/component-guest.ts';

const blocked = -1;
const clock = 'wasi:clocks/monotonic-clock@0.3';

/** Calls a host function asynchronously, with core values. */
function start(guest: ComponentGuest, interfaceName: string, name: string, ...args: readonly (number | bigint)[]) {
  const run = rowOf(interfaceName, `[async-lower]${name}`).run as unknown as (...all: unknown[]) => number;
  return run(guest.process, ...args);
}

describe('streams', () => {
  it('copy between two ends, in whichever order they come', async () => {
    const guest = new ComponentGuest();
    const { memory } = guest.process;
    const { readable, writable } = await guest.ends('stream', 'u8');
    memory.put(16, Buffer.from('abcdef'));
    expect(await guest.canon('stream.write async u8', writable, 16, 6)).toBe(blocked);
    expect(await guest.canon('stream.read async u8', readable, 64, 4)).toBe(4 << 4);
    expect(await guest.canon('stream.read async u8', readable, 68, 4)).toBe(2 << 4);
    expect(memory.text(64, 6)).toBe('abcdef');
    const set = (await guest.canon('waitable-set.new')) as number;
    await guest.canon('waitable.join', writable, set);
    expect(await guest.canon('waitable-set.poll', set, 128)).toBe(3);
    expect([memory.u32(128), memory.u32(132)]).toEqual([writable, 6 << 4]);
    expect(await guest.canon('waitable-set.poll', set, 128)).toBe(0);
    expect(await guest.canon('stream.read async u8', readable, 64, 4)).toBe(blocked);
    await guest.canon('waitable.join', writable, 0);
    await guest.canon('stream.drop-writable u8', writable);
    await guest.canon('waitable.join', readable, set);
    expect(await guest.canon('waitable-set.wait', set, 128)).toBe(2);
    expect(memory.u32(132)).toBe(1);
    await guest.canon('stream.drop-readable u8', readable);
    await guest.canon('waitable-set.drop', set);
  });

  it('of a part of a composed component touch its memory only during its calls: it moves in between', async () => {
    const guest = new ComponentGuest();
    const { memory, component } = guest.process;
    const place = (base: number, owner = 1) => {
      component.handles.owner = owner;
      memory.select({ base, bytes: 65_536 });
    };
    place(65_536);
    const { readable, writable } = await guest.ends('stream', 'u8');
    expect(await guest.canon('stream.read async u8', readable, 64, 4)).toBe(blocked);
    // The part's memory has moved, and another part is the last that called the host.
    place(196_608);
    memory.put(16, Buffer.from('abcdef'));
    expect(await guest.canon('stream.write async u8', writable, 16, 4)).toBe(4 << 4);
    place(131_072, 2);
    place(196_608);
    expect(await guest.canon('stream.cancel-read u8', readable)).toBe((4 << 4) | 2);
    expect(memory.text(64, 4)).toBe('abcd');
    memory.select(null);
    expect(memory.text(65_536 + 64, 4)).toBe('\0\0\0\0');
    // What is written is that of the beginning of the copy.
    place(196_608);
    expect(await guest.canon('stream.write async u8', writable, 16, 6)).toBe(blocked);
    place(0);
    expect(await guest.canon('stream.read async u8', readable, 64, 6)).toBe(6 << 4);
    expect(memory.text(64, 6)).toBe('abcdef');
    place(0, 2);
    await expect(guest.canon('stream.read async u8', readable, 64, 6)).rejects.toThrow('no resource handle');
  });

  it('between two parts store nothing in the memory of the writer, whose call copies, and then in that of the reader', async () => {
    const guest = new ComponentGuest();
    const { memory, component } = guest.process;
    const place = (owner: number) => {
      component.handles.owner = owner;
      memory.select({ base: owner * 65_536, bytes: 65_536 });
    };
    place(1);
    const { readable, writable } = await guest.ends('stream', 'u8');
    const passed = (await guest.canon('stream.pass u8', readable, 1, 2)) as number;
    place(2);
    expect(await guest.canon('stream.read async u8', passed, 64, 4)).toBe(blocked);
    expect(await guest.canon('unstored-part')).toBe(0);
    place(1);
    memory.put(16, Buffer.from('abcdef'));
    expect(await guest.canon('stream.write async u8', writable, 16, 6)).toBe(4 << 4);
    await guest.canon('store-unstored');
    expect(memory.text(64, 4)).toBe('\0\0\0\0');
    expect(await guest.canon('unstored-part')).toBe(2);
    place(2);
    await guest.canon('store-unstored');
    expect(memory.text(64, 4)).toBe('abcd');
    expect(await guest.canon('unstored-part')).toBe(0);
    expect(await guest.canon('stream.cancel-read u8', passed)).toBe((4 << 4) | 2);
  });

  it('and futures copy values of the interfaces between two parts, with the resources in them', async () => {
    const guest = new ComponentGuest();
    const { memory, component } = guest.process;
    const place = (owner: number) => {
      component.handles.owner = owner;
      memory.select({ base: owner * 65_536, bytes: 65_536 });
    };
    const types = guest.of('wasi:http/types@0.3');
    place(1);
    const { ok: fields } = await types('[static]fields.from-list', [['x-a', Buffer.from('1')]]);
    const trailers = await guest.futureOf(trailersType, { ok: fields });
    const passed = (await guest.canon(`future.pass ${elementName(trailersType)}`, trailers, 1, 2)) as number;
    place(2);
    const { ok: got } = await guest.valueOf(passed, trailersType);
    expect(await types('[method]fields.has', got, 'x-a')).toBe(true);
    place(1);
    await expect(types('[method]fields.has', fields, 'x-a')).rejects.toThrow('no resource handle');
    const text = await guest.futureOf('string', 'größer');
    const passedText = (await guest.canon('future.pass string', text, 1, 2)) as number;
    place(2);
    expect(await guest.valueOf(passedText, 'string')).toBe('größer');
  });

  it('are cancelled, and say what was copied before', async () => {
    const guest = new ComponentGuest();
    const { readable, writable } = await guest.ends('stream', 'u8');
    expect(await guest.canon('stream.read async u8', readable, 64, 4)).toBe(blocked);
    expect(await guest.canon('stream.cancel-read u8', readable)).toBe(2);
    expect(await guest.canon('stream.read async u8', readable, 64, 4)).toBe(blocked);
    expect(await guest.canon('stream.write async u8', writable, 0, 1)).toBe(1 << 4);
    expect(await guest.canon('stream.cancel-read u8', readable)).toBe((1 << 4) | 2);
    expect(await guest.canon('stream.write async u8', writable, 0, 1)).toBe(blocked);
    expect(await guest.canon('stream.cancel-write u8', writable)).toBe(2);
    await expect(guest.canon('stream.cancel-write u8', writable)).rejects.toThrow('not in progress');
  });

  it('trap if they wait, or are passed on, in a waitable set, whose event they would take', async () => {
    const guest = new ComponentGuest();
    const { readable, writable } = await guest.ends('stream', 'u8');
    const set = (await guest.canon('waitable-set.new')) as number;
    await guest.canon('waitable.join', readable, set);
    await guest.canon('waitable.join', writable, set);
    const inSet = 'which is in a waitable set';
    await expect(guest.canon('stream.read u8', readable, 64, 4)).rejects.toThrow(inSet);
    await expect(guest.canon('stream.write begin u8', writable, 64, 4)).rejects.toThrow(inSet);
    await expect(guest.canon('stream.pass u8', readable, 0, 1)).rejects.toThrow(inSet);
    guest.process.component.handles.owner = 0;
    expect(await guest.canon('stream.read async u8', readable, 64, 4)).toBe(blocked);
    await expect(guest.canon('stream.cancel-read u8', readable)).rejects.toThrow(inSet);
    expect(await guest.canon('stream.cancel-read async u8', readable)).toBe(2);
  });

  it('store numbers as they are written, and keep none until the reader learns of them', async () => {
    const guest = new ComponentGuest();
    const { readable, writable } = await guest.ends('stream', 's8');
    expect(await guest.canon('stream.read async s8', readable, 64, 4)).toBe(blocked);
    guest.process.memory.put(8, Uint8Array.of(3, 250));
    expect(await guest.canon('stream.write async s8', writable, 8, 2)).toBe(2 << 4);
    expect([...guest.process.memory.bytes(64, 3)]).toEqual([3, 250, 0]);
  });

  it('copy nothing but numbers within one component, and trap else', async () => {
    const guest = new ComponentGuest();
    const { readable, writable } = await guest.ends('stream', null);
    expect(await guest.canon('stream.write async _', writable, 0, 9)).toBe(blocked);
    expect(await guest.canon('stream.read async _', readable, 0, 7)).toBe(7 << 4);
    const wide = await guest.ends('stream', 'u64');
    guest.process.memory.setU64(8, 7n);
    expect(await guest.canon('stream.write async u64', wide.writable, 8, 1)).toBe(blocked);
    expect(await guest.canon('stream.read async u64', wide.readable, 64, 2)).toBe(1 << 4);
    expect(await guest.canon('stream.cancel-write u64', wide.writable)).toBe((1 << 4) | 2);
    const both = (await guest.canon('stream.new other')) as bigint;
    const [other, into] = [Number(both & 0xffff_ffffn), Number(both >> 32n)];
    expect(await guest.canon('stream.write async other', into, 0, 1)).toBe(blocked);
    await expect(guest.canon('stream.read async other', other, 0, 1)).rejects.toThrow('within one component');
  });

  it('trap for a wrong range, a wrong end and a use while they copy', async () => {
    const guest = new ComponentGuest();
    const { readable, writable } = await guest.ends('stream', 'u8');
    const size = guest.process.memory.all.length;
    await expect(guest.canon('stream.read async u8', readable, size - 1, 2)).rejects.toThrow('outside the memory');
    await expect(guest.canon('stream.read async u8', writable, 0, 1)).rejects.toThrow('writable end');
    await expect(guest.canon('stream.read async u8', readable, 0, 2 ** 28)).rejects.toThrow('at most');
    const wide = await guest.ends('stream', 'u32');
    await expect(guest.canon('stream.read async u32', wide.readable, 2, 1)).rejects.toThrow('not aligned');
    await guest.canon('stream.read async u8', readable, 0, 1);
    await expect(guest.canon('stream.read async u8', readable, 0, 1)).rejects.toThrow('is used whose end is copying');
    await expect(guest.canon('stream.drop-readable u8', readable)).rejects.toThrow('while it copies');
    const out = 'wasi:cli/stdout@0.3';
    await expect(guest.call(out, 'write-via-stream', readable)).rejects.toThrow('while it copies');
  });
});

describe('futures', () => {
  it('carry one value', async () => {
    const guest = new ComponentGuest();
    const { memory } = guest.process;
    const { readable, writable } = await guest.ends('future', 'u32');
    await expect(guest.canon('future.drop-writable u32', writable)).rejects.toThrow('without a value');
    expect(await guest.canon('future.read async u32', readable, 64)).toBe(blocked);
    memory.setU32(16, 42);
    expect(await guest.canon('future.write async u32', writable, 16)).toBe(0);
    const set = (await guest.canon('waitable-set.new')) as number;
    await guest.canon('waitable.join', readable, set);
    expect(await guest.canon('waitable-set.poll', set, 128)).toBe(4);
    expect(memory.u32(64)).toBe(42);
    await guest.canon('future.drop-writable u32', writable);
    await expect(guest.canon('future.read async u32', readable, 64)).rejects.toThrow('end is done');
    await guest.canon('future.drop-readable u32', readable);
  });

  it('whose reader is gone tell the writer; a copy is cancelled', async () => {
    const guest = new ComponentGuest();
    const { readable, writable } = await guest.ends('future', 'u32');
    expect(await guest.canon('future.read async u32', readable, 64)).toBe(blocked);
    expect(await guest.canon('future.cancel-read u32', readable)).toBe(2);
    expect(await guest.canon('future.write async u32', writable, 16)).toBe(blocked);
    expect(await guest.canon('future.cancel-write u32', writable)).toBe(2);
    await guest.canon('future.drop-readable u32', readable);
    expect(await guest.canon('future.write u32', writable, 16)).toBe(1);
    await guest.canon('future.drop-writable u32', writable);
  });
});

describe('subtasks', () => {
  it('return at once where the host function does', async () => {
    const guest = new ComponentGuest();
    expect(start(guest, clock, 'now', 64)).toBe(2);
    expect(guest.process.memory.u64(64)).toBeGreaterThan(0n);
  });

  it('tell of their end by an event, and can then be dropped', async () => {
    const guest = new ComponentGuest();
    const { memory } = guest.process;
    const status = start(guest, clock, 'wait-for', 50_000_000n);
    expect(status & 15).toBe(1);
    const task = status >> 4;
    await expect(guest.canon('subtask.drop', task)).rejects.toThrow('not known');
    const set = (await guest.canon('waitable-set.new')) as number;
    await guest.canon('waitable.join', task, set);
    await expect(guest.canon('waitable-set.drop', set)).rejects.toThrow('has waitables');
    expect(await guest.canon('next-event', 2 | (set << 4))).toBe(1);
    expect([await guest.canon('event-handle'), await guest.canon('event-payload')]).toEqual([task, 2]);
    await guest.canon('subtask.drop', task);
    await guest.canon('waitable-set.drop', set);
    expect(guest.process.component.handles.size).toBe(0);
    expect(memory.u32(64)).toBe(0);
  });

  it('are cancelled', async () => {
    const guest = new ComponentGuest();
    const task = start(guest, clock, 'wait-for', 3_600_000_000_000n) >> 4;
    expect(await guest.canon('subtask.cancel', task)).toBe(4);
    await expect(guest.canon('subtask.cancel', task)).rejects.toThrow('whose end is known');
    await guest.canon('subtask.drop', task);
    // What a call has returned, a connection for one, stays as it is.
    const returned = new Subtask(new Lent());
    returned.returned(() => undefined);
    returned.cancel();
    expect(returned.signal.aborted).toBe(false);
    expect(() => returned.leave()).toThrow('a call is dropped whose end is not known');
  });

  it('keep what they borrow until their end', async () => {
    const guest = new ComponentGuest();
    const lent = { waits: Promise.withResolvers<void>() };
    const { handles } = guest.process.component;
    const resource = { kind: 'resource', id: 'a:b/c#d' } as const;
    const handle = handles.add(resource, lent);
    const borrowed = new Lent();
    handles.lent = borrowed;
    handles.borrow(resource, handle);
    handles.lent = null;
    expect(() => handles.take(resource, handle)).toThrow('while a call in progress borrows it');
    borrowed.giveBack();
    expect(handles.take(resource, handle)).toBe(lent);
  });
});

describe('handles', () => {
  it.each([
    ['streams', (guest: ComponentGuest) => guest.canon('stream.new u8')],
    ['futures', (guest: ComponentGuest) => guest.canon('future.new _')],
    ['waitable sets', (guest: ComponentGuest) => guest.canon('waitable-set.new')],
    ['error contexts', (guest: ComponentGuest) => guest.canon('error-context.new', 0, 0)],
    ['calls in progress', async (guest: ComponentGuest) => start(guest, clock, 'wait-for', 3_600_000_000_000n)],
  ])('of %s are at most 4,096', async (_what, make) => {
    const guest = new ComponentGuest();
    const making = async () => {
      for (let count = 0; count <= 4096; count += 1) await make(guest);
    };
    await expect(making()).rejects.toThrow('more than 4096 resource handles at once');
    expect(guest.process.component.handles.size).toBe(4096);
    guest.process.kill({ kind: 'exit', status: 0 });
    await guest.process.closeAll();
  });
});

describe('a task', () => {
  it('yields, has backpressure within bounds, and cannot cancel itself', async () => {
    const guest = new ComponentGuest();
    expect(await guest.canon('thread.yield')).toBe(0);
    expect(await guest.canon('next-event', 1)).toBe(0);
    await expect(guest.canon('next-event', 3)).rejects.toThrow('code 3');
    await guest.canon('backpressure.set', 1);
    await guest.canon('backpressure.inc');
    await guest.canon('backpressure.dec');
    await guest.canon('backpressure.set', 0);
    await expect(guest.canon('backpressure.dec')).rejects.toThrow('backpressure of -1');
    await expect(guest.canon('task.cancel')).rejects.toThrow('nobody has cancelled');
    await expect(guest.canon('waitable.join', 99, 0)).rejects.toThrow('no resource handle');
    const set = (await guest.canon('waitable-set.new')) as number;
    await expect(guest.canon('waitable.join', set, 0)).rejects.toThrow('nothing that can be waited for');
  });

  it('makes error contexts', async () => {
    const guest = new ComponentGuest();
    const { memory } = guest.process;
    memory.put(16, Buffer.from('why'));
    const context = (await guest.canon('error-context.new', 16, 3)) as number;
    await guest.canon('error-context.debug-message', context, 64);
    expect(memory.text(memory.u32(64), memory.u32(68))).toBe('why');
    await guest.canon('error-context.drop', context);
    await expect(guest.canon('error-context.drop', context)).rejects.toThrow('no resource handle');
    // More than the values of one call may take together.
    for (let n = 0; n < 300; n += 1)
      await guest.canon('error-context.drop', (await guest.canon('error-context.new', 0, 60_000)) as number);
  });
});
