/** wasi:cli/environment: variables and arguments of the invocation. */
import { func, list, option, tuple } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { toText } from '../../wasi2/cli/environment.ts';

/** Returns all variables, name and value. Bytes of a value that are not UTF-8 become U+FFFD. */
const getEnvironment = witRow('get-environment', func({}, list(tuple('string', 'string'))), (guest: Process) =>
  [...guest.options.env].map(([key, value]) => [key, toText(value)]),
);

/** Returns the arguments, program name first. Bytes of an argument that are not UTF-8 become U+FFFD. */
const getArguments = witRow('get-arguments', func({}, list('string')), (guest: Process) =>
  guest.options.args.map(toText),
);

/** Returns none, since there is no working directory: paths begin at the preopened directories. */
const getInitialCwd = witRow('get-initial-cwd', func({}, option('string')), () => null);

export const environment = witInterface('wasi3', 'wasi:cli/environment@0.3', [
  getEnvironment,
  getArguments,
  getInitialCwd,
]);
