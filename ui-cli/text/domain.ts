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
    [{ title: 'DOMAIN' }, { title: 'STATE' }, { title: 'CHECKED' }],
    domains.map(({ domain, state, checkedMs }) => [
      visible(domain),
      stateWords[state],
      checkedMs === null ? 'not yet' : formatAgo(checkedMs, nowMs),
    ]),
  );
}

/** Returns lines about the state of a domain; where it is not proven, with the records of which it needs one. */
export function domainLines(handler: string, { domain, state, txt, cname, problem }: DomainView): string[] {
  const name = visible(domain);
  if (state === 'verified') return [`${visible(handler)} is served under ${name}`];
  return [
    `${name} ${stateWords[state]}${problem === null ? '' : `: ${visible(problem)}`}`,
    'one of these records in its zone proves it:',
    `  ${visible(txt.name)}  TXT    "${visible(txt.value)}"`,
    `  ${visible(cname.name)}  CNAME  ${visible(cname.value)}`,
    `then: wasmcloud domains ${visible(handler)} check ${name}`,
  ];
}
