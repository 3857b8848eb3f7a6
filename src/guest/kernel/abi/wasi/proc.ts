/** Implements WASI `proc_*`. */
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { Wasi } from './errno.ts';
import { wasiRow } from './row.ts';

/** Names of the signals, in order from 0 (witx: signal). */
const signals =
  'none hup int quit ill trap abrt bus fpe kill usr1 segv usr2 pipe alrm term chld cont stop tstp ttin ttou urg xcpu xfsz vtalrm prof winch poll pwr sys'.split(
    ' ',
  );

/** Signals that are ignored by default (POSIX, signal.h). */
const ignored: ReadonlySet<string> = new Set(['none', 'chld', 'cont', 'urg', 'winch']);
/** Signals that would stop a Process. They are refused: no call could continue it. */
const stopping: ReadonlySet<string> = new Set(['stop', 'tstp', 'ttin', 'ttou']);

/**
 * Ends the Process with the status `rval`; never returns. Open descriptors are closed and written bytes are committed.
 */
export const procExit: Syscall = {
  name: 'proc_exit',
  params: [{ name: 'rval', type: 'i32' }],
  result: null,
  waits: false,
  run: (guest: Process, status: number) => guest.endNow({ kind: 'exit', status: status >>> 0 }),
};

/**
 * Raises the signal `sig`. There are no handlers: chld, cont, urg and winch do nothing, all others end the Process as
 * trapped.
 *
 * Errors: inval no such signal; notsup one that would stop the Process, since no call could continue it.
 */
export const procRaise = wasiRow('proc_raise', ['sig'], false, (guest: Process, number: number) => {
  const name = signals[number];
  if (name === undefined) return Wasi.inval;
  if (ignored.has(name)) return Wasi.success;
  if (stopping.has(name)) return Wasi.notsup;
  return guest.endNow({ kind: 'trap', message: `raised signal ${number} (${name})` });
});
