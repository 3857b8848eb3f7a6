/**
 * Opens `ws:` and `wss:`: a read returns one message, and the next reads continue a longer one; a write sends one.
 * `?frame=binary` is an option of this scheme: it makes every message binary and is removed from the URL that the
 * server sees.
 */
import { isUtf8 } from 'node:buffer';
import type WebSocket from 'ws';
import type { LogLevelName } from '../../../protocol/nouns.ts';
import { Errno } from '../errno.ts';
import { networkFailure } from '../net/failure.ts';
import { type Network, networkLimits } from '../net/network.ts';
import { checkSpelling, originOf, parseTarget, schemeNames } from '../net/target.ts';
import { Wakeup } from '../net/wakeup.ts';
import { connectWebSocket, wsLimits } from '../net/ws-connect.ts';
import type { Process, Scheme } from '../process.ts';
import { connectionPart, traced } from '../process-trace.ts';
import type { MaybePromise, Resource } from '../resource.ts';

/** Unread bytes at or below which a paused socket goes on. */
const resumeBytes = wsLimits.queuedBytes / 2;

/** Makes the schemes `ws:` and `wss:` of a handler, over its network. */
export function wsScheme(network: Network): Scheme {
  return {
    names: schemeNames('ws'),
    open: (url, guest) => {
      const target = parseTarget(url);
      if (target === null || target.host === null || target.fragment !== '') return Errno.invalid;
      const origin = originOf({ scheme: target.scheme, host: target.host, port: target.port });
      const opened = new URL(`${origin}${target.path}`);
      checkSpelling(guest, url, opened.href);
      if (network.webSockets >= networkLimits.webSocketsMax || !network.enter(guest)) return Errno.tooManyOpen;
      network.webSockets += 1;
      const isBinary = opened.searchParams.get('frame') === 'binary';
      const part = connectionPart('websocket', { host: target.host, port: target.port });
      return traced(guest.options.trace, part, (span) =>
        connectWebSocket(network, guest, { target, url: withoutFrame(opened), span }),
      ).then(
        (client) => new WsResource({ guest, network, scheme: target.scheme, client, isBinary }),
        (error: unknown) => {
          network.leave(guest);
          network.webSockets -= 1;
          const failure = networkFailure(error, `the WebSocket handshake with ${origin} failed`);
          guest.report('error', `${target.scheme}: ${failure.message}`);
          return failure.errno;
        },
      );
    },
  };
}

/** Returns the URL without `frame=binary`; all other bytes of the query stay unchanged. */
function withoutFrame(url: URL): URL {
  const query = url.search
    .slice(1)
    .split('&')
    .filter((part) => part !== 'frame=binary');
  const stripped = new URL(url);
  stripped.search = query.join('&');
  return stripped;
}

interface Opened {
  readonly guest: Process;
  readonly network: Network;
  readonly scheme: string;
  readonly client: WebSocket;
  readonly isBinary: boolean;
}

class WsResource implements Resource {
  readonly scheme: string;
  readonly #guest: Process;
  readonly #network: Network;
  readonly #client: WebSocket;
  readonly #isBinary: boolean;
  readonly #changed = new Wakeup();
  /** Messages in order. #offset bytes of the first one have been read. */
  readonly #messages: Uint8Array[] = [];
  /** Bytes of the first message that have been read. */
  #offset = 0;
  #queuedBytes = 0;
  #unsentBytes = 0;
  /** Errno of reads once no message will come any more; 0 before. */
  #over: Errno | 0 = 0;
  #isClosing = false;
  // An exit closes Resources with a handshake, by close(); any other end of the Process cuts the connection.
  readonly #onAbort = (): void => {
    if (this.#guest.end?.kind !== 'exit') this.#client.terminate();
  };

