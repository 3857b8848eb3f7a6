/** Joins the deploy station: pushes, rollbacks, recovery of interrupted Deployments, removal of unused data. */

import { PlatformError } from '../../protocol/errors.ts';
import { checkHandlerName, type HandlerId } from '../../protocol/names.ts';
import type { Policy } from '../../protocol/nouns.ts';
import type { PlacedHandler } from '../../protocol/placement.ts';
import type { Blobs, Deployer, LogAppender, Nodes, ReleaseFeed, ReleaseState } from '../../protocol/ports.ts';
import type { IncomingPush, PushReceiver, PushSession } from '../../protocol/push.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import type { RandomBytes } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import type { Repositories } from '../git/repositories.ts';
import type { PushRecords } from '../git/repository-keeper.ts';
import type { HandlerEnv } from '../handlers/env.ts';
import type { Handler, Handlers } from '../handlers/handlers.ts';
import { changedSettings, SettingsStore } from '../handlers/settings.ts';
import { ArtifactRows } from './artifact-rows.ts';
import { ArtifactUse } from './artifact-use.ts';
import { DeploymentRetention, type RetentionLimits, retentionLimits } from './deployment-retention.ts';
import { deployBranch } from './deployment-row.ts';
import { DeploymentStore } from './deployment-store.ts';
import { readEffectiveManifest } from './effective-manifest.ts';
import { OwnerLog } from './owner-log.ts';
import { checkPatterns } from './policy-patterns.ts';
import { PreviewStore } from './preview-store.ts';
import { Previews } from './previews.ts';
import { DeployPush, type PushParts } from './push.ts';
import type { PushQuota } from './push-room.ts';
import { Recovery } from './recovery.ts';
import { Releases } from './releases.ts';
import { RelinkStore } from './relink-store.ts';
import { Relinking } from './relinking.ts';
import { RolloutStore } from './rollout-store.ts';
import { Rollouts } from './rollouts.ts';
import { ServedLabels } from './served-labels.ts';
import { Specs } from './specs.ts';
import { tooManyLarge } from './vet/refusals.ts';
import type { VetPool } from './vet/vet-pool.ts';

/**
 * Pushes of large modules that run and wait, from reading the module until runners have compiled it: control holds the
 * module twice meanwhile, up to 256 MiB, and its vet child takes up to 2 GiB.
 */
const largePushes = { running: 1, waiting: 4 } as const;

