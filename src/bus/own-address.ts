/** Finds the addresses at which a server of this machine can be reached: from this machine, and from others. */
import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Returns the address at which this machine reaches a server that listens on `host`. */
export function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/**
 * Returns the address at which other machines reach a server that listens on `host`. For a server on all interfaces
 * that is the first address that is neither internal nor link-local, of IPv4 before IPv6; the local one where there is
 * none.
 */
export function outerHost(host: string, interfaces: Interfaces = networkInterfaces()): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const outer = Object.values(interfaces)
    .flatMap((all) => all ?? [])
    .filter(({ internal, address }) => !internal && !/^(?:169\.254\.|fe[89ab])/i.test(address));
  const of = (family: 'IPv4' | 'IPv6'): string | undefined => outer.find((one) => one.family === family)?.address;
  return of('IPv4') ?? (host === '::' ? of('IPv6') : undefined) ?? localHost(host);
}

/** Returns whether only this machine can reach a server that listens on `host`, or a URL with that host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || /^(?:127\.|\[?::1\]?$)/.test(host);
}

/** Returns a host as it stands in a URL. */
export function inUrl(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
