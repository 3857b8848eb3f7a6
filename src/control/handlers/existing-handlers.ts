/** Returns which handlers exist, and their names, for stations that keep reports of runners under a handler's id. */
import type { Kysely } from 'kysely';
import { type HandlerId, handlerIdOf } from '../../protocol/names.ts';
import type { Schema } from '../db/schema.ts';

/** Ids in one query, each of which is a parameter. */
const askedAtOnce = 500;

/**
 * Returns those of `ids` that are handlers, deleted ones included (their last invocations may still write). An id may
 * be any text: PostgreSQL refuses a query whose text contains NUL, so such an id is not asked for.
 */
export async function existingHandlers(db: Kysely<Schema>, ids: Iterable<HandlerId>): Promise<ReadonlySet<HandlerId>> {
  const asked = [...new Set(ids)].filter((id) => !id.includes('\0'));
  const existing = new Set<string>();
  for (let at = 0; at < asked.length; at += askedAtOnce) {
    const some = asked.slice(at, at + askedAtOnce);
    const rows = await db.selectFrom('handlers').select('id').where('id', 'in', some).execute();
    for (const { id } of rows) existing.add(id);
  }
  return new Set(asked.filter((id) => existing.has(id)));
}

/** Returns the present names of those of `ids` that are handlers and not deleted. */
export async function namesOf(db: Kysely<Schema>, ids: readonly HandlerId[]): Promise<ReadonlyMap<HandlerId, string>> {
  const names = new Map<HandlerId, string>();
  for (let at = 0; at < ids.length; at += askedAtOnce) {
    const some = ids.slice(at, at + askedAtOnce);
    const rows = await db
      .selectFrom('handlers')
      .select(['id', 'name'])
      .where('id', 'in', some)
      .where('deleted_ms', 'is', null)
      .execute();
    for (const { id, name } of rows) names.set(handlerIdOf(id), name);
  }
  return names;
}
