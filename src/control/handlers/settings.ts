/** Stores the settings of a handler that an owner changes without a push, and lays them over the manifest. */
import { z } from 'zod';
import { PlatformError } from '../../protocol/errors.ts';
import { type LimitName, type Limits, limitNames } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { type HandlerSettings, type Policy, policyLists } from '../../protocol/nouns.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';

export const noSettings: HandlerSettings = { limits: {}, policy: recordOf(policyLists, () => []), previews: true };

const stored = z.object({
  limits: z.object(recordOf(limitNames, () => z.number().optional())),
  policy: z.object(recordOf(policyLists, () => z.array(z.string()))),
  /** Absent in settings of earlier versions. */
  previews: z.boolean().default(true),
});

export class SettingsStore {
  readonly #db: Database;

  constructor(options: { readonly db: Database }) {
    this.#db = options.db;
  }

  async of(handlerId: HandlerId): Promise<HandlerSettings> {
    return (await this.withOwner(handlerId)).settings;
  }

  /** Returns the settings of a handler and the id of its owner, '' for a handler that does not exist. */
  async withOwner(handlerId: HandlerId): Promise<{ readonly settings: HandlerSettings; readonly ownerId: string }> {
    const query = this.#db.selectFrom('handlers').select(['settings', 'owner_id']).where('id', '=', handlerId);
    const row = await query.executeTakeFirst();
    return { settings: readSettings(row?.settings ?? null), ownerId: row?.owner_id ?? '' };
  }

  /** Replaces settings by the result of `change`. Returns the settings before and after. Throws `not_found`. */
  async change(
    handlerId: HandlerId,
    change: (before: HandlerSettings) => HandlerSettings,
  ): Promise<{ readonly before: HandlerSettings; readonly after: HandlerSettings }> {
    return this.#db.transaction().execute(async (trx) => {
      if (!(await lockHandler(trx, handlerId))) throw new PlatformError('not_found', 'no such handler');
      const row = await trx.selectFrom('handlers').select('settings').where('id', '=', handlerId).executeTakeFirst();
      const before = readSettings(row?.settings ?? null);
      const after = change(before);
      await trx
        .updateTable('handlers')
        .set({ settings: JSON.stringify(after) })
        .where('id', '=', handlerId)
        .execute();
      return { before, after };
    });
  }
}

/** Parses the column `settings`. */
export function readSettings(text: string | null): HandlerSettings {
  if (text === null) return noSettings;
  const { limits, policy, previews } = stored.parse(JSON.parse(text));
  const given = limitNames.filter((name) => limits[name] !== undefined);
  return { limits: Object.fromEntries(given.map((name) => [name, limits[name]])), policy, previews };
}

/** Returns settings with a change applied: a limit of null is removed, a policy replaces the previous one. */
export function changedSettings(
  known: HandlerSettings,
  change: {
    readonly limits: Readonly<Partial<Record<LimitName, number | null | undefined>>>;
    readonly policy: Policy | null;
    readonly previews?: boolean | undefined;
  },
): HandlerSettings {
  const limits = Object.entries({ ...known.limits, ...change.limits }).filter(([, value]) => typeof value === 'number');
  return {
    limits: Object.fromEntries(limits),
    policy: change.policy ?? known.policy,
    previews: change.previews ?? known.previews,
  };
}

/** Returns the effective limits: those set without a push win, since they are newer. */
export function effectiveLimits(manifest: Limits, settings: HandlerSettings): Limits {
  return { ...manifest, ...settings.limits };
}

/**
 * Returns the effective policy: the patterns of manifest and settings. Without a policy in the manifest everything is
 * allowed; then added patterns under `disallow` apply, and those under `allow` have no effect.
 */
export function effectivePolicy(manifest: Policy | null, { policy }: HandlerSettings): Policy | null {
  if (policy.allow.length === 0 && policy.disallow.length === 0) return manifest;
  if (manifest === null) return policy.disallow.length === 0 ? null : { allow: ['^'], disallow: policy.disallow };
  return recordOf(policyLists, (list) => [...manifest[list], ...policy[list]]);
}
