/** The functions' port: a Koa application on node:http, hardened, shared by all runners (reusePort). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket, Server as TcpServer } from 'node:net';
import { type Dispatcher, watchConnection } from './dispatcher.ts';
import type { InFlight } from './in-flight.ts';
import { connectionLimits, quietLimits } from './limits.ts';
import { lingerAfterAnswer, lingerBeforeClose } from './linger.ts';
import { isWithinPipeline } from './pipelining.ts';
import { StreamingKoa } from './streaming-koa.ts';
import { answerUnreadable } from './unreadable-requests.ts';

export interface RunnerServerOptions {
  readonly dispatcher: Dispatcher;
  readonly inFlight: InFlight;
  /** Is called for a mistake in this program, whose request gets no answer. */
  readonly onError: (error: unknown) => void;
}

export class RunnerServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #inFlight: InFlight;
  #isDraining = false;
  /** Whether answers get the field `trisiel-stale`: this node cannot hear of newer versions. */
  isStale = false;

  constructor({ dispatcher, inFlight, onError }: RunnerServerOptions) {
    this.#inFlight = inFlight;
    const expecting = new WeakSet<IncomingMessage>();
    const app = new StreamingKoa();
    app.on('error', onError);
    app.use((ctx) => {
      // The Invocation streams the answer itself, without Koa.
      ctx.respond = false;
      // Node drops what stands behind a request that offers another protocol: a client that is told to close sends it
      // again.
      if (this.#isDraining || ctx.req.headers.upgrade !== undefined) ctx.res.shouldKeepAlive = false;
      if (this.isStale) ctx.res.setHeader('trisiel-stale', '1');
      if (hasBody(ctx.req)) lingerAfterAnswer(ctx.req, ctx.res);
      return dispatcher.handle(ctx.req, ctx.res, expecting.has(ctx.req));
    });
    const handle = app.handler();
    this.#server = createServer({
      maxHeaderSize: connectionLimits.headBytes,
      headersTimeout: connectionLimits.headMs,
      requestTimeout: connectionLimits.requestMs,
      // The timeout below closes idle connections; http's own would be set and reset by every request.
      keepAliveTimeout: 0,
      insecureHTTPParser: false,
      // checkHead refuses such requests, like all other invalid heads.
      requireHostHeader: false,
    });
    const server = this.#server;
    server.maxConnections = connectionLimits.connections;
    server.timeout = connectionLimits.silentMs;
    server.on('request', (request, response) => {
      if (isWithinPipeline(request, response)) void handle(request, response);
    });
    // The body is asked for when the function first reads it.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      if (!isWithinPipeline(request, response)) return;
      expecting.add(request);
      void handle(request, response);
    });
    answerUnreadable(server, { inFlight, nextId: () => dispatcher.nextId() });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      lingerBeforeClose(socket);
      watchConnection(inFlight, socket);
    });
    // A connection with a running function is kept, even when silent; any other silent connection is closed.
    server.on('timeout', (socket) => {
      if (inFlight.isIdle(socket)) socket.destroy();
    });
  }

  /** Starts to listen; returns the port. Rejects as node:net does. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, reusePort: true }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    // Too few descriptors must not end the runner: accept fails and is tried again.
    this.#server.on('error', () => {});
    return (this.#server.address() as AddressInfo).port; // it listens on a port, not on a socket file
  }

  /**
   * Accepts nothing more. Resolves when the last Invocation has ended and every connection is closed. Keeps idle
   * connections for `idleMs` milliseconds, because a request may be on its way on them; then closes them and calls
   * `onClosed`: from then on only Invocations that began before are answered.
   */
  async drain({
    idleMs,
    onClosed = () => {},
  }: {
    readonly idleMs: number;
    readonly onClosed?: () => void;
  }): Promise<void> {
    await quietMoment();
    // http's own close() would end idle connections at once, including those on which a request is on its way.
    const closed = new Promise<void>((resolve) => TcpServer.prototype.close.call(this.#server, () => resolve()));
    // Set only now: a client that is told to close comes back with a new connection, which the kernel may reset while
    // the listener closes.
    this.#isDraining = true;
    this.#inFlight.closeAfterAnswer();
    if (idleMs > 0) await new Promise((resolve) => setTimeout(resolve, idleMs));
    this.#closeIdle();
    onClosed();
    await this.#inFlight.empty();
    this.#closeIdle();
    await closed;
  }

  #closeIdle(): void {
    this.#server.closeIdleConnections();
    for (const socket of this.#sockets) if (this.#inFlight.isIdle(socket)) socket.destroySoon();
  }
}

/**
 * Resolves right after some short turns of the event loop without events, or after `quietLimits.turnsMax`. Connections
 * that wait in the kernel for this process when it closes its listener are reset, unless Linux may pass them to another
 * runner (connection-migration.ts); after such turns only those of the last moment are left.
 */
async function quietMoment(): Promise<void> {
  let quiet = 0;
  for (let turns = 0; turns < quietLimits.turnsMax && quiet < quietLimits.turns; turns++) {
    const before = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    quiet = performance.now() - before < quietLimits.turnMs ? quiet + 1 : 0;
  }
}

/** Returns whether the request has a body. RFC 9112 section 6: only these two fields announce a body. */
function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || request.headers['content-length'] !== undefined;
}
