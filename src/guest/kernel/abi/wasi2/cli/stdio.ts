/** wasi:cli/stdin, stdout and stderr: the standard streams. Closing a stream leaves it open for the host. */
import { func, own } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { InputStream, inputStreamResource, OutputStream, outputStreamResource } from '../io/guest-streams.ts';

/** Returns a stream of the standard input. All such streams read from one place. */
const getStdin = witRow(
  'get-stdin',
  func({}, own(inputStreamResource)),
  (guest: Process) => new InputStream(guest.options.stdin),
);

/** Returns a stream to the standard output. All such streams keep the order of what is written. */
const getStdout = witRow(
  'get-stdout',
  func({}, own(outputStreamResource)),
  (guest: Process) => new OutputStream(guest, guest.options.stdout, { isAwaited: true }),
);

/** Returns a stream to the standard error. All such streams keep the order of what is written. */
const getStderr = witRow(
  'get-stderr',
  func({}, own(outputStreamResource)),
  (guest: Process) => new OutputStream(guest, guest.options.stderr, { isAwaited: true }),
);

export const stdin = witInterface('wasi2', 'wasi:cli/stdin@0.2', [getStdin]);
export const stdout = witInterface('wasi2', 'wasi:cli/stdout@0.2', [getStdout]);
export const stderr = witInterface('wasi2', 'wasi:cli/stderr@0.2', [getStderr]);
