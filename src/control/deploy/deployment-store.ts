/**
 * Deployments and Releases in the database. Each change of state is one transaction, and says from which
 * state it goes: a Deployment that was interrupted is finished or failed exactly once.
 *
 *     staged --release--> live --next release--> retired
 *        |                  ^                       |
 *        +--> failed        +------- rollback ------+
 */
import type { Selectable, Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import type { MovedLabel, OwnerState, PreviewName } from '../../protocol/messages.ts';
import { artifactName, type VettedModule, withMeasures } from '../../protocol/module.ts';
import type { HandlerSettings } from '../../protocol/nouns.ts';
import { freeSlug, previewLabel, previewLimits } from '../../protocol/previews.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import { replaceSchedules } from '../calls/schedules.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import { isForeignKeyViolation } from '../db/sql-error.ts';
import { readSettings } from '../handlers/settings.ts';
import { replaceSubscriptions } from '../queues/subscriptions.ts';
import { removePreviewValues } from '../storage/kv-store.ts';
import { readEffectiveManifest, releasedParts } from './effective-manifest.ts';
import { removeRollout, retire } from './rollout-store.ts';

export type DeploymentRow = Selectable<Schema['deployments']>;

export interface LiveRow extends DeploymentRow {
  /** Name of the handler. */
  readonly handler: string;
  readonly module: VettedModule;
  readonly ownerId: string;
  /** Settings of the owner that need no push. */
  readonly settings: HandlerSettings;
  /** Whether the handler, or the branch, has variables. */
  readonly hasVariables: boolean;
  /** Preview that the Deployment belongs to; null: it belongs to the handler itself. */
  readonly preview: PreviewName | null;
}

/** A preview, as the deploy station uses it. */
export interface PreviewRow extends PreviewName {
  readonly branch: string;
  /** Label SLUG--NAME that the preview is served under. */
  readonly label: string;
}

/** Milliseconds after which a preview without a Release counts as an interrupted first push. */
const previewStagingMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;

export interface Staging {
  readonly handlerId: string;
  readonly commit: string;
  readonly ref: string;
  /** Branch of the preview that the Deployment is for; '': the deploy branch. */
  readonly branch: string;
  readonly userId: string;
  readonly module: VettedModule;
  /** Bytes of the rewritten module. */
  readonly bytes: number;
  readonly modulePath: string;
  readonly manifest: string;
  readonly vetMs: number;
}

/** Name that stands for the deploy branch. Previews have the name of their branch instead. */
export const deployBranch = '';

export class DeploymentStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;

  constructor(options: { readonly db: Database; readonly now: () => number; readonly randomBytes: RandomBytes }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#randomBytes = options.randomBytes;
  }

  /**
   * Numbers the Deployment and stores it with its Artifact. The first Deployment of the deploy branch also stores the
   * branch's name; the first one of a preview creates the preview. Throws `limit_exceeded` when there are too many
   * previews.
   */
  async stage(staging: Staging): Promise<DeploymentRow> {
    const { handlerId, module } = staging;
    const nowMs = this.#now();
    return this.#db.transaction().execute(async (trx) => {
      const handler = await trx
        .selectFrom('handlers')
        .select(['next_number', 'deploy_branch'])
        .where('id', '=', handlerId)
        .where('deleted_ms', 'is', null)
        .forNoKeyUpdate()
        .executeTakeFirst();
      if (handler === undefined) throw new PlatformError('not_found', 'the handler has been deleted meanwhile');
      await trx
        .updateTable('handlers')
        .set({
          next_number: handler.next_number + 1,
          ...(staging.branch === deployBranch
            ? { deploy_branch: handler.deploy_branch ?? staging.ref.replace(/^refs\/heads\//, '') }
            : {}),
        })
        .where('id', '=', handlerId)
        .execute();
      await trx
        .insertInto('artifacts')
        .values({
          name: artifactName(module),
          sha256: module.sha256,
          meter_version: module.meterVersion,
          original_bytes: module.originalBytes,
          bytes: staging.bytes,
          module: JSON.stringify(module),
          created_ms: nowMs,
        })
        // Writes the row even if it exists: so its measures are the same in this push and after a restart, and the row
        // is locked, so that no other transaction removes it before the Deployment refers to it.
        .onConflict((oc) => oc.column('name').doUpdateSet({ module: JSON.stringify(module) }))
        .execute();
      const row: DeploymentRow = {
        id: newId('d', this.#randomBytes),
        handler_id: handlerId,
        number: handler.next_number,
        commit: staging.commit,
        ref: staging.ref,
        user_id: staging.userId,
        artifact: artifactName(module),
        module_path: staging.modulePath,
        manifest: staging.manifest,
        state: 'staged',
        failure: null,
        vet_ms: staging.vetMs,
        created_ms: nowMs,
        ended_ms: null,
        branch: staging.branch,
      };
      if (staging.branch !== deployBranch) await this.#ensurePreview(trx, staging);
      await trx.insertInto('deployments').values(row).execute();
      return row;
    });
  }

  /**
   * Makes `deploymentId` the handler's live Deployment. `from`: state that it must be in, so that nothing is released
   * twice. Returns the Deployment that it replaces; throws `conflict` when the state is another.
   */
  async release(
    deploymentId: string,
    from: 'staged' | 'retired' | 'rollout',
  ): Promise<{ replaced: DeploymentRow | null }> {
    return this.#db.transaction().execute(async (trx) => {
      const target = await trx
        .selectFrom('deployments')
        .select(['handler_id', 'branch'])
        .where('id', '=', deploymentId)
        .executeTakeFirst();
      // Releases of one handler run one after the other, so that each retires the previous live Deployment.
      if (target !== undefined) await lockHandler(trx, target.handler_id);
      const replaced = target === undefined ? null : await liveOf(trx, target.handler_id, target.branch);
      // A gradual release of the branch ends here, whichever version follows it.
      const rollout = target?.branch === deployBranch ? await removeRollout(trx, target.handler_id) : null;
      if (rollout !== null && rollout.deployment_id !== deploymentId)
        await retire(trx, rollout.deployment_id, this.#now());
      if (from === 'rollout' && rollout?.deployment_id !== deploymentId)
        throw new PlatformError('conflict', 'this gradual release has ended');
      const row = await trx
        .updateTable('deployments')
        .set({ state: 'live', ended_ms: null })
        .where('id', '=', deploymentId)
        .where('state', '=', from === 'rollout' ? 'live' : from)
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) throw new PlatformError('conflict', `the deployment is not ${from} any more`);
      if (replaced !== null) await retire(trx, replaced.id, this.#now());
      const release = { deployment_id: row.id, changed_ms: this.#now() };
      await trx
        .insertInto('releases')
        .values({ handler_id: row.handler_id, branch: row.branch, ...release })
        .onConflict((oc) => oc.columns(['handler_id', 'branch']).doUpdateSet(release))
        .execute();
      const { handler_id: handlerId, branch } = row;
      const { preview, queues, schedules } = releasedParts(row.manifest);
      const consumed = branch === deployBranch || preview.queues ? queues : [];
      await replaceSubscriptions(trx, { handlerId, branch }, consumed);
      if (branch === deployBranch) await replaceSchedules(trx, handlerId, schedules, this.#now());
      else {
        const { slug } = await trx
          .updateTable('previews')
          .set({ days: preview.days, pushed_ms: this.#now() })
          .where('handler_id', '=', handlerId)
          .where('branch', '=', branch)
          .returning('slug')
          .executeTakeFirstOrThrow();
        await replaceSchedules(trx, handlerId, preview.schedules ? schedules : [], this.#now(), slug);
      }
      return { replaced };
    });
  }

  /** Fails a Deployment if it is staged. Returns whether it was staged. */
  async fail(deploymentId: string, failure: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('deployments')
      .set({ state: 'failed', failure, ended_ms: this.#now() })
      .where('id', '=', deploymentId)
      .where('state', '=', 'staged')
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /**
   * Returns retired and failed Deployments of a branch ('': the deploy branch) without any Release: those beyond the
   * newest `keep` that ended before `endedBeforeMs` (Unix milliseconds), oldest first, at most `limit`.
   */
  async ended(
    { handlerId, branch }: { readonly handlerId: string; readonly branch: string },
    which: { readonly keep: number; readonly endedBeforeMs: number; readonly limit: number },
  ): Promise<readonly Pick<DeploymentRow, 'id' | 'number'>[]> {
    const newestDropped = await this.#endedOf(handlerId, branch)
      .select('number')
      .orderBy('number', 'desc')
      .limit(1)
      .offset(which.keep)
      .executeTakeFirst();
    if (newestDropped === undefined) return [];
    return this.#endedOf(handlerId, branch)
      .select(['id', 'number'])
      .where('number', '<=', newestDropped.number)
      .where(({ fn, ref }) => fn.coalesce(ref('ended_ms'), ref('created_ms')), '<', which.endedBeforeMs)
      .orderBy('number')
      .limit(which.limit)
      .execute();
  }

  /** Returns branches with more than `keep` retired and failed Deployments, also of deleted handlers. */
  async branchesWithEnded(keep: number): Promise<readonly { readonly handlerId: string; readonly branch: string }[]> {
    const rows = await this.#db
      .selectFrom('deployments')
      .select(['handler_id', 'branch'])
      .where('state', 'in', ['retired', 'failed'])
      .groupBy(['handler_id', 'branch'])
      .having(({ fn }) => fn.countAll(), '>', keep)
      .execute();
    return rows.map(({ handler_id, branch }) => ({ handlerId: handler_id, branch }));
  }

  /** Removes a Deployment for good, unless it is live or staged again. */
  async drop(deploymentId: string): Promise<void> {
    await this.#db
      .deleteFrom('deployments')
      .where('id', '=', deploymentId)
      .where('state', 'in', ['retired', 'failed'])
      .execute();
  }

  /** Removes a handler whose first push, which created it, failed. */
  async removeHandler(handlerId: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('releases').where('handler_id', '=', handlerId).execute();
      await trx.deleteFrom('previews').where('handler_id', '=', handlerId).execute();
      await trx.deleteFrom('deployments').where('handler_id', '=', handlerId).execute();
      await trx.deleteFrom('handlers').where('id', '=', handlerId).execute();
    });
  }

  /** Returns the live Deployment of a branch ('': the deploy branch); null: there is none. */
  async live(handlerId: string, branch = deployBranch): Promise<DeploymentRow | null> {
    return liveOf(this.#db, handlerId, branch);
  }

  /** Returns the live Deployments of a handler: its own first, then those of its previews. */
  async liveOfAll(handlerId: string): Promise<readonly DeploymentRow[]> {
    return this.#db
      .selectFrom('releases')
      .innerJoin('deployments', 'deployments.id', 'releases.deployment_id')
      .selectAll('deployments')
      .where('releases.handler_id', '=', handlerId)
      .orderBy('releases.branch')
      .execute();
  }

  /** Returns the previews of a handler by branch. */
  async previews(handlerId: string): Promise<readonly PreviewRow[]> {
    return (await this.#previews(handlerId).orderBy('previews.branch').execute()).map(toPreview);
  }

  /** Returns the preview of a branch; null: there is none. */
  async preview(handlerId: string, branch: string): Promise<PreviewRow | null> {
    return (await this.#previews(handlerId).where('previews.branch', '=', branch).execute()).map(toPreview)[0] ?? null;
  }

  /** Returns the ids of handlers that have previews. */
  async withPreviews(): Promise<ReadonlySet<string>> {
    const rows = await this.#db.selectFrom('previews').select('handler_id').distinct().execute();
    return new Set(rows.map(({ handler_id }) => handler_id));
  }

  /**
   * Returns the preview that a Deployment belongs to; null: it belongs to the handler itself. Throws `not_found` where
   * the preview no longer exists.
   */
  async previewOf(row: Pick<DeploymentRow, 'handler_id' | 'branch'>): Promise<PreviewName | null> {
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
  async removePreview(handlerId: string, branch: string): Promise<readonly DeploymentRow[] | null> {
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
  async endedPreviews(nowMs: number): Promise<readonly { readonly handlerId: string; readonly branch: string }[]> {
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

  /** Creates the preview of a branch if there is none. */
  async #ensurePreview(trx: Transaction<Schema>, { handlerId, branch }: Staging): Promise<void> {
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
    const nowMs = this.#now();
    await trx
      .insertInto('previews')
      .values({
        id: newId('p', this.#randomBytes),
        handler_id: handlerId,
        branch,
        slug: freeSlug(branch, new Set(others.map(({ slug }) => slug))),
        days: previewLimits.days,
        created_ms: nowMs,
        pushed_ms: nowMs,
      })
      .execute();
  }

  async byId(id: string): Promise<DeploymentRow | null> {
    return (await this.#db.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
  }

  async byNumber(handlerId: string, number: number): Promise<DeploymentRow | null> {
    const row = await this.#db
      .selectFrom('deployments')
      .selectAll()
      .where('handler_id', '=', handlerId)
      .where('number', '=', number)
      .executeTakeFirst();
    return row ?? null;
  }

  /** Returns staged Deployments, oldest first. At start these are the ones that a crash or a lost hook left. */
  async staged(): Promise<readonly DeploymentRow[]> {
    return this.#db.selectFrom('deployments').selectAll().where('state', '=', 'staged').orderBy('created_ms').execute();
  }

  /** Returns every live Deployment, of previews too, of handlers that are not deleted. */
  async allLive(): Promise<readonly LiveRow[]> {
    const rows = await this.#db
      .selectFrom('releases')
      .innerJoin('deployments', 'deployments.id', 'releases.deployment_id')
      .innerJoin('handlers', 'handlers.id', 'releases.handler_id')
      .innerJoin('artifacts', 'artifacts.name', 'deployments.artifact')
      .leftJoin('previews', (join) =>
        join.onRef('previews.handler_id', '=', 'releases.handler_id').onRef('previews.branch', '=', 'releases.branch'),
      )
      .selectAll('deployments')
      .select([
        'handlers.name as handler',
        'handlers.owner_id as ownerId',
        'artifacts.module as module',
        'handlers.settings',
        'previews.id as previewId',
        'previews.slug',
      ])
      .where('handlers.deleted_ms', 'is', null)
      .execute();
    const variables = await this.#db.selectFrom('handler_env').select(['handler_id', 'branch']).distinct().execute();
    const withVariables = new Set(variables.map(({ handler_id, branch }) => `${handler_id} ${branch}`));
    const has = (handlerId: string, branch: string) => withVariables.has(`${handlerId} ${branch}`);
    return rows.map(({ previewId, slug, ...row }) => ({
      ...row,
      preview: previewId === null || slug === null ? null : { id: previewId, slug },
      module: readModule(row.module),
      settings: readSettings(row.settings),
      hasVariables: has(row.handler_id, deployBranch) || has(row.handler_id, row.branch),
    }));
  }

  /** Returns the Users who are suspended or have a limit of calls. */
  async owners(): Promise<readonly OwnerState[]> {
    const rows = await this.#db
      .selectFrom('users')
      .select(['id', 'suspended_ms', 'calls_max'])
      .where((eb) => eb.or([eb('suspended_ms', 'is not', null), eb('calls_max', 'is not', null)]))
      .execute();
    return rows.map((row) => ({ ownerId: row.id, isSuspended: row.suspended_ms !== null, callsMax: row.calls_max }));
  }

  /** Returns the id of the handler's owner; '' when the handler no longer exists. */
  async ownerOf(handlerId: string): Promise<string> {
    const query = this.#db.selectFrom('handlers').select('owner_id').where('id', '=', handlerId);
    return (await query.executeTakeFirst())?.owner_id ?? '';
  }

  async handlerIds(): Promise<ReadonlySet<string>> {
    const rows = await this.#db.selectFrom('handlers').select('id').execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** Returns the names of handlers with nothing deployed. */
  async withoutRelease(): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('handlers')
      .leftJoin('releases', (join) =>
        join.onRef('releases.handler_id', '=', 'handlers.id').on('releases.branch', '=', deployBranch),
      )
      .select('handlers.name')
      .where('handlers.deleted_ms', 'is', null)
      .where('releases.handler_id', 'is', null)
      .execute();
    return rows.map(({ name }) => name);
  }

  /** Returns the former names of handlers that are not deleted, each with the handler's present name. */
  async formerNames(): Promise<readonly MovedLabel[]> {
    return this.#formerNames().where('handlers.deleted_ms', 'is', null).execute();
  }

  /** Returns the former names of a handler, oldest first, each with its present name. */
  async formerNamesOf(handlerId: string): Promise<readonly MovedLabel[]> {
    return this.#formerNames().where('handlers.id', '=', handlerId).orderBy('former_names.renamed_ms').execute();
  }

  /** Returns the names of Artifacts and file bundles of all Deployments, also failed and retired ones. */
  async usedArtifacts(): Promise<ReadonlySet<string>> {
    const rows = await this.#db.selectFrom('deployments').select(['artifact', 'manifest']).distinct().execute();
    return new Set(
      rows.flatMap(({ artifact, manifest }) => {
        const { files } = readEffectiveManifest(manifest);
        return files === null ? [artifact] : [artifact, files.bundle];
      }),
    );
  }

  /**
   * Removes an Artifact. Returns false, and removes nothing, when a Deployment refers to it (a push on another
   * control).
   */
  async removeArtifact(name: string): Promise<boolean> {
    try {
      await this.#db.deleteFrom('artifacts').where('name', '=', name).execute();
      return true;
    } catch (error) {
      if (isForeignKeyViolation(error)) return false;
      throw error;
    }
  }

  /** Returns the bytes of the distinct Artifacts and file bundles that Deployments of a handler refer to. */
  async artifactBytes(handlerId: string): Promise<number> {
    const rows = await this.#db
      .selectFrom('deployments')
      .innerJoin('artifacts', 'artifacts.name', 'deployments.artifact')
      .select(['artifacts.name', 'artifacts.bytes', 'deployments.manifest'])
      .where('deployments.handler_id', '=', handlerId)
      .execute();
    const sizes = new Map<string, number>();
    for (const { name, bytes, manifest } of rows) {
      sizes.set(name, Number(bytes));
      const { files } = readEffectiveManifest(manifest);
      if (files !== null) sizes.set(files.bundle, files.bytes);
    }
    return [...sizes.values()].reduce((total, bytes) => total + bytes, 0);
  }

  async artifactModule(name: string): Promise<VettedModule | null> {
    const row = await this.#db.selectFrom('artifacts').select('module').where('name', '=', name).executeTakeFirst();
    return row === undefined ? null : readModule(row.module);
  }

  #formerNames() {
    return this.#db
      .selectFrom('former_names')
      .innerJoin('handlers', 'handlers.id', 'former_names.handler_id')
      .select(['former_names.name as label', 'handlers.name as to']);
  }

  #previews(handlerId: string) {
    return this.#db
      .selectFrom('previews')
      .innerJoin('handlers', 'handlers.id', 'previews.handler_id')
      .select(['previews.id', 'previews.branch', 'previews.slug', 'handlers.name'])
      .where('previews.handler_id', '=', handlerId);
  }

  #endedOf(handlerId: string, branch: string) {
    return this.#db
      .selectFrom('deployments')
      .where('handler_id', '=', handlerId)
      .where('branch', '=', branch)
      .where('state', 'in', ['retired', 'failed'])
      .where('id', 'not in', (from) =>
        from.selectFrom('releases').select('deployment_id').where('releases.handler_id', '=', handlerId),
      );
  }
}

function toPreview(row: { id: string; branch: string; slug: string; name: string }): PreviewRow {
  const { id, branch, slug, name } = row;
  return { id, branch, slug, label: previewLabel(slug, name) };
}

/** Parses the VettedModule that `stage` has written. Older rows have no measures and get estimates. */
function readModule(text: string): VettedModule {
  return withMeasures(JSON.parse(text));
}

async function liveOf(
  db: Database | Transaction<Schema>,
  handlerId: string,
  branch: string,
): Promise<DeploymentRow | null> {
  const row = await db
    .selectFrom('releases')
    .innerJoin('deployments', 'deployments.id', 'releases.deployment_id')
    .selectAll('deployments')
    .where('releases.handler_id', '=', handlerId)
    .where('releases.branch', '=', branch)
    .executeTakeFirst();
  return row ?? null;
}
