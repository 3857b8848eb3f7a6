/**
 * Deployments and Releases in the database. Each change of state is one transaction, and says from which
 * state it goes: a Deployment that was interrupted is finished or failed exactly once.
 *
 *     staged --release--> live --next release--> retired
 *        |                  ^                       |
 *        +--> failed        +------- rollback ------+
 */
import type { Transaction } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { artifactName, type VettedModule } from '../../protocol/module.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { CommitWords } from '../../protocol/push.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import { replaceSchedules } from '../calls/schedules.ts';
import type { Database } from '../db/database.ts';
import { lockHandler } from '../db/row-locks.ts';
import type { Schema } from '../db/schema.ts';
import type { PushRecords } from '../git/repository-keeper.ts';
import { replaceSubscriptions } from '../queues/subscriptions.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';
import { releasedParts } from './effective-manifest.ts';
import { ensurePreview } from './preview-store.ts';
import { removeRollout, retire } from './rollout-store.ts';

export interface Staging {
  readonly handlerId: HandlerId;
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
  /** What it may do that the version before may not, one sentence each. */
  readonly newly: readonly string[];
  readonly words: CommitWords;
}

export class DeploymentStore {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #randomBytes: RandomBytes;
  readonly #records: PushRecords | null;

  /** `records`: record the push of a staged Deployment in the transaction that releases it. */
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
        author: staging.words.author,
        subject: staging.words.subject,
        newly: staging.newly.length === 0 ? null : JSON.stringify(staging.newly),
        relinked_ms: null,
        relink_refused: null,
      };
      if (staging.branch !== deployBranch) {
        const id = newId('p', this.#randomBytes);
        await ensurePreview(trx, { handlerId, branch: staging.branch, id, nowMs });
      }
      await trx.insertInto('deployments').values(row).execute();
      return row;
    });
  }

  /**
   * Makes `deploymentId` the handler's live Deployment. `from`: state that it must be in, so that nothing is released
   * twice. Returns the Deployment that it replaces; throws `conflict` when the state is another, or when the push
   * cannot be recorded.
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
      if (target !== undefined && from === 'staged') await this.#records?.write(trx, target.handler_id);
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
    { handlerId, branch }: { readonly handlerId: HandlerId; readonly branch: string },
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
  async branchesWithEnded(
    keep: number,
  ): Promise<readonly { readonly handlerId: HandlerId; readonly branch: string }[]> {
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
  async removeHandler(handlerId: HandlerId): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('releases').where('handler_id', '=', handlerId).execute();
      await trx.deleteFrom('previews').where('handler_id', '=', handlerId).execute();
      await trx.deleteFrom('deployments').where('handler_id', '=', handlerId).execute();
      await trx.deleteFrom('handlers').where('id', '=', handlerId).execute();
    });
  }

  /** Returns the live Deployment of a branch ('': the deploy branch); null: there is none. */
  async live(handlerId: HandlerId, branch = deployBranch): Promise<DeploymentRow | null> {
    return liveOf(this.#db, handlerId, branch);
  }

  /** Returns the live Deployments of a handler: its own first, then those of its previews. */
  async liveOfAll(handlerId: HandlerId): Promise<readonly DeploymentRow[]> {
    return this.#db
      .selectFrom('releases')
      .innerJoin('deployments', 'deployments.id', 'releases.deployment_id')
      .selectAll('deployments')
      .where('releases.handler_id', '=', handlerId)
      .orderBy('releases.branch')
      .execute();
  }

  async byId(id: string): Promise<DeploymentRow | null> {
    return (await this.#db.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
  }

  /** Returns the Deployment of a handler by its number in that handler; null: there is none. */
  async byNumber(handlerId: HandlerId, number: number): Promise<DeploymentRow | null> {
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

  /** Returns the staged Deployments of a handler, oldest first. */
  async stagedOf(handlerId: HandlerId): Promise<readonly DeploymentRow[]> {
    return this.#db
      .selectFrom('deployments')
      .selectAll()
      .where('handler_id', '=', handlerId)
      .where('state', '=', 'staged')
      .orderBy('created_ms')
      .execute();
  }

  /** Returns the ids of handlers with staged Deployments whose repository the control `home` has. */
  async stagedAt(home: string): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('deployments')
      .innerJoin('repository_homes', 'repository_homes.repository_id', 'deployments.handler_id')
      .select('deployments.handler_id')
      .distinct()
      .where('deployments.state', '=', 'staged')
      .where('repository_homes.home', '=', home)
      .execute();
    return rows.map((row) => row.handler_id);
  }

  async handlerIds(): Promise<ReadonlySet<string>> {
    const rows = await this.#db.selectFrom('handlers').select('id').execute();
    return new Set(rows.map(({ id }) => id));
  }

  #endedOf(handlerId: HandlerId, branch: string) {
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

async function liveOf(
  db: Database | Transaction<Schema>,
  handlerId: HandlerId,
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
