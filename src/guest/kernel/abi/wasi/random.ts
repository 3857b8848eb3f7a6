/** WASI `random_get`. */
import { MIB } from '../../../../protocol/limits.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import { Wasi } from './errno.ts';
import { wasiRow } from './row.ts';

/** Filled in one go, some milliseconds of work; more than that lets others run in between. */
const chunkBytes = MIB;

/** random_get(buf, buf_len) -> errno. Cryptographic random bytes, always as many as were asked for. */
export const randomGet = wasiRow(
  'random_get',
  ['buf', 'buf_len'],
  true,
  (process: Process, pointer: number, length: number): MaybePromise<number> => {
    const bytes = process.memory.bytes(pointer, length);
    if (bytes.length > chunkBytes) return fillSlowly(process, pointer >>> 0, length >>> 0);
    process.work(bytes.length);
    process.options.random(bytes);
    return Wasi.success;
  },
);

async function fillSlowly(process: Process, start: number, length: number): Promise<number> {
  for (let done = 0; done < length; done += chunkBytes) {
    if (process.end !== null) return Wasi.canceled;
    process.options.random(process.memory.bytes(start + done, Math.min(chunkBytes, length - done)));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return Wasi.success;
}
