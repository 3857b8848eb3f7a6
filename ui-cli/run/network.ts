/** The network's schemes, loaded when a guest first opens one of them, which most runs never do. */

import { networkProtocols, schemeNames } from '../../src/guest/kernel/net/target.ts';
import type { Scheme } from '../../src/guest/kernel/process.ts';
import { keysOf } from '../../src/protocol/record-of.ts';

export interface LazyNetwork {
  readonly schemes: readonly Scheme[];
  /** Closes connections that the guest left open. */
  close(): void;
}

/**
 * Makes the network with the platform's guard: private addresses are denied except `egressAllow`
 * (TRISIEL_EGRESS_ALLOW).
 */
export function lazyNetwork(egressAllow: readonly string[]): LazyNetwork {
  let loading: Promise<{ readonly schemes: readonly Scheme[]; close(): void }> | null = null;
  let isClosed = false;
  const load = () => {
    loading ??= import('./network-schemes.ts').then(({ openNetwork }) => openNetwork(egressAllow));
    return loading;
  };
  const protocols = keysOf(networkProtocols);
  const schemes = protocols.map(
    (protocol): Scheme => ({
      names: schemeNames(protocol),
      open: async (url, process, flags) => {
        const network = await load();
        if (isClosed) network.close();
        const scheme = network.schemes.find((one) => one.names.includes(networkProtocols[protocol].plain));
        if (scheme === undefined) throw new Error(`no scheme ${protocol}`);
        return scheme.open(url, process, flags);
      },
    }),
  );
  return {
    schemes,
    close: () => {
      isClosed = true;
      void loading?.then((network) => network.close());
    },
  };
}
