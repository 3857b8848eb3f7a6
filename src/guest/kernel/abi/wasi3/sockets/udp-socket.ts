/** UDP sockets of wasi:sockets/types. There are none: their functions exist for their types, and refuse. */
import { asyncFunc, borrow, func, hostResource, list, option, own, tuple } from '../../../../component/wit.ts';
import { dropRow, witRow } from '../../../canonical/row.ts';
import { GuestFault } from '../../../memory.ts';
import { ipAddressFamilyType, ipSocketAddressType } from '../../wasi2/sockets/network.ts';
import { denied, done, local, orError, remote, socketsTypesName } from './shared.ts';

const udpSocketResource = hostResource(socketsTypesName, 'udp-socket');
const udp = { self: borrow(udpSocketResource) } as const;

/**
 * Refuses: the platform sends and receives no datagrams.
 *
 * Errors: access-denied.
 */
const udpSocketCreate = witRow(
  '[static]udp-socket.create',
  func({ 'address-family': ipAddressFamilyType }, orError(own(udpSocketResource))),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketBind = witRow('[method]udp-socket.bind', func({ ...udp, ...local }, done), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketConnect = witRow('[method]udp-socket.connect', func({ ...udp, ...remote }, done), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketDisconnect = witRow('[method]udp-socket.disconnect', func(udp, done), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketSend = witRow(
  '[method]udp-socket.send',
  asyncFunc({ ...udp, data: list('u8'), 'remote-address': option(ipSocketAddressType) }, done),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketReceive = witRow(
  '[method]udp-socket.receive',
  asyncFunc(udp, orError(tuple(list('u8'), ipSocketAddressType))),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketGetLocalAddress = witRow(
  '[method]udp-socket.get-local-address',
  func(udp, orError(ipSocketAddressType)),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketGetRemoteAddress = witRow(
  '[method]udp-socket.get-remote-address',
  func(udp, orError(ipSocketAddressType)),
  denied,
);

/** Traps: there are no UDP sockets. */
const udpSocketGetAddressFamily = witRow(
  '[method]udp-socket.get-address-family',
  func(udp, ipAddressFamilyType),
  () => {
    throw new GuestFault('there are no UDP sockets');
  },
);

/** Refuses: there are no UDP sockets. */
const udpSocketGetUnicastHopLimit = witRow(
  '[method]udp-socket.get-unicast-hop-limit',
  func(udp, orError('u8')),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketSetUnicastHopLimit = witRow(
  '[method]udp-socket.set-unicast-hop-limit',
  func({ ...udp, value: 'u8' }, done),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketGetReceiveBufferSize = witRow(
  '[method]udp-socket.get-receive-buffer-size',
  func(udp, orError('u64')),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketSetReceiveBufferSize = witRow(
  '[method]udp-socket.set-receive-buffer-size',
  func({ ...udp, value: 'u64' }, done),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketGetSendBufferSize = witRow('[method]udp-socket.get-send-buffer-size', func(udp, orError('u64')), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketSetSendBufferSize = witRow(
  '[method]udp-socket.set-send-buffer-size',
  func({ ...udp, value: 'u64' }, done),
  denied,
);

/** Drops a udp-socket. */
const dropUdpSocket = dropRow(udpSocketResource);

export const udpRows = [
  udpSocketCreate,
  udpSocketBind,
  udpSocketConnect,
  udpSocketDisconnect,
  udpSocketSend,
  udpSocketReceive,
  udpSocketGetLocalAddress,
  udpSocketGetRemoteAddress,
  udpSocketGetAddressFamily,
  udpSocketGetUnicastHopLimit,
  udpSocketSetUnicastHopLimit,
  udpSocketGetReceiveBufferSize,
  udpSocketSetReceiveBufferSize,
  udpSocketGetSendBufferSize,
  udpSocketSetSendBufferSize,
  dropUdpSocket,
];
