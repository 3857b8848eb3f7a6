/**
 * wasi:sockets/types: outgoing TCP connections. There are no listening sockets, and local addresses cannot be chosen.
 * There are no UDP sockets (udp-socket.ts).
 */
import {
  asyncFunc,
  borrow,
  func,
  future,
  hostResource,
  own,
  stream,
  tuple,
  type WitType,
} from '../../../../component/wit.ts';
import { elementFor } from '../../../canonical/async/elements.ts';
import type { Readable } from '../../../canonical/async/shared.ts';
import { FutureSource } from '../../../canonical/async/source.ts';
import { dropRow, err, ok, runOf, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import {
  type IpFamily,
  type IpSocketAddress,
  ipAddressFamilyType,
  ipSocketAddressType,
  toErrorCode,
} from '../../wasi2/sockets/network.ts';
import { socketsTcp as tcp2 } from '../../wasi2/sockets/tcp.ts';
import { TcpSocket } from '../../wasi2/sockets/tcp-socket.ts';
import { pump } from '../pump.ts';
import { emptyStream, readingFrom, resultOf } from '../streams.ts';
import { toError, toResult } from './error-code.ts';
import { denied, done, local, orError, remote, socketsTypesName } from './shared.ts';
import { udpRows } from './udp-socket.ts';

const tcpSocketResource = hostResource(socketsTypesName, 'tcp-socket');

const self = { self: borrow(tcpSocketResource) } as const;

/** Returns what the method of a TCP socket of 0.2 does. */
function run2(method: string) {
  const row = tcp2.syscalls.find((one) => one.name === `[method]tcp-socket.${method}`);
  if (row === undefined) throw new Error(`TCP sockets have no ${method}`);
  return runOf(row);
}

/** Makes the row of a method that does what the method `method2` of 0.2 does. */
function method(
  methodName: string,
  method2: string,
  params: Readonly<Record<string, WitType>>,
  okType: WitType | null,
) {
  const run = run2(method2);
  return witRow(
    `[method]tcp-socket.${methodName}`,
    func({ ...self, ...params }, orError(okType)),
    (guest: Process, ...args: unknown[]) => toResult(run(guest, ...args)),
  );
}

/** Returns a TCP socket that is not connected. Only a connected socket counts as a connection. */
const tcpSocketCreate = witRow(
  '[static]tcp-socket.create',
  func({ 'address-family': ipAddressFamilyType }, orError(own(tcpSocketResource))),
  (guest: Process, family: IpFamily) => ok(new TcpSocket(guest, family)),
);

const startBind = run2('start-bind');

/**
 * Refuses: the platform chooses local addresses.
 *
 * Errors: access-denied; invalid-argument an address of the other family, or one that no host has; invalid-state the
 * socket was used.
 */
const tcpSocketBind = witRow(
  '[method]tcp-socket.bind',
  func({ ...self, ...local }, done),
  (guest: Process, socket: TcpSocket, address: IpSocketAddress) => toResult(startBind(guest, socket, null, address)),
);

const startConnect = run2('start-connect');

/**
 * Connects to `remote-address`. The policy is matched against `tcp://ADDRESS:PORT`; a forbidden address ends the
 * Process.
 *
 * Errors: invalid-argument an address of the other family, port 0, or an address that is not that of one host;
 * invalid-state the socket was used; connection-refused; timeout; access-denied an address that guests may not reach;
 * other new-socket-limit, more than 64 connections of the invocation.
 */
const tcpSocketConnect = witRow(
  '[method]tcp-socket.connect',
  asyncFunc({ ...self, ...remote }, done),
  (guest: Process, socket: TcpSocket, address: IpSocketAddress) => {
    const started = toResult(startConnect(guest, socket, null, address));
    if (started.tag === 'err') return started;
    const waiting = socket.readiness();
    return waiting === null ? connected(socket) : waiting.then(() => connected(socket));
  },
  { waits: true },
);

function connected(socket: TcpSocket) {
  const resource = socket.takeConnection();
  return typeof resource === 'number' ? err(toError(toErrorCode(resource))) : ok();
}

/**
 * Refuses: there are no listening sockets.
 *
 * Errors: access-denied; invalid-state the socket is connected.
 */
const tcpSocketListen = witRow(
  '[method]tcp-socket.listen',
  func(self, orError(stream(own(tcpSocketResource)))),
  (_guest: Process, socket: TcpSocket) => (socket.state === 'unconnected' ? denied() : err({ tag: 'invalid-state' })),
);

/**
 * Sends all bytes of `data`, then ends the sending (FIN). Returns the result. Can be called once.
 *
 * Errors: invalid-state the socket is not connected, or sends already; connection-reset.
 */
const tcpSocketSend = witRow(
  '[method]tcp-socket.send',
  func({ ...self, data: stream('u8') }, future(done)),
  (guest: Process, socket: TcpSocket, data: Readable) => {
    const resource = socket.take('send');
    if (resource === null) {
      data.drop();
      return settled(guest, err({ tag: 'invalid-state' }));
    }
    const sent = pump(guest, data, resource.scheme, (bytes) => resource.write(bytes)).then((errno) => {
      socket.shutdown({ read: false, write: true });
      return toDone(errno);
    });
    return resultOf(guest, done, sent);
  },
);

/**
 * Returns a stream of the received bytes and its result. Can be called once.
 *
 * Errors: invalid-state the socket is not connected, or receives already; connection-reset.
 */
const tcpSocketReceive = witRow(
  '[method]tcp-socket.receive',
  func(self, tuple(stream('u8'), future(done))),
  (guest: Process, socket: TcpSocket) => {
    const resource = socket.take('receive');
    if (resource === null) return [emptyStream(guest), settled(guest, err({ tag: 'invalid-state' }))];
    const { stream: read, ended } = readingFrom(guest, resource, () => {
      socket.shutdown({ read: true, write: false });
    });
    return [read, resultOf(guest, done, ended.then(toDone), { isAwaited: false })];
  },
);

/**
 * Returns the port of this end of the connection. The address is the unspecified one (0.0.0.0, ::): components may not
 * know those of the host.
 *
 * Errors: invalid-state the socket is not connected.
 */
const tcpSocketGetLocalAddress = method('get-local-address', 'local-address', {}, ipSocketAddressType);

/**
 * Returns the address to which the socket is connected.
 *
 * Errors: invalid-state the socket is not connected.
 */
const tcpSocketGetRemoteAddress = method('get-remote-address', 'remote-address', {}, ipSocketAddressType);

/** Returns false: there are no listening sockets. */
const tcpSocketGetIsListening = witRow('[method]tcp-socket.get-is-listening', func(self, 'bool'), () => false);

/** Returns the address family of the socket. */
const tcpSocketGetAddressFamily = witRow(
  '[method]tcp-socket.get-address-family',
  func(self, ipAddressFamilyType),
  (_guest: Process, socket: TcpSocket) => socket.family,
);

/**
 * Accepts a backlog size. Has no effect: there are no listening sockets.
 *
 * Errors: invalid-argument 0; invalid-state the socket is connected.
 */
const tcpSocketSetListenBacklogSize = method(
  'set-listen-backlog-size',
  'set-listen-backlog-size',
  { value: 'u64' },
  null,
);

/** Returns the value of set-keep-alive-enabled; false at first. */
const tcpSocketGetKeepAliveEnabled = method('get-keep-alive-enabled', 'keep-alive-enabled', {}, 'bool');

/** Keeps the setting. Has no effect: the platform probes idle connections after a minute. */
const tcpSocketSetKeepAliveEnabled = method(
  'set-keep-alive-enabled',
  'set-keep-alive-enabled',
  { value: 'bool' },
  null,
);

/** Returns the value of set-keep-alive-idle-time; two hours at first. */
const tcpSocketGetKeepAliveIdleTime = method('get-keep-alive-idle-time', 'keep-alive-idle-time', {}, 'u64');

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetKeepAliveIdleTime = method(
  'set-keep-alive-idle-time',
  'set-keep-alive-idle-time',
  { value: 'u64' },
  null,
);

/** Returns the value of set-keep-alive-interval; 75 s at first. */
const tcpSocketGetKeepAliveInterval = method('get-keep-alive-interval', 'keep-alive-interval', {}, 'u64');

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetKeepAliveInterval = method(
  'set-keep-alive-interval',
  'set-keep-alive-interval',
  { value: 'u64' },
  null,
);

/** Returns the value of set-keep-alive-count; 9 at first. */
const tcpSocketGetKeepAliveCount = method('get-keep-alive-count', 'keep-alive-count', {}, 'u32');

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetKeepAliveCount = method('set-keep-alive-count', 'set-keep-alive-count', { value: 'u32' }, null);

/** Returns the value of set-hop-limit; 64 at first. */
const tcpSocketGetHopLimit = method('get-hop-limit', 'hop-limit', {}, 'u8');

/**
 * Keeps the setting. Has no effect.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetHopLimit = method('set-hop-limit', 'set-hop-limit', { value: 'u8' }, null);

/** Returns the size of the receive buffer in bytes: 64 KiB. */
const tcpSocketGetReceiveBufferSize = method('get-receive-buffer-size', 'receive-buffer-size', {}, 'u64');

/**
 * Accepts any size. Has no effect: the size stays 64 KiB.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetReceiveBufferSize = method(
  'set-receive-buffer-size',
  'set-receive-buffer-size',
  { value: 'u64' },
  null,
);

/** Returns the size of the send buffer in bytes: 64 KiB. */
const tcpSocketGetSendBufferSize = method('get-send-buffer-size', 'send-buffer-size', {}, 'u64');

/**
 * Accepts any size. Has no effect: the size stays 64 KiB.
 *
 * Errors: invalid-argument 0.
 */
const tcpSocketSetSendBufferSize = method('set-send-buffer-size', 'set-send-buffer-size', { value: 'u64' }, null);

/** Drops a tcp-socket. Its connection ends after the written bytes. */
const dropTcpSocket = dropRow(tcpSocketResource);

function toDone(errno: number) {
  return errno === 0 ? ok() : err(toError(toErrorCode(errno)));
}

function settled(guest: Process, value: unknown): FutureSource {
  return FutureSource.of(guest, elementFor(done), value);
}

export const socketsTypes = witInterface('wasi3', socketsTypesName, [
  tcpSocketCreate,
  tcpSocketBind,
  tcpSocketConnect,
  tcpSocketListen,
  tcpSocketSend,
  tcpSocketReceive,
  tcpSocketGetLocalAddress,
  tcpSocketGetRemoteAddress,
  tcpSocketGetIsListening,
  tcpSocketGetAddressFamily,
  tcpSocketSetListenBacklogSize,
  tcpSocketGetKeepAliveEnabled,
  tcpSocketSetKeepAliveEnabled,
  tcpSocketGetKeepAliveIdleTime,
  tcpSocketSetKeepAliveIdleTime,
  tcpSocketGetKeepAliveInterval,
  tcpSocketSetKeepAliveInterval,
  tcpSocketGetKeepAliveCount,
  tcpSocketSetKeepAliveCount,
  tcpSocketGetHopLimit,
  tcpSocketSetHopLimit,
  tcpSocketGetReceiveBufferSize,
  tcpSocketSetReceiveBufferSize,
  tcpSocketGetSendBufferSize,
  tcpSocketSetSendBufferSize,
  dropTcpSocket,
  ...udpRows,
]);
