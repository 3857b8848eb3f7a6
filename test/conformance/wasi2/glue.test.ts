/** trisiel:component/glue: how lists get into the memory of a component. */
import { describe, expect, it } from 'vitest';
import { linkerGlue } from '../../../src/guest/kernel/abi/wasi2/component/glue.ts';
import { ComponentState } from '../../../src/guest/kernel/canonical/state.ts';
import { GuestFault, GuestMemory } from '../../../src/guest/kernel/memory.ts';
import { GasMeter } from '../../../src/guest/kernel/meter.ts';
import type { Process } from '../../../src/guest/kernel/process.ts';
import { ComponentGuest } from '../../support/component-guest.ts';

function makeGuest(): Process {
  const memory = new GuestMemory(new WebAssembly.Memory({ initial: 1 }));
  return { memory, component: new ComponentState(), end: null, work: () => undefined } as unknown as Process;
}

function call(guest: Process, name: string, ...args: number[]): unknown {
  const row = linkerGlue.syscalls.find((one) => one.name === name);
  if (row === undefined) throw new Error(`no row ${name}`);
  return (row.run as unknown as (guest: Process, ...args: number[]) => unknown)(guest, ...args);
}

describe('trisiel:component/glue', () => {
  it('next-allocation tells size and alignment, put takes the pointer, in the order of the requests', () => {
    const guest = makeGuest();
    const filled: number[] = [];
    for (const [bytes, align] of [
      [5, 1],
      [0, 1],
      [16, 8],
    ] as const)
      guest.component.allocations.request(bytes, align, (pointer) => filled.push(pointer));
    expect(call(guest, 'next-allocation')).toBe(5 * 8 + 1);
    expect(call(guest, 'next-allocation')).toBe(5 * 8 + 1);
    call(guest, 'put', 99);
    expect(call(guest, 'next-allocation')).toBe(1);
    call(guest, 'put', 65_536);
    expect(call(guest, 'next-allocation')).toBe(16 * 8 + 3 * 2 + 1);
    call(guest, 'put', 104);
    expect(call(guest, 'next-allocation')).toBe(0);
    expect(filled).toEqual([99, 65_536, 104]);
  });

  it('next tells code of an earlier linker the same, and gives empty lists their alignment for a pointer', () => {
    const guest = makeGuest();
    const filled: number[] = [];
    for (const bytes of [0, 0, 5, 0]) guest.component.allocations.request(bytes, 4, (pointer) => filled.push(pointer));
    expect(call(guest, 'next')).toBe(5 * 4 + 2);
    call(guest, 'put', 100);
    expect(call(guest, 'next')).toBe(0);
    expect(filled).toEqual([4, 4, 100, 4]);
  });

  it('put traps where nothing was asked for, and for a pointer outside of the memory', () => {
    const guest = makeGuest();
    expect(() => call(guest, 'put', 8)).toThrow(GuestFault);
    guest.component.allocations.request(8, 1, () => undefined);
    expect(() => call(guest, 'put', 65_529)).toThrow(GuestFault);
  });
});

