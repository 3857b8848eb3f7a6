/**
 * Holds the HTTP connections of one handler: one undici Client for each, with one request at a time, kept alive for a
 * moment after use. It replaces undici's pool because every socket counts against the handler's share, a wait in line
 * must end with its invocation, and an idle connection must make room for others.
 */
import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import { Errno } from '../errno.ts';
import type { HttpField } from '../incoming-http.ts';
import type { Host } from './address.ts';
import type { ConnectOptions } from './egress.ts';
import { NetworkFailure } from './failure.ts';
import { HttpExchange, httpResponseLimits } from './http-exchange.ts';
import { Upload } from './http-upload.ts';
import { InterimResponses } from './interim-responses.ts';
import { RequestTrailers } from './request-trailers.ts';
import { type NetworkScheme, originOf, usesTls } from './target.ts';

export const httpPoolLimits = {
  /** Most idle connections of one handler, to all origins. */
  idleMax: 256,
  /**
   * Milliseconds for which an idle connection is kept, unless the server says less; servers commonly wait 5 s.
   */
  keepAliveMs: 4_000,
  keepAliveMaxMs: 30_000,
} as const;

export interface HttpOrigin {
  readonly scheme: NetworkScheme<'http'>;
  readonly host: Host;
  readonly port: number;
}

export interface HttpSend {
  readonly origin: HttpOrigin;
  readonly method: string;
  /** Request target in origin-form, or `*`. */
  readonly path: string;
  /** Header fields, `host` included: name, value, name, value … */
  readonly headers: readonly string[];
  readonly body: Uint8Array | Upload | null;
  /** Returns the trailers once a body of unknown length, an Upload, has ended; absent: there are none. */
  readonly trailers?: () => readonly HttpField[];
  /**
   * Milliseconds within which a new connection must be established, within the limits of the egress; absent or null:
   * only those.
   */
  readonly connectTimeoutMs?: number | null;
}

/** Part of a handler's network that the pool uses. */
export interface Connections {
  /** Returns a checked connection that counts against the handler's share until it is closed. Throws NetworkFailure. */
  open(options: Omit<ConnectOptions, 'lookup'>): Promise<Socket>;
  /** Returns whether another call could use the slot of an idle connection. */
  isWanted(): boolean;
}

interface Connection {
  readonly key: string;
  readonly client: Client;
  readonly interim: InterimResponses;
  readonly trailers: RequestTrailers;
  /** Aborting it ends an attempt to connect. */
  readonly abort: AbortController;
  isUsed: boolean;
}

/** Shared error of all closed idle connections: a stack for each would cost more than closing it. */
const dropped = new NetworkFailure(Errno.closed, 'the connection was closed');

let undici: Promise<typeof import('undici')> | null = null;

/** Loads undici (about 0.1 s) ahead of the first request. */
export function loadHttp(): Promise<typeof import('undici')> {
  undici ??= import('undici');
  return undici;
}

export class HttpPool {
  readonly #connections: Connections;
  readonly #idle = new Map<string, Set<Connection>>();
  readonly #all = new Set<Connection>();
  #idleCount = 0;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /**
   * Sends the request. Returns its exchange, and whether the connection had been used before. Aborting the exchange
   * also ends the connection. `fresh` requires a new connection.
   */
  async send(
    request: HttpSend,
    fresh: boolean,
  ): Promise<{ readonly exchange: HttpExchange; readonly reused: boolean }> {
    const key = originOf(request.origin);
    const connection = (fresh ? undefined : this.#takeIdle(key)) ?? (await this.#connect(request, key));
    const reused = connection.isUsed;
    connection.isUsed = true;
    const exchange = new HttpExchange(`${request.method} ${key}`, (ok) => {
      if (request.body instanceof Upload) request.body.stop();
      this.#done(connection, ok);
    });
    connection.interim.expect();
    connection.trailers.begin(request.trailers ?? null);
    connection.client.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path: request.path,
        headers: [...request.headers],
        // undici also accepts an async iterable as a body (undici, Request); its types leave that out.
        body: request.body as Dispatcher.DispatchOptions['body'],
      },
      exchange,
    );
    return { exchange, reused };
  }

  /** Closes the connection that has been idle longest. Returns false where none is idle. */
  evictOne(): boolean {
    for (const connections of this.#idle.values()) {
      for (const connection of connections) {
        this.#drop(connection);
        return true;
      }
    }
    return false;
  }

  close(): void {
    for (const connection of [...this.#all]) this.#drop(connection);
  }

  #takeIdle(key: string): Connection | undefined {
    // The server is least likely to close the connection that was used last.
    const connection = [...(this.#idle.get(key) ?? [])].at(-1);
    if (connection !== undefined) this.#unIdle(connection);
    return connection;
  }

  async #connect({ origin, connectTimeoutMs }: HttpSend, key: string): Promise<Connection> {
    const { Client } = await loadHttp();
    const abort = new AbortController();
    const interim = new InterimResponses();
    const trailers = new RequestTrailers();
    const client = new Client(key, {
      connect: (_options, callback) => {
        const opening = this.#connections.open({
          host: origin.host,
          port: origin.port,
          tls: usesTls(origin.scheme) ? { alpn: ['http/1.1'] } : null,
          signal: abort.signal,
          halfOpen: false,
        });
        openedInTime(opening, connectTimeoutMs ?? null, `connecting to ${key}`)
          .then(
            (socket) => callback(null, trailers.on(interim.on(socket))),
            (error: Error) => callback(error, null),
          )
          // The client has refused the socket and has already failed its request.
          .catch(() => this.#drop(connection));
      },
      pipelining: 1,
      // The deadline of the invocation ends a wait, so no second timer is needed.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: httpResponseLimits.headBytes,
      keepAliveTimeout: httpPoolLimits.keepAliveMs,
      keepAliveMaxTimeout: httpPoolLimits.keepAliveMaxMs,
    });
    const connection: Connection = { key, client, interim, trailers, abort, isUsed: false };
    this.#all.add(connection);
    client.on('disconnect', () => {
      if (this.#idle.get(key)?.has(connection)) this.#drop(connection);
    });
    return connection;
  }

  #done(connection: Connection, ok: boolean): void {
    if (!ok || !this.#all.has(connection) || this.#connections.isWanted()) {
      this.#drop(connection);
      return;
    }
    let connections = this.#idle.get(connection.key);
    if (connections === undefined) {
      connections = new Set();
      this.#idle.set(connection.key, connections);
    }
    connections.add(connection);
    this.#idleCount += 1;
    if (this.#idleCount > httpPoolLimits.idleMax) this.evictOne();
  }

  #unIdle(connection: Connection): void {
    const connections = this.#idle.get(connection.key);
    if (connections?.delete(connection) !== true) return;
    this.#idleCount -= 1;
    if (connections.size === 0) this.#idle.delete(connection.key);
  }

  #drop(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    this.#unIdle(connection);
    connection.abort.abort(dropped);
    void connection.client.destroy(dropped);
  }
}

/**
 * Returns the socket of `opening`. Throws NetworkFailure timedOut after `timeoutMs`; closes a socket that comes later.
 */
function openedInTime(opening: Promise<Socket>, timeoutMs: number | null, what: string): Promise<Socket> {
  if (timeoutMs === null) return opening;
  let isLate = false;
  return new Promise<Socket>((resolve, reject) => {
    const timer = setTimeout(() => {
      isLate = true;
      reject(new NetworkFailure(Errno.timedOut, `${what}: no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    opening.then(
      (socket) => {
        clearTimeout(timer);
        if (isLate) socket.destroy();
        else resolve(socket);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
