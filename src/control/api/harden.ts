/** Bounds connections and requests of control's HTTP server where Node's defaults set no bound. */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCode, PlatformError, toProblem } from '../../protocol/errors.ts';
import { checkHead } from '../../protocol/request-head.ts';
import { TrustedProxies } from '../../protocol/trusted-proxies.ts';
import { ConnectionGuard, type GuardLimits } from './connection-guard.ts';

export const serverLimits = {
  /** Milliseconds from connecting to the end of a request's head. */
  headersMs: 20_000,
  /**
   * Milliseconds for a whole request: a 256 MiB push at 4 Mbit/s takes 9 minutes. Bodies of the API have a shorter
   * bound.
   */
  requestMs: 10 * 60_000,
  /** Milliseconds between two checks of the bounds above. Node's default of 30 s would add as much to each. */
  checkMs: 2_000,
  /** Milliseconds that an idle connection is kept; longer than the 60 s of usual proxies, so that they close first. */
  keepAliveMs: 65_000,
  /** Connections in all. Each one costs a descriptor; a process often has 4,096 or more. */
  connections: 2_000,
  /**
   * Connections of one address: several hundred machines behind one router, with three quarters left for all others.
   */
  perAddress: 500,
  headers: 100,
  /**
   * Milliseconds after which a connection without any traffic is destroyed; no step of a push or deploy is silent for
   * as long.
   */
  idleMs: 3 * 60_000,
  /**
   * Milliseconds from the last byte sent on a refused connection to its destruction: time for the client to read that
   * byte.
   */
  lingerMs: 1_000,
} as const;

export interface HardenOptions {
  /** Trusted proxies in front of this server. */
  readonly trustedProxies?: TrustedProxies;
  /** Bounds on connections that tests set. */
  readonly limits?: GuardLimits;
}

/**
 * Sets the bounds on a server that was made with `connectionsCheckingInterval: serverLimits.checkMs` and does not
 * listen yet.
 */
export function hardenServer(
  server: Server,
  { trustedProxies = TrustedProxies.none, limits = serverLimits }: HardenOptions = {},
): void {
  server.headersTimeout = serverLimits.headersMs;
  server.requestTimeout = serverLimits.requestMs;
  server.keepAliveTimeout = serverLimits.keepAliveMs;
  server.maxHeadersCount = serverLimits.headers;
  server.timeout = serverLimits.idleMs;
  // Offers of other protocols are ignored (RFC 9110, 7.8): curl and Java's client offer HTTP/2 with any request.
  Object.assign(server, { shouldUpgradeCallback: offersWebSocket });
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
    if (ending.has(socket)) return; // Further bytes of a request that could not be parsed.
    // Node has parsed no request, so no route applies; the client may be gone.
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    ending.add(socket);
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') endWith(socket, 'request_timeout', 'the request took too long');
    else if (error.code === 'HPE_HEADER_OVERFLOW')
      endWith(socket, 'header_too_large', 'the head of the request is too large');
    else endWith(socket, 'bad_request', 'this is not an HTTP request that can be read');
  });
  // Node itself answers without a body, and to CONNECT by closing.
  server.on('checkExpectation', (_request, response) =>
    refuse(response, new PlatformError('expectation_failed', 'the only expectation that can be met is 100-continue')),
  );
  server.on('connect', (_request, socket) =>
    endWith(socket, 'method_not_allowed', 'CONNECT asks for a proxy, and this is none'),
  );
}

/** Returns a listener that refuses requests whose head is ambiguous, and passes all others to `listener`. */
export function withValidHeads(listener: RequestListener): RequestListener {
  return (request, response) => {
    try {
      checkHead(request);
    } catch (error) {
      return refuse(response, error);
    }
    // Node drops the bytes that follow such a request.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    listener(request, response);
  };
}

function offersWebSocket({ headers }: IncomingMessage): boolean {
  return /(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade ?? '');
}

/** Answers with `error`. The connection ends, since what follows may be read in two ways. */
function refuse(response: ServerResponse, error: unknown): void {
  const problem = toProblem(error);
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', connection: 'close' });
  response.end(JSON.stringify(problem));
}

/**
 * Answers outside of any request and ends the connection. A client that never closes its side is destroyed after
 * `lingerMs`; until then its bytes are read and dropped, since closing with unread bytes would discard the answer.
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
