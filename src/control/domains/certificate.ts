/** What callers of a custom domain are shown: a TLS handshake with the proxy in front, as they make it. */
import { connect, type TLSSocket } from 'node:tls';
import { domainLimits } from '../../protocol/domains.ts';

/**
 * Result of a handshake. `trusted`: the certificate is for the domain, and an authority known to Node.js has signed it.
 * `refused`: callers get no connection that they trust. `unknown`: the front was not reached, so nothing is known.
 */
export type Certificate =
  | { readonly kind: 'trusted' }
  | { readonly kind: 'refused' | 'unknown'; readonly problem: string };

/** Makes a handshake for a domain. Never rejects. */
export type CertificateProbe = (domain: string) => Promise<Certificate>;

/**
 * Returns what makes handshakes with the front of the functions; null where functions are not called over HTTPS. The
 * address is that of `runUrl`, never one that the domain's zone names, so that no user directs a connection.
 */
export function frontProbe(runUrl: string | null): CertificateProbe | null {
  if (runUrl === null) return null;
  const { protocol, hostname, port } = new URL(runUrl);
  if (protocol !== 'https:') return null;
  // A URL has an IPv6 address in brackets.
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) };
  return (domain) => handshake(connect({ ...address, servername: domain, ALPNProtocols: ['http/1.1'] }));
}

function handshake(socket: TLSSocket): Promise<Certificate> {
  const { promise, resolve } = Promise.withResolvers<Certificate>();
  let isReached = false;
  const fail = (problem: string): void => resolve({ kind: isReached ? 'refused' : 'unknown', problem });
  const timer = setTimeout(
    () => fail(`no answer within ${domainLimits.handshakeMs / 1000} s`),
    domainLimits.handshakeMs,
  );
  socket
    .once('connect', () => {
      isReached = true;
    })
    .once('secureConnect', () => resolve({ kind: 'trusted' }))
    .once('error', (error) => fail(wordsOf(error)))
    .once('close', () => fail('the connection was closed'));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.on('error', () => {}).destroy();
  });
}

/** Returns what OpenSSL or Node.js says about a handshake, on one line and short. */
function wordsOf(error: Error & { readonly reason?: string; readonly code?: string }): string {
  if (error.code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'the certificate shown is that of another name';
  const words = error.code?.startsWith('ERR_SSL_') === true ? error.reason : error.message;
  return (words ?? error.message).replaceAll(/\s+/g, ' ').slice(0, 200);
}
