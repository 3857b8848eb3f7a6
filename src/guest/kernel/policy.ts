/**
 * Decides which URLs a Process may open, by regular expressions on the URL as the guest wrote it. Disallow beats allow;
 * a URL that matches no rule is denied (docs/manifest.md).
 */
import type { Policy } from '../../protocol/nouns.ts';

export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided, as the log shows it. */
  readonly rule: string;
}

/**
 * Compiles one pattern. A dot matches every character, so that a line separator cannot hide the rest of a URL from a
 * `disallow`. Throws SyntaxError; parsers of policies check patterns with it.
 */
export function policyRule(source: string): RegExp {
  return new RegExp(source, 'su');
}

export class CompiledPolicy {
  readonly #allow: readonly RegExp[];
  readonly #disallow: readonly RegExp[];

  /** Throws SyntaxError for an invalid expression. The push has checked those of a manifest. */
  constructor(policy: Policy) {
    this.#allow = policy.allow.map(policyRule);
    this.#disallow = policy.disallow.map(policyRule);
  }

  /** Decides whether a Process may open `url`: a match of `disallow` refuses it, then a match of `allow` is needed. */
  decide(url: string): Decision {
    for (const rule of this.#disallow) if (rule.test(url)) return { allowed: false, rule: `disallow ${rule.source}` };
    for (const rule of this.#allow) if (rule.test(url)) return { allowed: true, rule: `allow ${rule.source}` };
    return { allowed: false, rule: 'no allow rule matches' };
  }
}
