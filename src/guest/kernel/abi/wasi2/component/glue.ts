/**
 * trisiel:component/glue: functions that the linker's code calls after a host function whose result has lists. No
 * component imports them: the linker writes `loop { n = next(); if (n == 0) break; put(realloc(…)) }`.
 */
import { isUtf8 } from 'node:buffer';
import { func } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';

/**
 * Returns the next allocation for the host: bytes × 4 + log2 of the alignment. Returns 0 if none is left.
 */
const next = witRow('next', func({}, 'u32'), (guest: Process) => guest.component.allocations.next());

/**
 * Takes the pointer to the allocation that next() returned. Traps if it lies outside of the memory, or is not aligned.
 */
const put = witRow('put', func({ pointer: 'u32' }), (guest: Process, pointer: number) => {
  guest.component.allocations.put(guest.memory, pointer);
});

/**
 * Says which part of a composed component makes the next call: component instance `owner`, whose memory is the `bytes`
 * bytes from `base` on. 2^32 - 1 bytes: the whole memory.
 */
const select = witRow(
  'select',
  func({ owner: 'u32', base: 'u32', bytes: 'u32' }),
  (guest: Process, owner: number, base: number, bytes: number) => {
    guest.component.handles.owner = owner;
    guest.memory.select(bytes === wholeMemory ? null : { base, bytes });
  },
);
const wholeMemory = 0xffff_ffff;

/** Traps unless the text of `length` bytes at `pointer` in the whole memory is UTF-8. */
const text = witRow(
  'text',
  func({ pointer: 'u32', length: 'u32' }),
  (guest: Process, pointer: number, length: number) => {
    guest.work(length);
    guest.memory.select(null);
    if (!isUtf8(guest.memory.bytes(pointer, length))) throw new GuestFault('a string that is not UTF-8');
  },
);

export const linkerGlue = witInterface('wasi2', 'trisiel:component/glue', [next, put, select, text]);
