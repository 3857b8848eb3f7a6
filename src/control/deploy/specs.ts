/** Makes the spec that runners need from a Deployment in the database. */

import { createHash } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import { type LimitName, type Limits, limitNames } from '../../protocol/limits.ts';
import type { DeploymentSpec, PreviewName, TreeFile } from '../../protocol/messages.ts';
import type { VettedModule } from '../../protocol/module.ts';
import { handlerIdOf, handlerNameOf } from '../../protocol/names.ts';
import type { HandlerSettings, Policy } from '../../protocol/nouns.ts';
import type { Blobs } from '../../protocol/ports.ts';
import { previewLabel } from '../../protocol/previews.ts';
import type { HandlerEnv } from '../handlers/env.ts';
import { effectiveLimits, effectivePolicy, type SettingsStore } from '../handlers/settings.ts';
import type { ArtifactRows } from './artifact-rows.ts';
import type { DeploymentRow } from './deployment-row.ts';
import { readEffectiveManifest } from './effective-manifest.ts';
import { decodeBundle } from './file-bundle.ts';
import type { PreviewStore } from './preview-store.ts';

export interface SpecsOptions {
  readonly artifactRows: Pick<ArtifactRows, 'moduleOf'>;
  readonly previewStore: Pick<PreviewStore, 'of'>;
  readonly artifacts: Blobs;
  readonly env: Pick<HandlerEnv, 'envOf'>;
  readonly settings: Pick<SettingsStore, 'withOwner'>;
}

/** Parts of a spec that the caller has, so that they need not be read again. */
export interface KnownParts {
  readonly module?: VettedModule;
  readonly files?: readonly TreeFile[];
  /** Id of the handler's owner. */
  readonly ownerId?: string;
  /** Settings of the owner that need no push. */
  readonly settings?: HandlerSettings;
  /** Preview that the Deployment belongs to; null: it belongs to the handler itself. */
  readonly preview?: PreviewName | null;
  /** Variables of the handler, with those of the branch laid over them. */
  readonly variables?: Readonly<Record<string, string>>;
}

export class Specs {
  readonly #options: SpecsOptions;

  constructor(options: SpecsOptions) {
    this.#options = options;
  }

  /**
   * Returns the spec. Throws `internal` when the Artifact is missing, `limit_exceeded` when the module needs more
   * memory than its limit.
   */
  async specOf(row: DeploymentRow, handler: string, known: KnownParts = {}): Promise<DeploymentSpec> {
    const { artifactRows, previewStore, artifacts, env, settings } = this.#options;
    const manifest = readEffectiveManifest(row.manifest);
    const module = known.module ?? (await artifactRows.moduleOf(row.artifact));
    if (module === null) throw new PlatformError('internal', `the artifact of v${row.number} is not in the database`);
    // Variables set by command win over the manifest's: they are newer and may be secret.
    const variables = { ...manifest.env, ...(known.variables ?? (await env.envOf(row.handler_id, row.branch))) };
    const preview = known.preview !== undefined ? known.preview : await previewStore.of(row);
    const files =
      known.files ?? (manifest.files === null ? [] : decodeBundle(await artifacts.get(manifest.files.bundle)));
    const { settings: set, ownerId } =
      known.settings !== undefined && known.ownerId !== undefined
        ? { settings: known.settings, ownerId: known.ownerId }
        : await settings.withOwner(row.handler_id);
    const limits = effectiveLimits(manifest.limits, set);
    const limitsSet = limitNames.filter((name) => set.limits[name] !== undefined);
    const startPages = set.limits.memoryPages === undefined ? 0 : (module.plan.memory?.initialPages ?? 0);
    if (startPages > limits.memoryPages)
      throw new PlatformError(
        'limit_exceeded',
        `the module starts with ${startPages} pages of memory, its limit was set to ${limits.memoryPages}`,
        { hints: [`raise it: wasmcloud limits ${handler} --memory-pages ${startPages}, or default`] },
      );
    const policy = effectivePolicy(manifest.policy, set);
    return {
      specId: `${row.id}.${revisionOf({ handler, ownerId, preview, variables, limits, limitsSet, policy, relinked: relinkedOf(row) })}`,
      handlerId: handlerIdOf(row.handler_id),
      ownerId,
      handler: handlerNameOf(handler),
      label: preview === null ? handler : previewLabel(preview.slug, handler),
      preview,
      number: row.number,
      commit: row.commit,
      artifact: row.artifact,
      module,
      limits,
      ...(limitsSet.length === 0 ? {} : { limitsSet }),
      exactMemory: manifest.exactMemory === true,
      policy,
      env: variables,
      files,
      ...(manifest.files === null ? {} : { bundle: manifest.files.bundle }),
      passAuthorization: manifest.passAuthorization,
      ...(manifest.requestLines === undefined ? {} : { requestLines: manifest.requestLines }),
      ...(manifest.placement === undefined ? {} : { placement: manifest.placement }),
    };
  }
}

/**
 * Returns a hash of the values that a spec holds besides its row: 12 hex digits of SHA-256 over a canonical form. The
 * order of variables and limits does not matter, the order of policy patterns does.
 */
function revisionOf(values: {
  readonly handler: string;
  readonly ownerId: string;
  readonly preview: PreviewName | null;
  readonly variables: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly limitsSet: readonly LimitName[];
  readonly policy: Policy | null;
  readonly relinked: string | null;
}): string {
  const { handler, ownerId, preview, variables, limits, limitsSet, policy, relinked } = values;
  const canonical = [
    handler,
    ownerId,
    sorted(variables),
    sorted(limits),
    policy === null ? null : [policy.allow, policy.disallow],
    // Without these the hash is that of earlier versions of the platform, so that an update prepares nothing anew.
    ...(preview === null ? [] : [[preview.id, preview.slug]]),
    ...(limitsSet.length === 0 ? [] : [{ limitsSet }]),
    ...(relinked === null ? [] : [relinked]),
  ];
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex').slice(0, 12);
}

/**
 * Returns the Artifact of a Deployment that was linked anew; null: it has the one of its push, which its id stands for.
 */
function relinkedOf({ artifact, relinked_ms }: DeploymentRow): string | null {
  return (relinked_ms ?? null) === null ? null : artifact;
}

function sorted(values: object): readonly (readonly [string, unknown])[] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}
