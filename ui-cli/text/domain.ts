/** Formats custom domains and the DNS records that prove them. */
import type { DomainView } from '../../src/protocol/domains.ts';
import { formatAgo } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

const stateWords: Readonly<Record<DomainView['state'], string>> = {
  pending: 'waits for its record',
  verified: 'served',
  failing: 'served, but its record is missing',
  lost: 'not served any more',
};

export function domainTable(domains: readonly DomainView[], nowMs: number): string[] {
  return table(
    [{ title: 'DOMAIN' }, { title: 'STATE' }, { title: 'CHECKED' }, { title: 'CERTIFICATE' }],
    domains.map(({ domain, state, checkedMs, certificate }) => [
      visible(domain),
      stateWords[state],
      checkedMs === null ? 'not yet' : formatAgo(checkedMs, nowMs),
      certificateWords(certificate),
    ]),
  );
}

function certificateWords(certificate: DomainView['certificate']): string {
  if (certificate === null) return 'not known';
  return certificate.problem === null ? 'trusted' : `not trusted: ${visible(certificate.problem)}`;
}

/**
 * Returns lines about the state of a domain; where it is not proven, with the records of which it needs one, where
 * callers do not trust it, with what to look at.
 */
export function domainLines(handler: string, view: DomainView): string[] {
  const { domain, state, txt, cname, problem, certificate } = view;
  const name = visible(domain);
  if (state === 'verified') {
    const served = `${visible(handler)} is served under ${name}`;
    if (certificate === null || certificate.problem === null) return [served];
    return [
      `${served}, but not over HTTPS that callers trust: ${visible(certificate.problem)}`,
      `a certificate needs a record of ${name} that leads to the platform: CNAME, A or AAAA`,
      `it may also take minutes; then: wasmcloud domains ${visible(handler)} check ${name}`,
    ];
  }
  return [
    `${name} ${stateWords[state]}${problem === null ? '' : `: ${visible(problem)}`}`,
    'one of these records in its zone proves it:',
    `  ${visible(txt.name)}  TXT    "${visible(txt.value)}"`,
    `  ${visible(cname.name)}  CNAME  ${visible(cname.value)}`,
    `then: wasmcloud domains ${visible(handler)} check ${name}`,
  ];
}
