/** Makes the schemes of a start-up: those that it may open, and those that refuse its snapshot when they are opened. */
import { keysOf } from '../../protocol/record-of.ts';
import { networkProtocols, schemeNames } from '../kernel/net/target.ts';
import type { Scheme } from '../kernel/process.ts';
import { localSchemes } from '../kernel/resources/all.ts';

/**
 * Local schemes that are refused: they change data outside of the instance, and their answers belong to a single call.
 */
const refusedLocally = ['kv', 'queue'];

/**
 * Returns the schemes. Calls `opened` with the name of each opened scheme, and `refused` with the URL of a forbidden
 * open, which then ends the start-up.
 */
export function startUpSchemes(tell: {
  readonly opened: (scheme: string) => void;
  readonly refused: (url: string) => void;
}): readonly Scheme[] {
  const refuse = (names: readonly string[]): Scheme => ({
    names,
    open: (url, guest) => {
      tell.refused(url);
      return guest.endNow({ kind: 'trap', message: `a start-up may not open ${url}` });
    },
  });
  const network = keysOf(networkProtocols).map((protocol) => refuse(schemeNames(protocol)));
  const local = localSchemes.map((scheme): Scheme => {
    const [first = ''] = scheme.names;
    if (scheme.names.some((name) => refusedLocally.includes(name))) return refuse(scheme.names);
    return {
      names: scheme.names,
      open: (url, guest, flags) => {
        tell.opened(first);
        return scheme.open(url, guest, flags);
      },
    };
  });
  return [...local, ...network];
}
