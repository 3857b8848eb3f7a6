/**
 * Keeps the connections of control's server within bounds without shutting anybody out: where there are too many,
 * of one address or in all, the one that has been idle longest is destroyed for the new one.
 *
 *     idle --request, upgrade--> busy --its last answer has ended--> idle --> gone
 *
 * A connection on which a head is still arriving is idle: bytes that drip in do not keep it.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { addressKey } from '../accounts/rate-limiter.ts';

export interface GuardLimits {
  /** Connections in all; each costs a descriptor, of which a process often has 4,096 or more. */
  readonly connections: number;
  /** Connections of one IPv4 address or IPv6 /64 network. */
  readonly perAddress: number;
}

interface Connection {
  readonly socket: Socket;
  readonly client: Client;
  /** Requests whose answers have not ended. */
  requests: number;
  isUpgraded: boolean;
}

/** All connections of one address. */
interface Client {
  readonly connections: Set<Connection>;
  /** Idle longest first. */
  readonly idle: Set<Connection>;
}

export interface ConnectionGuardOptions {
  readonly limits: GuardLimits;
  /** Says whether an address is a proxy of ours: many clients share it, so only the limit in all holds for it. */
  readonly isProxy: (address: string) => boolean;
  /** Ends a connection that can have no place, telling its client so. */
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

  /** Destroys the idle connection that gives way. That may be the new one itself: it is told. */
  #makeRoom(key: string, { idle }: Client, opened: Connection): void {
    const [victim = opened] = idle;
    this.#remove(key, victim);
    if (victim === opened) this.#options.refuse(victim.socket);
    else victim.socket.destroy();
  }

  /** Returns the address with the most idle connections: those who hold few are not made to pay for one who holds many. */
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

  /** Forgets a connection at once, so that one that is being destroyed holds no place. Does nothing the second time. */
  #remove(key: string, connection: Connection): void {
    const { client } = connection;
    if (!client.connections.delete(connection)) return;
    client.idle.delete(connection);
    this.#count -= 1;
    if (client.connections.size === 0 && this.#clients.get(key) === client) this.#clients.delete(key);
  }
}
