/** wasi:sockets/udp-create-socket: refuses all sockets. */
import { func, own, result } from '../../../../component/wit.ts';
import { err, witInterface, witRow } from '../../../canonical/row.ts';
import { errorCodeType, ipAddressFamilyType } from './network.ts';
import { udpSocketResource } from './udp.ts';

/**
 * Refuses: the platform sends and receives no datagrams.
 *
 * Errors: access-denied.
 */
const createUdpSocket = witRow(
  'create-udp-socket',
  func({ 'address-family': ipAddressFamilyType }, result(own(udpSocketResource), errorCodeType)),
  () => err('access-denied'),
);

export const udpCreateSocket = witInterface('wasi2', 'wasi:sockets/udp-create-socket@0.2', [createUdpSocket]);
