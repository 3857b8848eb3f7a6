/** Opens a WebSocket to a checked target: the guarded connection and the opening handshake (RFC 6455 4.1). */
import type { Socket } from 'node:net';
import type WebSocket from 'ws';
import { Errno } from '../errno.ts';
import type { Process } from '../process.ts';
import type { OpenSpan } from '../process-trace.ts';
import { NetworkFailure } from './failure.ts';
import type { Network } from './network.ts';
import { type Target, usesTls } from './target.ts';

export const wsLimits = {
  /** Most bytes of a message, in either direction. A longer one ends the connection (1009) or is Errno.tooBig. */
  messageBytes: 1024 * 1024,
  /** Unread received bytes above which the socket is paused. One more message may have been on its way. */
  queuedBytes: 256 * 1024,
  /** Bytes that each queued message counts in addition to its own, since empty messages cost memory too. */
  messageOverheadBytes: 128,
  /** Unsent bytes above which a write waits. */
  sendBytes: 256 * 1024,
  /** Most frames of one message: ws keeps each as a view of the packet that contained it. */
  fragments: 256,
  /** Most packets of one frame: 1 MiB in full Ethernet packets is 750. */
  chunks: 4096,
  handshakeTimeoutMs: 10_000,
  /** Milliseconds to wait for the peer's close frame. */
  closeTimeoutMs: 2_000,
} as const;

let ws: Promise<typeof import('ws')> | null = null;

/** Loads ws before the first connection. */
export function loadWs(): Promise<typeof import('ws')> {
  ws ??= import('ws');
  return ws;
}

/**
 * Returns an open WebSocket that is paused. `span`: part of a trace that the server is told; null: none. Throws
 * NetworkFailure, or an error of ws.
 */
export async function connectWebSocket(
  network: Network,
  guest: Process,
  { target, url, span }: { readonly target: Target; readonly url: URL; readonly span: OpenSpan | null },
): Promise<WebSocket> {
  if (target.host === null) throw new NetworkFailure(Errno.invalid, 'no host');
  const { WebSocket: Client } = await loadWs();
  const socket = await network.open({
    host: target.host,
    port: target.port,
    tls: usesTls(target.scheme) ? { alpn: ['http/1.1'] } : null,
    signal: guest.signal,
    halfOpen: false,
  });
  // A constant of its own, since the types of ws lack closeTimeout.
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
    headers: {
      'User-Agent': network.userAgent,
      'Trisiel-Handler': guest.options.identity.handler,
      ...(span === null ? {} : { traceparent: span.traceparent }),
      ...(span === null || span.tracestate === null ? {} : { tracestate: span.tracestate }),
    },
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
    // The listener stays: an 'error' without a listener would end the runner.
    client.on('error', fail);
    client.once('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      const why = status >= 300 && status < 400 ? `${status}; redirects are not followed` : String(status);
      fail(new NetworkFailure(Errno.refused, `the server answered the WebSocket handshake with ${why}`));
    });
    client.once('close', () => fail(new NetworkFailure(Errno.closed, 'closed during the WebSocket handshake')));
    client.once('open', () => {
      if (!end()) return;
      // Messages may arrive with the packet that ends the handshake, before the resource listens.
      client.pause();
      resolve(client);
    });
    if (signal.aborted) onAbort();
  });
}
