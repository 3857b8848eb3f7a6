/** Implements CommonWA `log`: writes a line into the Invocation's log. */
import { logLimits } from '../../../../protocol/limits.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { i32s } from './errno.ts';

/**
 * Writes one line into the Invocation's log: `msg_len` bytes of UTF-8 at `msg_ptr`. Bytes that are not UTF-8 become
 * U+FFFD. `level` is 1 (error), 3 (warning) or 6 (info); any other number is kept as it is.
 *
 * Traps if the text lies outside the memory: the call has no result that could carry an error.
 */
export const logWrite: Syscall = {
  name: 'log_write',
  params: i32s('level', 'msg_ptr', 'msg_len'),
  result: null,
  waits: false,
  run: (guest: Process, level: number, pointer: number, length: number) => {
    guest.memory.check(pointer, length);
    const size = length >>> 0;
    // Decodes no more than a message may have: a guest could pass its whole memory.
    const text = guest.memory.text(pointer, Math.min(size, logLimits.messageBytes));
    guest.log(level, 'log', size > logLimits.messageBytes ? `${text}… (cut)` : text);
    return undefined;
  },
};
