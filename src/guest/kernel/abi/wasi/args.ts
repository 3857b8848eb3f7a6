/** Implements WASI `args_*`: command line arguments, program name first. */
import type { Process } from '../../process.ts';
import { wasiRow } from './row.ts';
import { putSizes, putStrings } from './strings.ts';

/**
 * Writes the arguments, program name first: pointers to them at `argv`, the NUL-terminated strings at `argv_buf`.
 * args_sizes_get returns the sizes of both buffers.
 *
 *     argv -> [p0][p1]    p0 = argv_buf -> "prog\0" "a\0"
 */
export const argsGet = wasiRow(
  'args_get',
  ['argv', 'argv_buf'],
  false,
  (guest: Process, argv: number, buffer: number) => putStrings(guest.memory, guest.args, argv, buffer),
);

/**
 * Writes the number of arguments (u32) to `argc` and the bytes of all of them, NULs included, (u32) to `argv_buf_size`.
 */
export const argsSizesGet = wasiRow(
  'args_sizes_get',
  ['argc', 'argv_buf_size'],
  false,
  (guest: Process, argc: number, size: number) => putSizes(guest.memory, guest.args, argc, size),
);
