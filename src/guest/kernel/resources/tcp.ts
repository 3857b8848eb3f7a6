/**
 * Opens `tcp://host:port` and `tcp+tls://host:port`: bytes in both directions. The open waits for the connection. The
 * stream's buffers bound the bytes held in each direction.
 */
import type { Socket } from 'node:net';
import { Errno } from '../errno.ts';
import { NetworkFailure, networkFailure } from '../net/failure.ts';
import type { Network } from '../net/network.ts';
import { checkSpelling, originOf, parseTarget, schemeNames, usesTls } from '../net/target.ts';
import { Wakeup } from '../net/wakeup.ts';
import type { Process } from '../process.ts';
import { connectionPart, traced } from '../process-trace.ts';
import type { MaybePromise, Resource } from '../resource.ts';
import type { SchemeWithNetwork } from './network-of.ts';

export const tcpLimits = {
  /** Most bytes taken from the guest that the operating system has not taken yet. */
  writeBytes: 64 * 1024,
  /**
   * Milliseconds after close for written bytes to be sent and for the peer to end; bytes that it sends are not read.
   */
  lingerMs: 5_000,
} as const;

/** Makes the schemes `tcp:` and `tcp+tls:` of a handler, over its network. */
export function tcpScheme(network: Network): SchemeWithNetwork {
  return {
    network,
    names: schemeNames('tcp'),
    open: (url, guest) => {
      const target = parseTarget(url);
      // tcp URLs have no path, so a path is a mistake.
      if (target === null || target.host === null || target.fragment !== '' || !/^\/?$/.test(target.path))
        return Errno.invalid;
      const { scheme, host, port } = target;
      checkSpelling(guest, url, originOf({ scheme, host, port }));
      if (!network.enter(guest)) return Errno.tooManyOpen;
      const tls = usesTls(scheme) ? { alpn: [] } : null;
      return traced(guest.options.trace, connectionPart('connect', { host, port }), () =>
        network.open({ host, port, tls, signal: guest.signal, halfOpen: true }),
      ).then(
        (socket) => new TcpResource(guest, network, scheme, socket),
        (error: unknown) => {
          network.leave(guest);
          const failure = networkFailure(error, originOf({ scheme, host, port }));
          guest.report('error', `${scheme}: ${failure.message}`);
          return failure.errno;
        },
      );
    },
  };
}

class TcpResource implements Resource {
  readonly scheme: string;
  readonly device = 'socket';
  readonly localPort: number;
  readonly #guest: Process;
  readonly #network: Network;
  readonly #socket: Socket;
  readonly #changed = new Wakeup();
  #hasEnded = false;
  #failure: NetworkFailure | null = null;
  #isLogged = false;
  // An exit closes Resources in order, by close(); any other end of the Process cuts the connection.
  readonly #onAbort = (): void => {
    if (this.#guest.end?.kind !== 'exit') this.#socket.destroy();
  };

  constructor(guest: Process, network: Network, scheme: string, socket: Socket) {
    this.scheme = scheme;
    this.#guest = guest;
    this.#network = network;
    this.#socket = socket;
    this.localPort = socket.localPort ?? 0; // 0: the peer has closed the connection already
    socket.on('readable', () => this.#changed.wake());
    socket.on('drain', () => this.#changed.wake());
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#changed.wake();
    });
    socket.on('error', (error) => {
      this.#failure ??= networkFailure(error, 'the connection failed');
      this.#changed.wake();
    });
    socket.on('close', () => {
      this.#failure ??= new NetworkFailure(Errno.closed, 'the connection was closed');
      this.#changed.wake();
    });
    guest.signal.addEventListener('abort', this.#onAbort);
  }

  read(into: Uint8Array): number | Promise<void> {
    if (into.length === 0) return 0;
    const ready = Math.min(this.#socket.readableLength, into.length);
    const chunk: Buffer | null = ready > 0 ? this.#socket.read(ready) : null;
    if (chunk !== null) {
      into.set(chunk);
      return chunk.length;
    }
    // Makes the stream request more bytes: without it 'readable' and 'end' would never come.
    this.#socket.read(0);
    if (this.#hasEnded) return Errno.end;
    if (this.#failure !== null) return this.#failed(this.#failure);
    return this.#changed.wait();
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (bytes.length === 0) return 0;
    if (this.#failure !== null) return this.#failed(this.#failure);
    if (!this.#socket.writable) return Errno.closed;
    const room = tcpLimits.writeBytes - this.#socket.writableLength;
    if (room <= 0) return this.#changed.wait();
    const part = Buffer.from(bytes.subarray(0, room));
    this.#socket.write(part, () => this.#changed.wake());
    return part.length;
  }

  flush(): MaybePromise<number> {
    if (this.#failure !== null) return this.#failed(this.#failure);
    return this.#socket.writableLength === 0 ? 0 : this.#drained();
  }

  /** Ends one direction of the connection, or both (sock_shutdown of WASI). */
  shutdown(half: { readonly read: boolean; readonly write: boolean }): number {
    if (half.write) this.#socket.end();
    if (half.read) this.#hasEnded = true;
    this.#changed.wake();
    return 0;
  }

  /** Sends FIN after the written bytes. If the Process was killed, cuts the connection. */
  close(): number {
    this.#network.leave(this.#guest);
    this.#guest.signal.removeEventListener('abort', this.#onAbort);
    const socket = this.#socket;
    if (socket.destroyed) return 0;
    const { end } = this.#guest;
    if (end !== null && end.kind !== 'exit') {
      socket.destroy();
      return 0;
    }
    socket.removeAllListeners('readable');
    // Unread bytes would turn the FIN into a reset, which could lose written bytes.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), tcpLimits.lingerMs);
    socket.once('close', () => clearTimeout(timer));
    socket.once('end', () => socket.destroySoon());
    socket.end();
    if (this.#hasEnded) socket.destroySoon();
    return 0;
  }

  readable(): Promise<void> | null {
    if (this.#socket.readableLength > 0 || this.#hasEnded || this.#failure !== null) return null;
    this.#socket.read(0);
    return this.#changed.wait();
  }

  writable(): Promise<void> | null {
    const isOver = this.#failure !== null || !this.#socket.writable;
    return isOver || this.#socket.writableLength < tcpLimits.writeBytes ? null : this.#changed.wait();
  }

  async #drained(): Promise<number> {
    while (this.#failure === null && this.#socket.writableLength > 0) await this.#changed.wait();
    return this.#failure === null ? 0 : this.#failed(this.#failure);
  }

  #failed(failure: NetworkFailure): Errno {
    if (!this.#isLogged && this.#guest.end === null) this.#guest.report('error', `${this.scheme}: ${failure.message}`);
    this.#isLogged = true;
    return failure.errno;
  }
}
