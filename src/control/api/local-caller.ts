/** Recognises requests of programs on this machine. */
import type { IncomingMessage } from 'node:http';

/**
 * Returns whether a request comes from this machine. A request with a forwarding field came from elsewhere, even
 * through a proxy on this machine that is not trusted.
 */
export function isFromThisMachine({ headers, socket }: IncomingMessage): boolean {
  const forwarded = headers.forwarded ?? headers['x-forwarded-for'];
  return forwarded === undefined && /^(?:127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
}
