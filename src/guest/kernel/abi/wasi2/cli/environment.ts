/** wasi:cli/environment: variables and arguments of the invocation. */
import { func, list, option, tuple } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { GuestText } from '../../../memory.ts';
import type { Process } from '../../../process.ts';

/** Returns all variables, name and value. Bytes of a value that are not UTF-8 become U+FFFD. */
const getEnvironment = witRow('get-environment', func({}, list(tuple('string', 'string'))), (guest: Process) =>
  [...guest.options.env].map(([key, value]) => [key, toText(value)]),
);

/** Returns the arguments, program name first. Bytes of an argument that are not UTF-8 become U+FFFD. */
const getArguments = witRow('get-arguments', func({}, list('string')), (guest: Process) =>
  guest.options.args.map(toText),
);

/** Returns none, since there is no working directory: paths begin at the preopened directories. */
const initialCwd = witRow('initial-cwd', func({}, option('string')), () => null);

/** Returns `text` as a string, since strings of an interface are UTF-8; a header of a request may hold any octets. */
export function toText(text: GuestText): string {
  return typeof text === 'string' ? text : Buffer.from(text).toString();
}

export const environment = witInterface('wasi2', 'wasi:cli/environment@0.2', [
  getEnvironment,
  getArguments,
  initialCwd,
]);
