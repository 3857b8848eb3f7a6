/** Names and limits of custom domains: host names of a handler's owner that lead to the handler (docs/domains.md). */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { PlatformError } from './errors.ts';

export const domainLimits = {
  /** Domains of the whole platform, proven or not. Every runner holds all that are served: about 200 bytes each. */
  platform: 10_000,
  /** Domains of all handlers of one user, proven or not. */
  perUser: 200,
  perHandler: 50,
  /** Characters of a domain: 253 of a DNS name (RFC 1035 section 2.3.4) less those of `_trisiel.` in front of it. */
  chars: 244,
  /** Characters of a text that is read as a domain. A longer one is refused before it is looked at. */
  textChars: 1_000,
  /** Milliseconds after which a domain that was never proven is removed: a week. */
  pendingMs: 7 * 24 * 60 * 60_000,
  /** Milliseconds after which a served domain is looked up again: a day. */
  recheckMs: 24 * 60 * 60_000,
  /**
   * Milliseconds for which a served domain may fail its checks before it is not served any more: 3 days, in which a
   * mistake in a zone is found.
   */
  graceMs: 3 * 24 * 60 * 60_000,
  /** Milliseconds between two rounds of checks. */
  roundMs: 10 * 60_000,
  /** Domains that one round checks: all 10,000 get their turn within a day. */
  perRound: 100,
  /** Lookups at once in a round. */
  lookupsAtOnce: 8,
  /** Milliseconds for one lookup, tries included. */
  lookupMs: 5_000,
  /** Milliseconds for one handshake with the front, in which the front may get the certificate. */
  handshakeMs: 10_000,
  /**
   * Milliseconds after which a domain without a certificate is checked again: an hour. Each handshake may make the
   * front ask an authority again, and authorities count what fails (Let's Encrypt: 5 in an hour for each name).
   */
  certificateMs: 60 * 60_000,
} as const;

/**
 * State of a domain. `pending`: its owner has not proven yet that it may be served. `verified`: it is served.
 * `failing`: it is served, but the last check has failed. `lost`: its checks have failed for long, or another handler
 * has proven it since; it is not served.
 */
export const domainStates = ['pending', 'verified', 'failing', 'lost'] as const;
export type DomainState = (typeof domainStates)[number];

/** A custom domain, as the API shows it. */
export interface DomainView {
  /** ASCII form: international names in punycode, so that look-alikes differ to the eye. */
  readonly domain: string;
  readonly state: DomainState;
  /** Records of which one proves the domain. */
  readonly txt: { readonly name: string; readonly value: string };
  readonly cname: { readonly name: string; readonly value: string };
  /** Result of the last check where it failed; null: it did not fail. */
  readonly problem: string | null;
  readonly createdMs: number;
  /** Unix milliseconds of the last check; null: none yet. */
  readonly checkedMs: number | null;
  /** Unix milliseconds of the first check that succeeded; null: none yet. */
  readonly verifiedMs: number | null;
  /** What callers over HTTPS are shown; null: it is not served, or nothing is known. */
  readonly certificate: DomainCertificate | null;
}

export interface DomainCertificate {
  /** Why callers get no connection that they trust; null: they get one. */
  readonly problem: string | null;
  /** Unix milliseconds of the handshake that showed it. */
  readonly checkedMs: number;
}

/** A domain that is served, and the name of its handler. */
export interface ServedDomain {
  readonly domain: string;
  readonly to: string;
}

/** First label of the name that has a domain's TXT record. */
const txtLabel = '_trisiel';
/** Label between a claim's token and the platform's domain, in the name that a CNAME record leads to. */
const cnameLabel = 'domains';

/**
 * Returns the records that prove `domain` for the claim with `token` on a platform whose functions are below `base`.
 */
export function domainRecords(domain: string, token: string, base: string): Pick<DomainView, 'txt' | 'cname'> {
  return {
    txt: { name: `${txtLabel}.${domain}`, value: `trisiel=${token}` },
    cname: { name: domain, value: `${token}.${cnameLabel}.${base}` },
  };
}

/**
 * Returns the ASCII form of a domain in lower case, without the root's dot: `Bücher.example.` is
 * `xn--bcher-kva.example` (UTS 46). Throws `bad_request` for what is no host name below a top-level domain: addresses,
 * wildcards, single labels, ports, paths.
 */
export function normalDomain(text: string): string {
  const domain = text.length > domainLimits.textChars ? '' : asciiHost(text);
  if (
    domain.length > domainLimits.chars ||
    !namePattern.test(domain) ||
    isIP(domain) !== 0 ||
    numericEnd.test(domain)
  ) {
    const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
    throw new PlatformError('bad_request', `${shown} cannot be a custom domain`, {
      hints: [`a domain is a host name such as api.example.com, of at most ${domainLimits.chars} characters`],
    });
  }
  return domain;
}

/** Returns whether `host` is `domain` or lies below it. */
export function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

/** Labels of letters, digits and inner hyphens (RFC 1123 section 2.1), at least two. */
const namePattern = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** Ends with a label of digits, or a hexadecimal number: URL parsers read such a host as an IPv4 address. */
const numericEnd = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/** Returns the ASCII form of a host name; '' for text that no host name can have. */
function asciiHost(text: string): string {
  // These would end a host name in a URL, or be decoded in it.
  if (/[\s%/\\:@?#[\]*]/.test(text)) return '';
  return domainToASCII(text).toLowerCase().replace(/\.$/, '');
}
