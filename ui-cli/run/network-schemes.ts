/** Makes http, ws and tcp with their own guard. network.ts imports it when needed. */
import { createEgress } from '../../src/guest/kernel/net/egress.ts';
import { createNetwork } from '../../src/guest/kernel/net/network.ts';
import type { Scheme } from '../../src/guest/kernel/process.ts';
import { networkSchemes } from '../../src/guest/kernel/resources/network.ts';

declare const WASMCLOUD_VERSION: string | undefined;

export function openNetwork(egressAllow: readonly string[]): { readonly schemes: readonly Scheme[]; close(): void } {
  const version = typeof WASMCLOUD_VERSION === 'string' ? WASMCLOUD_VERSION : '0.0.0-dev';
  const network = createNetwork({ egress: createEgress({ allow: egressAllow, ownPorts: [] }), version });
  return { schemes: networkSchemes(network), close: () => network.close() };
}
