/** Implements CommonWA `random`: non-negative random numbers, as in Olin (Go's rand.Int31 and rand.Int63). */
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';

const scratch = new Uint8Array(8);
const view = new DataView(scratch.buffer);

/** Returns 31 cryptographic random bits: a number that is not negative, as Go's rand.Int31 in Olin. */
export const randomI32: Syscall = {
  name: 'random_i32',
  params: [],
  result: 'i32',
  waits: false,
  run: (guest: Process) => {
    guest.options.random(scratch);
    return view.getInt32(0, true) & 0x7fff_ffff;
  },
};

/** Returns 63 cryptographic random bits: a number that is not negative, as Go's rand.Int63 in Olin. */
export const randomI64: Syscall = {
  name: 'random_i64',
  params: [],
  result: 'i64',
  waits: false,
  run: (guest: Process) => {
    guest.options.random(scratch);
    return view.getBigInt64(0, true) & 0x7fff_ffff_ffff_ffffn;
  },
};
