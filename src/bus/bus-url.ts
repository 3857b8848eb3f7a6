/** Reads the address of the bus: nats://USER:PASSWORD@HOST:4222, tls://…, several separated by commas. */
import { isIP } from 'node:net';
import { PlatformError } from '../protocol/errors.ts';

export interface BusAddress {
  /** HOST:PORT of each server. */
  readonly servers: readonly string[];
  readonly user: string | null;
  readonly password: string | null;
  readonly isTls: boolean;
}

const defaultPort = 4222;

/**
 * Returns the address. All servers get the user and password of the first one. Throws `bad_request`, with a message
 * that does not show the value, which may hold a password.
 */
export function parseBusUrl(text: string, name: string): BusAddress {
  const urls = text.split(',').map((one) => (URL.canParse(one.trim()) ? new URL(one.trim()) : null));
  const [first] = urls;
  const isRight = (url: URL | null): url is URL =>
    url !== null && /^(?:nats|tls):$/.test(url.protocol) && url.hostname !== '' && /^\/?$/.test(url.pathname);
  if (first === undefined || !urls.every(isRight) || !isRight(first))
    throw new PlatformError('bad_request', `${name} is not a URL such as nats://USER:PASSWORD@HOST:4222`);
  // The connection is to all of them: with one that asks for no TLS none would.
  if (urls.some((url) => url?.protocol !== first.protocol))
    throw new PlatformError(
      'bad_request',
      `${name} has both nats:// and tls://: all servers of a cluster have the same`,
    );
  // The client of NATS compares the certificate of an address with the name localhost.
  if (first.protocol === 'tls:' && urls.some((url) => isIP(url?.hostname.replace(/^\[|\]$/g, '') ?? '') !== 0))
    throw new PlatformError(
      'bad_request',
      `${name} has an IP address behind tls://: name the server as its certificate does`,
    );
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port === '' ? defaultPort : port}`),
    user: first.username === '' ? null : decodeURIComponent(first.username),
    password: first.password === '' ? null : decodeURIComponent(first.password),
    isTls: first.protocol === 'tls:',
  };
}
