import { expect, test } from 'vitest';
import type { DomainView } from '../../../src/protocol/domains.ts';
import { domainLines, domainTable } from '../../../ui-cli/text/domain.ts';

const served: DomainView = {
  domain: 'api.example.com',
  state: 'verified',
  txt: { name: '_trisiel.api.example.com', value: 'trisiel=1' },
  cname: { name: 'api.example.com', value: '1.domains.functions.example' },
  problem: null,
  createdMs: 0,
  checkedMs: 0,
  verifiedMs: 0,
  certificate: null,
};
const withCertificate = (problem: string | null): DomainView => ({ ...served, certificate: { problem, checkedMs: 0 } });

test('a table of domains says whether callers trust the certificate of each', () => {
  const rows = domainTable([served, withCertificate(null), withCertificate('alert internal error\u001b[2J')], 0);
  expect(rows.slice(1).map((row) => row.replace(/^.*now +/, ''))).toEqual([
    'not known',
    'trusted',
    'not trusted: alert internal error^[[2J',
  ]);
});

test('a domain whose certificate is not there says what it may lack', () => {
  expect(domainLines('otter', served)).toEqual(['otter is served under api.example.com']);
  expect(domainLines('otter', withCertificate(null))).toEqual(['otter is served under api.example.com']);
  expect(domainLines('otter', withCertificate('alert internal error'))).toEqual([
    'otter is served under api.example.com, but not over HTTPS that callers trust: alert internal error',
    'a certificate needs a record of api.example.com that leads to the platform: CNAME, A or AAAA',
    'it may also take minutes; then: wasmcloud domains otter check api.example.com',
  ]);
});
