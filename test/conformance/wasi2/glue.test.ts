/** trisiel:component/glue: how lists get into the memory of a component. */
import { describe, expect, it } from 'vitest';
import { linkerGlue } from '../../../src/guest/kernel/abi/wasi2/component/glue.ts';
import { ComponentState } from '../../../src/guest/kernel/canonical/state.ts';
import { GuestFault, GuestMemory } from '../../../src/guest/kernel/memory.ts';
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
  it('next tells size and alignment, put takes the pointer, in the order of the requests', () => {
    const guest = makeGuest();
    const filled: number[] = [];
    guest.component.allocations.request(5, 1, (pointer) => filled.push(pointer));
    guest.component.allocations.request(16, 8, (pointer) => filled.push(pointer));
    expect(call(guest, 'next')).toBe(5 * 4);
    expect(call(guest, 'next')).toBe(5 * 4);
    call(guest, 'put', 99);
    expect(call(guest, 'next')).toBe(16 * 4 + 3);
    call(guest, 'put', 104);
    expect(call(guest, 'next')).toBe(0);
    expect(filled).toEqual([99, 104]);
  });

  it('put traps where nothing was asked for, and for a pointer outside of the memory', () => {
    const guest = makeGuest();
    expect(() => call(guest, 'put', 8)).toThrow(GuestFault);
    guest.component.allocations.request(8, 1, () => undefined);
    expect(() => call(guest, 'put', 65_529)).toThrow(GuestFault);
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
