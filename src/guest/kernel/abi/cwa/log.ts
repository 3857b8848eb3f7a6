/** CommonWA `log`: a line into the Invocation's log. */
import { logLimits } from '../../../../protocol/limits.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { i32s } from './errno.ts';

/**
 * Writes one line into the Invocation's log: `msg_len` bytes of UTF-8 at `msg_ptr`. Bytes that are not UTF-8 are replaced
 * by U+FFFD. `level` is 1 (error), 3 (warning), 6 (info); any other number is kept as it is.
 *
 * Traps where the text lies outside the memory: there is no result to say an error in.
 */
export const logWrite: Syscall = {
  name: 'log_write',
  params: i32s('level', 'msg_ptr', 'msg_len'),
  result: null,
  waits: false,
  run: (guest: Process, level: number, pointer: number, length: number) => {
    guest.memory.check(pointer, length);
    const size = length >>> 0;
    // Only as much as a message may have is decoded: a guest could pass its whole memory.
    const text = guest.memory.text(pointer, Math.min(size, logLimits.messageBytes));
    guest.log(level, 'log', size > logLimits.messageBytes ? `${text}… (cut)` : text);
    return undefined;
  },
};