export interface DeploymentsOptions {
  readonly db: Database;
  readonly repositories: Repositories;
  readonly artifacts: Blobs;
  readonly vet: Pick<VetPool, 'vet'>;
  readonly feed: ReleaseFeed;
  readonly nodes: Nodes;
  readonly logs: LogAppender;
  readonly handlers: Handlers;
  readonly env: Pick<HandlerEnv, 'envOf'>;
  readonly quota: PushQuota;
  /** Records pushes for other controls; absent: there are none. */
  readonly records?: PushRecords;
  /**
   * Removes the data of a handler in other stations (log lines, usage) when it is purged. May be called again for the
   * same handler.
   */
  readonly purge: (handler: Handler) => Promise<void>;
  /** Retention limits, retentionLimits by default. */
  readonly retention?: RetentionLimits;
  /** Returns the public URLs of a handler, for the last lines of a push. */
  readonly urlsOf: (handler: string) => Promise<readonly string[]>;
  /** Returns words that a push says after `live`, such as ` on 3 of 3 nodes`; absent: none. */
  readonly places?: (placed: PlacedHandler | null) => string;
  /** Returns the URL of the page that documents provided imports. */
  readonly docsUrl: () => string;
  /** Version of this program. */
  readonly version: string;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class Deployments implements Deployer, PushReceiver {
  /** Deployments in the database. */
  readonly store: DeploymentStore;
  /** Previews in the database. */
  readonly previewStore: PreviewStore;
  /** Components that a linker of an earlier version has linked. */
  readonly relinking: Relinking;
  readonly #db: Database;
  readonly #artifactRows: ArtifactRows;
  readonly #repositories: Repositories;
  readonly #handlers: Handlers;
  readonly #purgeOutside: (handler: Handler) => Promise<void>;
  readonly #log: OwnerLog;
  readonly #settings: SettingsStore;
  readonly #artifactUse: ArtifactUse;
  readonly #retention: DeploymentRetention;
  readonly #releases: Releases;
  readonly #recovery: Recovery;
  readonly #previews: Previews;
  readonly #rollouts: Rollouts;
  readonly #pushParts: PushParts;

  constructor(options: DeploymentsOptions) {
    const { db, repositories, artifacts, handlers, env, vet, quota, urlsOf, docsUrl, report } = options;
    const store = new DeploymentStore(options);
    const previewStore = new PreviewStore(options);
    const artifactRows = new ArtifactRows({ db });
    const servedLabels = new ServedLabels({ db });
    const log = new OwnerLog(options);
    const settings = new SettingsStore({ db });
    const specs = new Specs({ artifactRows, previewStore, artifacts, env, settings });
    this.#settings = settings;
    const rolloutStore = new RolloutStore(options);
    const releases = new Releases({ ...options, store, previewStore, servedLabels, specs, rollouts: rolloutStore });
    const rollouts = new Rollouts({ ...options, store, releases, log, rollouts: rolloutStore });
    const previews = new Previews({ ...options, store, previewStore, releases, log });
    const recovery = new Recovery({ ...options, store, previewStore, servedLabels, releases, log, previews, rollouts });
    const artifactUse = new ArtifactUse({ rows: artifactRows, artifacts });
    const limits = options.retention ?? retentionLimits;
    const retention = new DeploymentRetention({ ...options, store, releases, log, limits });
    this.#db = db;
    this.#repositories = repositories;
    this.#handlers = handlers;
    this.#purgeOutside = async (handler) => {
      await repositories.remove(handler.id);
      await options.purge(handler);
    };
    this.store = store;
    this.previewStore = previewStore;
    this.#artifactRows = artifactRows;
    this.#log = log;
    this.#artifactUse = artifactUse;
    this.#retention = retention;
    this.#releases = releases;
    this.#recovery = recovery;
    const largeModules = new Semaphore({ ...largePushes, full: tooManyLarge });
    this.#previews = previews;
    this.#rollouts = rollouts;
    this.relinking = new Relinking({
      ...{ ...options, store, previewStore, artifactRows, artifactUse, settings, releases, log, largeModules },
      relinks: new RelinkStore(options),
    });
    this.#pushParts = {
      ...{
        store,
        previewStore,
        artifactRows,
        handlers,
        artifacts,
        artifactUse,
        vet,
        largeModules,
        releases,
        recovery,
        repositories,
      },
      ...{ retention, quota, log, urlsOf, docsUrl, report, previews, settings, rollouts },
      places: options.places ?? (() => ''),
    };
  }

  begin(push: IncomingPush): PushSession {
    return new DeployPush(this.#pushParts, push);
  }

  /** Returns the bytes of the distinct Artifacts and file bundles that Deployments of a handler refer to. */
  artifactBytes(handlerId: HandlerId): Promise<number> {
    return this.#artifactRows.bytesOf(handlerId);
  }

  /** Reads what every label is served with, for the ReleaseFeed. */
  releaseState(): Promise<ReleaseState> {
    return this.#releases.read();
  }

  /** Settles Deployments that an earlier control left unfinished. Runs at start, before the ReleaseFeed is read. */
  recover(): Promise<void> {
    return this.#recovery.run();
  }

  /**
   * Settles Deployments that another control left staged, in a repository that this control has taken over and does not
   * serve yet: now, or later where that fails.
   */
  settleTaken(handlerId: HandlerId): Promise<void> {
    return this.#recovery.settleTaken(handlerId);
  }

  /** Returns the names of all Artifacts and file bundles that Deployments refer to, and of all recorded packs. */
  usedContents(): Promise<ReadonlySet<string>> {
    return this.#artifactRows.used();
  }

  async rollback({ handlerId, number, userId, branch }: Parameters<Deployer['rollback']>[0]): Promise<void> {
    const handler = await this.#handlers.existing(handlerId);
    const row = await this.store.byNumber(handlerId, number);
    if (row === null)
      throw new PlatformError('not_found', `${handler.name} has no v${number}`, {
        hints: [`see what there is: wasmcloud deployments ${handler.name}`],
      });
    if (row.branch !== (branch ?? row.branch) || (row.branch !== deployBranch && branch === undefined))
      throw new PlatformError(
        'conflict',
        `v${number} is of ${row.branch === deployBranch ? 'the deploy branch' : `the preview ${row.branch}`}`,
        {
          hints: [
            row.branch === deployBranch
              ? `roll back the handler itself: wasmcloud rollback ${handler.name} v${number}`
              : `roll back the preview: wasmcloud rollback ${handler.name} v${number} --branch ${row.branch}`,
          ],
        },
      );
    if (row.state === 'live' && (await this.store.live(handlerId, row.branch))?.id !== row.id)
      throw new PlatformError('conflict', `v${number} gets a share of the calls already`, {
        hints: [`to give it all calls: wasmcloud release ${handler.name} --finish`],
      });
    if (row.state === 'live') throw new PlatformError('conflict', `v${number} is live already`);
    if (row.state !== 'retired')
      throw new PlatformError('conflict', `v${number} was never live: it is ${row.state}`, {
        hints: [`see what there is: wasmcloud deployments ${handler.name}`],
      });
    const current = await this.relinking.upToDate(row);
    await this.#releases.prepare(current);
    const { replaced } = await this.#releases.makeLive(current, 'retired');
    const by = await this.#byUser(userId);
    const instead = replaced === null ? '' : `, replacing v${replaced.number}`;
    const slug = (await this.previewStore.of(row))?.slug ?? '';
    await this.#log.write(handlerId, number, 'info', `rolled back to v${number}${instead}${by}`, slug);
  }

  async startRollout({ userId, ...of }: Parameters<Deployer['startRollout']>[0]): Promise<void> {
    const row = await this.store.byNumber(of.handlerId, of.number);
    if (row?.state === 'retired') await this.relinking.upToDate(row);
    await this.#rollouts.start({ ...of, by: await this.#byUser(userId) });
  }

  rolloutOf(handlerId: HandlerId): ReturnType<Deployer['rolloutOf']> {
    return this.#rollouts.of(handlerId);
  }

  async finishRollout({ handlerId, userId }: Parameters<Deployer['finishRollout']>[0]): Promise<void> {
    await this.#rollouts.finish(handlerId, await this.#byUser(userId));
  }

  async abortRollout({ handlerId, userId }: Parameters<Deployer['abortRollout']>[0]): Promise<void> {
    await this.#rollouts.abort(handlerId, `aborted${await this.#byUser(userId)}`);
  }

  /** Aborts gradual releases whose new version fails too often. Runs every rolloutLimits.lookMs. */
  judgeRollouts(): Promise<void> {
    return this.#rollouts.look();
  }

  async #byUser(userId: string): Promise<string> {
    const user = await this.#db.selectFrom('users').select('name').where('id', '=', userId).executeTakeFirst();
    return user === undefined ? '' : ` by ${user.name}`;
  }

  async environmentChanged(handlerId: HandlerId, branch?: string): Promise<void> {
    const live = await this.store.live(handlerId, branch);
    const isSnapshot = live !== null && readEffectiveManifest(live.manifest).snapshot === true;
    // A snapshot keeps the environment that its start-up read (RATIONALE.md, snapshots).
    const but = isSnapshot ? '; its snapshot was made with the variables of the manifest, and stays' : '';
    await this.#changed(handlerId, `runs with the changed environment${but}`, branch ?? null);
  }

  async handlerChanged(handlerId: HandlerId, what: string): Promise<void> {
    await this.#changed(handlerId, what, null);
  }

  async #changed(handlerId: HandlerId, what: string, branch: string | null): Promise<void> {
    const live = await this.#releases.refresh(handlerId, branch);
    if (live !== null) await this.#log.write(handlerId, live.number, 'info', `v${live.number} ${what}`, live.slug);
  }

  async changeDeployBranch({
    handlerId,
    branch,
    userId,
  }: Parameters<Deployer['changeDeployBranch']>[0]): Promise<void> {
    await this.#handlers.setDeployBranch(handlerId, branch);
    // Where this is interrupted, the housekeeping finds that the branch has no preview any more.
    await this.#previews.remove(
      handlerId,
      branch,
      `its branch was made the deploy branch${await this.#byUser(userId)}`,
    );
  }

  async previewDeleted({ handlerId, branch, why }: Parameters<Deployer['previewDeleted']>[0]): Promise<void> {
    if (!(await this.#previews.remove(handlerId, branch, why)))
      throw new PlatformError('not_found', 'there is no preview of this branch', {
        hints: ['see what there is: wasmcloud previews'],
      });
  }

  async changeSettings({
    handlerId,
    limits,
    policy,
    previews,
  }: Parameters<Deployer['changeSettings']>[0]): Promise<void> {
    if (policy !== null) checkAdded(policy);
    const { before } = await this.#settings.change(handlerId, (known) =>
      changedSettings(known, { limits, policy, previews }),
    );
    // Turning previews on or off changes nothing that is live.
    if (policy === null && Object.keys(limits).length === 0) return;
    await this.handlerChanged(handlerId, 'runs with changed limits or policy').catch(async (error: unknown) => {
      await this.#settings.change(handlerId, () => before);
      throw error;
    });
  }

  async renameHandler({ handlerId, name, userId }: Parameters<Deployer['renameHandler']>[0]): Promise<void> {
    checkHandlerName(name);
    const before = await this.#releases.rename(handlerId, name, () => this.#handlers.rename(handlerId, name));
    if (before === name) return;
    await this.#log.write(handlerId, 0, 'info', `renamed from ${before} to ${name}${await this.#byUser(userId)}`);
  }

  handlerCreated(handlerId: HandlerId): Promise<void> {
    return this.#releases.announce(handlerId);
  }

  domainChanged(domain: string): Promise<void> {
    return this.#releases.serveDomain(domain);
  }

  handlerDeleted(handlerId: HandlerId): Promise<void> {
    return this.#releases.remove(handlerId);
  }

  handlerRestored(handlerId: HandlerId): Promise<void> {
    return this.#releases.restore(handlerId);
  }

  /** Removes a deleted handler with its repository, log, usage, and the Artifacts that only it used. */
  async handlerPurged(handlerId: HandlerId): Promise<void> {
    const handler = await this.#handlers.findById(handlerId);
    if (handler === null || handler.deletedMs === null) return;
    await this.#handlers.purgeOne(handler, this.#purgeOutside);
    await this.#artifactUse.collect();
  }

  /** Removes handlers whose time for a restore has passed. Called periodically. */
  async purgeDeleted(): Promise<void> {
    await this.#handlers.purge(this.#purgeOutside);
  }

  /** Ends unused previews, drops old Deployments, removes unused Artifacts, packs repositories. Called periodically. */
  async maintain(): Promise<void> {
    await this.#previews.removeUnused();
    await this.#recovery.mendPreviews();
    await this.#retention.trimAll();
    await this.#artifactUse.collect();
    await this.#repositories.maintain();
  }
}

/** Throws `bad_request` when an added pattern is invalid or costs too much to match. */
function checkAdded(policy: Policy): void {
  try {
    checkPatterns(policy, (list, index) => `policy.${list}[${index}]`);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new PlatformError('bad_request', error.message, { hints: error.hints, details: error.details, cause: error });
  }
}
