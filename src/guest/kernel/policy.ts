/**
 * What a Process may open: regular expressions on the URL as opened. Disallow beats allow; with a
 * policy, what matches nothing is denied (docs/manifest.md).
 */
import type { Policy } from '../../protocol/nouns.ts';

export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided, for the log line. */
  readonly rule: string;
}

/**
 * A pattern as rules compile it. A dot matches every character: a line separator must not hide what
 * stands behind it from a `disallow`. Throws SyntaxError on what is no pattern; parsers of
 * policies check with it.
 */
export function policyRule(source: string): RegExp {
  return new RegExp(source, 'su');
}

export class CompiledPolicy {
  readonly #allow: readonly RegExp[];
  readonly #disallow: readonly RegExp[];

  /** Throws SyntaxError on an expression that is none; the manifest has been checked at push. */
  constructor(policy: Policy) {
    this.#allow = policy.allow.map(policyRule);
    this.#disallow = policy.disallow.map(policyRule);
  }

  decide(url: string): Decision {
    for (const rule of this.#disallow) if (rule.test(url)) return { allowed: false, rule: `disallow ${rule.source}` };
    for (const rule of this.#allow) if (rule.test(url)) return { allowed: true, rule: `allow ${rule.source}` };
    return { allowed: false, rule: 'no allow rule matches' };
  }
}
