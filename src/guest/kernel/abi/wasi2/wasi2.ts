/**
 * Lists the interfaces of WASI 0.2, one table each. A component imports `wasi:io/streams@0.2.3`; the linker binds it to
 * `wasi:io/streams@0.2`, whose functions and types are those of every 0.2 release.
 */
import type { Abi } from '../../syscall.ts';
import { environment } from './cli/environment.ts';
import { cliExit } from './cli/exit.ts';
import { stderr, stdin, stdout } from './cli/stdio.ts';
import { terminals } from './cli/terminal.ts';
import { monotonicClock } from './clocks/monotonic-clock.ts';
import { timezone } from './clocks/timezone.ts';
import { wallClock } from './clocks/wall-clock.ts';
import { linkerGlue } from './component/glue.ts';
import { guestResources } from './component/resources.ts';
import { config } from './config/store.ts';
import { preopens } from './filesystem/preopens.ts';
import { filesystemTypes } from './filesystem/types.ts';
import { incomingHandler } from './http/incoming-handler.ts';
import { outgoingHandler } from './http/outgoing-handler.ts';
import { httpTypes } from './http/types.ts';
import { ioError } from './io/error.ts';
import { ioPoll } from './io/poll.ts';
import { ioStreams } from './io/streams.ts';
import { keyvalue } from './keyvalue/store.ts';
import { logging } from './logging/logging.ts';
import { insecure } from './random/insecure.ts';
import { randomInsecureSeed } from './random/insecure-seed.ts';
import { random } from './random/random.ts';
import { socketsInstanceNetwork } from './sockets/instance-network.ts';
import { ipNameLookup } from './sockets/ip-name-lookup.ts';
import { socketsNetwork } from './sockets/network.ts';
import { socketsTcp } from './sockets/tcp.ts';
import { tcpCreateSocket } from './sockets/tcp-create-socket.ts';
import { socketsUdp } from './sockets/udp.ts';
import { udpCreateSocket } from './sockets/udp-create-socket.ts';

export const wasi2: readonly Abi[] = [
  linkerGlue,
  guestResources,
  ioError,
  ioPoll,
  ioStreams,
  monotonicClock,
  wallClock,
  timezone,
  random,
  insecure,
  randomInsecureSeed,
  environment,
  cliExit,
  stdin,
  stdout,
  stderr,
  ...terminals('wasi2', '0.2'),
  preopens,
  filesystemTypes,
  socketsNetwork,
  socketsInstanceNetwork,
  ipNameLookup,
  socketsTcp,
  tcpCreateSocket,
  socketsUdp,
  udpCreateSocket,
  httpTypes,
  outgoingHandler,
  ...keyvalue,
  ...config,
  ...logging,
  incomingHandler,
];
