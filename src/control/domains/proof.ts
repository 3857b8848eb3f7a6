/** Looks up whether the records in DNS prove that a handler's owner controls a custom domain. */
import { Resolver } from 'node:dns/promises';
import { type DomainView, domainLimits } from '../../protocol/domains.ts';

/** Answers questions to DNS. Both methods return no items where the name or the record does not exist. */
export interface DomainResolver {
  /** Returns the TXT records of a name, each as one text. Throws when DNS gives no answer. */
  txt(name: string): Promise<readonly string[]>;
  /** Returns the targets of a name's CNAME records. Throws when DNS gives no answer. */
  cname(name: string): Promise<readonly string[]>;
}

/**
 * Result of a lookup. `absent`: DNS has answered, and no record proves the domain. `unknown`: DNS has not answered, so
 * nothing is known.
 */
export type Proof = { readonly kind: 'proven' } | { readonly kind: 'absent' | 'unknown'; readonly problem: string };

/** Looks for one of two records. A CNAME record is followed one step: it must name the claim's own target. */
export async function lookUpProof(resolver: DomainResolver, wanted: Pick<DomainView, 'txt' | 'cname'>): Promise<Proof> {
  const { txt, cname } = wanted;
  const [texts, targets] = await Promise.allSettled([resolver.txt(txt.name), resolver.cname(cname.name)]);
  const found = (answers: PromiseSettledResult<readonly string[]>): readonly string[] =>
    answers.status === 'fulfilled' ? answers.value : [];
  if (found(texts).some((text) => text.trim() === txt.value)) return { kind: 'proven' };
  if (found(targets).some((target) => target.toLowerCase().replace(/\.$/, '') === cname.value))
    return { kind: 'proven' };
  const failed = [texts, targets].find((answers) => answers.status === 'rejected');
  if (failed !== undefined) return { kind: 'unknown', problem: `DNS did not answer (${codeOf(failed.reason)})` };
  const others = found(texts).length === 0 ? '' : ', only other TXT records';
  return { kind: 'absent', problem: `neither ${txt.name} nor ${cname.name} has the record${others}` };
}

/** Asks DNS servers. */
export class DnsResolver implements DomainResolver {
  readonly #resolver: Resolver;

  /** `servers`: IP addresses, each with a port where it is not 53; empty: those of the system. */
  constructor(servers: readonly string[]) {
    this.#resolver = new Resolver({ timeout: domainLimits.lookupMs / 2, tries: 2 });
    if (servers.length > 0) this.#resolver.setServers(servers);
  }

  async txt(name: string): Promise<readonly string[]> {
    return (await unlessMissing(this.#resolver.resolveTxt(name))).map((parts) => parts.join(''));
  }

  cname(name: string): Promise<readonly string[]> {
    return unlessMissing(this.#resolver.resolveCname(name));
  }
}

/** Returns no items where DNS says that the name, or the record, does not exist. */
async function unlessMissing<T>(answers: Promise<readonly T[]>): Promise<readonly T[]> {
  return answers.catch((error: unknown) => {
    if (['ENOTFOUND', 'ENODATA'].includes(codeOf(error))) return [];
    throw error;
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
