/**
 * The schemes of a handler's network. Their libraries (undici, ws, node:tls) are loaded when the first guest
 * needs one, or by preloadNetwork.
 */
import type { Egress } from '../net/egress.ts';
import { loadHttp } from '../net/http-pool.ts';
import type { Network } from '../net/network.ts';
import { loadWs } from '../net/ws-connect.ts';
import type { Scheme } from '../process.ts';
import { httpScheme } from './http.ts';
import { tcpScheme } from './tcp.ts';
import { wsScheme } from './ws.ts';

/** http, https, ws, wss, tcp and tcp+tls over `network`, which is one handler's. */
export function networkSchemes(network: Network): readonly Scheme[] {
  return [httpScheme(network), wsScheme(network), tcpScheme(network)];
}

/**
 * Loads what the schemes need, about 0.2 s and 30 MB in all, when that disturbs nobody: otherwise the first guest
 * to make a request holds up everybody else for as long.
 */
export async function preloadNetwork(egress: Egress): Promise<void> {
  await loadHttp();
  await loadWs();
  await egress.loadTls();
}
