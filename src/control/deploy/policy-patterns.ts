/**
 * Bounds the work of policy patterns, which a backtracking engine matches inside a runner against URLs that a guest
 * chooses: a hostile pattern would stop all functions of the runner (ReDoS). A push is refused when an over-estimate of
 * the work is too large; the refusal says how to write the pattern.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { type Policy, type PolicyList, policyLists } from '../../protocol/nouns.ts';
import { matchingCost, urlCharsMax } from './pattern-cost.ts';

/** Steps of the engine for all rules on one URL: some 100 ms at worst. */
const stepsMax = 2 ** 27;

/**
 * Throws `manifest_invalid` for a pattern that does not compile or costs too much; `at` returns the pattern's place.
 */
export function checkPatterns(policy: Policy, at: (list: PolicyList, index: number) => string): void {
  let steps = 0;
  for (const list of policyLists) {
    policy[list].forEach((source, index) => {
      const place = at(list, index);
      steps += costOf(source, place);
      if (steps <= stepsMax) return;
      throw new PlatformError(
        'manifest_invalid',
        `${place}: with the pattern ${shown(source)} matching a URL of ${urlCharsMax} characters could take too long`,
        { hints: ['begin patterns with ^, and repeat at most once what can match the same text'] },
      );
    });
  }
}

function costOf(source: string, place: string): number {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : '';
    throw new PlatformError('manifest_invalid', `${place}: ${shown(source)} is no regular expression: ${reason}`);
  }
  const cost = matchingCost(source);
  if (typeof cost === 'number') return cost;
  throw new PlatformError('manifest_invalid', `${place}: the pattern ${shown(source)} uses ${cost.refused}`, {
    hints: [cost.hint],
  });
}

function shown(source: string): string {
  return JSON.stringify(source.length > 60 ? `${source.slice(0, 60)}...` : source);
}
