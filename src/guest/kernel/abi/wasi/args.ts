/** WASI `args_*`: command line arguments, program name first. */
import type { Process } from '../../process.ts';
import { wasiRow } from './row.ts';
import { encodedArgs, putSizes, putStrings } from './strings.ts';

/**
 * args_get(argv, argv_buf) -> errno. Room as args_sizes_get says.
 *
 *     argv -> [p0][p1]    p0 = argv_buf -> "prog\0" "a\0"
 */
export const argsGet = wasiRow(
  'args_get',
  ['argv', 'argv_buf'],
  false,
  (guest: Process, argv: number, buffer: number) => putStrings(guest.memory, encodedArgs(guest), argv, buffer),
);

/** args_sizes_get(argc: *u32, argv_buf_size: *u32) -> errno. Sizes in bytes, NULs included. */
export const argsSizesGet = wasiRow(
  'args_sizes_get',
  ['argc', 'argv_buf_size'],
  false,
  (guest: Process, argc: number, size: number) => putSizes(guest.memory, encodedArgs(guest), argc, size),
);
