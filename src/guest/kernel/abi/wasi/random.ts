/** Implements WASI `random_get`. */
import { MIB } from '../../../../protocol/limits.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import { Wasi } from './errno.ts';
import { wasiRow } from './row.ts';

/**
 * Most bytes filled in one turn of the event loop, some milliseconds of work; other Processes run between two turns.
 */
const chunkBytes = MIB;

/** Fills `buf_len` bytes at `buf` with cryptographic random bytes. */
export const randomGet = wasiRow(
  'random_get',
  ['buf', 'buf_len'],
  true,
  (guest: Process, pointer: number, length: number): MaybePromise<number> => {
    const bytes = guest.memory.bytes(pointer, length);
    if (bytes.length > chunkBytes) return fillSlowly(guest, pointer >>> 0, length >>> 0);
    guest.work(bytes.length);
    guest.options.random(bytes);
    return Wasi.success;
  },
);

async function fillSlowly(guest: Process, start: number, length: number): Promise<number> {
  for (let done = 0; done < length; done += chunkBytes) {
    if (guest.end !== null) return Wasi.canceled;
    guest.options.random(guest.memory.bytes(start + done, Math.min(chunkBytes, length - done)));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return Wasi.success;
}
