/** wasi:sockets/tcp-create-socket: makes TCP sockets. */
import { func, own, result } from '../../../../component/wit.ts';
import { ok, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { errorCodeType, type IpFamily, ipAddressFamilyType } from './network.ts';
import { tcpSocketResource } from './tcp.ts';
import { TcpSocket } from './tcp-socket.ts';

/** Returns a TCP socket that is not connected. Only a connected socket counts as a connection. */
const createTcpSocket = witRow(
  'create-tcp-socket',
  func({ 'address-family': ipAddressFamilyType }, result(own(tcpSocketResource), errorCodeType)),
  (guest: Process, family: IpFamily) => ok(new TcpSocket(guest, family)),
);

export const tcpCreateSocket = witInterface('wasi2', 'wasi:sockets/tcp-create-socket@0.2', [createTcpSocket]);
