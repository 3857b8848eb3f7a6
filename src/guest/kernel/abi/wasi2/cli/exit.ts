/** wasi:cli/exit: ends the Process. */
import { func, result } from '../../../../component/wit.ts';
import { type Err, type Ok, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { outputWritten } from '../io/sink.ts';

/**
 * Ends the Process with status 0 for ok and 1 for an error; never returns. Bytes that streams have taken are written
 * first.
 */
const exit = witRow(
  'exit',
  func({ status: result(null, null) }),
  (guest: Process, status: Ok<undefined> | Err<undefined>) => exitAfterOutput(guest, status.tag === 'ok' ? 0 : 1),
  { waits: true },
);

/** Ends the Process with the status `status-code`, 0 to 255; never returns. */
const exitWithCode = witRow('exit-with-code', func({ 'status-code': 'u8' }), exitAfterOutput, { waits: true });

/** Ends the Process when all bytes that streams have taken are written. Nothing more is taken. */
export function exitAfterOutput(guest: Process, status: number): Promise<never> {
  guest.component.giveUpEnds();
  const written = outputWritten(guest);
  if (written === null) return guest.endNow({ kind: 'exit', status });
  return written.then(() => guest.endNow({ kind: 'exit', status }));
}

export const cliExit = witInterface('wasi2', 'wasi:cli/exit@0.2', [exit, exitWithCode]);
