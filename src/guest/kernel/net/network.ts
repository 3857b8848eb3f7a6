/**
 * The network of one handler in one runner: its connections, its share of those of the runner, its keep-alive
 * connections. Handlers share nothing of it, so that none can tell from a fast answer whom another one talks to, or
 * meet a connection that another one has spoilt. Costs nothing before its first use.
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
   * process, for seconds where the name server is slow, and lookups and file reads of all handlers need those.
   */
  lookupsMax: 2,
  /** Most names that wait to be looked up; invocations that ask for the same name share a place. */
  lookupsWaitingMax: 1_000,
  /** Most network resources that one Process may have open: each may hold a socket and its buffers. */
  perProcessMax: 64,
  /** Most WebSockets of one handler: each may hold a message of 1 MiB that is still coming in. */
  webSocketsMax: 256,
  /**
   * Most bytes of all invocations of a handler together: request bodies not yet sent, messages not yet read or not
   * yet sent.
   */
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

  /** Counts one more network resource of `guest`. Returns false where it has as many as it may. */
  enter(guest: Process): boolean {
    const count = this.#perProcess.get(guest) ?? 0;
    if (count >= networkLimits.perProcessMax) return false;
    this.#perProcess.set(guest, count + 1);
    return true;
  }

  /** Counts one network resource of `guest` less: it has been closed, or could not be opened. */
  leave(guest: Process): void {
    this.#perProcess.set(guest, (this.#perProcess.get(guest) ?? 1) - 1);
  }

  /**
   * Returns a checked connection that counts against the share of the handler until it is closed. Throws
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

  /** Looks a name up. Calls for one name at the same time share a lookup; each checks the answers. */
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