describe('parts of a composed component', () => {
  it('select says which memory pointers mean, and text checks it', () => {
    const guest = makeGuest();
    guest.memory.put(100, Buffer.from('größer'));
    call(guest, 'select', 2, 96, 100);
    expect(guest.memory.text(4, 3)).toBe('gr\u{fffd}');
    expect(() => guest.memory.bytes(97, 4)).toThrow(GuestFault);
    expect(guest.memory.all.length).toBe(65_536);
    call(guest, 'text', 100, 8);
    expect(() => call(guest, 'text', 103, 5)).toThrow('not UTF-8');
    call(guest, 'select', 2, 0, -1);
    expect(guest.memory.bytes(65_535, 1).length).toBe(1);
  });

  it('pass gives a handle to another part, lend until it is dropped', async () => {
    const guest = new ComponentGuest();
    const { handles } = guest.process.component;
    const resources = guest.of('trisiel:component/resources');
    handles.owner = 1;
    const handle = await resources('make', 3, 77);
    expect(await resources('owns', 3, handle)).toBe(true);
    await expect(resources('pass', 4, handle, 1, 2)).rejects.toThrow('is a 3, not a 4');
    handles.owner = 2;
    const other = await resources('make', 3, 78);
    // Each part numbers its handles from 1.
    expect([handle, other, await resources('pass', 3, handle, 1, 2)]).toEqual([1, 1, 2]);
    await expect(resources('lend-rep', 3, handle, 1, 1)).rejects.toThrow('no resource handle');
    await expect(resources('lend-rep', 3, 2, 2, 3)).rejects.toThrow('component instance 3, which nobody calls');
    await resources('called', 3);
    expect(await resources('lend-rep', 3, 2, 2, 3)).toBe(77);
    await expect(resources('pass', 3, 2, 2, 1)).rejects.toThrow('while a call in progress borrows it');
    await resources('returned', 3);
    await resources('called', 1);
    const borrowed = await resources('lend', 3, 2, 2, 1);
    await expect(resources('returned', 1)).rejects.toThrow('1 borrowed');
    await expect(resources('pass', 3, borrowed, 1, 2)).rejects.toThrow('only borrowed');
    expect(await resources('owns', 3, borrowed)).toBe(false);
    await resources('drop', 3, borrowed);
    await resources('returned', 1);
    await resources('pass', 3, 2, 2, 1);
  });
});

describe('strings of other encodings', () => {
  it('encode sets the encoding of the calls that follow', async () => {
    const guest = new ComponentGuest();
    const glue = guest.of('trisiel:component/glue');
    await glue('encode', 1);
    expect(guest.process.component.encoding).toBe('utf16');
    await glue('encode', 0);
    expect(guest.process.component.encoding).toBe('utf8');
  });

  it('transcode reads a text, transcoded writes it once in the other encoding', async () => {
    const guest = new ComponentGuest();
    const { memory } = guest.process;
    const glue = guest.of('trisiel:component/glue');
    memory.put(64, Buffer.from('é€', 'utf16le'));
    expect(await glue('transcode', 64, 2, 1, 0)).toBe(5);
    expect(await glue('transcoded', 128)).toBe(5);
    expect(Buffer.from(memory.bytes(128, 5)).toString()).toBe('é€');
    await expect(glue('transcode', 0xffff_fff0, 64, 0, 1)).rejects.toThrow();
    await expect(glue('transcode', 0, 2 ** 24 + 1, 0, 1)).rejects.toThrow('at most 16777216 change');
  });

  it('transcode bounds the text in its new encoding as well', async () => {
    const guest = new ComponentGuest({ meter: new GasMeter(1_000_000_000) });
    guest.process.memory = new GuestMemory(new WebAssembly.Memory({ initial: 130 }));
    const glue = guest.of('trisiel:component/glue');
    await expect(glue('transcode', 65_536, 2 ** 23 + 1, 0, 1)).rejects.toThrow(
      '16777218 bytes, at most 16777216 change',
    );
    expect(guest.process.component.transcoded).toBeNull();
    expect(await glue('transcode', 65_536, 2 ** 23, 0, 1)).toBe(2 ** 24);
  });
});

describe('trisiel:component/resources', () => {
  it('make gives a handle, rep and drop tell the representation, of one type only', async () => {
    const guest = new ComponentGuest();
    const resources = guest.of('trisiel:component/resources');
    const handle = await resources('make', 3, 0xffff_ffff);
    expect(await resources('rep', 3, handle)).toBe(0xffff_ffff);
    await expect(resources('rep', 4, handle)).rejects.toThrow('is a 3, not a 4');
    expect(await resources('drop', 3, handle)).toBe(0xffff_ffff);
    await expect(resources('drop', 3, handle)).rejects.toThrow('no resource handle');
  });
});
