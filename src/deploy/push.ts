/**
 * One push, from git's pre-receive hook to the URL (DESIGN.md, Ways through the house). Everything that can
 * refuse happens before git moves the ref, compilation by the runners included, so the branch never differs
 * from what is live; a refusal changes nothing.
 */
import { createHash } from 'node:crypto';
import { contentName } from '../artifacts/artifact-store.ts';
import {
  anyErrorText,
  count,
  detail,
  seconds,
  shortCommit,
  shortPath,
  size,
  sizeChange,
  step,
  success,
  warning,
} from '../git/push-text.ts';
import { compileH } from '../hlang/compile.ts';
import { PlatformError } from '../protocol/errors.ts';
import { pushLimits } from '../protocol/limits.ts';
import type { TreeFile } from '../protocol/messages.ts';
import { artifactName } from '../protocol/module.ts';
import type { IncomingPush, Print, PushedObjects, PushSession, RefUpdate, TreeEntry } from '../protocol/push.ts';
import { METER_VERSION } from '../wasm/costs.ts';
import type { DeploymentRow } from './deployment-store.ts';
import type { Deployments } from './deployments.ts';
import { type EffectiveManifest, writeEffectiveManifest } from './effective-manifest.ts';
import { encodeBundle } from './file-bundle.ts';
import { type Manifest, manifestFile, olinPolicyFile, readManifest } from './manifest.ts';
import { checkTree, findFile, findFiles, findModule } from './tree.ts';
import type { Vetted } from './vet.ts';

/** A staged Deployment, and what of it need not be read again. */
interface Staged {
  readonly row: DeploymentRow;
  readonly module: Vetted['module'];
  readonly files: readonly TreeFile[];
}

/** What a commit holds to be deployed. */
interface Candidate {
  readonly modulePath: string;
  readonly source: 'wasm' | 'h';
  /** The module; for a program in h what it compiles to. */
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly effective: EffectiveManifest;
  readonly files: readonly TreeFile[];
}

export class DeployPush implements PushSession {
  readonly #deployments: Deployments;
  readonly #push: IncomingPush;
  readonly #startMs = performance.now();
  #live: DeploymentRow | null = null;
  /** This push settles the deploy branch. */
  #firstDeploy = false;
  #created = false;
  #staged: Staged | null = null;

  constructor(deployments: Deployments, push: IncomingPush) {
    this.#deployments = deployments;
    this.#push = push;
  }

