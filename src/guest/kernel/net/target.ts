/** Reads the network URLs that guests open, strictly: each target has one spelling of scheme, host and port. */
import { checkPolicy } from '../open.ts';
import type { Process } from '../process.ts';
import { authority, type Host, parseHost } from './address.ts';

/**
 * Schemes of the network, by protocol: `plain` without TLS, `tls` with it, and their default ports (0: the URL must
 * name a port).
 */
export const networkProtocols = {
  http: { plain: 'http', tls: 'https', ports: { plain: 80, tls: 443 } },
  ws: { plain: 'ws', tls: 'wss', ports: { plain: 80, tls: 443 } },
  tcp: { plain: 'tcp', tls: 'tcp+tls', ports: { plain: 0, tls: 0 } },
} as const;

export type NetworkProtocol = keyof typeof networkProtocols;
export type NetworkScheme<P extends NetworkProtocol = NetworkProtocol> = (typeof networkProtocols)[P]['plain' | 'tls'];

/** Returns the two scheme names of `protocol`, the one without TLS first. */
export function schemeNames(protocol: NetworkProtocol): readonly [plain: NetworkScheme, tls: NetworkScheme] {
  return [networkProtocols[protocol].plain, networkProtocols[protocol].tls];
}

export interface Target {
  readonly scheme: NetworkScheme;
  /** Host; null if the URL names none (http: only). */
  readonly host: Host | null;
  /** Port; 0 without a host. */
  readonly port: number;
  /** Path and query as written: '' or starting with `/` or `?`. */
  readonly path: string;
  /** Fragment without the `#`. */
  readonly fragment: string;
}

const defaultPorts = Object.fromEntries(
  Object.values(networkProtocols).flatMap(({ plain, tls, ports }) => [
    [plain, ports.plain],
    [tls, ports.tls],
  ]),
) as Readonly<Record<NetworkScheme, number>>; // the schemes of all protocols

/** Returns whether `scheme` is one of the two schemes of `protocol`. */
export function speaks<P extends NetworkProtocol>(protocol: P, scheme: NetworkScheme): scheme is NetworkScheme<P> {
  const { plain, tls } = networkProtocols[protocol];
  return scheme === plain || scheme === tls;
}

/** Returns whether connections of `scheme` are made over TLS. */
export function usesTls(scheme: NetworkScheme): boolean {
  return Object.values(networkProtocols).some(({ tls }) => tls === scheme);
}

const urlPattern = /^([a-z+]+):(?:\/\/([^/?#\\]*))?([/?][^#]*)?(?:#(.*))?$/is;

/**
 * Returns the target of `url`; null for anything that is not exactly scheme://host[:port][/path][?query][#fragment].
 * User information is refused: `https://good.example@bad.example/` reads like good.example in a policy.
 */
export function parseTarget(url: string): Target | null {
  const match = urlPattern.exec(url);
  const scheme = match?.[1]?.toLowerCase() ?? '';
  if (match === null || !isNetworkScheme(scheme)) return null;
  const path = match[3] ?? '';
  const fragment = match[4] ?? '';
  if ((match[2] ?? '') === '') return { scheme, host: null, port: 0, path, fragment };
  const found = parseAuthority(match[2] as string, scheme);
  return found === null ? null : { scheme, ...found, path, fragment };
}

/** Returns host and port of `host[:port]`, with the default port of the scheme; null for other texts. */
export function parseAuthority(text: string, scheme: NetworkScheme): { host: Host; port: number } | null {
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?$/.exec(text);
  const host = parseHost(match?.[1] ?? '');
  const port = match?.[2] === undefined ? defaultPorts[scheme] : Number(match[2]);
  return host === null || port < 1 || port > 65_535 ? null : { host, port };
}

/** Returns `scheme://host[:port]`, without the default port of the scheme. */
export function originOf(target: { scheme: NetworkScheme; host: Host; port: number }): string {
  const full = authority(target.host, target.port);
  const ending = `:${target.port}`;
  const short = target.port === defaultPorts[target.scheme] ? full.slice(0, -ending.length) : full;
  return `${target.scheme}://${short}`;
}

/**
 * Checks the canonical spelling against the policy too, so that no other spelling passes if the plain one is refused.
 * Ends the Process as checkPolicy does.
 */
export function checkSpelling(guest: Process, opened: string, canonical: string): void {
  if (canonical === opened || canonical === `${opened}/` || `${canonical}/` === opened) return;
  checkPolicy(guest, canonical);
}

function isNetworkScheme(name: string): name is NetworkScheme {
  return Object.hasOwn(defaultPorts, name);
}
