/**
 * Decides what a Process may open, by regular expressions on the URL as it was opened. Disallow beats allow; what
 * matches no rule is denied (docs/manifest.md).
 */
import type { Policy } from '../../protocol/nouns.ts';

export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided, as the log shows it. */
  readonly rule: string;
}

/**
 * Compiles one pattern. A dot matches every character: a line separator must not hide the rest of a URL from a
 * `disallow`. Throws SyntaxError; parsers of policies check patterns with it.
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
