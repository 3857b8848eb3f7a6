/**
 * Custom domains of handlers: claims, the proof by DNS, and later checks.
 *
 *     pending --proof--> verified <--proof--> failing --3 days, or another handler's proof--> lost --proof--> verified
 *        |  a week passes: removed
 *
 * A handler is served under a domain while it is verified or failing. Several handlers may claim one domain, so that
 * nobody can block its owner; only one can be served under it.
 */
import type { Kysely } from 'kysely';
import { type DomainView, domainLimits, domainRecords, isWithin, normalDomain } from '../../protocol/domains.ts';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import type { Database } from '../db/database.ts';
import { lockPlatform, lockUser } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { isUniqueViolation } from '../db/sql-error.ts';
import type { CertificateProbe } from './certificate.ts';
import { type DomainResolver, lookUpProof, type Proof } from './proof.ts';

export interface DomainsOptions {
  readonly db: Database;
  readonly resolver: DomainResolver;
  /** Makes a handshake with the front as callers of a domain do; null: functions are not called over HTTPS. */
  readonly probe: CertificateProbe | null;
  /** Domain below which functions have their host names. */
  readonly base: string;
  /** Further hosts of the platform itself, which nobody can claim. */
  readonly ownHosts: readonly string[];
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Returns 32 random characters of 0-9 and a-f. */
  readonly newToken: () => string;
  /** Makes runners serve a domain as the database has it. */
  readonly changed: (domain: string) => Promise<void>;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

type DomainRow = Schema['domains'];

/** Handler of a claim. */
interface Claimant {
  readonly id: string;
  readonly ownerId: string;
}

export class Domains {
  readonly #options: DomainsOptions;
  readonly #lookups = new Semaphore({
    running: domainLimits.lookupsAtOnce,
    waiting: domainLimits.perRound,
    full: tooMany,
  });
  readonly #handshakes = new Semaphore({
    running: domainLimits.lookupsAtOnce,
    waiting: domainLimits.perRound,
    full: tooMany,
  });
  #timer: NodeJS.Timeout | null = null;
  #round: Promise<void> = Promise.resolve();

  constructor(options: DomainsOptions) {
    this.#options = options;
  }

  /** Returns the domains of a handler, by name. */
  async list(handlerId: HandlerId): Promise<readonly DomainView[]> {
    const rows = await this.#rows().where('handler_id', '=', handlerId).orderBy('domain').execute();
    return rows.map((row) => this.#view(row));
  }

  /** Returns one domain of a handler. Throws `bad_request`, `not_found`. */
  async get(handlerId: HandlerId, text: string): Promise<DomainView> {
    return this.#view(await this.#row(handlerId, normalDomain(text)));
  }

  /**
   * Claims a domain for a handler and checks it at once. A domain that the handler has claimed before keeps its
   * records. Throws `bad_request` (no domain, or one of the platform itself), `limit_exceeded`, `conflict` (another
   * handler is served under it).
   */
  async add(handler: Claimant, text: string): Promise<DomainView> {
    const { db, now, newToken, base, ownHosts } = this.#options;
    const domain = normalDomain(text);
    if (isWithin(domain, base) || ownHosts.some((host) => host === domain))
      throw new PlatformError('bad_request', `${domain} belongs to the platform itself`, {
        hints: ['every handler has a name below it already'],
      });
    await db.transaction().execute(async (trx) => {
      await lockUser(trx, handler.ownerId);
      await lockPlatform(trx, 'domains');
      const known = await trx
        .selectFrom('domains')
        .select('domain')
        .where('handler_id', '=', handler.id)
        .where('domain', '=', domain)
        .executeTakeFirst();
      if (known !== undefined) return;
      await checkRoom(trx, handler);
      const claim = { handler_id: handler.id, domain, token: newToken(), created_ms: now() };
      await trx.insertInto('domains').values(claim).execute();
    });
    return this.check(handler.id, domain);
  }

  /**
   * Looks the records of a domain up, and serves the handler under the domain where they prove it. Throws
   * `bad_request`, `not_found`, `rate_limited`, `conflict` (another handler is served under it, and its records are
   * still there).
   */
  async check(handlerId: HandlerId, text: string): Promise<DomainView> {
    const row = await this.#row(handlerId, normalDomain(text));
    await this.#judge(row);
    return this.#view(await this.#row(handlerId, row.domain));
  }

  /** Removes a domain, and stops serving the handler under it. Throws `bad_request`, `not_found`. */
  async remove(handlerId: HandlerId, text: string): Promise<void> {
    const { db, changed } = this.#options;
    const { domain, served } = await this.#row(handlerId, normalDomain(text));
    await db.deleteFrom('domains').where('handler_id', '=', handlerId).where('domain', '=', domain).execute();
    if (served !== null) await changed(domain);
  }

  /** Returns whether a handler that is not deleted is served under a domain. `domain`: any text. */
  async isServed(domain: string): Promise<boolean> {
    const row = await this.#options.db.reader
      .selectFrom('domains')
      .innerJoin('handlers', 'handlers.id', 'domains.handler_id')
      .select('domains.domain')
      .where('domains.served', '=', domain)
      .where('handlers.deleted_ms', 'is', null)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Starts the periodic checks. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#round = this.checkDue().catch((error: unknown) =>
        this.#options.report('custom domains could not be checked', error),
      );
    }, domainLimits.roundMs);
    this.#timer.unref();
  }

  /** Ends the periodic checks; resolves when a running round has ended. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#round;
  }

  /**
   * Runs one round: removes claims that were never proven for `domainLimits.pendingMs`, and checks the domains whose
   * turn it is, the one that was checked longest ago first.
   */
  async checkDue(): Promise<void> {
    const { db, now, report } = this.#options;
    await db
      .deleteFrom('domains')
      .where('verified_ms', 'is', null)
      .where('created_ms', '<', now() - domainLimits.pendingMs)
      .execute();
    const due = await this.#rows()
      .where((eb) =>
        eb.or([
          eb('verified_ms', 'is', null),
          eb('failing_ms', 'is not', null),
          eb('checked_ms', '<', now() - domainLimits.recheckMs),
          eb.and([
            eb('certificate_problem', 'is not', null),
            eb('checked_ms', '<', now() - domainLimits.certificateMs),
          ]),
        ]),
      )
      // A claim that was never checked comes first on both databases.
      .orderBy((eb) => eb.fn.coalesce('checked_ms', eb.val(0)))
      .limit(domainLimits.perRound)
      .execute();
    await Promise.all(
      due.map((row) =>
        this.#judge(row).catch((error: unknown) => {
          if (!(error instanceof PlatformError)) report(`the domain ${row.domain} could not be checked`, error);
        }),
      ),
    );
  }

  /** Looks a claim up and stores the result. Throws `conflict` as `check` does, and `rate_limited`. */
  async #judge(row: DomainRow): Promise<void> {
    const proof = await this.#proofOf(row);
    if (proof.kind === 'proven') {
      await this.#prove(row);
      return this.#shakeHands(row);
    }
    const { now, changed } = this.#options;
    const { problem } = proof;
    // A server that does not answer says nothing about who owns the domain.
    const failing_ms =
      row.verified_ms === null || proof.kind === 'unknown' ? row.failing_ms : (row.failing_ms ?? now());
    const isLost =
      proof.kind === 'absent' &&
      row.served !== null &&
      failing_ms !== null &&
      now() - failing_ms >= domainLimits.graceMs;
    await this.#update(row, { checked_ms: now(), failing_ms, problem, ...(isLost ? { served: null } : {}) });
    if (isLost) await changed(row.domain);
  }

  /** Stores what callers of a served domain are shown. A front that is not reached changes nothing. */
  async #shakeHands(row: DomainRow): Promise<void> {
    const { probe, now } = this.#options;
    if (probe === null) return;
    const found = await this.#handshakes.run(() => probe(row.domain));
    if (found.kind === 'unknown') return;
    const certificate_problem = found.kind === 'refused' ? found.problem : null;
    await this.#update(row, { certificate_ms: now(), certificate_problem });
  }

  /** Serves the handler of a proven claim under its domain. Throws `conflict`. */
  async #prove(row: DomainRow): Promise<void> {
    const { now, changed } = this.#options;
    const { domain } = row;
    const proven = { checked_ms: now(), verified_ms: row.verified_ms ?? now(), failing_ms: null };
    // The second try follows after the handler that was served has lost the domain.
    for (const isLast of [false, true]) {
      try {
        await this.#update(row, { ...proven, problem: null, served: domain });
        if (row.served === null) await changed(domain);
        return;
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        if (!isLast && (await this.#takeFromHolder(row))) continue;
        await this.#update(row, { checked_ms: now(), problem: 'another handler is served under it' });
        throw new PlatformError('conflict', `another handler is served under ${domain}`, {
          hints: [
            'if the handler is yours, remove the domain there first',
            "if it is not, remove that handler's record from the zone of the domain, and check again",
          ],
          cause: error,
        });
      }
    }
  }

  /**
   * Ends the serving of another handler under the domain of a claim that is proven, unless that handler's own records
   * are still there or cannot be looked up. Returns whether the domain is free.
   */
  async #takeFromHolder({ handler_id, domain }: DomainRow): Promise<boolean> {
    const holder = await this.#rows()
      .innerJoin('handlers', 'handlers.id', 'domains.handler_id')
      .select('handlers.deleted_ms')
      .where('served', '=', domain)
      .where('handler_id', '!=', handler_id)
      .executeTakeFirst();
    if (holder === undefined) return true;
    // The owner of a deleted handler does not use the domain; the records may have been forgotten in the zone.
    if (holder.deleted_ms === null && (await this.#proofOf(holder)).kind !== 'absent') return false;
    await this.#update(holder, {
      checked_ms: this.#options.now(),
      failing_ms: holder.failing_ms ?? this.#options.now(),
      problem: 'another handler has proven this domain',
      served: null,
    });
    return true;
  }

  #proofOf({ domain, token }: DomainRow): Promise<Proof> {
    const { resolver, base } = this.#options;
    return this.#lookups.run(() => lookUpProof(resolver, domainRecords(domain, token, base)));
  }

  async #update(row: DomainRow, change: Partial<DomainRow>): Promise<void> {
    await this.#options.db
      .updateTable('domains')
      .set(change)
      .where('handler_id', '=', row.handler_id)
      .where('domain', '=', row.domain)
      .execute();
  }

  async #row(handlerId: HandlerId, domain: string): Promise<DomainRow> {
    const row = await this.#rows().where('handler_id', '=', handlerId).where('domain', '=', domain).executeTakeFirst();
    if (row === undefined) throw new PlatformError('not_found', `the handler has no domain ${domain}`);
    return row;
  }

  #rows() {
    return this.#options.db.selectFrom('domains').selectAll('domains');
  }

  #view(row: DomainRow): DomainView {
    const { domain, token, problem } = row;
    return {
      domain,
      state: stateOf(row),
      ...domainRecords(domain, token, this.#options.base),
      problem,
      createdMs: row.created_ms,
      checkedMs: row.checked_ms,
      verifiedMs: row.verified_ms,
      certificate:
        row.served === null || row.certificate_ms === null
          ? null
          : { problem: row.certificate_problem, checkedMs: row.certificate_ms },
    };
  }
}

