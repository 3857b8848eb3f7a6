/** The ABI of h: one function, one byte. */
import { retry } from '../../io.ts';
import type { Process } from '../../process.ts';
import type { Abi, Syscall } from '../../syscall.ts';

/** h(byte): writes the low 8 bits to standard output. A stream that takes no more ends the Process: h has no errors. */
const h: Syscall = {
  name: 'h',
  params: [{ name: 'byte', type: 'i32' }],
  result: null,
  waits: true,
  run: (process: Process, byte: number) => {
    const { stdout } = process.options;
    const bytes = Uint8Array.of(byte);
    const written = retry(process, () => stdout.write(bytes));
    return written instanceof Promise ? written.then((n) => check(process, n)) : check(process, written);
  },
};

function check(process: Process, written: number): undefined {
  if (written <= 0) process.endNow({ kind: 'trap', message: 'h.h: standard output is closed' });
  process.account(process.options.stdout.scheme, 0, written);
}

export const hAbi: Abi = { name: 'h', modules: ['h'], syscalls: [h] };
