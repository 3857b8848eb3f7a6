/**
 * Makes the schemes of a handler's network. Their libraries (undici, ws, node:tls) are loaded when the first guest
 * needs one, or by preloadNetwork.
 */
import type { Egress } from '../net/egress.ts';
import { loadHttp } from '../net/http-pool.ts';
import type { Network } from '../net/network.ts';
import type { NetworkProtocol } from '../net/target.ts';
import { loadWs } from '../net/ws-connect.ts';
import type { Scheme } from '../process.ts';
import { httpScheme } from './http.ts';
import { tcpScheme } from './tcp.ts';
import { wsScheme } from './ws.ts';

/** Returns the schemes of all network protocols over `network`, the network of one handler. */
export function networkSchemes(network: Network): readonly Scheme[] {
  const byProtocol: Readonly<Record<NetworkProtocol, Scheme>> = {
    http: httpScheme(network),
    ws: wsScheme(network),
    tcp: tcpScheme(network),
  };
  return Object.values(byProtocol);
}

/**
 * Loads the libraries of the schemes, about 0.2 s and 30 MB in all. Must be called while no guest runs: otherwise the
 * first guest with a request would hold up all others for that time.
 */
export async function preloadNetwork(egress: Egress): Promise<void> {
  await loadHttp();
  await loadWs();
  await egress.loadTls();
}
