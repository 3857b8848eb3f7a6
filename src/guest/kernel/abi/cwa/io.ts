/** CommonWA `io`: the standard streams. Each call gives a new descriptor; closing it leaves the stream open. */
import type { ProcessOptions } from '../../process.ts';
import { SharedStream } from '../../stdio.ts';
import type { Syscall } from '../../syscall.ts';
import { cwaRow } from './errno.ts';

export const ioGetStdin = standardStream('stdin');
export const ioGetStdout = standardStream('stdout');
export const ioGetStderr = standardStream('stderr');

function standardStream(name: keyof ProcessOptions & ('stdin' | 'stdout' | 'stderr')): Syscall {
  return cwaRow({
    name: `io_get_${name}`,
    params: [],
    waits: false,
    run: (guest) => guest.descriptors.add(new SharedStream(guest.options[name])),
  });
}
