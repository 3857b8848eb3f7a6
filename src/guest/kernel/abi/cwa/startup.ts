/** Implements CommonWA `startup`: the arguments, program name first. */
import { Errno } from '../../errno.ts';
import { octetsOf } from '../../memory.ts';
import { cwaRow, i32s } from './errno.ts';

/** Returns the number of arguments, the program's name included. */
export const startupArgLen = cwaRow({
  name: 'startup_arg_len',
  params: [],
  waits: false,
  run: ({ options }) => options.args.length,
});

/**
 * Writes argument number `i`, from 0 (the program's name), to `arg_ptr`, cut to `arg_len` bytes. Returns the number of
 * bytes written.
 *
 * Errors: -2 there is no such argument.
 */
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
