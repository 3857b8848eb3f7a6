/**
 * A TCP socket of a component, over the Resource that `tcp://ADDRESS:PORT` opens. Policy, egress guard and limits apply
 * to its connection as to every other one.
 *
 *     unconnected --start-connect--> connecting --finish-connect--> connected
 *                                        |
 *                                        +--it failed--> closed
 */
import { Errno } from '../../../errno.ts';
import { openUrl } from '../../../open.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { HostObject } from '../host-object.ts';
import { usedSinkOf } from '../io/sink.ts';
import type { IpFamily, IpSocketAddress } from './network.ts';

type State =
  | { readonly kind: 'unconnected' | 'closed' }
  | { readonly kind: 'connecting'; readonly waiting: Promise<void> }
  | { readonly kind: 'opened'; readonly resource: Resource }
  | { readonly kind: 'failed'; readonly errno: number }
  | { readonly kind: 'connected'; readonly resource: Resource };

export class TcpSocket extends HostObject {
  readonly what = 'tcp-socket';
  readonly family: IpFamily;
  remote: IpSocketAddress | null = null;
  readonly #guest: Process;
  #state: State = { kind: 'unconnected' };
  readonly #taken = new Set<'send' | 'receive'>();
  /** Settings that a component may read back. They have no effect: the connection keeps itself alive in any case, and
   * its packets have the hop limit of the machine. */
  readonly settings = {
    keepAlive: false,
    idleNs: 7_200_000_000_000n,
    intervalNs: 75_000_000_000n,
    probes: 9,
    hops: 64,
  };

  constructor(guest: Process, family: IpFamily) {
    super();
    this.#guest = guest;
    this.family = family;
  }

  get state(): State['kind'] {
    return this.#state.kind;
  }

  /**
   * Starts to connect to `authority`, `address:port` with IPv6 in brackets. Ends the Process if the policy forbids it.
   */
  connect(authority: string, remote: IpSocketAddress): void {
    this.remote = remote;
    const opened = openUrl(this.#guest, `tcp://${authority}`, { read: true, write: true });
    if (!(opened instanceof Promise)) {
      this.#opened(opened);
      return;
    }
    const waiting = opened.then(
      (resource) => this.#opened(resource),
      () => this.#opened(Errno.unknown),
    );
    this.#state = { kind: 'connecting', waiting };
  }

  /** Returns the connection, once, or the Errno why there is none. */
  takeConnection(): Resource | number {
    const state = this.#state;
    if (state.kind === 'failed') {
      this.#state = { kind: 'closed' };
      return state.errno;
    }
    if (state.kind !== 'opened') return Errno.unknown;
    this.#state = { kind: 'connected', resource: state.resource };
    return state.resource;
  }

  /**
   * Returns the connection for sending or receiving, once each; null if the socket is not connected, or the direction
   * was taken before.
   */
  take(direction: 'send' | 'receive'): Resource | null {
    if (this.#state.kind !== 'connected' || this.#taken.has(direction)) return null;
    this.#taken.add(direction);
    return this.#state.resource;
  }

  /**
   * Returns the port of this end of the connection with the unspecified address, as components may not know those of
   * the host; null if the socket is not connected.
   */
  get local(): IpSocketAddress | null {
    if (this.#state.kind !== 'connected') return null;
    const { localPort: port = 0 } = this.#state.resource;
    return this.family === 'ipv4'
      ? { tag: 'ipv4', value: { port, address: [0, 0, 0, 0] } }
      : { tag: 'ipv6', value: { port, flowInfo: 0, address: [0, 0, 0, 0, 0, 0, 0, 0], scopeId: 0 } };
  }

  /** Returns null if the socket does not wait for its connection, else a promise to wait for. */
  readiness(): Promise<void> | null {
    return this.#state.kind === 'connecting' ? this.#state.waiting : null;
  }

  /**
   * Shuts down one or both directions, the sending one after the bytes that the stream still holds. Returns 0 or an
   * Errno: Errno.invalid if the socket is not connected.
   */
  shutdown(half: { readonly read: boolean; readonly write: boolean }): number {
    const state = this.#state;
    if (state.kind !== 'connected') return Errno.invalid;
    if (!half.write) return toErrno(state.resource, half);
    // Comes after the bytes that the stream still holds, so that no written byte is lost.
    const sink = usedSinkOf(this.#guest, state.resource);
    if (sink === undefined || sink.pending === null) return toErrno(state.resource, half);
    if (half.read) toErrno(state.resource, { read: true, write: false });
    sink.next(async () => {
      toErrno(state.resource, { read: false, write: true });
    });
    return 0;
  }

  override close(): Promise<unknown> | undefined {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    if (state.kind !== 'opened' && state.kind !== 'connected') return undefined;
    const { resource } = state;
    const pending = usedSinkOf(this.#guest, resource)?.pending ?? null;
    if (pending === null || this.#guest.end !== null) return Promise.resolve(resource.close());
    return pending.then(() => resource.close());
  }

  #opened(opened: Resource | number): void {
    if (typeof opened === 'number') this.#state = { kind: 'failed', errno: opened };
    // The component has dropped the socket, or the Process has ended, while the socket was connecting.
    else if (this.#state.kind === 'closed' || this.#guest.end !== null) void opened.close();
    else this.#state = { kind: 'opened', resource: opened };
  }
}

function toErrno(resource: Resource, half: { readonly read: boolean; readonly write: boolean }): number {
  const result = resource.shutdown?.(half) ?? Errno.notSupported;
  return typeof result === 'number' ? result : 0;
}
