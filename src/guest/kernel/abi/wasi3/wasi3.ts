/**
 * Lists the interfaces of WASI 0.3, one table each, and the functions of asynchronous calls. A component imports
 * `wasi:http/types@0.3.0`; the linker binds it to `wasi:http/types@0.3`, whose functions and types are those of every
 * 0.3 release. Components of 0.3 also import interfaces of 0.2.
 */
import { asyncRow } from '../../canonical/row.ts';
import type { Abi } from '../../syscall.ts';
import { terminals } from '../wasi2/cli/terminal.ts';
import { outputWritten } from '../wasi2/io/sink.ts';
import { environment } from './cli/environment.ts';
import { cliExit } from './cli/exit.ts';
import { cliRun } from './cli/run.ts';
import { stderr, stdin, stdout } from './cli/stdio.ts';
import { monotonicClock } from './clocks/monotonic-clock.ts';
import { systemClock } from './clocks/system-clock.ts';
import { timezone } from './clocks/timezone.ts';
import { asyncFunctions } from './component/async.ts';
import { preopens } from './filesystem/preopens.ts';
import { filesystemTypes } from './filesystem/types.ts';
import { client, importedHandler } from './http/client.ts';
import { handler } from './http/handler.ts';
import { httpTypes } from './http/types.ts';
import { random } from './random/random.ts';
import { ipNameLookup } from './sockets/ip-name-lookup.ts';
import { socketsTypes } from './sockets/types.ts';

const interfaces: readonly Abi[] = [
  monotonicClock,
  systemClock,
  timezone,
  ...random,
  environment,
  cliExit,
  stdin,
  stdout,
  stderr,
  ...terminals('wasi3', '0.3'),
  preopens,
  filesystemTypes,
  socketsTypes,
  ipNameLookup,
  httpTypes,
  client,
  importedHandler,
];

/** The functions of `interfaces` as asynchronous calls import them. */
const asyncInterfaces = interfaces.map(
  ({ name, modules, syscalls }): Abi => ({
    name,
    modules,
    isOfLinker: true,
    syscalls: syscalls.filter((row) => !row.name.startsWith('[resource-drop]')).map(asyncRow),
  }),
);

export const wasi3: readonly Abi[] = [
  ...interfaces,
  ...asyncInterfaces,
  handler,
  cliRun,
  {
    ...asyncFunctions(),
    /** Ends the streams that the guest holds, and waits until the host has written what it took from them. */
    after: (guest) => {
      guest.component.giveUpEnds();
      const written = outputWritten(guest);
      return written === null ? undefined : guest.wait(written);
    },
  },
];