  constructor({ guest, network, scheme, client, isBinary }: Opened) {
    this.scheme = scheme;
    this.#guest = guest;
    this.#network = network;
    this.#client = client;
    this.#isBinary = isBinary;
    client.on('message', (data) => this.#received(data as Buffer)); // nodebuffer is the default of `binaryType`
    client.on('error', (error) => this.#report('error', networkFailure(error, 'the connection failed').message));
    client.on('close', (code, reason) => this.#closed(code, reason));
    guest.signal.addEventListener('abort', this.#onAbort);
    client.resume();
  }

  read(into: Uint8Array): number | Promise<void> {
    if (into.length === 0) return 0;
    const message = this.#messages[0];
    if (message === undefined) return this.#over === 0 ? this.#changed.wait() : this.#over;
    const part = message.subarray(this.#offset, this.#offset + into.length);
    into.set(part);
    this.#offset += part.length;
    if (this.#offset === message.length) {
      this.#messages.shift();
      this.#offset = 0;
      this.#queued(-message.length - wsLimits.messageOverheadBytes);
      // A connection with an empty queue goes on even if the handler's other connections hold too much.
      const goesOn = this.#network.buffers.isSpent ? this.#messages.length === 0 : this.#queuedBytes <= resumeBytes;
      if (this.#client.isPaused && goesOn) this.#client.resume();
    }
    // An empty message gives 0.
    return part.length;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (bytes.length > wsLimits.messageBytes) return Errno.tooBig;
    if (this.#client.readyState !== this.#client.OPEN) return Errno.closed;
    if (!this.#hasRoom) return this.#changed.wait();
    const message = Buffer.from(bytes);
    this.#unsent(message.length);
    this.#client.send(message, { binary: this.#isBinary || !isUtf8(message) }, () => {
      this.#unsent(-message.length);
      this.#changed.wake();
    });
    return message.length;
  }

  flush(): MaybePromise<number> {
    if (this.#client.readyState !== this.#client.OPEN) return Errno.closed;
    return this.#unsentBytes === 0 ? 0 : this.#sent();
  }

  /**
   * Makes the closing handshake (RFC 6455 7.1.2). A Process that has exited does not wait for it. If the Process was
   * killed, cuts the connection.
   */
  close(): MaybePromise<number> {
    const client = this.#client;
    const { end } = this.#guest;
    this.#isClosing = true;
    this.#messages.length = 0;
    this.#queued(-this.#queuedBytes);
    this.#network.leave(this.#guest);
    if (end !== null && end.kind !== 'exit') client.terminate();
    if (client.readyState === client.CLOSED) return 0;
    client.close(1000);
    // Drops later messages; the close frame comes after them.
    client.resume();
    if (end === null) return new Promise((resolve) => client.once('close', () => resolve(0)));
    this.#guest.signal.removeEventListener('abort', this.#onAbort);
    return 0;
  }

  readable(): Promise<void> | null {
    return this.#messages.length > 0 || this.#over !== 0 ? null : this.#changed.wait();
  }

  writable(): Promise<void> | null {
    const isOpen = this.#client.readyState === this.#client.OPEN;
    return isOpen && !this.#hasRoom ? this.#changed.wait() : null;
  }

  async #sent(): Promise<number> {
    while (this.#unsentBytes > 0 && this.#over === 0) await this.#changed.wait();
    return this.#over === 0 ? 0 : Errno.closed;
  }

  #received(data: Buffer): void {
    if (this.#isClosing) return;
    // A small message may be a view of a large packet, and would keep the packet alive.
    const message = data.length * 2 < data.buffer.byteLength ? new Uint8Array(data) : data;
    this.#messages.push(message);
    this.#queued(message.length + wsLimits.messageOverheadBytes);
    if (this.#queuedBytes >= wsLimits.queuedBytes || this.#network.buffers.isSpent) this.#client.pause();
    this.#changed.wake();
  }

  /** Whether one more message may be written. If none is waiting to be sent, one always may. */
  get #hasRoom(): boolean {
    return this.#unsentBytes === 0 || (this.#unsentBytes < wsLimits.sendBytes && !this.#network.buffers.isSpent);
  }

  #queued(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#network.buffers.force(bytes);
  }

  #unsent(bytes: number): void {
    this.#unsentBytes += bytes;
    this.#network.buffers.force(bytes);
  }

  #closed(code: number, reason: Buffer): void {
    this.#network.webSockets -= 1;
    this.#guest.signal.removeEventListener('abort', this.#onAbort);
    // 1006: the connection broke, without a close frame (RFC 6455 7.4.1).
    this.#over = code === 1006 ? Errno.closed : Errno.end;
    if (![1000, 1001, 1005].includes(code)) {
      const words = reason.length === 0 ? '' : ` ${JSON.stringify(reason.toString())}`;
      this.#report('warning', `closed with code ${code}${words}`);
    }
    this.#changed.wake();
  }

  #report(level: LogLevelName, text: string): void {
    if (!this.#isClosing && this.#guest.end === null) this.#guest.report(level, `${this.scheme}: ${text}`);
  }
}
