/** Previews in the database: made with their first Deployment, removed with all that is theirs. */
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { PreviewName } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { freeSlug, previewLabel, previewLimits } from '../../protocol/previews.ts';
import { replaceSchedules } from '../calls/schedules.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { removePreviewValues } from '../storage/kv-store.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';

/** A preview, as the deploy station uses it. */
export interface PreviewRow extends PreviewName {
  readonly branch: string;
  /** Label SLUG--NAME that the preview is served under. */
  readonly label: string;
}

/** Milliseconds after which a preview without a Release counts as an interrupted first push. */
const previewStagingMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;

export class PreviewStore {
  readonly #db: Database;
  readonly #now: () => number;

  /** `now`: clock in Unix milliseconds. */
  constructor(options: { readonly db: Database; readonly now: () => number }) {
    this.#db = options.db;
    this.#now = options.now;
  }

  /** Returns the previews of a handler by branch. */
  async list(handlerId: HandlerId): Promise<readonly PreviewRow[]> {
    return (await this.#previews(handlerId).orderBy('previews.branch').execute()).map(toPreview);
  }

  /** Returns the preview of a branch; null: there is none. */
  async find(handlerId: HandlerId, branch: string): Promise<PreviewRow | null> {
    return (await this.#previews(handlerId).where('previews.branch', '=', branch).execute()).map(toPreview)[0] ?? null;
  }

  /** Returns the ids of handlers that have previews. */
  async handlerIds(): Promise<ReadonlySet<string>> {
    const rows = await this.#db.selectFrom('previews').select('handler_id').distinct().execute();
    return new Set(rows.map(({ handler_id }) => handler_id));
  }

  /**
   * Returns the preview that a Deployment belongs to; null: it belongs to the handler itself. Throws `not_found` where
   * the preview no longer exists.
   */
  async of(row: Pick<DeploymentRow, 'handler_id' | 'branch'>): Promise<PreviewName | null> {
    if (row.branch === deployBranch) return null;
    const found = await this.#db
      .selectFrom('previews')
      .select(['id', 'slug'])
      .where('handler_id', '=', row.handler_id)
      .where('branch', '=', row.branch)
      .executeTakeFirst();
    if (found === undefined) throw new PlatformError('not_found', `there is no preview of ${row.branch} any more`);
    return found;
  }

  /**
   * Removes a preview with its values, variables, Release and subscriptions. Returns its Deployments, which have ended;
   * the caller removes their other data. Null: there is no such preview.
   */
  async remove(handlerId: HandlerId, branch: string): Promise<readonly DeploymentRow[] | null> {
    return this.#db.transaction().execute(async (trx) => {
      await lockHandler(trx, handlerId);
      const removed = await trx
        .deleteFrom('previews')
        .where('handler_id', '=', handlerId)
        .where('branch', '=', branch)
        .returning(['id', 'slug'])
        .executeTakeFirst();
      if (removed === undefined) return null;
      await removePreviewValues(trx, { handlerId, preview: removed.id });
      await replaceSchedules(trx, handlerId, [], this.#now(), removed.slug);
      for (const table of ['handler_env', 'releases', 'subscriptions'] as const)
        await trx.deleteFrom(table).where('handler_id', '=', handlerId).where('branch', '=', branch).execute();
      await trx
        .updateTable('deployments')
        .set({ state: 'retired', ended_ms: this.#now() })
        .where('handler_id', '=', handlerId)
        .where('branch', '=', branch)
        .where('state', '=', 'live')
        .execute();
      await trx
        .updateTable('deployments')
        .set({ state: 'failed', failure: 'the preview was deleted', ended_ms: this.#now() })
        .where('handler_id', '=', handlerId)
        .where('branch', '=', branch)
        .where('state', '=', 'staged')
        .execute();
      return trx
        .selectFrom('deployments')
        .selectAll()
        .where('handler_id', '=', handlerId)
        .where('branch', '=', branch)
        .execute();
    });
  }

  /**
   * Returns previews that were neither called nor pushed to for their number of days, and previews without a Release,
   * whose first push was interrupted. `nowMs` in Unix milliseconds.
   */
  async ended(nowMs: number): Promise<readonly { readonly handlerId: HandlerId; readonly branch: string }[]> {
    const rows = await this.#db.reader
      .selectFrom('previews')
      .innerJoin('handlers', 'handlers.id', 'previews.handler_id')
      .leftJoin('releases', (join) =>
        join.onRef('releases.handler_id', '=', 'previews.handler_id').onRef('releases.branch', '=', 'previews.branch'),
      )
      .select(['previews.handler_id', 'previews.branch', 'previews.days', 'previews.pushed_ms'])
      .select('releases.deployment_id')
      .select((eb) =>
        eb
          .selectFrom('usage')
          .innerJoin('deployments', (join) =>
            join
              .onRef('deployments.handler_id', '=', 'usage.handler_id')
              .onRef('deployments.number', '=', 'usage.deployment'),
          )
          .select((inner) => inner.fn.max('usage.minute_ms').as('last'))
          .whereRef('usage.handler_id', '=', 'previews.handler_id')
          .whereRef('deployments.branch', '=', 'previews.branch')
          .as('called_ms'),
      )
      .where('handlers.deleted_ms', 'is', null)
      .execute();
    return rows
      .filter((row) => {
        const usedMs = Math.max(Number(row.pushed_ms), Number(row.called_ms ?? 0));
        const limitMs = row.deployment_id === null ? previewStagingMs : row.days * dayMs;
        return usedMs + limitMs < nowMs;
      })
      .map(({ handler_id, branch }) => ({ handlerId: handler_id, branch }));
  }

  #previews(handlerId: HandlerId) {
    return this.#db
      .selectFrom('previews')
      .innerJoin('handlers', 'handlers.id', 'previews.handler_id')
      .select(['previews.id', 'previews.branch', 'previews.slug', 'handlers.name'])
      .where('previews.handler_id', '=', handlerId);
  }
}

/**
 * Creates the preview of a branch, with the id `id`, if there is none. `nowMs` in Unix milliseconds. Throws
 * `limit_exceeded`.
 */
export async function ensurePreview(
  trx: Transaction<Schema>,
  of: { readonly handlerId: HandlerId; readonly branch: string; readonly id: string; readonly nowMs: number },
): Promise<void> {
  const { handlerId, branch, id, nowMs } = of;
  const others = await trx
    .selectFrom('previews')
    .select(['branch', 'slug'])
    .where('handler_id', '=', handlerId)
    .execute();
  if (others.some((other) => other.branch === branch)) return;
  if (others.length >= previewLimits.previews)
    throw new PlatformError('limit_exceeded', `a handler has at most ${previewLimits.previews} previews`, {
      hints: ['delete the branches that are merged: git push wasmcloud --delete BRANCH'],
    });
  await trx
    .insertInto('previews')
    .values({
      id,
      handler_id: handlerId,
      branch,
      slug: freeSlug(branch, new Set(others.map(({ slug }) => slug))),
      days: previewLimits.days,
      created_ms: nowMs,
      pushed_ms: nowMs,
    })
    .execute();
}

function toPreview(row: { id: string; branch: string; slug: string; name: string }): PreviewRow {
  const { id, branch, slug, name } = row;
  return { id, branch, slug, label: previewLabel(slug, name) };
}