  async preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean> {
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

  async postReceive(print: Print): Promise<void> {
    const staged = this.#staged;
    if (staged === null) return;
    const { handlerName } = this.#push;
    const { number } = staged.row;
    const branch = branchOf(staged.row.ref);
    try {
      const { replaced } = await this.#deployments.makeLive(staged.row, handlerName, 'staged', staged);
      this.#staged = null;
      if (this.#firstDeploy) await this.#deployments.options.repositories.setHead(this.#push.handlerId, branch);
      const instead = replaced === null ? '' : `, replacing v${replaced.number}`;
      print(step(`deployed v${number} in ${seconds(performance.now() - this.#startMs)}${instead}`));
      print(detail(this.#deployments.options.urlOf(handlerName)));
      print(
        replaced === null
          ? success('live. Logs:', `wasmcloud logs ${handlerName}`)
          : success('live. Undo:', `wasmcloud rollback ${handlerName} v${replaced.number}`),
      );
      const from = `${branch} @ ${shortCommit(staged.row.commit)}`;
      await this.#log('info', number, `deployed v${number} from ${from} by ${this.#push.user.name}${instead}`);
    } catch (error) {
      this.#deployments.options.report(`v${number} of ${handlerName} could not be released`, error);
      print(anyErrorText(error));
    }
  }

  /** git may have ended anywhere: before it moved the ref, or after it without running post-receive. */
  async ended(): Promise<void> {
    const staged = this.#staged;
    if (staged === null) return;
    this.#staged = null;
    try {
      await this.#deployments.settle(staged.row, async () => {
        await this.#deployments.makeLive(staged.row, this.#push.handlerName, 'staged', staged);
      });
    } catch (error) {
      // It stays staged: recover() tries again at the next start.
      this.#deployments.options.report(`the staged deployment ${staged.row.id} could not be settled`, error);
    }
  }

  async #check(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<void> {
    const { handlerExists, handlerId, handlerName, updates } = this.#push;
    const handler = handlerExists ? await this.#deployments.options.handlers.findById(handlerId) : null;
    if (handlerExists && (handler === null || handler.deletedMs !== null))
      throw new PlatformError('not_found', `the handler ${handlerName} has been deleted`);
    this.#live = handlerExists ? await this.#deployments.store.live(handlerId) : null;
    const branch = handler?.deployBranch ?? firstBranch(updates);
    this.#firstDeploy = (handler?.deployBranch ?? null) === null;
    for (const update of updates) print(received(handlerName, update));
    const update = updates.find(({ ref }) => ref === `refs/heads/${branch}`);
    if (update?.new === null) throw deleteRefused(handlerName, branch);
    for (const { ref, new: commit } of updates) {
      if (ref !== update?.ref && ref.startsWith('refs/heads/') && commit !== null && branch !== null)
        print(warning(`${branchOf(ref)} is not the deploy branch (${branch}); nothing deployed`));
    }
    if (update === undefined || update.new === null) {
      if (!handlerExists) await this.#createHandler();
      return;
    }
    await this.#deploy({ ref: update.ref, commit: update.new, objects, print, signal });
  }

  async #deploy(options: {
    readonly ref: string;
    readonly commit: string;
    readonly objects: PushedObjects;
    readonly print: Print;
    readonly signal: AbortSignal;
  }): Promise<void> {
    const { ref, commit, objects, print, signal } = options;
    const candidate = await this.#read(commit, objects);
    const { modulePath, bytes } = candidate;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const manifest = writeEffectiveManifest(candidate.effective);
    const before = this.#live;
    const same = before?.manifest === manifest && before.module_path === modulePath;
    if (before !== null && same && before.artifact === artifactName({ sha256, meterVersion: METER_VERSION })) {
      print(step(`${shortPath(modulePath)} unchanged; v${before.number} stays live`));
      return;
    }
    print(step(found(candidate, sha256, before === null ? null : await this.#sizeOf(before))));
    const vetted = await this.#deployments.options.vet.vet(
      { bytes, name: shortPath(modulePath), docsUrl: this.#deployments.options.docsUrl() },
      signal,
    );
    checkAgainstManifest(vetted, candidate);
    print(step(validated(vetted)));
    if (signal.aborted) throw new PlatformError('bad_request', 'the push was interrupted');
    await this.#stage({ ref, commit, candidate, manifest, vetted });
  }

  /** Durable in the order in which things refer to each other, compiled by every runner, and not yet live. */
  async #stage(options: {
    readonly ref: string;
    readonly commit: string;
    readonly candidate: Candidate;
    readonly manifest: string;
    readonly vetted: Vetted;
  }): Promise<void> {
    const { ref, commit, candidate, manifest, vetted } = options;
    const { artifacts } = this.#deployments.options;
    const artifact = artifactName(vetted.module);
    const bundle = candidate.effective.files?.bundle ?? null;
    const row = await this.#deployments.keeping(bundle === null ? [artifact] : [artifact, bundle], async () => {
      await artifacts.put(artifact, vetted.bytes);
      if (bundle !== null) await artifacts.put(bundle, encodeBundle(candidate.files));
      if (!this.#push.handlerExists) await this.#createHandler();
      return this.#deployments.store.stage({
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
    await this.#deployments.prepare(row, this.#push.handlerName, this.#staged);
  }

  async #read(commit: string, objects: PushedObjects): Promise<Candidate> {
    const entries = await objects.list(commit);
    checkTree(entries, commit);
    const small = async (path: string) => {
      const entry = findFile(entries, path);
      if (entry === null) return null;
      if (entry.size > pushLimits.manifestBytes)
        throw new PlatformError('manifest_invalid', `${path} has more than ${size(pushLimits.manifestBytes)}`);
      return objects.read(entry.oid, pushLimits.manifestBytes);
    };
    const manifest = readManifest({ toml: await small(manifestFile), olin: await small(olinPolicyFile) });
    const { entry, source } = findModule(entries, manifest, commit);
    const fileEntries = findFiles(entries, manifest);
    const content = await objects.read(entry.oid, pushLimits.moduleBytes);
    const bytes = source === 'h' ? compileH(Buffer.from(content).toString('utf8')) : content;
    const files = await readFiles(fileEntries, objects);
    return { modulePath: entry.path, source, bytes, manifest, effective: effectiveOf(manifest, files), files };
  }

  async #sizeOf(live: DeploymentRow): Promise<number | null> {
    return (await this.#deployments.store.artifactModule(live.artifact))?.originalBytes ?? null;
  }

  async #createHandler(): Promise<void> {
    const { handlerId, handlerName, user } = this.#push;
    await this.#deployments.options.handlers.create({ id: handlerId, name: handlerName, ownerId: user.id });
    this.#created = true;
    await this.#deployments.handlerCreated(handlerId);
  }

  /** Undoes what was done, and tells the owner's log of an existing handler. */
  async #refused(error: unknown): Promise<void> {
    const { handlerId, handlerName } = this.#push;
    const { options, store } = this.#deployments;
    if (!(error instanceof PlatformError)) options.report(`a push to ${handlerName} failed`, error);
    else if (error.code === 'vet_failed') options.report(`a module pushed to ${handlerName} failed the check`, error);
    const why = error instanceof PlatformError ? error.message : 'something failed on our side';
    const staged = this.#staged;
    this.#staged = null;
    try {
      if (this.#created) {
        await this.#deployments.handlerDeleted(handlerId);
        await store.removeHandler(handlerId);
        return;
      }
      if (staged !== null) await store.fail(staged.row.id, why);
      if (this.#push.handlerExists) await this.#log('error', staged?.row.number ?? 0, `push refused: ${why}`);
    } catch (cause) {
      options.report(`a refused push to ${handlerName} could not be undone`, cause);
    }
  }

  async #log(level: 'info' | 'error', deployment: number, text: string): Promise<void> {
    await this.#deployments.log(this.#push.handlerName, deployment, level, text);
  }
}

