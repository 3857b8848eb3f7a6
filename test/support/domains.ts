/** Custom domains with a DNS that tests write themselves. */
import { randomBytes } from 'node:crypto';
import type { Database } from '../../src/control/db/database.ts';
import type { CertificateProbe } from '../../src/control/domains/certificate.ts';
import { Domains } from '../../src/control/domains/domains.ts';
import type { DomainResolver } from '../../src/control/domains/proof.ts';
import type { DomainView } from '../../src/protocol/domains.ts';

/** A DNS of two maps. A name in `silent` gets no answer. */
export class TestDns implements DomainResolver {
  readonly txts = new Map<string, string[]>();
  readonly cnames = new Map<string, string>();
  readonly silent = new Set<string>();
  /** Names asked for, in order. */
  readonly asked: string[] = [];

  async txt(name: string): Promise<readonly string[]> {
    return this.#answer(name, this.txts.get(name) ?? []);
  }

  async cname(name: string): Promise<readonly string[]> {
    const target = this.cnames.get(name);
    return this.#answer(name, target === undefined ? [] : [target]);
  }

  /** Adds the TXT record that proves a domain. */
  prove({ txt }: DomainView): void {
    this.txts.set(txt.name, [...(this.txts.get(txt.name) ?? []), txt.value]);
  }

  async #answer(name: string, records: readonly string[]): Promise<readonly string[]> {
    this.asked.push(name);
    if (this.silent.has(name)) throw Object.assign(new Error('no answer'), { code: 'ETIMEOUT' });
    return records;
  }
}

export interface TestDomainsOptions {
  readonly db: Database;
  readonly now: () => number;
  readonly dns?: DomainResolver;
  readonly base?: string;
  readonly ownHosts?: readonly string[];
  /** Makes a handshake under a domain. Absent: functions are not called over HTTPS. */
  readonly probe?: CertificateProbe;
  /** Is told each domain that runners should serve anew. */
  readonly changed?: (domain: string) => void;
}

export function testDomains({ db, now, dns = new TestDns(), ...options }: TestDomainsOptions): Domains {
  return new Domains({
    db,
    resolver: dns,
    probe: options.probe ?? null,
    base: options.base ?? 'localhost',
    ownHosts: options.ownHosts ?? [],
    now,
    newToken: () => randomBytes(16).toString('hex'),
    changed: async (domain) => options.changed?.(domain),
    report: (_text, error) => {
      throw error;
    },
  });
}
