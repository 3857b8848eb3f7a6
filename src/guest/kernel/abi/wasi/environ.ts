/** WASI `environ_*`: the environment as `KEY=value`. */
import type { Process } from '../../process.ts';
import { wasiRow } from './row.ts';
import { encodedEnviron, putSizes, putStrings } from './strings.ts';

/** environ_get(environ, environ_buf) -> errno. Room as environ_sizes_get says. */
export const environGet = wasiRow(
  'environ_get',
  ['environ', 'environ_buf'],
  false,
  (guest: Process, environ: number, buffer: number) => putStrings(guest.memory, encodedEnviron(guest), environ, buffer),
);

/** environ_sizes_get(count: *u32, buf_size: *u32) -> errno. Sizes in bytes, NULs included. */
export const environSizesGet = wasiRow(
  'environ_sizes_get',
  ['environ_count', 'environ_buf_size'],
  false,
  (guest: Process, count: number, size: number) => putSizes(guest.memory, encodedEnviron(guest), count, size),
);
