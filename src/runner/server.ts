/** The functions' port: a Koa application on node:http, hardened, shared by all runners (reusePort). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket, Server as TcpServer } from 'node:net';
import { type Dispatcher, watchConnection } from './dispatcher.ts';
import type { InFlight } from './in-flight.ts';
import { connectionLimits } from './limits.ts';
import { lingerAfterAnswer, lingerBeforeClose } from './linger.ts';
import { isWithinPipeline } from './pipelining.ts';
import { StreamingKoa } from './streaming-koa.ts';
import { answerUnreadable } from './unreadable-requests.ts';

export interface RunnerServerOptions {
  readonly dispatcher: Dispatcher;
  readonly inFlight: InFlight;
  /** Our own mistake; the answer is lost. */
  readonly onError: (error: unknown) => void;
}

export class RunnerServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #inFlight: InFlight;
  #isDraining = false;

  constructor({ dispatcher, inFlight, onError }: RunnerServerOptions) {
    this.#inFlight = inFlight;
    const expecting = new WeakSet<IncomingMessage>();
    const app = new StreamingKoa();
    app.on('error', onError);
    app.use((ctx) => {
      // The answer is streamed by the Invocation, past Koa's own.
      ctx.respond = false;
      if (this.#isDraining) ctx.res.shouldKeepAlive = false;
      if (hasBody(ctx.req)) lingerAfterAnswer(ctx.req, ctx.res);
      return dispatcher.handle(ctx.req, ctx.res, expecting.has(ctx.req));
    });
    const handle = app.handler();
    this.#server = createServer({
      maxHeaderSize: connectionLimits.headBytes,
      headersTimeout: connectionLimits.headMs,
      requestTimeout: connectionLimits.requestMs,
      // Idle connections are closed by the timeout below: a second one would be set and reset by every request.
      keepAliveTimeout: 0,
      insecureHTTPParser: false,
      // Answered by checkHead, as everything else that is wrong with a request.
      requireHostHeader: false,
    });
    const server = this.#server;
    server.maxConnections = connectionLimits.connections;
    server.timeout = connectionLimits.silentMs;
    server.on('request', (request, response) => {
      if (isWithinPipeline(request, response)) void handle(request, response);
    });
    // The body is asked for only when the function reads it.
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
    // A function that sleeps keeps its connection; without one a silent connection is closed.
    server.on('timeout', (socket) => {
      if (inFlight.isIdle(socket)) socket.destroy();
    });
  }

  /** Begins to listen; returns the port. Rejects as node:net does. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, reusePort: true }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    // Running out of descriptors must not end the runner: accept fails and is tried again.
    this.#server.on('error', () => {});
    return (this.#server.address() as AddressInfo).port;
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
    // http's own close() would end idle connections at once, and with them requests that are just on their way.
    const closed = new Promise<void>((resolve) => TcpServer.prototype.close.call(this.#server, () => resolve()));
    // Only now: a connection that is told to close comes back as a new one, and while the listener closes that is where
    // the kernel resets them.
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
 * Resolves right after a turn of the event loop in which nothing happened. Connections that wait in
 * the kernel for this process are reset when it closes its listener, although other runners could
 * take them; after such a turn there are none, but for those of the last 0.1 ms.
 */
async function quietMoment(): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    const before = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - before < 0.1) return;
  }
}

/** Returns whether the request has a body. RFC 9112 section 6: only these two fields announce a body. */
function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || request.headers['content-length'] !== undefined;
}
