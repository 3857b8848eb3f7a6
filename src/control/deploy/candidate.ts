/** Reads the module, manifest and files of a pushed commit. */
import { createHash } from 'node:crypto';
import { isComponent, LINKER_VERSION } from '../../guest/component/recognise.ts';
import { compileH } from '../../guest/hlang/compile.ts';
import { readSourceMapUrl } from '../../guest/wasm/lines/debug-sections.ts';
import { sourceLineLimits } from '../../guest/wasm/lines/rows.ts';
import { METER_VERSION } from '../../guest/wasm/meter/costs.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { TreeFile } from '../../protocol/messages.ts';
import { artifactName, SNAPSHOT_VERSION } from '../../protocol/module.ts';
import { policyLists } from '../../protocol/nouns.ts';
import type { Blobs } from '../../protocol/ports.ts';
import type { PushedObjects, TreeEntry } from '../../protocol/push.ts';
import { recordOf } from '../../protocol/record-of.ts';
import { contentName } from '../artifacts/artifact-store.ts';
import { shortPath, size } from '../git/push-text.ts';
import type { ArtifactRows } from './artifact-rows.ts';
import type { DeploymentRow } from './deployment-row.ts';
import { type EffectiveManifest, storedPreview } from './effective-manifest.ts';
import { encodeBundle } from './file-bundle.ts';
import { type Manifest, manifestFile, olinPolicyFile, readManifest } from './manifest.ts';
import {
  checkLinks,
  checkTree,
  findFiles,
  findLinks,
  findManifest,
  findModule,
  findSourceMap,
  type Link,
  linkBytesMax,
} from './tree.ts';
import type { SnapshotRequest, Vetted } from './vet/messages.ts';

/** Content of a commit that is to be deployed. */
export interface Candidate {
  readonly modulePath: string;
  readonly source: 'wasm' | 'h';
  /** Bytes of the module; for a program in h, of its compiled module. */
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly effective: EffectiveManifest;
  readonly files: readonly TreeFile[];
  /** Source map that the module names and that lies in the tree; null: none. */
  readonly sourceMap: Uint8Array | null;
}

/**
 * Reads the candidate of `commit`. Before reading the module it waits for `admit`, which gets the size in bytes. Throws
 * the reason of a refusal (`tree_invalid`, `manifest_invalid`, `module_missing`, `module_ambiguous`, …), and as `admit`
 * does.
 */
export async function readCandidate(
  commit: string,
  objects: PushedObjects,
  admit: (moduleBytes: number) => Promise<void>,
): Promise<Candidate> {
  const entries = await objects.list(commit);
  checkTree(entries, commit);
  checkLinks(await readLinks(findLinks(entries), objects), commit);
  const small = async (path: string) => {
    const entry = findManifest(entries, path, commit);
    if (entry === null) return null;
    if (entry.size > pushLimits.manifestBytes)
      throw new PlatformError('manifest_invalid', `${path} has more than ${size(pushLimits.manifestBytes)}`);
    return objects.read(entry.oid, pushLimits.manifestBytes);
  };
  const manifest = readManifest({ toml: await small(manifestFile), olin: await small(olinPolicyFile) });
  const { entry, source } = findModule(entries, manifest, commit);
  const fileEntries = findFiles(entries, manifest, commit);
  await admit(entry.size);
  const content = await objects.read(entry.oid, pushLimits.moduleBytes);
  const bytes = source === 'h' ? compileH(Buffer.from(content).toString('utf8')) : content;
  const files = await readFiles(fileEntries, objects);
  const map = findSourceMap(entries, entry.path, source === 'h' ? null : readSourceMapUrl(bytes));
  const sourceMap = map === null ? null : await objects.read(map.oid, sourceLineLimits.mapBytes);
  return { modulePath: entry.path, source, bytes, manifest, effective: effectiveOf(manifest, files), files, sourceMap };
}

async function readLinks(entries: readonly TreeEntry[], objects: PushedObjects): Promise<readonly Link[]> {
  const links: Link[] = [];
  for (const { path, oid, size: length } of entries) {
    const target = length > linkBytesMax ? null : Buffer.from(await objects.read(oid, linkBytesMax)).toString('latin1');
    links.push({ path, target });
  }
  return links;
}

async function readFiles(entries: readonly TreeEntry[], objects: PushedObjects): Promise<readonly TreeFile[]> {
  const files: TreeFile[] = [];
  for (const { path, oid } of entries) files.push({ path, bytes: await objects.read(oid, pushLimits.fileBytes) });
  return files;
}

