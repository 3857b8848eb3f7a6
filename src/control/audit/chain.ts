/**
 * The hash chain of the audit: each entry's hash covers the entry and the previous hash. A change shows unless all
 * later hashes are recomputed as well; against that, keep an exported file elsewhere and compare.
 */
import { createHash } from 'node:crypto';
import type { Database } from '../db/database.ts';
import type { Schema } from '../db/schema.ts';

/** Fields that a hash covers. */
export type AuditFacts = Omit<Schema['audit_entries'], 'hash'>;
export type ChainState = Schema['audit_chain'];

/** Result of a check: what is wrong, and where. `ok` carries the number of entries and the newest hash. */
export type AuditCheck =
  | { readonly ok: true; readonly entries: number; readonly hash: string }
  | { readonly ok: false; readonly number: number; readonly problem: string };

/** Entries that a check reads at once. */
const page = 1_000;

/** Returns the SHA-256, hex, of the previous hash and the entry's fields in a fixed order. */
export function auditHash(before: string, facts: AuditFacts): string {
  const fields = [
    ...[before, facts.number, facts.time_ms, facts.user_id, facts.user_name, facts.token_id, facts.address],
    ...[facts.operation, facts.handler_id, facts.handler, facts.detail, facts.outcome],
  ];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** Recomputes the whole chain and returns the first fault. Entries appended during the check are left out. */
export async function checkAudit(db: Pick<Database, 'selectFrom'>): Promise<AuditCheck> {
  const chain = await db.selectFrom('audit_chain').selectAll().where('id', '=', 1).executeTakeFirst();
  if (chain === undefined) return { ok: false, number: 0, problem: 'the ends of the chain are missing' };
  let { removed_number: number, removed_hash: before } = chain;
  while (number < chain.last_number) {
    const rows = await db
      .selectFrom('audit_entries')
      .selectAll()
      .where('number', '>', number)
      .where('number', '<=', chain.last_number)
      .orderBy('number')
      .limit(page)
      .execute();
    for (const { hash, ...facts } of rows) {
      if (facts.number !== number + 1) return { ok: false, number: number + 1, problem: 'an entry is missing' };
      if (auditHash(before, facts) !== hash)
        return { ok: false, number: facts.number, problem: 'the entry is not the one that was written' };
      number = facts.number;
      before = hash;
    }
    if (rows.length === 0) return { ok: false, number: number + 1, problem: 'an entry is missing' };
  }
  if (before !== chain.last_hash)
    return { ok: false, number, problem: 'the newest entry is not the one that was written last' };
  const stray = await db
    .selectFrom('audit_entries')
    .select('number')
    .where('number', '<=', chain.removed_number)
    .executeTakeFirst();
  if (stray !== undefined) return { ok: false, number: stray.number, problem: 'an entry stands before the first one' };
  return { ok: true, entries: chain.last_number - chain.removed_number, hash: before };
}
