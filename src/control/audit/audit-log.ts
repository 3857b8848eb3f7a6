/**
 * The audit: who did what to what, when, from where, with which Token. Entries are only appended. Each entry holds the
 * hash of the previous one, so that a changed, removed or inserted entry shows (chain.ts).
 *
 * Entries of concurrent operations share one transaction: an audited operation waits for at most two commits.
 */
import type { AuditEntry } from '../../protocol/views.ts';
import type { Database } from '../db/database.ts';
import { type AuditFacts, auditHash, type ChainState } from './chain.ts';

export const auditLimits = {
  /** Milliseconds that an entry is kept: 400 days, so that last year's entries can be compared. */
  keptMs: 400 * 24 * 60 * 60_000,
  /** Entries kept, of about 400 bytes each; the oldest are removed first. */
  kept: 1_000_000,
  /** Entries removed in one transaction, for which other writers wait. */
  removed: 1_000,
  /** Entries in one answer. */
  listed: 200,
  /** Characters of an entry's `detail`; the rest is cut. */
  detailChars: 1_000,
  /** Entries written in one transaction. */
  batch: 200,
} as const;

/** Facts of an entry before it has a number. */
export interface AuditEvent {
  readonly user: { readonly id: string; readonly name: string };
  /** Id of the Token; null: the user gave a name and a password. */
  readonly tokenId: string | null;
  /** Address of the client. */
  readonly address: string;
  /** Id of the operation in the permission table. */
  readonly operation: string;
  /** Handler that the operation changed; null: it changed the account or the platform. */
  readonly handler: { readonly id: string; readonly name: string } | null;
  /** Names and values from the request; never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** `ok`, or the error code of a failure that may have changed something. */
  readonly outcome: string;
}

export interface AuditFilter {
  /** Id of the handler; undefined: all entries. */
  readonly handlerId?: string | undefined;
  readonly user?: string | undefined;
  readonly operation?: string | undefined;
}

interface Waiting {
  readonly event: AuditEvent;
  readonly timeMs: number;
  readonly done: (failure: unknown) => void;
}

export class AuditLog {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;

  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Appends an entry. Resolves when it is durable; rejects when the database cannot be written. */
  write(event: AuditEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (failure: unknown): void => (failure === null ? resolve() : reject(failure));
      this.#waiting.push({ event, timeMs: this.#now(), done });
      this.#writing ??= this.#drain();
    });
  }

  /** Returns at most `limit` entries, newest first; `below`: only those with a smaller number. */
  async list(
    filter: AuditFilter,
    options: { readonly below?: number | undefined; readonly limit: number },
  ): Promise<readonly AuditEntry[]> {
    let query = this.#filtered(filter).orderBy('number', 'desc').limit(options.limit);
    if (options.below !== undefined) query = query.where('number', '<', options.below);
    return (await query.execute()).map(toEntry);
  }

  /**
   * Yields all entries up to the newest one of now, oldest first, with numbers greater than `above`, without holding
   * them all in memory.
   */
  async *entries(filter: AuditFilter, above = 0): AsyncGenerator<AuditEntry> {
    const newest = (await this.list(filter, { limit: 1 }))[0]?.number ?? 0;
    for (let after = above; ; ) {
      const rows = await this.#filtered(filter)
        .where('number', '>', after)
        .where('number', '<=', newest)
        .orderBy('number')
        .limit(auditLimits.listed)
        .execute();
      yield* rows.map(toEntry);
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.number;
    }
  }

  /**
   * Removes the oldest entries beyond `keptMs` or `kept`. The hash of the last removed entry is stored, so that the
   * chain can still be checked.
   */
  async prune(limits: { readonly keptMs: number; readonly kept: number } = auditLimits): Promise<void> {
    const beforeMs = this.#now() - limits.keptMs;
    for (;;) {
      const removed = await this.#db.transaction().execute(async (trx) => {
        const chain = await lockChain(trx);
        const rows = await trx
          .selectFrom('audit_entries')
          .select(['number', 'hash', 'time_ms'])
          .orderBy('number')
          .limit(auditLimits.removed)
          .execute();
        const surplus = chain.last_number - limits.kept;
        // Clocks may go back, so a run of the oldest entries is removed, without a gap.
        const first = rows.findIndex(({ number, time_ms }) => number > surplus && time_ms >= beforeMs);
        const old = first < 0 ? rows : rows.slice(0, first);
        const last = old.at(-1);
        if (last === undefined) return 0;
        await trx.deleteFrom('audit_entries').where('number', '<=', last.number).execute();
        await trx.updateTable('audit_chain').set({ removed_number: last.number, removed_hash: last.hash }).execute();
        return old.length;
      });
      if (removed < auditLimits.removed) return;
    }
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, auditLimits.batch);
      let failure: unknown = null;
      try {
        await this.#append(batch);
      } catch (error) {
        failure = error;
      }
      for (const { done } of batch) done(failure);
    }
    this.#writing = null;
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const chain = await lockChain(trx);
      let { last_number: number, last_hash: before } = chain;
      for (const { event, timeMs } of batch) {
        number += 1;
        const facts: AuditFacts = {
          number,
          time_ms: timeMs,
          user_id: event.user.id,
          user_name: event.user.name,
          token_id: event.tokenId,
          address: event.address,
          operation: event.operation,
          handler_id: event.handler?.id ?? null,
          handler: event.handler?.name ?? null,
          detail: detailText(event.detail),
          outcome: event.outcome,
        };
        before = auditHash(before, facts);
        await trx
          .insertInto('audit_entries')
          .values({ ...facts, hash: before })
          .execute();
      }
      await trx.updateTable('audit_chain').set({ last_number: number, last_hash: before }).execute();
    });
  }

  #filtered({ handlerId, user, operation }: AuditFilter) {
    let query = this.#db.reader.selectFrom('audit_entries').selectAll();
    if (handlerId !== undefined) query = query.where('handler_id', '=', handlerId);
    if (user !== undefined) query = query.where('user_name', '=', user);
    if (operation !== undefined) query = query.where('operation', '=', operation);
    return query;
  }
}

/**
 * Reads the ends of the chain and locks them: of two controls that append, the second continues after the first one's
 * entry.
 */
function lockChain(trx: Pick<Database, 'selectFrom'>): Promise<ChainState> {
  return trx.selectFrom('audit_chain').selectAll().where('id', '=', 1).forNoKeyUpdate().executeTakeFirstOrThrow();
}

/** Returns `detail` as JSON of bounded length. PostgreSQL's text holds no NUL; JSON escapes it. */
function detailText(detail: AuditEvent['detail']): string {
  const text = JSON.stringify(detail);
  if (text.length <= auditLimits.detailChars) return text;
  return JSON.stringify({ cut: text.slice(0, auditLimits.detailChars / 2).toWellFormed() });
}

function toEntry(row: AuditFacts & { readonly hash: string }): AuditEntry {
  return {
    number: row.number,
    timeMs: row.time_ms,
    user: row.user_name,
    tokenId: row.token_id,
    address: row.address,
    operation: row.operation,
    handler: row.handler,
    detail: row.detail,
    outcome: row.outcome,
    hash: row.hash,
  };
}
