/** Joins the parts that serve custom domains. */
import type { RandomBytes } from '../control/accounts/secrets.ts';
import type { Database } from '../control/db/database.ts';
import { frontProbe } from '../control/domains/certificate.ts';
import { CertificateNames } from '../control/domains/certificate-names.ts';
import { Domains } from '../control/domains/domains.ts';
import { DnsResolver } from '../control/domains/proof.ts';
import type { ServerConfig } from './config.ts';

export interface DomainStation {
  readonly domains: Domains;
  /** Names for which a proxy may get certificates. */
  readonly certificateNames: CertificateNames;
}

export function domainStation(options: {
  readonly db: Database;
  readonly config: Pick<ServerConfig, 'domain' | 'runUrl' | 'dnsServers'>;
  /** Public base URL of the API. */
  readonly serverUrl: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** Is told each domain that is to be served anew. */
  readonly changed: (domain: string) => Promise<void>;
  readonly report: (message: string, error: unknown) => void;
}): DomainStation {
  const { db, config, serverUrl, now, randomBytes, changed, report } = options;
  const ownHosts = [serverUrl, config.runUrl].flatMap((url) => (url === null ? [] : [new URL(url).hostname]));
  const domains = new Domains({
    db,
    resolver: new DnsResolver(config.dnsServers),
    probe: frontProbe(config.runUrl),
    base: config.domain,
    ownHosts,
    now,
    newToken: () => Buffer.from(randomBytes(16)).toString('hex'),
    changed,
    report,
  });
  return { domains, certificateNames: new CertificateNames({ db, domains, base: config.domain, ownHosts }) };
}
