/** Implements WASI `environ_*`: the environment as `KEY=value`. */
import type { Process } from '../../process.ts';
import { wasiRow } from './row.ts';
import { putSizes, putStrings } from './strings.ts';

/**
 * Writes the environment as `KEY=value`: pointers at `environ`, the NUL-terminated strings at `environ_buf`.
 * environ_sizes_get returns the sizes of both buffers.
 */
export const environGet = wasiRow(
  'environ_get',
  ['environ', 'environ_buf'],
  false,
  (guest: Process, environ: number, buffer: number) => putStrings(guest.memory, guest.environ, environ, buffer),
);

/**
 * Writes the number of variables (u32) to `environ_count` and the bytes of all of them, `=` and NULs included, (u32) to
 * `environ_buf_size`.
 */
export const environSizesGet = wasiRow(
  'environ_sizes_get',
  ['environ_count', 'environ_buf_size'],
  false,
  (guest: Process, count: number, size: number) => putSizes(guest.memory, guest.environ, count, size),
);
