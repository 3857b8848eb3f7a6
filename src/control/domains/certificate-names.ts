/**
 * Says for which host names a proxy in front of the platform may ask for certificates: those of handlers, previews and
 * proven custom domains. Without this bound anybody could make the proxy ask for any number of certificates, by
 * connecting under invented names.
 */
import { isWithin } from '../../protocol/domains.ts';
import { handlerOfLabel } from '../../protocol/previews.ts';
import type { Database } from '../db/database.ts';
import type { Domains } from './domains.ts';

export interface CertificateNamesOptions {
  readonly db: Database;
  readonly domains: Pick<Domains, 'isServed'>;
  /** Domain below which functions have their host names. */
  readonly base: string;
  /** Hosts of the platform itself. */
  readonly ownHosts: readonly string[];
}

/** A host name as it stands in a certificate: lower case, letters, digits, hyphens, dots. */
const hostPattern = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

export class CertificateNames {
  readonly #options: CertificateNamesOptions;

  constructor(options: CertificateNamesOptions) {
    this.#options = options;
  }

  /**
   * Returns whether `text` may get a certificate; false for text that is no host name. Costs at most one query that
   * reads at most one row of each table by its key.
   */
  async has(text: string): Promise<boolean> {
    const { domains, base, ownHosts } = this.#options;
    const host = text.length > 253 ? '' : text.toLowerCase();
    if (!hostPattern.test(host)) return false;
    if (host === base || ownHosts.includes(host)) return true;
    if (!isWithin(host, base)) return domains.isServed(host);
    const label = host.slice(0, -base.length - 1);
    return label.includes('.') ? false : this.#isServed(label);
  }

  /** Returns whether a label is the present or a former name of a handler that is not deleted, or of its preview. */
  async #isServed(label: string): Promise<boolean> {
    const name = handlerOfLabel(label);
    const row = await this.#options.db.reader
      .selectFrom('handlers')
      .leftJoin('previews', (join) =>
        join
          .onRef('previews.handler_id', '=', 'handlers.id')
          .on('previews.slug', '=', label.slice(0, -name.length - 2)),
      )
      .select('previews.slug')
      .where('handlers.deleted_ms', 'is', null)
      .where((eb) =>
        eb.or([
          eb('handlers.name', '=', name),
          eb('handlers.id', '=', eb.selectFrom('former_names').select('handler_id').where('name', '=', name)),
        ]),
      )
      .executeTakeFirst();
    return row !== undefined && (name === label || row.slug !== null);
  }
}
