/** CommonWA `startup`: the arguments, program name first. */
import { Errno } from '../../errno.ts';
import { octetsOf } from '../../memory.ts';
import { cwaRow, i32s } from './errno.ts';

/** startup_arg_len() -> argc, the program's name included. */
export const startupArgLen = cwaRow({
  name: 'startup_arg_len',
  params: [],
  waits: false,
  run: ({ options }) => options.args.length,
});

/** startup_arg_at(i, ptr, len) -> bytes written, cut to len. -2: no such argument. */
export const startupArgAt = cwaRow({
  name: 'startup_arg_at',
  params: i32s('i', 'arg_ptr', 'arg_len'),
  waits: false,
  run: ({ memory, options }, index, pointer, length) => {
    memory.check(pointer, length);
    const arg = options.args[index];
    if (arg === undefined) return Errno.invalid;
    const bytes = octetsOf(arg).subarray(0, length >>> 0);
    memory.put(pointer, bytes);
    return bytes.length;
  },
});
