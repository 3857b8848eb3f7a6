/** The schemes of a handler's network. */
import type { Network } from '../net/network.ts';
import type { Scheme } from '../resource.ts';
import { httpScheme } from './http.ts';
import { tcpScheme } from './tcp.ts';
import { wsScheme } from './ws.ts';

/** http, https, ws, wss, tcp and tcp+tls over `network`, which is one handler's. */
export function networkSchemes(network: Network): readonly Scheme[] {
  return [httpScheme(network), wsScheme(network), tcpScheme(network)];
}
