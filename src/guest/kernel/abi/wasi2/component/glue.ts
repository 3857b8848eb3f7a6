/**
 * trisiel:component/glue: functions that the linker's code calls after a host function whose result has lists. No
 * component imports them: the linker writes `loop { n = next(); if (n == 0) break; put(realloc(…)) }`.
 */
import { func } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
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

export const linkerGlue = witInterface('wasi2', 'trisiel:component/glue', [next, put]);
