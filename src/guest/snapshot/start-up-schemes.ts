/** The schemes that a start-up may open, and those whose opening refuses its snapshot. */
import { type NetworkProtocol, networkProtocols, schemeNames } from '../kernel/net/target.ts';
import type { Scheme } from '../kernel/process.ts';
import { localSchemes } from '../kernel/resources/all.ts';

/** Schemes that reach out of the instance: what they would answer belongs to a call, and they act on others. */
const refusedLocally = ['kv', 'queue'];

/**
 * Returns the schemes. `opened` is told the name of each that is opened; `refused` the URL of one that may not be: the
 * start-up is then ended.
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
  const network = (Object.keys(networkProtocols) as NetworkProtocol[]).map((protocol) => refuse(schemeNames(protocol)));
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
