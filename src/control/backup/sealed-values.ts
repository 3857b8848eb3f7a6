/**
 * Reads every value that only the key of the data folder opens, so that a check shows whether the key is the right one.
 */
import type { Kysely } from 'kysely';
import { type SealedTable, type Sealer, variableContext } from '../accounts/sealer.ts';
import { factorPlace } from '../accounts/second-factor.ts';
import type { Schema } from '../db/schema.ts';
import { drainPlace } from '../drains/drain-store.ts';

/** Kinds of sealed values, with what to do about values that cannot be opened. */
export const sealedKinds = {
  variables: 'set the variables again',
  drains: 'set the drains again',
  'second factors': 'take the second factors away',
} as const;

export interface SealedValue {
  readonly kind: keyof typeof sealedKinds;
  /** Place that the value is sealed for. */
  readonly place: readonly string[];
  readonly sealed: string;
}

/** Returns all values that only the key of the folder opens, and that are lost without it. */
export async function sealedValues(db: Kysely<Schema>): Promise<readonly SealedValue[]> {
  const lists = await Promise.all(Object.values(sealedReaders).map((read) => read(db)));
  return lists.flat();
}

/** Reads the sealed values of each table that has some. */
const sealedReaders: Readonly<Record<SealedTable, (db: Kysely<Schema>) => Promise<readonly SealedValue[]>>> = {
  handler_env: async (db) => {
    const rows = await db.selectFrom('handler_env').select(['handler_id', 'branch', 'key', 'sealed']).execute();
    return rows.map(({ handler_id, branch, key, sealed }) => ({
      ...{ kind: 'variables', place: variableContext({ handlerId: handler_id, branch, key }), sealed },
    }));
  },
  drains: async (db) => {
    const rows = await db.selectFrom('drains').select(['id', 'sealed']).execute();
    return rows.map(({ id, sealed }) => ({ kind: 'drains', place: drainPlace(id), sealed }));
  },
  users: async (db) => {
    const rows = await db.selectFrom('users').select(['id', 'totp_sealed']).execute();
    return rows.flatMap(({ id, totp_sealed }) =>
      totp_sealed === null ? [] : [{ kind: 'second factors', place: factorPlace(id), sealed: totp_sealed }],
    );
  },
};

/** Returns whether the key of `sealer` opens the value. */
export function opens(sealer: Sealer, { place, sealed }: SealedValue): boolean {
  try {
    sealer.unseal(place, sealed);
    return true;
  } catch {
    return false;
  }
}