function stateOf({ served, verified_ms, failing_ms }: DomainRow): DomainView['state'] {
  if (served !== null) return failing_ms === null ? 'verified' : 'failing';
  return verified_ms === null ? 'pending' : 'lost';
}

/** Throws `limit_exceeded` when a handler, its owner or the platform has as many domains as allowed. */
async function checkRoom(trx: Kysely<Schema>, { id, ownerId }: Claimant): Promise<void> {
  const all = await trx
    .selectFrom('domains')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  const owned = await trx
    .selectFrom('domains')
    .innerJoin('handlers', 'handlers.id', 'domains.handler_id')
    .select('domains.handler_id')
    .where('handlers.owner_id', '=', ownerId)
    .execute();
  const own = owned.filter(({ handler_id }) => handler_id === id).length;
  if (own >= domainLimits.perHandler) throw full(`a handler has at most ${domainLimits.perHandler} domains`);
  if (owned.length >= domainLimits.perUser) throw full(`a user has at most ${domainLimits.perUser} domains`);
  if (Number(all.n) >= domainLimits.platform) throw full(`the platform has at most ${domainLimits.platform} domains`);
}

function tooMany(): PlatformError {
  return new PlatformError('rate_limited', 'too many domains are being checked at the moment', {
    retryAfterSeconds: 5,
  });
}

function full(message: string): PlatformError {
  return new PlatformError('limit_exceeded', message, { hints: ['remove one that is not used any more'] });
}
