/**
 * Pages of lists: the query keys that every list takes beside its filters, and the fields that it answers beside its
 * items.
 */
import { z } from 'zod';
import { wholeNumber } from '../schemas/parts.ts';

/** Items of a page: the default, and the most that may be asked for. */
export const itemsMax = 200;

/** Description of the query key `after` of lists whose cursors are opaque text. */
const afterText = '`next` of the page before; without it the first page';

/** Returns the schemas of the query keys of a list with at most `max` items in a page. */
export function pageQuery(max: number = itemsMax) {
  return {
    after: z.string().max(200).optional().describe(afterText),
    limit: wholeNumber({ min: 1, max }).optional().describe(`items of the page; default ${max}`),
  };
}

/** The field `next` of a list whose cursors are text. */
export const nextText = z.string().nullable().describe('`after` of the next page; null: this is the last one');

/** The field `next` of a list whose cursors are numbers. */
export const nextNumber = z.number().nullable().describe('`after` of the next page; null: this is the last one');

export interface ItemPage<T, Cursor> {
  readonly items: readonly T[];
  readonly next: Cursor | null;
}

/**
 * Makes a page of at most `limit` items from `found`, which has one more item if another page follows: stores are asked
 * for `limit + 1`.
 */
export function pageOf<T, Cursor>(
  found: readonly T[],
  limit: number,
  cursorOf: (item: T) => Cursor,
): ItemPage<T, Cursor> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next: last !== undefined && found.length > limit ? cursorOf(last) : null };
}

/**
 * Makes a page from a whole list, for lists that a named limit keeps short. Items are in the order of their keys'
 * UTF-16 code units: databases sort text in different orders, and a cursor must mean the same on each.
 */
export function pageOfAll<T>(
  all: readonly T[],
  { after, limit = itemsMax }: { readonly after?: string | undefined; readonly limit?: number | undefined },
  keyOf: (item: T) => string,
): ItemPage<T, string> {
  const later = all
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === undefined || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const { items, next } = pageOf(later, limit, ({ key }) => key);
  return { items: items.map(({ item }) => item), next };
}

/** Returns a key whose order as text is the order of times, then of ids. `ms`: Unix milliseconds. */
export function timeKey(ms: number, id: string): string {
  return `${String(ms).padStart(16, '0')}.${id}`;
}
