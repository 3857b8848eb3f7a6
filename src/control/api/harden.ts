/** Bounds connections and requests of control's HTTP server where Node's defaults leave them open. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCode, PlatformError, toProblem } from '../../protocol/errors.ts';
import { TrustedProxies } from '../../protocol/trusted-proxies.ts';
import { ConnectionGuard, type GuardLimits } from './connection-guard.ts';

export const serverLimits = {
  /** From connecting to the end of the head, milliseconds. */
  headersMs: 20_000,
  /** A whole request, milliseconds: a 256 MiB push at 4 Mbit/s takes 9 minutes. The API's bodies have a shorter one. */
  requestMs: 10 * 60_000,
  /** How often Node looks for requests past these two, milliseconds; its default of 30 s would add as much to each. */
  checkMs: 2_000,
  /** An idle connection, milliseconds; longer than the 60 s of usual proxies, so that they are the ones to close. */
  keepAliveMs: 65_000,
  /** Connections in all; each costs a descriptor, of which a process often has 4,096 or more. */
  connections: 2_000,
  /** Of one address: several hundred machines behind one router, and still three quarters for all others. */
  perAddress: 500,
  headers: 100,
  /** A connection on which nothing moves either way, milliseconds; more than any step of a push or deploy is silent for. */
  idleMs: 3 * 60_000,
  /** From our last byte on a refused connection until it is destroyed, milliseconds: time to read that byte. */
  lingerMs: 1_000,
} as const;

export interface HardenOptions {
  /** Proxies in front of this server. */
  readonly trustedProxies?: TrustedProxies;
  /** For tests: other bounds on connections. */
  readonly limits?: GuardLimits;
}

/** Sets the bounds on a server that does not listen yet, made with `connectionsCheckingInterval: serverLimits.checkMs`. */
export function hardenServer(
  server: Server,
  { trustedProxies = TrustedProxies.none, limits = serverLimits }: HardenOptions = {},
): void {
  server.headersTimeout = serverLimits.headersMs;
  server.requestTimeout = serverLimits.requestMs;
  server.keepAliveTimeout = serverLimits.keepAliveMs;
  server.maxHeadersCount = serverLimits.headers;
  server.timeout = serverLimits.idleMs;
  const ending = new WeakSet<Duplex>();
  const guard = new ConnectionGuard({
    limits,
    isProxy: (address) => trustedProxies.trusts(address),
    refuse: (socket) => {
      ending.add(socket);
      endWith(socket, 'overloaded', 'too many connections; try again shortly');
    },
  });
  guard.watch(server);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (ending.has(socket)) return; // more of what could not be read before
    // Node has parsed no request: there is nobody to route to, and perhaps nobody left to tell.
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    ending.add(socket);
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') endWith(socket, 'request_timeout', 'the request took too long');
    else if (error.code === 'HPE_HEADER_OVERFLOW')
      endWith(socket, 'header_too_large', 'the head of the request is too large');
    else endWith(socket, 'bad_request', 'this is not an HTTP request that can be read');
  });
  // What Node answers by itself has no body, and to CONNECT it only hangs up.
  server.on('checkExpectation', (_request, response) => {
    const problem = toProblem(
      new PlatformError('expectation_failed', 'the only expectation that can be met is 100-continue'),
    );
    response.writeHead(problem.status, { 'content-type': 'application/problem+json', connection: 'close' });
    response.end(JSON.stringify(problem));
  });
  server.on('connect', (_request, socket) =>
    endWith(socket, 'method_not_allowed', 'CONNECT asks for a proxy, and this is none'),
  );
}

/**
 * Answers outside of any request and ends the connection. A client that never closes its side holds it no longer
 * than `lingerMs`; until then what it sends is thrown away, since closing on unread bytes would take our answer back.
 */
function endWith(socket: Duplex | Socket, code: ErrorCode, message: string): void {
  const problem = toProblem(new PlatformError(code, message));
  const body = JSON.stringify(problem);
  const timer = setTimeout(() => socket.destroy(), serverLimits.lingerMs);
  socket.once('close', () => clearTimeout(timer));
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
