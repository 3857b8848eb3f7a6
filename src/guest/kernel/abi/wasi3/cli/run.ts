/**
 * trisiel:cli/run: what the linker's code calls for the entry point of a program. No component imports these functions:
 * `return` is the `task.return` of the exported function `run`.
 */
import { func, result } from '../../../../component/wit.ts';
import { type Err, type Ok, witInterface, witRow } from '../../../canonical/row.ts';
import { StateOf } from '../../../canonical/state.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';

const state = new StateOf<{ status: number | null }>(() => ({ status: null }));

/** Takes the result of the program: status 0 for ok, 1 for an error. Traps at a second call. */
const returnRow = witRow(
  'return',
  func({ result: result(null, null) }),
  (guest: Process, returned: Ok<undefined> | Err<undefined>) => {
    const program = guest.component.of(state);
    if (program.status !== null) throw new GuestFault('the program returns twice');
    program.status = returned.tag === 'ok' ? 0 : 1;
  },
);

/** Returns the status of the program. Traps if it has not returned. */
const status = witRow('status', func({}, 'u32'), (guest: Process) => {
  const found = guest.component.of(state).status;
  if (found === null) throw new GuestFault('the program ended without task.return');
  return found;
});

export const cliRun = { ...witInterface('wasi3', 'trisiel:cli/run', [returnRow, status]), isOfLinker: true };
