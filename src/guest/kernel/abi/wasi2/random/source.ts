/** Draws random numbers for the interfaces of wasi:random. All of them are cryptographic. */
import { MIB } from '../../../../../protocol/limits.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';

/** Most random bytes of one call: some milliseconds of work that nothing can interrupt. */
export const randomBytesMax = 4 * MIB;

/** Returns `length` random bytes, and counts them as host work. Throws GuestFault above randomBytesMax. */
export function randomBytes(guest: Process, length: bigint): Uint8Array {
  if (length > BigInt(randomBytesMax))
    throw new GuestFault(`${length} random bytes at once, at most ${randomBytesMax}`);
  const bytes = new Uint8Array(Number(length));
  guest.work(bytes.length);
  guest.options.random(bytes);
  return bytes;
}

/** Returns a random number of 64 bits. */
export function randomU64(guest: Process): bigint {
  const bytes = new Uint8Array(8);
  guest.options.random(bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
