/**
 * Implements CommonWA `io`: the standard streams. Each call returns a new descriptor; closing it leaves the stream
 * open.
 */
import type { ProcessOptions } from '../../process.ts';
import { SharedStream } from '../../stdio.ts';
import type { Syscall } from '../../syscall.ts';
import { cwaRow } from './errno.ts';

/**
 * Returns a new descriptor of standard input, the request's body. Closing it leaves the stream open.
 *
 * Errors: -3 one descriptor too many.
 */
export const ioGetStdin = standardStream('stdin');
/**
 * Returns a new descriptor of standard output, the answer. Closing it leaves the stream open.
 *
 * Errors: -3 one descriptor too many.
 */
export const ioGetStdout = standardStream('stdout');
/**
 * Returns a new descriptor of standard error, whose lines go into the log. Closing it leaves the stream open.
 *
 * Errors: -3 one descriptor too many.
 */
export const ioGetStderr = standardStream('stderr');

function standardStream(name: keyof ProcessOptions & ('stdin' | 'stdout' | 'stderr')): Syscall {
  return cwaRow({
    name: `io_get_${name}`,
    params: [],
    waits: false,
    run: (guest) => guest.descriptors.add(new SharedStream(guest.options[name])),
  });
}
