/**
 * Links components anew that a linker of an earlier version has linked: after an upgrade their code may call functions
 * that the platform does not have any more. Runs beside everything else, one component at a time, in a vet child of low
 * priority, from the bytes that the repository has at the Deployment's commit. The old Artifact serves until every
 * runner has compiled the new one; then one transaction exchanges them.
 *
 *     outdated --> vetted --> stored --> compiled --> exchanged --> served
 *        |            |                     |
 *        |            +--> refused: stays as it was, is not tried again by this version
 *        +-----------------+--> failed: tried again at the next look, relinkLimits.tries times
 *
 * The control that holds the repository does it, so of several controls one does.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { readSourceMapUrl } from '../../guest/wasm/lines/debug-sections.ts';
import { sourceLineLimits } from '../../guest/wasm/lines/rows.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import { artifactName } from '../../protocol/module.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Blobs, Nodes } from '../../protocol/ports.ts';
import type { Semaphore } from '../../waiting/semaphore.ts';
import { shortPath } from '../git/push-text.ts';
import type { Repositories } from '../git/repositories.ts';
import { effectiveLimits, type SettingsStore } from '../handlers/settings.ts';
import type { ArtifactRows } from './artifact-rows.ts';
import type { ArtifactUse } from './artifact-use.ts';
import type { DeploymentRow } from './deployment-row.ts';
import type { DeploymentStore } from './deployment-store.ts';
import { readEffectiveManifest } from './effective-manifest.ts';
import type { OwnerLog } from './owner-log.ts';
import type { PreviewStore } from './preview-store.ts';
import type { PushQuota } from './push-room.ts';
import type { Releases } from './releases.ts';
import { isOutdated, type RelinkStore } from './relink-store.ts';
import { findSourceMap } from './tree.ts';
import type { ToVet, Vetted } from './vet/messages.ts';
import { interrupted } from './vet/refusals.ts';
import type { VetPool } from './vet/vet-pool.ts';

export const relinkLimits = {
  /** Milliseconds between two looks for outdated Deployments: one query. */
  lookMs: 30_000,
  /** Times that a component is tried that fails for another reason than a refusal, until control is started again. */
  tries: 3,
} as const;

