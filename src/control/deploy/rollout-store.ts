/** Stores gradual releases in the database: at most one for each handler. */
import type { Kysely, Selectable, Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import type { PushRecords } from '../git/repository-keeper.ts';

export type RolloutRow = Selectable<Schema['rollouts']>;

export class RolloutStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #records: PushRecords | null;

  /**
   * `now`: clock in Unix milliseconds. `records`: record the push of a staged Deployment in the transaction that starts
   * it.
   */
  constructor(options: {
    readonly db: Database;
    readonly now: () => number;
    readonly randomBytes: RandomBytes;
    readonly records?: PushRecords;
  }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
    this.#records = options.records ?? null;
  }

  /** Returns the gradual release of a handler; null without one. */
  async of(handlerId: HandlerId): Promise<RolloutRow | null> {
    const row = await this.#db
      .selectFrom('rollouts')
      .selectAll()
      .where('handler_id', '=', handlerId)
      .executeTakeFirst();
    return row ?? null;
  }

  /** Returns all gradual releases of handlers that are not deleted. */
  async all(): Promise<readonly RolloutRow[]> {
    return this.#db
      .selectFrom('rollouts')
      .innerJoin('handlers', 'handlers.id', 'rollouts.handler_id')
      .selectAll('rollouts')
      .where('handlers.deleted_ms', 'is', null)
      .execute();
  }

  /**
   * Makes a Deployment in state `from` live beside the one of the Release, with `percent` of the calls. Ends a gradual
   * release of another Deployment of the handler. Throws `conflict` if the Deployment is in another state, or if the
   * handler has no Release.
   */
  async start(
    of: Pick<RolloutRow, 'handler_id' | 'deployment_id' | 'percent' | 'header' | 'error_percent' | 'baseline'>,
    from: 'staged' | 'retired',
  ): Promise<RolloutRow> {
    return this.#db.transaction().execute(async (trx) => {
      await lockHandler(trx, of.handler_id);
      if (from === 'staged') await this.#records?.write(trx, of.handler_id);
      const live = await trx
        .selectFrom('releases')
        .select('deployment_id')
        .where('handler_id', '=', of.handler_id)
        .where('branch', '=', '')
        .executeTakeFirst();
      if (live === undefined) throw new PlatformError('conflict', 'there is no live version beside which it could run');
      const { numUpdatedRows } = await trx
        .updateTable('deployments')
        .set({ state: 'live', ended_ms: null })
        .where('id', '=', of.deployment_id)
        .where('state', '=', from)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw new PlatformError('conflict', `the deployment is not ${from} any more`);
      const before = await removeRollout(trx, of.handler_id);
      if (before !== null) await retire(trx, before.deployment_id, this.#now());
      const row: RolloutRow = { ...of, id: newId('g', this.#randomBytes), started_ms: this.#now() };
      await trx.insertInto('rollouts').values(row).execute();
      return row;
    });
  }

  /** Changes the share of the gradual release `id`. Throws `conflict` if it has ended. */
  async setPercent(id: string, percent: number): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('rollouts')
      .set({ percent })
      .where('id', '=', id)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new PlatformError('conflict', 'this gradual release has ended');
  }

  /** Ends the gradual release `id` in favour of the previous version. Returns false if it has ended already. */
  async abort(handlerId: HandlerId, id: string): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      await lockHandler(trx, handlerId);
      const removed = await removeRollout(trx, handlerId, id);
      if (removed !== null) await retire(trx, removed.deployment_id, this.#now());
      return removed !== null;
    });
  }
}

/**
 * Removes the gradual release of a handler, but only the one with `id` if given. Returns it; null if there was none.
 */
export async function removeRollout(
  trx: Transaction<Schema>,
  handlerId: HandlerId,
  id: string | null = null,
): Promise<RolloutRow | null> {
  let query = trx.deleteFrom('rollouts').where('handler_id', '=', handlerId);
  if (id !== null) query = query.where('id', '=', id);
  return (await query.returningAll().executeTakeFirst()) ?? null;
}

/** Retires a Deployment. `nowMs` in Unix milliseconds. */
export async function retire(trx: Kysely<Schema>, deploymentId: string, nowMs: number): Promise<void> {
  await trx
    .updateTable('deployments')
    .set({ state: 'retired', ended_ms: nowMs })
    .where('id', '=', deploymentId)
    .execute();
}
