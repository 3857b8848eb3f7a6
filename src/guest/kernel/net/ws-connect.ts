/** A WebSocket to a checked target: the guarded connection and the opening handshake (RFC 6455 4.1). */
import type { Socket } from 'node:net';
import type WebSocket from 'ws';
import { Errno } from '../errno.ts';
import type { Process } from '../process.ts';
import { NetworkFailure } from './failure.ts';
import type { Network } from './network.ts';
import { type Target, usesTls } from './target.ts';

export const wsLimits = {
  /** One message, in either direction; a longer one ends the connection (1009) or is Errno.tooBig. */
  messageBytes: 1024 * 1024,
  /** Received and not read; then the socket is paused. One message more may have been on its way. */
  queuedBytes: 256 * 1024,
  /** What an entry of the queue costs besides its bytes: empty messages are not free. */
  messageOverheadBytes: 128,
  /** Written and not sent; then a write waits. */
  sendBytes: 256 * 1024,
  /** Frames that make up one message: ws keeps each as a view of the packet that it came in. */
  fragments: 256,
  /** Packets that make up one frame: 1 MiB in full Ethernet packets is 750. */
  chunks: 4096,
  handshakeTimeoutMs: 10_000,
  /** For the peer's close frame after ours. */
  closeTimeoutMs: 2_000,
} as const;

let ws: Promise<typeof import('ws')> | null = null;

/** Loads ws ahead of the first connection. */
export function loadWs(): Promise<typeof import('ws')> {
  ws ??= import('ws');
  return ws;
}

/** An open WebSocket that is paused. Throws NetworkFailure, or what ws reports. */
export async function connectWebSocket(network: Network, guest: Process, target: Target, url: URL): Promise<WebSocket> {
  if (target.host === null) throw new NetworkFailure(Errno.invalid, 'no host');
  const { WebSocket: Client } = await loadWs();
  const socket = await network.open({
    host: target.host,
    port: target.port,
    tls: usesTls(target.scheme) ? { alpn: ['http/1.1'] } : null,
    signal: guest.signal,
    halfOpen: false,
  });
  // A constant of its own: the types of ws do not know closeTimeout.
  const options = {
    createConnection: () => socket,
    followRedirects: false,
    handshakeTimeout: wsLimits.handshakeTimeoutMs,
    closeTimeout: wsLimits.closeTimeoutMs,
    maxPayload: wsLimits.messageBytes,
    maxFragments: wsLimits.fragments,
    maxBufferedChunks: wsLimits.chunks,
    // Compression would let a few bytes become a megabyte, and keeps 300 KiB of state per connection.
    perMessageDeflate: false,
    headers: { 'User-Agent': network.userAgent, 'Trisiel-Handler': guest.options.identity.handler },
  };
  const client = new Client(url, options);
  return await handshake(guest.signal, client, socket);
}

function handshake(signal: AbortSignal, client: WebSocket, socket: Socket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      signal.removeEventListener('abort', onAbort);
      return true;
    };
    const fail = (error: Error): void => {
      if (!end()) return;
      reject(error);
      socket.destroy();
    };
    const onAbort = (): void => fail(new NetworkFailure(Errno.closed, 'given up, the invocation has ended'));
    signal.addEventListener('abort', onAbort);
    // Stays: an 'error' without listener would end the runner.
    client.on('error', fail);
    client.once('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      const why = status >= 300 && status < 400 ? `${status}; redirects are not followed` : String(status);
      fail(new NetworkFailure(Errno.refused, `the server answered the WebSocket handshake with ${why}`));
    });
    client.once('close', () => fail(new NetworkFailure(Errno.closed, 'closed during the WebSocket handshake')));
    client.once('open', () => {
      if (!end()) return;
      // Messages may stand in the same packet as the handshake's end, before the resource listens.
      client.pause();
      resolve(client);
    });
    if (signal.aborted) onAbort();
  });
}
