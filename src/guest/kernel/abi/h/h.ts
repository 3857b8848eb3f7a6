/** Implements the ABI of h, which has one function. */
import { retry } from '../../io.ts';
import type { Process } from '../../process.ts';
import type { Abi, Syscall } from '../../syscall.ts';

/**
 * Writes the low 8 bits of `byte` to standard output, and waits while standard output is full. Ends the Process if
 * standard output takes no more bytes: h has no errors.
 */
const h: Syscall = {
  name: 'h',
  params: [{ name: 'byte', type: 'i32' }],
  result: null,
  waits: true,
  run: (guest: Process, byte: number) => {
    const { stdout } = guest.options;
    const bytes = Uint8Array.of(byte);
    const written = retry(guest, () => stdout.write(bytes));
    return written instanceof Promise ? written.then((n) => check(guest, n)) : check(guest, written);
  },
};

function check(guest: Process, written: number): undefined {
  if (written <= 0) guest.endNow({ kind: 'trap', message: 'h.h: standard output is closed' });
  guest.account(guest.options.stdout.scheme, 0, written);
}

export const hAbi: Abi = { name: 'h', modules: ['h'], syscalls: [h] };
