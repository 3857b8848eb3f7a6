/**
 * Translates the hosts that guests write into a canonical spelling, and knows the addresses that no guest may reach
 * (docs/safety.md). Every spelling of an IPv4 address (decimal, hexadecimal, octal, short forms, IPv4-mapped IPv6,
 * full-width digits) becomes the dotted one before it is compared.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export type Host =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'name'; readonly name: string };

/** Denied address ranges. An operator may allow targets in them by TRISIEL_EGRESS_ALLOW. */
const deniedRanges: readonly (readonly [network: string, bits: number, what: string])[] = [
  ['0.0.0.0', 8, 'this network'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'carrier-grade NAT'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'protocol assignments'],
  ['192.0.2.0', 24, 'documentation'],
  ['192.88.99.0', 24, '6to4 relay'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'benchmarking'],
  ['198.51.100.0', 24, 'documentation'],
  ['203.0.113.0', 24, 'documentation'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved'],
  // IPv4-compatible addresses (RFC 4291 2.5.5.1), which include the unspecified and the loopback address.
  ['::', 96, 'unspecified, loopback or IPv4-compatible'],
  ['::ffff:0:0:0', 96, 'IPv4-translated'],
  ['64:ff9b::', 96, 'NAT64'],
  ['64:ff9b:1::', 48, 'NAT64'],
  ['100::', 64, 'discard'],
  ['2001::', 23, 'protocol assignments'],
  ['2001:db8::', 32, 'documentation'],
  ['2002::', 16, '6to4'],
  ['3fff::', 20, 'documentation'],
  ['5f00::', 16, 'segment routing'],
  ['fc00::', 7, 'private'],
  ['fe80::', 10, 'link-local'],
  ['fec0::', 10, 'site-local'],
  ['ff00::', 8, 'multicast'],
];

const lists = deniedRanges.map(([network, bits, what]) => {
  const list = new BlockList();
  const family = isIPv4(network) ? 'ipv4' : 'ipv6';
  list.addSubnet(network, bits, family);
  return { list, family, what };
});

/** Most octets of a name (RFC 1035 2.3.4). */
const nameCharsMax = 253;
/** Most characters of a host as written: conversion of thousands of characters to ASCII would take milliseconds. */
const hostCharsMax = 512;

// Matches the host of an authority: a bracketed IPv6 address, or anything without delimiters.
const hostPattern = /^(?:\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]%]+)$/i;

/** Returns the host in `text`, IPv6 in brackets; null if there is none. Zone ids are refused. */
export function parseHost(text: string): Host | null {
  if (text.length > hostCharsMax || !hostPattern.test(text)) return null;
  let hostname: string;
  try {
    // The host parser of the URL standard turns numbers into IPv4 addresses, and names into lower-case ASCII.
    hostname = new URL(`http://${text}/`).hostname;
  } catch {
    return null;
  }
  const address = canonicalAddress(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname);
  if (address !== null) return { kind: 'address', address };
  const name = hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
  return name === '' || name.endsWith('.') || name.length > nameCharsMax ? null : { kind: 'name', name };
}

/**
 * Returns the dotted form of an IPv4 address (a mapped IPv6 one too) or the shortest spelling of an IPv6 address;
 * null for anything else, zone ids included.
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  const bare = text.split('%', 1)[0] as string;
  if (!isIPv6(bare)) return null;
  const address = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  const high = Number.parseInt(mapped[1] as string, 16);
  const low = Number.parseInt(mapped[2] as string, 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Returns the name of the denied range that contains the canonical `address`; null for a public address. */
export function deniedRange(address: string): string | null {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  for (const entry of lists) {
    if (entry.family === family && entry.list.check(address, family)) return entry.what;
  }
  return null;
}

/** Returns `host:port`, with IPv6 in brackets. */
export function authority(host: Host, port: number): string {
  const text = host.kind === 'name' ? host.name : host.address;
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
}
