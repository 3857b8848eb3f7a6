/** Opens control's HTTP server: bounds on connections, the port, and requests that come before the end of the start. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EarlyRequests } from '../control/api/early-requests.ts';
import { hardenServer, serverLimits } from '../control/api/harden.ts';
import { PlatformError } from '../protocol/errors.ts';
import type { TrustedProxies } from '../protocol/trusted-proxies.ts';

export interface ControlServer {
  readonly server: Server;
  readonly port: number;
  /** Keeps requests until the platform can answer. */
  readonly early: EarlyRequests;
}

/** Listens on `host` and `port`, 0 for any free one. Throws `unavailable` when the port cannot be used. */
export async function openControlServer(options: {
  readonly host: string;
  readonly port: number;
  readonly trustedProxies: TrustedProxies;
}): Promise<ControlServer> {
  const { host, port, trustedProxies } = options;
  const server = createServer({ connectionsCheckingInterval: serverLimits.checkMs });
  hardenServer(server, { trustedProxies });
  const early = new EarlyRequests(server);
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const problem =
      code === 'EADDRINUSE' ? `port ${port} on ${host} is in use` : `cannot listen on ${host}:${port} (${code})`;
    throw new PlatformError('unavailable', problem, {
      hints: ['stop what uses it, or choose another with TRISIEL_HOST and TRISIEL_PORT (0 takes any free port)'],
      cause: error,
    });
  }
  return { server, early, port: (server.address() as AddressInfo).port }; // it listens on a port, not on a socket file
}
