/** wasi:sockets/network: the network as a capability, error codes and addresses. */
import { borrow, enumeration, func, hostResource, option, record, tuple, variant } from '../../../../component/wit.ts';
import { dropRow, type Err, err, witInterface, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';
import { errorResource, type IoError } from '../io/error.ts';
import type { Explain } from '../io/guest-streams.ts';

const name = 'wasi:sockets/network@0.2';
export const networkResource = hostResource(name, 'network');

export const errorCodeType = enumeration(
  'unknown',
  'access-denied',
  'not-supported',
  'invalid-argument',
  'out-of-memory',
  'timeout',
  'concurrency-conflict',
  'not-in-progress',
  'would-block',
  'invalid-state',
  'new-socket-limit',
  'address-not-bindable',
  'address-in-use',
  'remote-unreachable',
  'connection-refused',
  'connection-reset',
  'connection-aborted',
  'datagram-too-large',
  'name-unresolvable',
  'temporary-resolver-failure',
  'permanent-resolver-failure',
);
export const ipAddressFamilyType = enumeration('ipv4', 'ipv6');
const ipv4AddressType = tuple('u8', 'u8', 'u8', 'u8');
const ipv6AddressType = tuple('u16', 'u16', 'u16', 'u16', 'u16', 'u16', 'u16', 'u16');
export const ipAddressType = variant({ ipv4: ipv4AddressType, ipv6: ipv6AddressType });
export const ipSocketAddressType = variant({
  ipv4: record({ port: 'u16', address: ipv4AddressType }),
  ipv6: record({ port: 'u16', 'flow-info': 'u32', address: ipv6AddressType, 'scope-id': 'u32' }),
});

export type IpFamily = 'ipv4' | 'ipv6';

/** An address: 4 numbers of 8 bits for IPv4, 8 numbers of 16 bits for IPv6. */
export interface IpAddress {
  readonly tag: IpFamily;
  readonly value: readonly number[];
}

/** A port and an address, as in IpAddress; `flowInfo` and `scopeId` are numbers of 32 bits, of IPv6 alone. */
export interface IpSocketAddress {
  readonly tag: IpFamily;
  readonly value: {
    readonly port: number;
    readonly address: readonly number[];
    readonly flowInfo?: number;
    readonly scopeId?: number;
  };
}

/** Returns the text of an address: `192.0.2.1`, `2001:db8::1`. */
export function toAddressText(family: IpFamily, parts: readonly number[]): string {
  if (family === 'ipv4') return parts.join('.');
  return new URL(`http://[${parts.map((part) => part.toString(16)).join(':')}]/`).hostname.slice(1, -1);
}

/** Returns the address of `text`, which has the canonical spelling (src/guest/kernel/net/address.ts). */
export function fromAddressText(text: string): IpAddress {
  if (!text.includes(':')) return { tag: 'ipv4', value: text.split('.').map(Number) };
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [left, right] = [groups(head), tail === undefined ? [] : groups(tail)];
  return { tag: 'ipv6', value: [...left, ...new Array(8 - left.length - right.length).fill(0), ...right] };
}

const codes: ReadonlyMap<number, string> = new Map<number, string>([
  [Errno.invalid, 'invalid-argument'],
  [Errno.denied, 'access-denied'],
  [Errno.notFound, 'name-unresolvable'],
  [Errno.tooManyOpen, 'new-socket-limit'],
  [Errno.noSpace, 'out-of-memory'],
  [Errno.closed, 'connection-reset'],
  [Errno.timedOut, 'timeout'],
  [Errno.refused, 'connection-refused'],
  [Errno.notSupported, 'not-supported'],
  [Errno.unknownScheme, 'access-denied'],
]);

/** Returns the error code of an Errno; unknown for an Errno that is not in the table. */
export function toErrorCode(errno: number): string {
  return codes.get(errno) ?? 'unknown';
}

export type SocketFailure = Err<string>;

export function failure(errno: number): SocketFailure {
  return err(toErrorCode(errno));
}

export const explain: Explain = (errno) => {
  const code = toErrorCode(errno);
  return { text: `the connection failed: ${code}`, codes: { sockets: code } };
};

/** The right to use the network. Each connection is checked on its own. */
export class NetworkCapability extends HostObject {
  readonly what = 'network';
}

/** Returns the error code of an error that the stream of a socket reported; none for other errors. */
const networkErrorCode = witRow(
  'network-error-code',
  func({ err: borrow(errorResource) }, option(errorCodeType)),
  (_guest: Process, { codes: known }: IoError) => known.sockets ?? null,
);

/** Drops a network. */
const dropNetwork = dropRow(networkResource);

export const socketsNetwork = witInterface('wasi2', name, [networkErrorCode, dropNetwork]);
