/** wasi:cli/exit: ends the Process. */
import { func, result } from '../../../../component/wit.ts';
import { type Err, type Ok, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { exitAfterOutput } from '../../wasi2/cli/exit.ts';

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

export const cliExit = witInterface('wasi3', 'wasi:cli/exit@0.3', [exit, exitWithCode]);
