/** Formats settings of a handler that need no push. */
import { limitKeyOf, limitNames } from '../../src/protocol/limits.ts';
import { type HandlerSettings, policyLists } from '../../src/protocol/nouns.ts';
import { visible } from './visible.ts';

/** What is said where there are no settings. */
const nothingSet = 'nothing is set without a push: the manifest holds';

export function settingsLines({ limits, policy, previews }: HandlerSettings): string[] {
  const lines = [
    ...limitNames.filter((name) => limits[name] !== undefined).map((name) => `${limitKeyOf(name)} = ${limits[name]}`),
    ...policyLists.flatMap((list) => policy[list].map((pattern) => `${list} ${visible(pattern)}`)),
    ...(previews ? [] : ['previews off: pushes of other branches are stored and not served']),
  ];
  return lines.length === 0 ? [nothingSet] : lines;
}
