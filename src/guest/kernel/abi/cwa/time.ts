/** Implements CommonWA `time`. */
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';

/** Returns the time in whole Unix seconds. */
export const timeNow: Syscall = {
  name: 'time_now',
  params: [],
  result: 'i64',
  waits: false,
  run: (guest: Process) => BigInt(Math.floor(guest.options.clock.wallMs() / 1000)),
};
