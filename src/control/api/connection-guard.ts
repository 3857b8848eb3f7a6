/**
 * Bounds the connections of control's server without shutting clients out: above a bound, per address or in all, the
 * connection that has been idle longest is destroyed to make room for the new one.
 *
 * idle --request, upgrade--> busy --its last answer has ended--> idle --> gone
 *
 * A connection on which a request's head is still arriving counts as idle: bytes that drip in do not keep it.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { addressKey } from '../accounts/rate-limiter.ts';

export interface GuardLimits {
  /** Connections in all. Each one costs a descriptor; a process often has 4,096 or more. */
  readonly connections: number;
  /** Connections of one IPv4 address or IPv6 /64 network. */
  readonly perAddress: number;
}

interface Connection {
  readonly socket: Socket;
  readonly client: Client;
  /** Number of requests whose answers have not ended. */
  requests: number;
  isUpgraded: boolean;
}

/** All connections of one address. */
interface Client {
  readonly connections: Set<Connection>;
  /** Idle connections, longest idle first. */
  readonly idle: Set<Connection>;
}

export interface ConnectionGuardOptions {
  readonly limits: GuardLimits;
  /** Returns whether an address is a trusted proxy: many clients share it, so only the bound in all applies to it. */
  readonly isProxy: (address: string) => boolean;
  /** Ends a connection for which there is no room, and tells its client so. */
  readonly refuse: (socket: Socket) => void;
}

export class ConnectionGuard {
  readonly #options: ConnectionGuardOptions;
  readonly #clients = new Map<string, Client>();
  readonly #bySocket = new WeakMap<Socket, Connection>();
  #count = 0;

  constructor(options: ConnectionGuardOptions) {
    this.#options = options;
  }

  /** Watches every connection of `server` from now on. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#opened(socket));
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#bySocket.get(request.socket);
      if (connection === undefined) return;
      connection.requests += 1;
      connection.client.idle.delete(connection);
      response.once('close', () => {
        connection.requests -= 1;
        this.#mayBeIdle(connection);
      });
    });
    server.prependListener('upgrade', (_request: IncomingMessage, socket: Socket) => {
      const connection = this.#bySocket.get(socket);
      if (connection === undefined) return;
      connection.isUpgraded = true;
      connection.client.idle.delete(connection);
    });
  }

  /** Connections that are open. */
  get size(): number {
    return this.#count;
  }

  #opened(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const key = addressKey(address);
    const client = this.#clients.get(key) ?? { connections: new Set(), idle: new Set() };
    this.#clients.set(key, client);
    const connection: Connection = { socket, client, requests: 0, isUpgraded: false };
    client.connections.add(connection);
    client.idle.add(connection);
    this.#bySocket.set(socket, connection);
    this.#count += 1;
    socket.once('close', () => this.#remove(key, connection));
    const { limits, isProxy } = this.#options;
    if (client.connections.size > limits.perAddress && !isProxy(address)) this.#makeRoom(key, client, connection);
    else if (this.#count > limits.connections) this.#makeRoom(...this.#greediest(), connection);
  }

  /** Destroys an idle connection to make room. That may be the new one itself, whose client is then told. */
  #makeRoom(key: string, { idle }: Client, opened: Connection): void {
    const [victim = opened] = idle;
    this.#remove(key, victim);
    if (victim === opened) this.#options.refuse(victim.socket);
    else victim.socket.destroy();
  }

  /**
   * Returns the address with the most idle connections, so that clients with few do not lose theirs to one with many.
   */
  #greediest(): [string, Client] {
    let most: [string, Client] | null = null;
    for (const entry of this.#clients) if (most === null || entry[1].idle.size > most[1].idle.size) most = entry;
    if (most === null) throw new Error('there are too many connections, and none');
    return most;
  }

  #mayBeIdle(connection: Connection): void {
    const { client, requests, isUpgraded } = connection;
    if (requests === 0 && !isUpgraded && client.connections.has(connection)) client.idle.add(connection);
  }

  /**
   * Removes a connection from the books at once, so that a connection that is being destroyed takes no room. Does
   * nothing the second time.
   */
  #remove(key: string, connection: Connection): void {
    const { client } = connection;
    if (!client.connections.delete(connection)) return;
    client.idle.delete(connection);
    this.#count -= 1;
    if (client.connections.size === 0 && this.#clients.get(key) === client) this.#clients.delete(key);
  }
}
