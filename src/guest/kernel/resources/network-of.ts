/** Finds the network of a scheme, for interfaces that do more with it than open URLs. */
import type { Network } from '../net/network.ts';
import type { Process, Scheme } from '../process.ts';

export interface SchemeWithNetwork extends Scheme {
  readonly network: Network;
}

/** Returns the network of the handler of `guest`; null if `guest` may not open `scheme`. */
export function networkOf(guest: Process, scheme: string): Network | null {
  const found = guest.options.schemes.find(scheme);
  return found !== undefined && 'network' in found ? (found as SchemeWithNetwork).network : null; // asked on this line
}