export interface RelinkingOptions {
  readonly relinks: RelinkStore;
  readonly store: Pick<DeploymentStore, 'byId'>;
  readonly previewStore: Pick<PreviewStore, 'of'>;
  readonly artifactRows: Pick<ArtifactRows, 'moduleOf'>;
  readonly artifacts: Pick<Blobs, 'put'>;
  readonly artifactUse: Pick<ArtifactUse, 'keeping'>;
  readonly repositories: Pick<Repositories, 'objectsOf'>;
  readonly settings: Pick<SettingsStore, 'of'>;
  readonly releases: Pick<Releases, 'prepare' | 'refresh' | 'forgetPrepared'>;
  readonly nodes: Pick<Nodes, 'list'>;
  readonly vet: Pick<VetPool, 'vet'>;
  /** Places for large modules (pushLimits.largeModuleBytes), which pushes take too. */
  readonly largeModules: Pick<Semaphore, 'enter'>;
  readonly quota: Pick<PushQuota, 'measure'>;
  readonly log: OwnerLog;
  readonly docsUrl: () => string;
  /** Version of this program. */
  readonly version: string;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class Relinking {
  readonly #options: RelinkingOptions;
  readonly #abort = new AbortController();
  /** Failures that were no refusals, by Deployment. */
  readonly #failures = new Map<string, number>();
  /** Handlers whose Deployments were exchanged, and which runners may serve with the old Artifact still. */
  readonly #unserved = new Set<HandlerId>();
  #running: Promise<void> | null = null;

  constructor(options: RelinkingOptions) {
    this.#options = options;
  }

  /** Begins to look, now and every relinkLimits.lookMs. Call it once control serves. */
  start(): void {
    this.#running = this.#run();
  }

  /** Ends it, with the component that is being linked. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  /**
   * Links every live Deployment anew that is outdated, one after the other. Never rejects. Does nothing while a node of
   * another version lives: the new code may call functions that only this version has.
   */
  async look(): Promise<void> {
    const { relinks, report } = this.#options;
    try {
      for (const handlerId of this.#unserved) await this.#serve(handlerId);
      const rows = await relinks.outdated();
      for (const row of rows) {
        if (this.#abort.signal.aborted || !this.#areNodesOfThisVersion()) return;
        if ((this.#failures.get(row.id) ?? 0) < relinkLimits.tries) await this.#renew(row);
      }
    } catch (error) {
      report('components of an earlier version could not be linked anew', error);
    }
  }

  /**
   * Returns the Deployment, linked anew first if it is outdated: one that is not live and is about to be. Returns it as
   * it is where that fails, which the log says: whether it can be served shows when runners prepare it.
   */
  async upToDate(row: DeploymentRow): Promise<DeploymentRow> {
    if (!isOutdated(row) || !this.#areNodesOfThisVersion()) return row;
    await this.#renew(row);
    return (await this.#options.store.byId(row.id)) ?? row;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      await this.look();
      await delay(relinkLimits.lookMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  #areNodesOfThisVersion(): boolean {
    const { nodes, version } = this.#options;
    return nodes.list().every((node) => node.version === undefined || node.version === version);
  }

  async #renew(row: DeploymentRow): Promise<void> {
    const { relinks, previewStore, log, report } = this.#options;
    const what = `v${row.number} of ${row.handler_id}`;
    try {
      if (!(await this.#exchange(row))) return;
      const slug = (await previewStore.of(row))?.slug ?? '';
      const text = `v${row.number} was linked anew: a version before this one of the platform had linked its component`;
      await log.write(row.handler_id, row.number, 'info', text, slug);
    } catch (error) {
      if (this.#abort.signal.aborted || isHeldElsewhere(error)) return;
      if (isRefusal(error)) {
        report(`the component of ${what} is refused by this version; it stays as it was linked`, error);
        await relinks.refused(row);
        const why = [error.message, ...error.details].join('; ');
        const text = `v${row.number} stays as it was linked by an earlier version of the platform, which this one may not be able to run: ${why}`;
        await log.write(row.handler_id, row.number, 'error', text, (await previewStore.of(row))?.slug ?? '');
        return;
      }
      this.#failures.set(row.id, (this.#failures.get(row.id) ?? 0) + 1);
      report(`the component of ${what} could not be linked anew`, error);
    }
  }

  /** Returns whether the Artifact was exchanged; it was not where the Deployment has changed meanwhile. */
  async #exchange(row: DeploymentRow): Promise<boolean> {
    const { relinks, artifacts, artifactUse, releases, quota } = this.#options;
    const { module, bytes } = await this.#vet(row);
    const isLive = row.state === 'live';
    const isExchanged = await artifactUse.keeping([artifactName(module)], async () => {
      await artifacts.put(artifactName(module), bytes);
      if (isLive) await releases.prepare(relinks.exchanged(row, module), { module });
      try {
        return await relinks.exchange(row, { module, bytes: bytes.length });
      } catch (error) {
        if (isLive) releases.forgetPrepared(row.handler_id, row.branch);
        throw error;
      }
    });
    if (!isExchanged) {
      if (isLive) releases.forgetPrepared(row.handler_id, row.branch);
      return false;
    }
    if (isLive) {
      this.#unserved.add(row.handler_id);
      await this.#serve(row.handler_id);
    }
    await quota.measure(row.handler_id, ['artifacts']);
    return true;
  }

  /** Makes runners serve what the database has. */
  async #serve(handlerId: HandlerId): Promise<void> {
    try {
      await this.#options.releases.refresh(handlerId);
      this.#unserved.delete(handlerId);
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'not_found') this.#unserved.delete(handlerId);
      else this.#options.report(`${handlerId} is not served with its component linked anew yet`, error);
    }
  }

  async #vet(row: DeploymentRow): Promise<Vetted> {
    const { repositories, artifactRows, settings, largeModules, vet, docsUrl } = this.#options;
    const { signal } = this.#abort;
    const known = await artifactRows.moduleOf(row.artifact);
    const objects = await repositories.objectsOf(row.handler_id);
    const entries = await objects.list(row.commit);
    const entry = entries.find(({ path }) => path === row.module_path);
    if (entry === undefined) throw new Error(`commit ${row.commit} has no ${row.module_path}`);
    const isLarge = entry.size > pushLimits.largeModuleBytes;
    const leave = isLarge ? await largeModules.enter({ abort: { signal, error: interrupted } }) : null;
    try {
      const bytes = await objects.read(entry.oid, pushLimits.moduleBytes);
      if (createHash('sha256').update(bytes).digest('hex') !== known?.sha256)
        throw new Error(`${row.module_path} of commit ${row.commit} is not what was pushed`);
      const map = findSourceMap(entries, entry.path, readSourceMapUrl(bytes));
      const sourceMap = map === null ? null : await objects.read(map.oid, sourceLineLimits.mapBytes);
      const limits = effectiveLimits(readEffectiveManifest(row.manifest).limits, await settings.of(row.handler_id));
      const request: ToVet = { bytes, name: shortPath(row.module_path), docsUrl: docsUrl(), sourceMap, limits };
      const vetted = await vet.vet(request, signal, { isInBackground: true });
      const pages = vetted.module.plan.memory?.initialPages ?? 0;
      if (pages > limits.memoryPages)
        throw new PlatformError(
          'limit_exceeded',
          `it starts with ${pages} pages of memory now, its limit is ${limits.memoryPages}`,
        );
      return vetted;
    } finally {
      leave?.();
    }
  }
}

/** Codes with which this version refuses a component: another try would end the same way. */
const refusals: ReadonlySet<string> = new Set([
  'module_invalid',
  'module_unsupported',
  'module_too_large',
  'imports_unknown',
  'entry_missing',
  'limit_exceeded',
]);

function isRefusal(error: unknown): error is PlatformError {
  return error instanceof PlatformError && refusals.has(error.code);
}

/** Whether another control holds the repository, and links the component anew. */
function isHeldElsewhere(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'conflict';
}
