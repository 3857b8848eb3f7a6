/**
 * Carries one push from git's pre-receive hook to the URL. Every check that can refuse runs before git moves the ref,
 * including compilation by the runners, so the branch always agrees with what is live; a refusal changes nothing.
 */

import { createHash } from 'node:crypto';
import { interfacesOf, newCapabilities } from '../../protocol/capabilities.ts';
import { type ErrorCode, PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import { artifactName } from '../../protocol/module.ts';
import type { LogLevelName } from '../../protocol/nouns.ts';
import type { Blobs } from '../../protocol/ports.ts';
import { previewLimits } from '../../protocol/previews.ts';
import type { CommitWords, IncomingPush, Print, PushedObjects, PushSession, RefUpdate } from '../../protocol/push.ts';
import type { Semaphore } from '../../waiting/semaphore.ts';
import { anyErrorText, hintLine, shortPath, step, warning } from '../git/push-text.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import { effectiveLimits, type SettingsStore } from '../handlers/settings.ts';
import type { ArtifactRows } from './artifact-rows.ts';
import type { ArtifactUse } from './artifact-use.ts';
import { type Candidate, checkAgainstManifest, isMadeFrom, readCandidate, snapshotRequest } from './candidate.ts';
import { type DeploymentRow, deployBranch } from './deployment-row.ts';
import type { DeploymentStore } from './deployment-store.ts';
import { readEffectiveManifest, writeEffectiveManifest } from './effective-manifest.ts';
import { encodeBundle } from './file-bundle.ts';
import { scheduleWarnings } from './manifest-schedules.ts';
import { PushRelease, type PushReleaseParts, type Staged } from './push-release.ts';
import { PushRoom, type PushRoomParts } from './push-room.ts';
import {
  branchOf,
  deleteRefused,
  formerNameUsed,
  found,
  newlyAllowed,
  notDeployed,
  received,
  snapshotTaken,
  validated,
} from './push-words.ts';
import type { Recovery } from './recovery.ts';
import type { Releases } from './releases.ts';
import type { Vetted } from './vet/messages.ts';
import { interrupted } from './vet/refusals.ts';
import type { VetPool } from './vet/vet-pool.ts';

/** The parts of control that a push uses. */
export interface PushParts extends PushReleaseParts, PushRoomParts {
  readonly store: DeploymentStore;
  readonly artifactRows: Pick<ArtifactRows, 'moduleOf'>;
  readonly handlers: Pick<Handlers, 'create' | 'findById'>;
  readonly artifacts: Pick<Blobs, 'has' | 'put'>;
  readonly artifactUse: Pick<ArtifactUse, 'keeping'>;
  readonly vet: Pick<VetPool, 'vet'>;
  /** Places for pushes of large modules (pushLimits.largeModuleBytes). */
  readonly largeModules: Pick<Semaphore, 'enter'>;
  readonly releases: Pick<Releases, 'announce' | 'prepare' | 'remove'>;
  readonly settings: Pick<SettingsStore, 'of'>;
  readonly recovery: Pick<Recovery, 'settleEnded'>;
  readonly repositories: Pick<Repositories, 'bytes' | 'setHead'>;
  /** Returns the URL of the page that documents provided imports. */
  readonly docsUrl: () => string;
}

/** What a branch of a push is deployed as: the handler itself or a preview. */
interface Target {
  readonly ref: string;
  readonly commit: string;
  /** Branch of the preview; '': the handler itself. */
  readonly branch: string;
  /** Deployment that is live there now; null: none. */
  readonly before: DeploymentRow | null;
}

/** Messages from a push to its hook, and the client's presence. */
interface Hook {
  readonly objects: PushedObjects;
  readonly print: Print;
  readonly signal: AbortSignal;
}

/**
 * Error codes for which a branch gets no preview but is accepted by git: people keep branches that cannot run in git. A
 * push of the deploy branch is refused for them.
 */
const noPreview: ReadonlySet<string> = new Set<ErrorCode>([
  'module_missing',
  'module_ambiguous',
  'module_invalid',
  'module_unsupported',
  'module_too_large',
  'imports_unknown',
  'entry_missing',
  'manifest_invalid',
  'tree_invalid',
  'vet_failed',
  'limit_exceeded',
]);

export class DeployPush implements PushSession {
  readonly #parts: PushParts;
  readonly #push: IncomingPush;
  readonly #room: PushRoom;
  readonly #startMs = performance.now();
  #live: DeploymentRow | null = null;
  /** Whether this push determines the deploy branch. */
  #firstDeploy = false;
  #created = false;
  /** Staged Deployments in the order in which they go live: the deploy branch first. */
  #staged: Staged[] = [];
  /** Gives back the place for a large module; null: none is held. */
  #leaveLarge: (() => void) | null = null;
  /** Resolves when the running step has ended; the work for the hook may go on after the hook has gone. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(parts: PushParts, push: IncomingPush) {
    this.#parts = parts;
    this.#push = push;
    this.#room = new PushRoom(parts, push);
  }

  preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean> {
    const work = this.#decide(objects, print, signal);
    this.#work = work;
    return work;
  }

  refsMoved(print: Print): Promise<void> {
    const work = this.#release(print);
    this.#work = work;
    return work;
  }

  /**
   * Settles Deployments that are still staged: git may have ended before it moved the ref, or a Release has failed.
   */
  async ended(): Promise<void> {
    await this.#work;
    const staged = this.#staged;
    this.#staged = [];
    for (const one of staged) await this.#parts.recovery.settleEnded(one.row, this.#push.handlerName, one);
    await this.#room
      .measure()
      .catch((error: unknown) =>
        this.#parts.report(`what ${this.#push.handlerName} stores could not be measured`, error),
      );
  }

  async #decide(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#check(objects, print, signal);
      return true;
    } catch (error) {
      print(anyErrorText(error));
      print(this.#live === null ? 'nothing deployed\n' : `nothing deployed; v${this.#live.number} is still live\n`);
      await this.#refused(error);
      return false;
    }
  }

  async #release(print: Print): Promise<void> {
    const release = new PushRelease(this.#parts, this.#push, { startMs: this.#startMs, isFirst: this.#firstDeploy });
    for (const staged of [...this.#staged])
      await release.deploy(staged, print, () => {
        this.#staged = this.#staged.filter((one) => one !== staged);
      });
    for (const { ref, new: commit } of this.#push.updates)
      if (ref.startsWith('refs/heads/') && commit === null) await release.branchDeleted(branchOf(ref), print);
  }

  async #check(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<void> {
    const { handlerExists, handlerId, handlerName, updates } = this.#push;
    const handler = handlerExists ? await this.#parts.handlers.findById(handlerId) : null;
    if (handlerExists && (handler === null || handler.deletedMs !== null))
      throw new PlatformError('not_found', `the handler ${handlerName} has been deleted`);
    this.#live = handlerExists ? await this.#parts.store.live(handlerId) : null;
    // Deletions of refs need no room in the quota, and may free some.
    const hasPack = updates.some((update) => update.new !== null);
    await this.#room.open({ ownerId: handler?.ownerId ?? this.#push.user.id, hasPack });
    const branch = handler?.deployBranch ?? firstBranch(updates);
    this.#firstDeploy = (handler?.deployBranch ?? null) === null;
    for (const update of updates) print(received(handlerName, update));
    for (const line of formerNameUsed(this.#push)) print(line);
    const update = updates.find(({ ref }) => ref === `refs/heads/${branch}`);
    if (update?.new === null) throw deleteRefused(handlerName, branch);
    const hook = { objects, print, signal };
    if (update !== undefined && update.new !== null) {
      const { ref, new: commit } = update;
      await this.#deploy({ ref, commit, branch: deployBranch, before: this.#live }, hook);
    }
    if (!handlerExists && !this.#created) await this.#createHandler();
    if (branch !== null) await this.#deployPreviews(branch, hook);
  }

  /** Stages the branches of the push that are not the deploy branch. */
  async #deployPreviews(deployed: string, hook: Hook): Promise<void> {
    const { store, settings } = this.#parts;
    const { handlerId, updates } = this.#push;
    const others = updates.flatMap(({ ref, new: commit }) =>
      ref.startsWith('refs/heads/') && ref !== `refs/heads/${deployed}` && commit !== null ? [{ ref, commit }] : [],
    );
    if (others.length === 0) return;
    const isOff = !(await settings.of(handlerId)).previews;
    for (const [index, { ref, commit }] of others.entries()) {
      const branch = branchOf(ref);
      if (isOff || index >= previewLimits.perPush) {
        hook.print(
          notDeployed(branch, deployed, isOff ? null : `a push makes ${previewLimits.perPush} previews at most`),
        );
        continue;
      }
      try {
        if (Buffer.byteLength(branch) > previewLimits.branchBytes)
          throw new PlatformError('limit_exceeded', `its name has more than ${previewLimits.branchBytes} bytes`);
        await this.#deploy({ ref, commit, branch, before: await store.live(handlerId, branch) }, hook, deployed);
      } catch (error) {
        if (!(error instanceof PlatformError) || !noPreview.has(error.code) || hook.signal.aborted) throw error;
        await this.#dropStaged(branch, error);
        hook.print(warning(`no preview of ${shortPath(branch)}: ${error.message}`));
        for (const hint of error.hints) hook.print(hintLine(hint));
      }
    }
  }

  /** Fails the staged Deployment of a preview that cannot be released. */
  async #dropStaged(branch: string, { message }: PlatformError): Promise<void> {
    const staged = this.#staged.filter(({ row }) => row.branch === branch);
    this.#staged = this.#staged.filter(({ row }) => row.branch !== branch);
    for (const { row } of staged) await this.#parts.store.fail(row.id, message);
  }

  /**
   * Waits until a module of `moduleBytes` may be held in memory and vetted; returns at once unless it is large. Throws
   * `overloaded` when too many pushes wait, `bad_request` when `signal` aborts.
   */
  async #admitModule(moduleBytes: number, signal: AbortSignal): Promise<void> {
    if (moduleBytes <= pushLimits.largeModuleBytes) return;
    this.#leaveLarge = await this.#parts.largeModules.enter({ abort: { signal, error: interrupted } });
  }

  /** Stages one branch. `deployed`: the deploy branch, for a preview. */
  async #deploy(target: Target, hook: Hook, deployed = ''): Promise<void> {
    try {
      await this.#checkAndStage(target, hook, deployed);
    } finally {
      // Gives the place back before the next branch: a push that kept it could wait for itself.
      this.#leaveLarge?.();
      this.#leaveLarge = null;
    }
  }

  async #checkAndStage(target: Target, hook: Hook, deployed: string): Promise<void> {
    const { commit, before, branch } = target;
    const { objects, print, signal } = hook;
    const { vet, docsUrl } = this.#parts;
    const candidate = await readCandidate(commit, objects, (moduleBytes) => this.#admitModule(moduleBytes, signal));
    if (branch !== deployBranch && candidate.manifest.preview?.enabled === false) {
      print(notDeployed(branch, deployed, null));
      return;
    }
    const { modulePath, bytes, sourceMap } = candidate;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const manifest = writeEffectiveManifest(candidate.effective);
    const same = before?.manifest === manifest && before.module_path === modulePath;
    // A damaged Artifact is replaced by this push, even if nothing else has changed.
    if (before !== null && same && (await isMadeFrom(before, { candidate, sha256, ...this.#parts }))) {
      const where = branch === deployBranch ? '' : ` as the preview of ${shortPath(branch)}`;
      print(step(`${shortPath(modulePath)} unchanged; v${before.number} stays live${where}`));
      return;
    }
    // The first version of a preview is compared with the handler's own live version.
    const compared = before ?? this.#live;
    const known = compared === null ? null : await this.#parts.artifactRows.moduleOf(compared.artifact);
    const what = found(candidate, sha256, before === null ? null : (known?.originalBytes ?? null));
    print(step(branch === deployBranch ? what : `${shortPath(branch)}: ${what}`));
    const limits = effectiveLimits(candidate.effective.limits, await this.#parts.settings.of(this.#push.handlerId));
    const request = { bytes, name: shortPath(modulePath), docsUrl: docsUrl(), sourceMap, limits };
    const vetted = await vet.vet({ ...request, snapshot: snapshotRequest(candidate) }, signal);
    checkAgainstManifest(vetted, candidate);
    print(step(validated(vetted)));
    print(snapshotTaken(vetted));
    if (candidate.manifest.placement !== null && this.#parts.places(null) === '')
      print(step('[placement] has no effect: this server has no nodes'));
    let newly: readonly string[] = [];
    if (compared !== null) {
      const { policy } = candidate.effective;
      const next = { policy, interfaces: interfacesOf(vetted.module.plan.imports) };
      const interfaces = known === null ? next.interfaces : interfacesOf(known.plan.imports);
      newly = newCapabilities({ policy: readEffectiveManifest(compared.manifest).policy, interfaces }, next);
      print(newlyAllowed(newly));
    }
    if (branch === deployBranch || candidate.manifest.preview?.schedules === true)
      for (const text of scheduleWarnings(candidate.manifest.schedules)) print(warning(text));
    stopIf(signal);
    const nearlyFull = await this.#room.admit(vetted.bytes.length + (candidate.effective.files?.bytes ?? 0));
    if (nearlyFull !== null) print(warning(nearlyFull));
    await this.#stage({ ...target, candidate, manifest, vetted, newly, words: await objects.about(commit) });
    stopIf(signal);
  }

  /**
   * Stores Artifact, bundle, handler and Deployment durably, in the order in which they refer to each other; then
   * runners compile the Deployment. It is not live yet.
   */
  async #stage(options: {
    readonly ref: string;
    readonly commit: string;
    readonly branch: string;
    readonly candidate: Candidate;
    readonly manifest: string;
    readonly vetted: Vetted;
    readonly newly: readonly string[];
    readonly words: CommitWords;
  }): Promise<void> {
    const { ref, commit, branch, candidate, manifest, vetted, newly, words } = options;
    const { artifacts } = this.#parts;
    const artifact = artifactName(vetted.module);
    const bundle = candidate.effective.files?.bundle ?? null;
    const row = await this.#parts.artifactUse.keeping(bundle === null ? [artifact] : [artifact, bundle], async () => {
      await artifacts.put(artifact, vetted.bytes);
      if (bundle !== null) await artifacts.put(bundle, encodeBundle(candidate.files));
      if (!this.#push.handlerExists && !this.#created) await this.#createHandler();
      return this.#parts.store.stage({
        handlerId: this.#push.handlerId,
        commit,
        ref,
        branch,
        userId: this.#push.user.id,
        module: vetted.module,
        bytes: vetted.bytes.length,
        modulePath: candidate.modulePath,
        manifest,
        vetMs: Math.round(vetted.rewriteMs + vetted.compileMs),
        newly,
        words,
      });
    });
    const staged = { row, module: vetted.module, files: candidate.files };
    this.#staged.push(staged);
    await this.#parts.releases.prepare(row, staged);
  }

  async #createHandler(): Promise<void> {
    const { handlerId, handlerName, user } = this.#push;
    await this.#parts.handlers.create({ id: handlerId, name: handlerName, ownerId: user.id });
    this.#created = true;
    await this.#parts.releases.announce(handlerId);
  }

  /** Undoes the changes of the push, and tells an existing handler's log. */
  async #refused(error: unknown): Promise<void> {
    const { handlerId, handlerName } = this.#push;
    const { store, releases, report } = this.#parts;
    if (!(error instanceof PlatformError)) report(`a push to ${handlerName} failed`, error);
    else if (error.code === 'vet_failed') report(`a module pushed to ${handlerName} failed the check`, error);
    const why = error instanceof PlatformError ? error.message : 'something failed on our side';
    const staged = this.#staged;
    this.#staged = [];
    try {
      if (this.#created) {
        await releases.remove(handlerId);
        await store.removeHandler(handlerId);
        return;
      }
      for (const { row } of staged) await store.fail(row.id, why);
      if (this.#push.handlerExists) await this.#log('error', staged[0]?.row.number ?? 0, `push refused: ${why}`);
    } catch (cause) {
      report(`a refused push to ${handlerName} could not be undone`, cause);
    }
  }

  async #log(level: LogLevelName, deployment: number, text: string, preview?: string): Promise<void> {
    await this.#parts.log.write(this.#push.handlerId, deployment, level, text, preview);
  }
}

/**
 * Returns the deploy branch of a new handler: the only branch pushed; of several, main, master or the first. Null: none
 * was pushed.
 */
function firstBranch(updates: readonly RefUpdate[]): string | null {
  const branches = updates.filter(({ ref, new: commit }) => ref.startsWith('refs/heads/') && commit !== null);
  const names = branches.map(({ ref }) => branchOf(ref));
  return names.find((name) => name === 'main') ?? names.find((name) => name === 'master') ?? names[0] ?? null;
}

/** Throws when the client has gone, so that no work is done for nobody. */
function stopIf(signal: AbortSignal): void {
  if (signal.aborted) throw new PlatformError('bad_request', 'the push was interrupted');
}