function effectiveOf(manifest: Manifest, files: readonly TreeFile[]): EffectiveManifest {
  const { abi, limits, exactMemory, snapshot, policy, env, passAuthorization, filesRoot } = manifest;
  const { queues, schedules, preview, release, requestLines, placement } = manifest;
  return {
    abi,
    limits,
    ...(exactMemory ? { exactMemory } : {}),
    ...(snapshot ? { snapshot } : {}),
    policy: policy === null ? null : recordOf(policyLists, (list) => [...policy[list]]),
    env,
    files:
      filesRoot === null
        ? null
        : {
            root: filesRoot,
            bundle: contentName(encodeBundle(files), 'files'),
            count: files.length,
            bytes: files.reduce((sum, file) => sum + file.bytes.length, 0),
          },
    passAuthorization,
    ...(queues.length === 0 ? {} : { queues: [...queues] }),
    ...(schedules.length === 0 ? {} : { schedules: [...schedules] }),
    ...(preview === null ? {} : { preview: storedPreview(preview) }),
    ...(release === null ? {} : { release }),
    ...(requestLines === null ? {} : { requestLines: { enabled: requestLines.enabled, mask: [...requestLines.mask] } }),
    ...(placement === null ? {} : { placement: { replicas: placement.replicas, labels: { ...placement.labels } } }),
  };
}

/** Returns the inputs of the candidate's start-up; null when the manifest asks for no snapshot. */
export function snapshotRequest({ effective, files }: Candidate): SnapshotRequest | null {
  const { env, policy, limits, snapshot } = effective;
  return snapshot === true ? { env, files, policy, memoryPages: limits.memoryPages } : null;
}

/** Throws `manifest_invalid` or `limit_exceeded` when the vetted module contradicts the manifest. */
export function checkAgainstManifest(vetted: Vetted, { manifest, modulePath }: Candidate): void {
  const { abis, memory } = vetted.module.plan;
  if (manifest.abi === 'component' && vetted.module.component === undefined)
    throw new PlatformError(
      'manifest_invalid',
      `${manifest.at(['abi'])}: abi is component, but ${shortPath(modulePath)} is a module`,
      { hints: ['abi = "auto" takes what the module imports'] },
    );
  const others =
    manifest.abi === 'auto' || manifest.abi === 'component' ? [] : abis.filter((abi) => abi !== manifest.abi);
  if (others.length > 0)
    throw new PlatformError(
      'manifest_invalid',
      `${manifest.at(['abi'])}: abi is ${manifest.abi}, but ${shortPath(modulePath)} imports ${others.join(', ')}`,
      { hints: ['abi = "auto" takes what the module imports'] },
    );
  if (memory !== null && memory.initialPages > manifest.limits.memoryPages)
    throw new PlatformError(
      'limit_exceeded',
      `${shortPath(modulePath)} starts with ${memory.initialPages} pages of memory, its limit is ${manifest.limits.memoryPages}`,
      { hints: [`raise it in ${manifestFile}: [limits] memory-pages = ${memory.initialPages}`] },
    );
}

interface MadeFrom {
  readonly candidate: Candidate;
  readonly sha256: string;
  readonly artifacts: Pick<Blobs, 'has'>;
  readonly artifactRows: Pick<ArtifactRows, 'moduleOf'>;
}

/**
 * Returns whether the stored, undamaged Artifact of `live` is the one that a push of `candidate` would make. Their
 * manifests are equal. `sha256`: of the candidate's module. A snapshot is named by its image, so its module and the
 * versions of meter and snapshot are compared.
 */
export async function isMadeFrom(
  live: Pick<DeploymentRow, 'artifact'>,
  { candidate, sha256, artifacts, artifactRows }: MadeFrom,
): Promise<boolean> {
  const { bytes, effective } = candidate;
  const sourceMap =
    candidate.sourceMap === null ? undefined : createHash('sha256').update(candidate.sourceMap).digest('hex');
  if (effective.snapshot === true) {
    const module = await artifactRows.moduleOf(live.artifact);
    const isCurrent =
      module?.sha256 === sha256 &&
      module.sourceMap === sourceMap &&
      module.meterVersion === METER_VERSION &&
      module.snapshot?.version === SNAPSHOT_VERSION;
    return isCurrent && artifacts.has(live.artifact);
  }
  const component = isComponent(bytes) ? { linkerVersion: LINKER_VERSION } : undefined;
  const artifact = artifactName({ sha256, meterVersion: METER_VERSION, component, sourceMap });
  return live.artifact === artifact && artifacts.has(artifact);
}
