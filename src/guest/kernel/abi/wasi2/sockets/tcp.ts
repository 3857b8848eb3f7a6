/** wasi:sockets/tcp: outgoing connections. There are no listening sockets, and local addresses cannot be chosen. */

import { KIB } from '../../../../../protocol/limits.ts';
import {
  borrow,
  enumeration,
  func,
  hostResource,
  own,
  result,
  tuple,
  type WitType,
} from '../../../../component/wit.ts';
import { dropRow, err, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { authority } from '../../../net/address.ts';
import type { Process } from '../../../process.ts';
import { isNow } from '../../../watch.ts';
import type { HostObject } from '../host-object.ts';
import { InputStream, inputStreamResource, OutputStream, outputStreamResource } from '../io/guest-streams.ts';
import { Pollable, pollableResource } from '../io/poll.ts';
import {
  errorCodeType,
  explain,
  failure,
  type IpFamily,
  type IpSocketAddress,
  ipAddressFamilyType,
  ipSocketAddressType,
  networkResource,
  toAddressText,
} from './network.ts';
import type { TcpSocket } from './tcp-socket.ts';

const name = 'wasi:sockets/tcp@0.2';
export const tcpSocketResource = hostResource(name, 'tcp-socket');

/** Size of the buffers in each direction in bytes. It cannot be changed. */
const bufferBytes = BigInt(64 * KIB);

const accessDenied = err('access-denied');
const invalidArgument = err('invalid-argument');
const invalidState = err('invalid-state');

const self = { self: borrow(tcpSocketResource) } as const;
const address = { network: borrow(networkResource) } as const;

function orError(type: WitType | null): WitType {
  return result(type, errorCodeType);
}

const done = orError(null);

/**
 * Refuses: the platform chooses local addresses.
 *
 * Errors: access-denied; invalid-argument an address of the other family, or one that no host has; invalid-state the
 * socket was used.
 */
const tcpSocketStartBind = witRow(
  '[method]tcp-socket.start-bind',
  func({ ...self, ...address, 'local-address': ipSocketAddressType }, done),
  (_guest: Process, socket: TcpSocket, _network: HostObject, local: IpSocketAddress) => {
    if (socket.state !== 'unconnected') return invalidState;
    const { address: parts } = local.value;
    const isUnspecified = parts.every((part) => part === 0);
    if (local.tag !== socket.family || !(isUnspecified || isOneHost(local.tag, parts))) return invalidArgument;
    return accessDenied;
  },
);

/**
 * Refuses: no binding was started.
 *
 * Errors: not-in-progress.
 */
const tcpSocketFinishBind = witRow('[method]tcp-socket.finish-bind', func(self, done), () => err('not-in-progress'));

/**
 * Starts to connect to `remote-address`. The policy is matched against `tcp://ADDRESS:PORT`; a forbidden address ends
 * the Process.
 *
 * Errors: invalid-argument an address of the other family, port 0, or an address that is not that of one host;
 * invalid-state the socket was used. finish-connect returns the errors of the connection.
 */
const tcpSocketStartConnect = witRow(
  '[method]tcp-socket.start-connect',
  func({ ...self, ...address, 'remote-address': ipSocketAddressType }, done),
  (_guest: Process, socket: TcpSocket, _network: HostObject, remote: IpSocketAddress) => {
    const { port, address: parts } = remote.value;
    if (socket.state !== 'unconnected') return invalidState;
    if (remote.tag !== socket.family || port === 0 || !isOneHost(remote.tag, parts)) return invalidArgument;
    socket.connect(authority({ kind: 'address', address: toAddressText(remote.tag, parts) }, port), remote);
    return ok();
  },
);

/**
 * Returns whether an address can be that of one host: it is not unspecified, broadcast or multicast (RFC 1122 3.2.1.3,
 * RFC 5771, RFC 4291 2.7), nor an IPv4-mapped one, which no IPv6 socket takes (RFC 4291 2.5.5.2).
 */
function isOneHost(family: IpFamily, parts: readonly number[]): boolean {
  const [first = 0] = parts;
  if (parts.every((part) => part === 0)) return false;
  if (family === 'ipv4') return first >> 4 !== 0xe && parts.some((part) => part !== 255);
  return first >> 8 !== 0xff && !(parts.slice(0, 5).every((part) => part === 0) && parts[5] === 0xffff);
}

/**
 * Returns the streams of the connection, which are children of the socket.
 *
 * Errors: would-block the connection is not established yet; not-in-progress start-connect was not called;
 * connection-refused, timeout, access-denied (an address that guests may not reach), new-socket-limit more than 64
 * connections of the invocation.
 */
const tcpSocketFinishConnect = witRow(
  '[method]tcp-socket.finish-connect',
  func(self, orError(tuple(own(inputStreamResource), own(outputStreamResource)))),
  (guest: Process, socket: TcpSocket) => {
    if (!isNow(socket.readiness())) return err('would-block');
    if (socket.state !== 'opened' && socket.state !== 'failed') return err('not-in-progress');
    const resource = socket.takeConnection();
    if (typeof resource === 'number') return failure(resource);
    const options = { parent: socket, explain };
    return ok([new InputStream(resource, options), new OutputStream(guest, resource, options)]);
  },
);

/** Returns why a socket does not listen: the platform does not let components, and a used one could not. */
const notListening = (_guest: Process, { state }: TcpSocket) => (state === 'unconnected' ? accessDenied : invalidState);

/**
 * Refuses: there are no listening sockets.
 *
 * Errors: access-denied; invalid-state the socket was used.
 */
const tcpSocketStartListen = witRow('[method]tcp-socket.start-listen', func(self, done), notListening);

/**
 * Refuses: no listening was started.
 *
 * Errors: not-in-progress.
 */
const tcpSocketFinishListen = witRow('[method]tcp-socket.finish-listen', func(self, done), () =>
  err('not-in-progress'),
);

/**
 * Refuses: there are no listening sockets.
 *
 * Errors: access-denied; invalid-state the socket was used.
 */
const tcpSocketAccept = witRow(
  '[method]tcp-socket.accept',
  func(self, orError(tuple(own(tcpSocketResource), own(inputStreamResource), own(outputStreamResource)))),
  notListening,
);

/**
 * Returns the port of this end of the connection. The address is the unspecified one (0.0.0.0, ::): components may not
 * know those of the host.
 *
 * Errors: invalid-state the socket is not connected.
 */
const tcpSocketLocalAddress = witRow(
  '[method]tcp-socket.local-address',
  func(self, orError(ipSocketAddressType)),
  (_guest: Process, { local }: TcpSocket) => (local === null ? invalidState : ok(local)),
);

/**
 * Returns the address to which the socket is connected.
 *
 * Errors: invalid-state the socket is not connected.
 */
const tcpSocketRemoteAddress = witRow(
  '[method]tcp-socket.remote-address',
  func(self, orError(ipSocketAddressType)),
  (_guest: Process, socket: TcpSocket) => (socket.state === 'connected' ? ok(socket.remote) : invalidState),
);

/** Returns false: there are no listening sockets. */
const tcpSocketIsListening = witRow('[method]tcp-socket.is-listening', func(self, 'bool'), () => false);

/** Returns the address family of the socket. */
const tcpSocketAddressFamily = witRow(
  '[method]tcp-socket.address-family',
  func(self, ipAddressFamilyType),
  (_guest: Process, socket: TcpSocket) => socket.family,
);

/**
 * Accepts a backlog size. Has no effect: there are no listening sockets.
 *
 * Errors: invalid-argument 0; invalid-state the socket is connected.
 */
const tcpSocketSetListenBacklogSize = witRow(
  '[method]tcp-socket.set-listen-backlog-size',
  func({ ...self, value: 'u64' }, done),
  (_guest: Process, socket: TcpSocket, value: bigint) => {
    if (value === 0n) return invalidArgument;
    return socket.state === 'unconnected' ? ok() : invalidState;
  },
);

/** Returns the value of set-keep-alive-enabled; false at first. */
const tcpSocketKeepAliveEnabled = witRow(
  '[method]tcp-socket.keep-alive-enabled',
  func(self, orError('bool')),
  (_guest: Process, { settings }: TcpSocket) => ok(settings.keepAlive),
);

/** Keeps the setting. Has no effect: the platform probes idle connections after a minute. */
const tcpSocketSetKeepAliveEnabled = witRow(
  '[method]tcp-socket.set-keep-alive-enabled',
  func({ ...self, value: 'bool' }, done),
  (_guest: Process, { settings }: TcpSocket, value: boolean) => {
    settings.keepAlive = value;
    return ok();
  },
);

/** Returns the value of set-keep-alive-idle-time; two hours at first. */
const tcpSocketKeepAliveIdleTime = witRow(
  '[method]tcp-socket.keep-alive-idle-time',
  func(self, orError('u64')),
  (_guest: Process, { settings }: TcpSocket) => ok(settings.idleNs),
);

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetKeepAliveIdleTime = witRow(
  '[method]tcp-socket.set-keep-alive-idle-time',
  func({ ...self, value: 'u64' }, done),
  (_guest: Process, { settings }: TcpSocket, value: bigint) => {
    if (value === 0n) return invalidArgument;
    settings.idleNs = value;
    return ok();
  },
);

/** Returns the value of set-keep-alive-interval; 75 s at first. */
const tcpSocketKeepAliveInterval = witRow(
  '[method]tcp-socket.keep-alive-interval',
  func(self, orError('u64')),
  (_guest: Process, { settings }: TcpSocket) => ok(settings.intervalNs),
);

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetKeepAliveInterval = witRow(
  '[method]tcp-socket.set-keep-alive-interval',
  func({ ...self, value: 'u64' }, done),
  (_guest: Process, { settings }: TcpSocket, value: bigint) => {
    if (value === 0n) return invalidArgument;
    settings.intervalNs = value;
    return ok();
  },
);

/** Returns the value of set-keep-alive-count; 9 at first. */
const tcpSocketKeepAliveCount = witRow(
  '[method]tcp-socket.keep-alive-count',
  func(self, orError('u32')),
  (_guest: Process, { settings }: TcpSocket) => ok(settings.probes),
);

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetKeepAliveCount = witRow(
  '[method]tcp-socket.set-keep-alive-count',
  func({ ...self, value: 'u32' }, done),
  (_guest: Process, { settings }: TcpSocket, value: number) => {
    if (value === 0) return invalidArgument;
    settings.probes = value;
    return ok();
  },
);

/** Returns the value of set-hop-limit; 64 at first. */
const tcpSocketHopLimit = witRow(
  '[method]tcp-socket.hop-limit',
  func(self, orError('u8')),
  (_guest: Process, { settings }: TcpSocket) => ok(settings.hops),
);

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetHopLimit = witRow(
  '[method]tcp-socket.set-hop-limit',
  func({ ...self, value: 'u8' }, done),
  (_guest: Process, { settings }: TcpSocket, value: number) => {
    if (value === 0) return invalidArgument;
    settings.hops = value;
    return ok();
  },
);

/** Returns the size of the receive buffer in bytes: 64 KiB. */
const tcpSocketReceiveBufferSize = witRow(
  '[method]tcp-socket.receive-buffer-size',
  func(self, orError('u64')),
  bufferSize,
);

/**
 * Accepts any size. Has no effect: the size stays 64 KiB.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetReceiveBufferSize = witRow(
  '[method]tcp-socket.set-receive-buffer-size',
  func({ ...self, value: 'u64' }, done),
  setBufferSize,
);

/** Returns the size of the send buffer in bytes: 64 KiB. */
const tcpSocketSendBufferSize = witRow('[method]tcp-socket.send-buffer-size', func(self, orError('u64')), bufferSize);

/**
 * Accepts any size. Has no effect: the size stays 64 KiB.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetSendBufferSize = witRow(
  '[method]tcp-socket.set-send-buffer-size',
  func({ ...self, value: 'u64' }, done),
  setBufferSize,
);

/** Returns a pollable that is ready when finish-connect would not return would-block. It is a child of the socket. */
const tcpSocketSubscribe = witRow(
  '[method]tcp-socket.subscribe',
  func(self, own(pollableResource)),
  (_guest: Process, socket: TcpSocket) => new Pollable(socket, () => socket.readiness()),
);

/**
 * Ends receiving, sending (FIN after the written bytes) or both.
 *
 * Errors: invalid-state the socket is not connected.
 */
const tcpSocketShutdown = witRow(
  '[method]tcp-socket.shutdown',
  func({ ...self, 'shutdown-type': enumeration('receive', 'send', 'both') }, done),
  (_guest: Process, socket: TcpSocket, half: 'receive' | 'send' | 'both') => {
    if (socket.state !== 'connected') return invalidState;
    const result = socket.shutdown({ read: half !== 'send', write: half !== 'receive' });
    return result < 0 ? failure(result) : ok();
  },
);

/** Drops a tcp-socket. Its connection ends after the written bytes. Its streams must be dropped before. */
const dropTcpSocket = dropRow(tcpSocketResource);

function bufferSize() {
  return ok(bufferBytes);
}

function setBufferSize(_guest: Process, _socket: TcpSocket, value: bigint) {
  return value === 0n ? invalidArgument : ok();
}

export const socketsTcp = witInterface('wasi2', name, [
  tcpSocketStartBind,
  tcpSocketFinishBind,
  tcpSocketStartConnect,
  tcpSocketFinishConnect,
  tcpSocketStartListen,
  tcpSocketFinishListen,
  tcpSocketAccept,
  tcpSocketLocalAddress,
  tcpSocketRemoteAddress,
  tcpSocketIsListening,
  tcpSocketAddressFamily,
  tcpSocketSetListenBacklogSize,
  tcpSocketKeepAliveEnabled,
  tcpSocketSetKeepAliveEnabled,
  tcpSocketKeepAliveIdleTime,
  tcpSocketSetKeepAliveIdleTime,
  tcpSocketKeepAliveInterval,
  tcpSocketSetKeepAliveInterval,
  tcpSocketKeepAliveCount,
  tcpSocketSetKeepAliveCount,
  tcpSocketHopLimit,
  tcpSocketSetHopLimit,
  tcpSocketReceiveBufferSize,
  tcpSocketSetReceiveBufferSize,
  tcpSocketSendBufferSize,
  tcpSocketSetSendBufferSize,
  tcpSocketSubscribe,
  tcpSocketShutdown,
  dropTcpSocket,
]);
