/**
 * The network of one handler in one runner: its connections, its share of those of the runner, its keep-alive
 * connections. Handlers share no part of it. So no handler learns from a fast answer which hosts another one uses, or
 * gets a connection that another one has spoilt. It costs nothing before its first use.
 */
import type { Socket } from 'node:net';
import { ByteBudget } from '../../../waiting/byte-budget.ts';
import { Semaphore } from '../../../waiting/semaphore.ts';
import { Errno } from '../errno.ts';
import type { Process } from '../process.ts';
import type { ConnectOptions, Egress } from './egress.ts';
import { NetworkFailure } from './failure.ts';
import { HttpPool } from './http-pool.ts';
import type { SlotShare } from './slots.ts';

export const networkLimits = {
  /**
   * Most names of one handler that are looked up at a time. getaddrinfo holds one of the four pool threads of the
   * process, for seconds if the name server is slow, and lookups and file reads of all handlers need these threads.
   */
  lookupsMax: 2,
  /** Most names that wait for a lookup. Invocations that ask for the same name share a place. */
  lookupsWaitingMax: 1_000,
  /** Most network resources that one Process may have open, each with a socket and its buffers. */
  perProcessMax: 64,
  /** Most WebSockets of one handler, each of which may hold an incomplete message of 1 MiB. */
  webSocketsMax: 256,
  /** Most bytes of all invocations of a handler: unsent request bodies, unread and unsent messages. */
  bufferBytes: 64 * 1024 * 1024,
} as const;

export interface NetworkOptions {
  readonly egress: Egress;
  /** Version of the platform; `Trisiel/VERSION` is the User-Agent of guests that set none. */
  readonly version: string;
}

export function createNetwork(options: NetworkOptions): Network {
  return new Network(options);
}

export class Network {
  readonly egress: Egress;
  readonly userAgent: string;
  readonly http: HttpPool;
  readonly share: SlotShare;
  readonly buffers = new ByteBudget(networkLimits.bufferBytes);
  /** Number of WebSockets that are open or opening. */
  webSockets = 0;
  readonly #perProcess = new WeakMap<Process, number>();
  readonly #sockets = new Set<Socket>();
  readonly #lookups = new Map<string, ReturnType<Egress['lookup']>>();
  readonly #lookupTurns = new Semaphore({
    running: networkLimits.lookupsMax,
    waiting: networkLimits.lookupsWaitingMax,
    full: () => new NetworkFailure(Errno.tooManyOpen, 'too many host names wait to be looked up'),
  });
  #isClosed = false;

  constructor(options: NetworkOptions) {
    this.egress = options.egress;
    this.userAgent = `Trisiel/${options.version}`;
    this.share = options.egress.slots.share(() => this.http.evictOne());
    this.http = new HttpPool({ open: (connect) => this.open(connect), isWanted: () => this.share.isWanted });
  }

  /** Number of connections of this handler, idle ones included. */
  get connections(): number {
    return this.share.held;
  }

  /** Counts one more network resource of `guest`. Returns false if it has perProcessMax already. */
  enter(guest: Process): boolean {
    const count = this.#perProcess.get(guest) ?? 0;
    if (count >= networkLimits.perProcessMax) return false;
    this.#perProcess.set(guest, count + 1);
    return true;
  }

  /** Counts one network resource of `guest` less, which has been closed or could not be opened. */
  leave(guest: Process): void {
    this.#perProcess.set(guest, (this.#perProcess.get(guest) ?? 1) - 1);
  }

  /**
   * Returns a checked connection, which counts against the handler's share until it is closed. Throws NetworkFailure.
   * NetworkFailure.
   */
  async open(options: Omit<ConnectOptions, 'lookup'>): Promise<Socket> {
    if (this.#isClosed) throw new NetworkFailure(Errno.closed, 'the handler’s network is closed');
    const slot = await this.share.acquire(options.signal);
    try {
      const socket = await this.egress.connect({ ...options, lookup: (name) => this.#lookup(name) });
      this.#sockets.add(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        slot.release();
      });
      if (this.#isClosed || socket.destroyed) {
        socket.destroy();
        throw new NetworkFailure(Errno.closed, 'the connection was closed');
      }
      return socket;
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  /**
   * Returns the addresses of `name` that guests may reach on some port. Throws NetworkFailure: notFound (DNS), denied
   * (guests may reach none of them), timedOut, closed (signal).
   */
  addressesOf(name: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.egress.addressesOf(name, signal, (asked) => this.#lookup(asked));
  }

  /** Ends every connection, at the end of the handler or of the runner. */
  close(): void {
    this.#isClosed = true;
    this.share.close();
    this.http.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Looks up a name. Simultaneous calls for one name share a lookup; each call checks the addresses. */
  #lookup(name: string): ReturnType<Egress['lookup']> {
    const running = this.#lookups.get(name);
    if (running !== undefined) return running;
    const started = this.#lookupTurns
      .run(() => this.egress.lookup(name))
      .finally(() => {
        this.#lookups.delete(name);
      });
    this.#lookups.set(name, started);
    return started;
  }
}
