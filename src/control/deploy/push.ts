/**
 * Carries one push from git's pre-receive hook to the URL. Everything that can refuse happens before git moves the
 * ref, compilation by the runners included, so the branch never differs from what is live; a refusal changes nothing.
 */

import { createHash } from 'node:crypto';
import { isComponent, LINKER_VERSION } from '../../guest/component/recognise.ts';
import { METER_VERSION } from '../../guest/wasm/meter/costs.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { TreeFile } from '../../protocol/messages.ts';
import { artifactName, SNAPSHOT_VERSION } from '../../protocol/module.ts';
import type { HandlerKind, LogLevelName } from '../../protocol/nouns.ts';
import type { Blobs } from '../../protocol/ports.ts';
import type { IncomingPush, Print, PushedObjects, PushSession, RefUpdate } from '../../protocol/push.ts';
import type { Semaphore } from '../../waiting/semaphore.ts';
import { anyErrorText, detail, seconds, shortCommit, shortPath, step, success, warning } from '../git/push-text.ts';
import type { Repositories } from '../git/repositories.ts';
import type { Handlers } from '../handlers/handlers.ts';
import type { ArtifactUse } from './artifact-use.ts';
import { type Candidate, checkAgainstManifest, readCandidate, snapshotRequest } from './candidate.ts';
import type { DeploymentRetention } from './deployment-retention.ts';
import type { DeploymentRow, DeploymentStore } from './deployment-store.ts';
import { readEffectiveManifest, writeEffectiveManifest } from './effective-manifest.ts';
import { encodeBundle } from './file-bundle.ts';
import { scheduleWarnings } from './manifest-schedules.ts';
import type { OwnerLog } from './owner-log.ts';
import {
  branchOf,
  deleteRefused,
  found,
  nearQuota,
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

/** What a user may store, as a push asks. */
export interface PushQuota {
  quotaOf(userId: string): Promise<number>;
  /** Throws `limit_exceeded` unless the user may store `bytes` more. */
  admit(userId: string, bytes: number): Promise<void>;
  usedBytes(userId: string): Promise<number>;
  /** Measures what a handler stores. */
  measure(handlerId: string, kinds: readonly HandlerKind[]): Promise<void>;
}

/** The parts of control that a push uses. */
export interface PushParts {
  readonly store: DeploymentStore;
  readonly handlers: Pick<Handlers, 'create' | 'findById'>;
  readonly artifacts: Pick<Blobs, 'has' | 'put'>;
  readonly artifactUse: Pick<ArtifactUse, 'keeping'>;
  readonly vet: Pick<VetPool, 'vet'>;
  /** Places for pushes of large modules (pushLimits.largeModuleBytes). */
  readonly largeModules: Pick<Semaphore, 'enter'>;
  readonly releases: Pick<Releases, 'announce' | 'makeLive' | 'prepare' | 'remove'>;
  readonly recovery: Pick<Recovery, 'settleEnded'>;
  readonly repositories: Pick<Repositories, 'bytes' | 'setHead'>;
  readonly retention: Pick<DeploymentRetention, 'trim'>;
  readonly quota: PushQuota;
  readonly log: OwnerLog;
  /** Returns the URLs at which a handler's function answers, as the push tells them. */
  readonly urlsOf: (handler: string) => Promise<readonly string[]>;
  /** Returns the URL of the page that documents provided imports. */
  readonly docsUrl: () => string;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** A staged Deployment, and what of it need not be read again. */
interface Staged {
  readonly row: DeploymentRow;
  readonly module: Vetted['module'];
  readonly files: readonly TreeFile[];
}

/** A push warns when this share of the quota is used. */
const warnShare = 0.9;

export class DeployPush implements PushSession {
  readonly #parts: PushParts;
  readonly #push: IncomingPush;
  readonly #startMs = performance.now();
  #live: DeploymentRow | null = null;
  /** This push settles the deploy branch. */
  #firstDeploy = false;
  #created = false;
  /** Whose quota the push uses. */
  #ownerId = '';
  /** Bytes of the pushed pack, as far as they are not in the owner's figures. */
  #packBytes = 0;
  #staged: Staged | null = null;
  /** Gives back the place of a large module. */
  #leaveLarge: (() => void) | null = null;
  /** Resolves when the work that a hook has asked for has ended; it may go on after the hook has gone. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(parts: PushParts, push: IncomingPush) {
    this.#parts = parts;
    this.#push = push;
  }

  preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean> {
    const work = this.#decide(objects, print, signal);
    this.#work = work;
    return work;
  }

  postReceive(print: Print): Promise<void> {
    const work = this.#release(print);
    this.#work = work;
    return work;
  }

  /** Settles what is still staged. git may have ended before it moved the ref, or after it without running post-receive. */
  async ended(): Promise<void> {
    await this.#work;
    const staged = this.#staged;
    this.#staged = null;
    if (staged !== null) await this.#parts.recovery.settleEnded(staged.row, this.#push.handlerName, staged);
    const { quota, report } = this.#parts;
    await quota
      .measure(this.#push.handlerId, ['repositories', 'artifacts'])
      .catch((error: unknown) => report(`what ${this.#push.handlerName} stores could not be measured`, error));
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
    } finally {
      this.#leaveLarge?.();
    }
  }

  async #release(print: Print): Promise<void> {
    const staged = this.#staged;
    if (staged === null) return;
    const { handlerName } = this.#push;
    const { number } = staged.row;
    const branch = branchOf(staged.row.ref);
    try {
      const { replaced } = await this.#parts.releases.makeLive(staged.row, handlerName, 'staged', staged);
      this.#staged = null;
      if (this.#firstDeploy) await this.#parts.repositories.setHead(this.#push.handlerId, branch);
      const instead = replaced === null ? '' : `, replacing v${replaced.number}`;
      print(step(`deployed v${number} in ${seconds(performance.now() - this.#startMs)}${instead}`));
      for (const url of await this.#parts.urlsOf(handlerName)) print(detail(url));
      print(
        replaced === null
          ? success('live. Logs:', `wasmcloud logs ${handlerName}`)
          : success('live. Undo:', `wasmcloud rollback ${handlerName} v${replaced.number}`),
      );
      const from = `${branch} @ ${shortCommit(staged.row.commit)}`;
      await this.#log('info', number, `deployed v${number} from ${from} by ${this.#push.user.name}${instead}`);
    } catch (error) {
      this.#parts.report(`v${number} of ${handlerName} could not be released`, error);
      print(anyErrorText(error));
      print(warning(`v${number} is stored; it goes live as soon as that is over`));
    }
  }

  async #check(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<void> {
    const { handlerExists, handlerId, handlerName, updates } = this.#push;
    const handler = handlerExists ? await this.#parts.handlers.findById(handlerId) : null;
    if (handlerExists && (handler === null || handler.deletedMs !== null))
      throw new PlatformError('not_found', `the handler ${handlerName} has been deleted`);
    this.#ownerId = handler?.ownerId ?? this.#push.user.id;
    this.#live = handlerExists ? await this.#parts.store.live(handlerId) : null;
    // What only deletes refs needs no room, and may make some.
    if (updates.some((update) => update.new !== null)) await this.#checkQuota();
    const branch = handler?.deployBranch ?? firstBranch(updates);
    this.#firstDeploy = (handler?.deployBranch ?? null) === null;
    for (const update of updates) print(received(handlerName, update));
    const update = updates.find(({ ref }) => ref === `refs/heads/${branch}`);
    if (update?.new === null) throw deleteRefused(handlerName, branch);
    for (const { ref, new: commit } of updates) {
      if (ref !== update?.ref && ref.startsWith('refs/heads/') && commit !== null && branch !== null)
        print(notDeployed(branchOf(ref), branch));
    }
    if (update === undefined || update.new === null) {
      if (!handlerExists) await this.#createHandler();
      return;
    }
    await this.#deploy({ ref: update.ref, commit: update.new, objects, print, signal });
  }

  /** Throws `limit_exceeded` where the owner has no room for the pack. */
  async #checkQuota(): Promise<void> {
    const { quota, repositories } = this.#parts;
    const { handlerId, handlerExists } = this.#push;
    // git keeps the pack in the repository's folder until it accepts the push: the figure of a handler has it already.
    if (handlerExists) await quota.measure(handlerId, ['repositories', 'artifacts']);
    else this.#packBytes = await repositories.bytes(handlerId);
    await this.#admit(this.#packBytes);
  }

  /**
   * Waits until a module of `moduleBytes` may be held in memory and checked: at once unless it is large. Throws
   * `overloaded` where too many wait, `bad_request` when `signal` aborts.
   */
  async #admitModule(moduleBytes: number, signal: AbortSignal): Promise<void> {
    if (moduleBytes <= pushLimits.largeModuleBytes) return;
    this.#leaveLarge = await this.#parts.largeModules.enter({ abort: { signal, error: interrupted } });
  }

  /**
   * Throws `limit_exceeded` where the owner may not store `bytes` more. Before that, Deployments of this handler that
   * nothing serves make room, down to the few newest.
   */
  async #admit(bytes: number): Promise<void> {
    const { quota, retention } = this.#parts;
    const { handlerId, handlerExists } = this.#push;
    await quota.admit(this.#ownerId, bytes).catch(async (error: unknown) => {
      if (!handlerExists || (await retention.trim(handlerId, false)) === 0) throw error;
      await quota.measure(handlerId, ['repositories', 'artifacts']);
      await quota.admit(this.#ownerId, bytes);
    });
  }

  async #deploy(options: {
    readonly ref: string;
    readonly commit: string;
    readonly objects: PushedObjects;
    readonly print: Print;
    readonly signal: AbortSignal;
  }): Promise<void> {
    const { ref, commit, objects, print, signal } = options;
    const { vet, docsUrl } = this.#parts;
    const candidate = await readCandidate(commit, objects, (moduleBytes) => this.#admitModule(moduleBytes, signal));
    const { modulePath, bytes } = candidate;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const manifest = writeEffectiveManifest(candidate.effective);
    const before = this.#live;
    const same = before?.manifest === manifest && before.module_path === modulePath;
    // A damaged Artifact is no reason to leave things as they are: this push mends it.
    if (before !== null && same && (await this.#isMadeFrom(before, candidate, sha256))) {
      print(step(`${shortPath(modulePath)} unchanged; v${before.number} stays live`));
      return;
    }
    print(step(found(candidate, sha256, before === null ? null : await this.#sizeOf(before))));
    const request = { bytes, name: shortPath(modulePath), docsUrl: docsUrl() };
    const vetted = await vet.vet({ ...request, snapshot: snapshotRequest(candidate) }, signal);
    checkAgainstManifest(vetted, candidate);
    print(step(validated(vetted)));
    print(snapshotTaken(vetted));
    if (before !== null) print(newlyAllowed(readEffectiveManifest(before.manifest), candidate.effective));
    for (const text of scheduleWarnings(candidate.manifest.schedules)) print(warning(text));
    stopIf(signal);
    const { quota } = this.#parts;
    const newBytes = this.#packBytes + vetted.bytes.length + (candidate.effective.files?.bytes ?? 0);
    await this.#admit(newBytes);
    const usedBytes = (await quota.usedBytes(this.#ownerId)) + newBytes;
    const quotaBytes = await quota.quotaOf(this.#ownerId);
    if (usedBytes > quotaBytes * warnShare) print(warning(nearQuota(usedBytes, quotaBytes)));
    await this.#stage({ ref, commit, candidate, manifest, vetted });
    stopIf(signal);
  }

  /**
   * Returns whether the stored, undamaged Artifact of `live` is what a push of `candidate` would make, its manifest
   * being the same. A snapshot is named by its image, so its module and the versions of what made it are compared.
   */
  async #isMadeFrom(live: DeploymentRow, { bytes, effective }: Candidate, sha256: string): Promise<boolean> {
    const { artifacts, store } = this.#parts;
    if (effective.snapshot === true) {
      const module = await store.artifactModule(live.artifact);
      const isCurrent =
        module?.sha256 === sha256 &&
        module.meterVersion === METER_VERSION &&
        module.snapshot?.version === SNAPSHOT_VERSION;
      return isCurrent && artifacts.has(live.artifact);
    }
    const component = isComponent(bytes) ? { linkerVersion: LINKER_VERSION } : undefined;
    const artifact = artifactName({ sha256, meterVersion: METER_VERSION, component });
    return live.artifact === artifact && artifacts.has(artifact);
  }

  /**
   * Stores Artifact, bundle, handler and Deployment, durable and in the order in which they refer to each other; then
   * runners compile the Deployment. It is not live yet.
   */
  async #stage(options: {
    readonly ref: string;
    readonly commit: string;
    readonly candidate: Candidate;
    readonly manifest: string;
    readonly vetted: Vetted;
  }): Promise<void> {
    const { ref, commit, candidate, manifest, vetted } = options;
    const { artifacts } = this.#parts;
    const artifact = artifactName(vetted.module);
    const bundle = candidate.effective.files?.bundle ?? null;
    const row = await this.#parts.artifactUse.keeping(bundle === null ? [artifact] : [artifact, bundle], async () => {
      await artifacts.put(artifact, vetted.bytes);
      if (bundle !== null) await artifacts.put(bundle, encodeBundle(candidate.files));
      if (!this.#push.handlerExists) await this.#createHandler();
      return this.#parts.store.stage({
        handlerId: this.#push.handlerId,
        commit,
        ref,
        userId: this.#push.user.id,
        module: vetted.module,
        bytes: vetted.bytes.length,
        modulePath: candidate.modulePath,
        manifest,
        vetMs: Math.round(vetted.rewriteMs + vetted.compileMs),
      });
    });
    this.#staged = { row, module: vetted.module, files: candidate.files };
    await this.#parts.releases.prepare(row, this.#push.handlerName, this.#staged);
  }

  async #sizeOf(live: DeploymentRow): Promise<number | null> {
    return (await this.#parts.store.artifactModule(live.artifact))?.originalBytes ?? null;
  }

  async #createHandler(): Promise<void> {
    const { handlerId, handlerName, user } = this.#push;
    await this.#parts.handlers.create({ id: handlerId, name: handlerName, ownerId: user.id });
    this.#created = true;
    await this.#parts.releases.announce(handlerId);
  }

  /** Undoes what was done, and tells the owner's log of an existing handler. */
  async #refused(error: unknown): Promise<void> {
    const { handlerId, handlerName } = this.#push;
    const { store, releases, report } = this.#parts;
    if (!(error instanceof PlatformError)) report(`a push to ${handlerName} failed`, error);
    else if (error.code === 'vet_failed') report(`a module pushed to ${handlerName} failed the check`, error);
    const why = error instanceof PlatformError ? error.message : 'something failed on our side';
    const staged = this.#staged;
    this.#staged = null;
    try {
      if (this.#created) {
        await releases.remove(handlerId);
        await store.removeHandler(handlerId);
        return;
      }
      if (staged !== null) await store.fail(staged.row.id, why);
      if (this.#push.handlerExists) await this.#log('error', staged?.row.number ?? 0, `push refused: ${why}`);
    } catch (cause) {
      report(`a refused push to ${handlerName} could not be undone`, cause);
    }
  }

  async #log(level: LogLevelName, deployment: number, text: string): Promise<void> {
    await this.#parts.log.write(this.#push.handlerId, deployment, level, text);
  }
}

/** Returns the deploy branch of a new handler: the only one pushed; of several main, master or the first. Null: none. */
function firstBranch(updates: readonly RefUpdate[]): string | null {
  const branches = updates.filter(({ ref, new: commit }) => ref.startsWith('refs/heads/') && commit !== null);
  const names = branches.map(({ ref }) => branchOf(ref));
  return names.find((name) => name === 'main') ?? names.find((name) => name === 'master') ?? names[0] ?? null;
}

/** Throws where the client has gone: the rest of the work would be for nobody. */
function stopIf(signal: AbortSignal): void {
  if (signal.aborted) throw new PlatformError('bad_request', 'the push was interrupted');
}