async function readFiles(entries: readonly TreeEntry[], objects: PushedObjects): Promise<readonly TreeFile[]> {
  const files: TreeFile[] = [];
  for (const { path, oid } of entries) files.push({ path, bytes: await objects.read(oid, pushLimits.fileBytes) });
  return files;
}

function effectiveOf(manifest: Manifest, files: readonly TreeFile[]): EffectiveManifest {
  const { abi, limits, policy, env, passAuthorization, filesRoot } = manifest;
  return {
    abi,
    limits,
    policy: policy === null ? null : { allow: [...policy.allow], disallow: [...policy.disallow] },
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
  };
}

/** What only the vetted module can show to contradict the manifest. */
function checkAgainstManifest(vetted: Vetted, { manifest, modulePath }: Candidate): void {
  const { abis, memory } = vetted.module.plan;
  const others = manifest.abi === 'auto' ? [] : abis.filter((abi) => abi !== manifest.abi);
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

/** UX.md, Push output. */
function received(handler: string, update: RefUpdate): string {
  const what = update.ref.startsWith('refs/tags/') ? `tag ${tagOf(update.ref)}` : branchOf(update.ref);
  if (update.new === null) return step(`${handler}: deleted ${what}`);
  if (update.ref.startsWith('refs/tags/')) return step(`${handler}: received ${what} (tags deploy nothing)`);
  const was = update.old === null ? '' : ` (was ${shortCommit(update.old)})`;
  return step(`${handler}: received ${what} @ ${shortCommit(update.new)}${was}`);
}

function found({ modulePath, source, bytes }: Candidate, sha256: string, before: number | null): string {
  const change = before === null || before === bytes.length ? '' : `, ${sizeChange(bytes.length - before)}`;
  return `found ${shortPath(modulePath)} (${source === 'h' ? 'compiled: ' : ''}${size(bytes.length)}${change}, sha256 ${sha256.slice(0, 8)})`;
}

function validated({ module, rewriteMs, compileMs }: Vetted): string {
  const { abis, imports } = module.plan;
  const ms = Math.max(1, Math.round(rewriteMs + compileMs));
  const which = imports.length === 0 ? 'no imports' : `${count(imports.length, 'import')}, all provided`;
  return `validated: ${abis.join(' + ')}${abis.length === 0 ? '' : ', '}${which} (${ms} ms)`;
}

function deleteRefused(handler: string, branch: string | null): PlatformError {
  return new PlatformError('conflict', `${branch} is the deploy branch and cannot be deleted`, {
    hints: [`to delete the handler: wasmcloud delete ${handler}`],
  });
}

/** The deploy branch of a new handler: the only one pushed; of several, the one that most likely is meant. */
function firstBranch(updates: readonly RefUpdate[]): string | null {
  const branches = updates.filter(({ ref, new: commit }) => ref.startsWith('refs/heads/') && commit !== null);
  const names = branches.map(({ ref }) => branchOf(ref));
  return names.find((name) => name === 'main') ?? names.find((name) => name === 'master') ?? names[0] ?? null;
}

function branchOf(ref: string): string {
  return ref.replace(/^refs\/heads\//, '');
}

function tagOf(ref: string): string {
  return ref.replace(/^refs\/tags\//, '');
}
