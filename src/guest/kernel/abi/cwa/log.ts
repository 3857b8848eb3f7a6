/** CommonWA `log`: a line into the Invocation's log. */
import { logLimits } from '../../../../protocol/limits.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { i32s } from './errno.ts';

/**
 * log_write(level, ptr, len): one LogLine. Levels 1 error, 3 warning, 6 info; others are kept as
 * numbers. Invalid UTF-8 is replaced. There is no result to say an error in: a pointer outside
 * the memory traps.
 */
export const logWrite: Syscall = {
  name: 'log_write',
  params: i32s('level', 'msg_ptr', 'msg_len'),
  result: null,
  waits: false,
  run: (guest: Process, level: number, pointer: number, length: number) => {
    guest.memory.check(pointer, length);
    const size = length >>> 0;
    // Nothing beyond a line's limit is even decoded: a guest could pass its whole memory.
    const text = guest.memory.text(pointer, Math.min(size, logLimits.lineBytes));
    guest.log(level, 'log', size > logLimits.lineBytes ? `${text}… (cut)` : text);
    return undefined;
  },
};
