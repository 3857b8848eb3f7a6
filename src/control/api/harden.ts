/** Bounds on connections that Node's defaults leave open (docs/safety.md). */
import type { Server } from 'node:http';
import { PlatformError, toProblem } from '../../protocol/errors.ts';

export const serverLimits = {
  /** From connecting to the end of the head. */
  headersMs: 20_000,
  /** A whole request: a 256 MiB push at 4 Mbit/s takes 9 minutes. The API's own bodies have a shorter deadline. */
  requestMs: 10 * 60_000,
  /** An idle connection; longer than the 60 s of usual proxies, so that they are the ones to close. */
  keepAliveMs: 65_000,
  /** Sockets; each costs a descriptor, of which a process often has 4,096 or more. */
  connections: 2_000,
  headers: 100,
  /** A socket on which nothing moves either way; more than any step of a push or deploy is silent for. */
  idleMs: 3 * 60_000,
} as const;

export function hardenServer(server: Server): void {
  server.headersTimeout = serverLimits.headersMs;
  server.requestTimeout = serverLimits.requestMs;
  server.keepAliveTimeout = serverLimits.keepAliveMs;
  server.maxConnections = serverLimits.connections;
  server.maxHeadersCount = serverLimits.headers;
  server.timeout = serverLimits.idleMs;
  server.on('clientError', (error, socket) => {
    // Node has parsed no request: there is nobody to route to, and perhaps nobody left to tell.
    if (!socket.writable || ('code' in error && error.code === 'ECONNRESET')) return void socket.destroy();
    const late = 'code' in error && error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const problem = late
      ? toProblem(new PlatformError('request_timeout', 'the request took too long'))
      : toProblem(new PlatformError('bad_request', 'this is not an HTTP request that can be read'));
    const body = JSON.stringify(problem);
    socket.end(
      `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: application/problem+json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  });
}
