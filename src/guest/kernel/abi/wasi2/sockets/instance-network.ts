/** wasi:sockets/instance-network: the network of the Process. */
import { func, own } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { NetworkCapability, networkResource } from './network.ts';

/** Returns the network. Policy and egress guard decide at each connection whether it is allowed. */
const instanceNetwork = witRow('instance-network', func({}, own(networkResource)), () => new NetworkCapability());

export const socketsInstanceNetwork = witInterface('wasi2', 'wasi:sockets/instance-network@0.2', [instanceNetwork]);
