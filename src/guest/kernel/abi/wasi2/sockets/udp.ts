/**
 * wasi:sockets/udp: refuses all calls, since the platform sends and receives no datagrams. No component ever has a
 * socket, so no call can have a handle: the functions exist for their types, which a component may import.
 */
import {
  borrow,
  func,
  hostResource,
  list,
  option,
  own,
  record,
  result,
  tuple,
  type WitType,
} from '../../../../component/wit.ts';
import { dropRow, err, witInterface, witRow } from '../../../canonical/row.ts';
import { GuestFault } from '../../../memory.ts';
import { pollableResource } from '../io/poll.ts';
import { errorCodeType, ipAddressFamilyType, ipSocketAddressType, networkResource } from './network.ts';

const name = 'wasi:sockets/udp@0.2';
export const udpSocketResource = hostResource(name, 'udp-socket');
const incomingDatagramStreamResource = hostResource(name, 'incoming-datagram-stream');
const outgoingDatagramStreamResource = hostResource(name, 'outgoing-datagram-stream');

const incomingDatagramType = record({ data: list('u8'), 'remote-address': ipSocketAddressType });
const outgoingDatagramType = record({ data: list('u8'), 'remote-address': option(ipSocketAddressType) });

const self = { self: borrow(udpSocketResource) } as const;
const incoming = { self: borrow(incomingDatagramStreamResource) } as const;
const outgoing = { self: borrow(outgoingDatagramStreamResource) } as const;

function orError(type: WitType | null): WitType {
  return result(type, errorCodeType);
}

function denied() {
  return err('access-denied');
}

function noSocket(): never {
  throw new GuestFault('there are no UDP sockets');
}

/** Refuses: there are no UDP sockets. */
const udpSocketStartBind = witRow(
  '[method]udp-socket.start-bind',
  func({ ...self, network: borrow(networkResource), 'local-address': ipSocketAddressType }, orError(null)),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketFinishBind = witRow('[method]udp-socket.finish-bind', func(self, orError(null)), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketStream = witRow(
  '[method]udp-socket.stream',
  func(
    { ...self, 'remote-address': option(ipSocketAddressType) },
    orError(tuple(own(incomingDatagramStreamResource), own(outgoingDatagramStreamResource))),
  ),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketLocalAddress = witRow(
  '[method]udp-socket.local-address',
  func(self, orError(ipSocketAddressType)),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketRemoteAddress = witRow(
  '[method]udp-socket.remote-address',
  func(self, orError(ipSocketAddressType)),
  denied,
);

/** Traps: there are no UDP sockets. */
const udpSocketAddressFamily = witRow('[method]udp-socket.address-family', func(self, ipAddressFamilyType), noSocket);

/** Refuses: there are no UDP sockets. */
const udpSocketUnicastHopLimit = witRow('[method]udp-socket.unicast-hop-limit', func(self, orError('u8')), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketSetUnicastHopLimit = witRow(
  '[method]udp-socket.set-unicast-hop-limit',
  func({ ...self, value: 'u8' }, orError(null)),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketReceiveBufferSize = witRow('[method]udp-socket.receive-buffer-size', func(self, orError('u64')), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketSetReceiveBufferSize = witRow(
  '[method]udp-socket.set-receive-buffer-size',
  func({ ...self, value: 'u64' }, orError(null)),
  denied,
);

/** Refuses: there are no UDP sockets. */
const udpSocketSendBufferSize = witRow('[method]udp-socket.send-buffer-size', func(self, orError('u64')), denied);

/** Refuses: there are no UDP sockets. */
const udpSocketSetSendBufferSize = witRow(
  '[method]udp-socket.set-send-buffer-size',
  func({ ...self, value: 'u64' }, orError(null)),
  denied,
);

/** Traps: there are no UDP sockets. */
const udpSocketSubscribe = witRow('[method]udp-socket.subscribe', func(self, own(pollableResource)), noSocket);

/** Drops a udp-socket. */
const dropUdpSocket = dropRow(udpSocketResource);

/** Refuses: there are no UDP sockets. */
const incomingDatagramStreamReceive = witRow(
  '[method]incoming-datagram-stream.receive',
  func({ ...incoming, 'max-results': 'u64' }, orError(list(incomingDatagramType))),
  denied,
);

/** Traps: there are no UDP sockets. */
const incomingDatagramStreamSubscribe = witRow(
  '[method]incoming-datagram-stream.subscribe',
  func(incoming, own(pollableResource)),
  noSocket,
);

/** Drops an incoming-datagram-stream. */
const dropIncomingDatagramStream = dropRow(incomingDatagramStreamResource);

/** Refuses: there are no UDP sockets. */
const outgoingDatagramStreamCheckSend = witRow(
  '[method]outgoing-datagram-stream.check-send',
  func(outgoing, orError('u64')),
  denied,
);

/** Refuses: there are no UDP sockets. */
const outgoingDatagramStreamSend = witRow(
  '[method]outgoing-datagram-stream.send',
  func({ ...outgoing, datagrams: list(outgoingDatagramType) }, orError('u64')),
  denied,
);

/** Traps: there are no UDP sockets. */
const outgoingDatagramStreamSubscribe = witRow(
  '[method]outgoing-datagram-stream.subscribe',
  func(outgoing, own(pollableResource)),
  noSocket,
);

/** Drops an outgoing-datagram-stream. */
const dropOutgoingDatagramStream = dropRow(outgoingDatagramStreamResource);

export const socketsUdp = witInterface('wasi2', name, [
  udpSocketStartBind,
  udpSocketFinishBind,
  udpSocketStream,
  udpSocketLocalAddress,
  udpSocketRemoteAddress,
  udpSocketAddressFamily,
  udpSocketUnicastHopLimit,
  udpSocketSetUnicastHopLimit,
  udpSocketReceiveBufferSize,
  udpSocketSetReceiveBufferSize,
  udpSocketSendBufferSize,
  udpSocketSetSendBufferSize,
  udpSocketSubscribe,
  dropUdpSocket,
  incomingDatagramStreamReceive,
  incomingDatagramStreamSubscribe,
  dropIncomingDatagramStream,
  outgoingDatagramStreamCheckSend,
  outgoingDatagramStreamSend,
  outgoingDatagramStreamSubscribe,
  dropOutgoingDatagramStream,
]);
