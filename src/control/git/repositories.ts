/**
 * Keeps the bare repositories of control, one per handler, named by the handler's opaque id and never by a user's text.
 * Each one includes the same configuration file, which is written at every start, so that a moved program or a new rule
 * applies to old repositories too.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, cp, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SimpleGit, simpleGit } from 'simple-git';
import { PlatformError } from '../../protocol/errors.ts';
import type { RepoHome } from '../../protocol/ports.ts';
import type { RefUpdate } from '../../protocol/push.ts';
import { readRef, writeRef } from './ref-files.ts';
import { claimHere } from './repo-home.ts';
import { repositoryConfigText, sharedConfig, sharedConfigText } from './repository-config.ts';
import type { KeptRepository, RepositoryKeeper } from './repository-keeper.ts';
import { RepositoryObjects } from './repository-objects.ts';
import { pinPrefix } from './repository-records.ts';

export interface RepositoriesOptions {
  /** Absolute path of DATA/repos. */
  readonly folder: string;
  /** Absolute path of the program's folder hooks. */
  readonly hooksFolder: string;
  /** Environment of git, made by gitEnvironment(). */
  readonly environment: Readonly<Record<string, string>>;
  /** Tells which control holds a repository; absent: this control holds all. */
  readonly home?: RepoHome;
  /** Records pushes for other controls; absent: the repositories on this disk are the only ones. */
  readonly keeper?: RepositoryKeeper;
}

/** The commit of a Deployment, and the ref that was pushed. */
export interface PinnedCommit {
  /** Number of the Deployment. */
  readonly number: number;
  readonly commit: string;
  readonly ref: string;
}

/** Records one push for other controls, from git's pre-receive hook until git has ended. */
export interface PushRecord {
  /** Notes that git may move refs from now on. */
  begin(): Promise<void>;
  /** Stores what the push has brought, after git has moved the refs; the first Release of the push then records it. */
  prepare(updates: readonly RefUpdate[]): Promise<void>;
  /** Records the push unless a Release has done so. Throws `conflict` when another control has taken over. */
  commit(): Promise<void>;
  /** Sets the refs back to the record at the next use. */
  giveUp(): Promise<void>;
}

/** Repositories that one round of maintenance packs, one after the other. */
const maintainedMax = 50;
/** Milliseconds that a git command may be silent: git gc of a large repository prints nothing for a while. */
const gitSilenceMsMax = 5 * 60_000;
/** Pattern of the platform's ids: no id is an option to git. */
const idPattern = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
const oidPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const suffix = '.git';
/** Name of the template; no id starts with a dot. */
const templateName = '.empty.git';
const gitPidFile = 'trisiel-git';
/** Milliseconds after which a process that SIGKILL has not ended hangs in the kernel. */
const orphanMsMax = 5_000;

export class Repositories {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #home: RepoHome | null;
  readonly #keeper: RepositoryKeeper | null;

  private constructor(options: RepositoriesOptions) {
    this.#folder = options.folder;
    this.#environment = options.environment;
    this.#home = options.home ?? null;
    this.#keeper = options.keeper ?? null;
  }

  /**
   * Creates the folder, its configuration and the template, and removes drafts of an earlier control. Throws
   * `unavailable` when git would not run the hook, since it would then accept every push unchecked.
   */
  static async open(options: RepositoriesOptions): Promise<Repositories> {
    const { folder, hooksFolder } = options;
    const hook = join(hooksFolder, 'pre-receive');
    await access(hook, constants.X_OK).catch((cause: unknown) => {
      throw new PlatformError('unavailable', `git cannot run the hook ${hook}`, {
        hints: [`chmod 755 ${hook}`],
        cause,
      });
    });
    await mkdir(join(folder, '.home'), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, sharedConfig), sharedConfigText(hooksFolder), { mode: 0o600 });
    for (const entry of await readdir(folder))
      if (entry.startsWith('.new-')) await rm(join(folder, entry), { recursive: true, force: true });
    const repositories = new Repositories(options);
    await repositories.#makeTemplate();
    return repositories;
  }

  /** Path of an empty repository, which a push to a new name reads. Nothing is ever written to it. */
  get emptyPath(): string {
    return join(this.#folder, templateName);
  }

  /** Folder for packs that arrive; its files lose their names at once. */
  get spoolFolder(): string {
    return join(this.#folder, '.incoming');
  }

  /** Returns the path of a repository, which need not exist. Throws TypeError on anything but an id. */
  pathOf(id: string): string {
    if (!idPattern.test(id)) throw new TypeError(`not a repository id: ${JSON.stringify(id)}`);
    return join(this.#folder, `${id}${suffix}`);
  }

  /**
   * Makes the repository unless it is there already; returns its path. Throws `conflict` where another control holds
   * it.
   */
  async create(id: string): Promise<string> {
    const path = this.pathOf(id);
    if (this.#keeper !== null) await this.#keeper.ready(this.#kept(id));
    else if (this.#home !== null) await claimHere(this.#home, id);
    await this.#make(path);
    return path;
  }

  async #make(path: string): Promise<void> {
    if (existsSync(path)) return;
    // Copies the template, which has two small files: git init takes ten times as long. Renamed when whole.
    const draft = join(this.#folder, `.new-${randomBytes(8).toString('hex')}`);
    await cp(this.emptyPath, draft, { recursive: true });
    await rename(draft, path).catch(async (error: NodeJS.ErrnoException) => {
      await rm(draft, { recursive: true, force: true });
      // Another copy was faster (a fetch beside a push), which is equally good.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  }

  /**
   * Returns a reader of a repository's objects, and takes the repository if no living control has it. Throws `conflict`
   * where another control holds it.
   */
  async objectsOf(id: string): Promise<RepositoryObjects> {
    return new RepositoryObjects({ path: await this.create(id), environment: this.#environment });
  }

  async remove(id: string): Promise<void> {
    await rm(this.pathOf(id), { recursive: true, force: true });
    if (this.#keeper !== null) await this.#keeper.forget(id);
    else await this.#home?.forget(id);
  }

  /** Returns the record of a push to a repository; null where pushes are not recorded. */
  recordOf(id: string): PushRecord | null {
    const keeper = this.#keeper;
    if (keeper === null) return null;
    const kept = this.#kept(id);
    return {
      begin: () => keeper.begin(kept),
      prepare: (updates) => keeper.prepare(kept, updates),
      commit: () => keeper.commit(kept),
      giveUp: () => keeper.giveUp(kept),
    };
  }

  #kept(id: string): KeptRepository {
    const path = this.pathOf(id);
    return { id, path, make: () => this.#make(path) };
  }

  /** Whether commands on the repository make sense here: without a keeper always. */
  #isHere(id: string): boolean {
    return this.#keeper === null || (this.#keeper.holds(id) && existsSync(this.pathOf(id)));
  }

  /** Returns those of `ids` that another control holds. Claims the others for this one. */
  async elsewhere(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (this.#home === null) return new Set();
    const { self } = this.#home;
    const homes = await this.#home.claim(ids);
    return new Set(ids.filter((id) => homes.get(id) !== self));
  }

  /** Returns the ids of all repositories on disk. */
  async list(): Promise<readonly string[]> {
    const entries = await readdir(this.#folder);
    return entries
      .filter((entry) => entry.endsWith(suffix) && !entry.startsWith('.'))
      .map((entry) => entry.slice(0, -suffix.length));
  }

  /** Returns every ref: name -> object id. Where pushes are recorded: those of the record, without pins. */
  async refs(id: string): Promise<ReadonlyMap<string, string>> {
    const recorded = (await this.#keeper?.refs(id)) ?? null;
    if (recorded !== null) return recorded;
    const lines = await this.#git(id).raw(['for-each-ref', '--format=%(objectname) %(refname)']);
    return new Map(
      lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]),
    );
  }

  /**
   * Keeps the commit of Deployment `number`, which was pushed as `ref`, for ever: `git fetch wasmcloud
   * 'refs/deployments/*'`. Does nothing where another control holds the repository: the one that takes it next makes
   * the pins.
   */
  async pin(id: string, { number, commit, ref }: PinnedCommit): Promise<void> {
    if (!oidPattern.test(commit) || !Number.isSafeInteger(number)) throw new TypeError('not a commit to pin');
    if (!this.#isHere(id)) return;
    const path = this.pathOf(id);
    // After a push the ref leads to the commit, so it is there; else git looks whether it is.
    if ((await readRef(path, ref)) === commit) await writeRef(path, pinOf(number), commit);
    else await this.#run(id, ['update-ref', pinOf(number), commit]);
  }

  /**
   * Removes the pin of a dropped Deployment's commit, which git then removes unless another ref holds it. No error
   * without a pin.
   */
  async unpin(id: string, number: number): Promise<void> {
    if (!Number.isSafeInteger(number)) throw new TypeError('not a pin');
    if (!this.#isHere(id)) return;
    if (await this.pinned(id, number)) await this.#run(id, ['update-ref', '-d', pinOf(number)]);
  }

  /**
   * Packs a repository and removes objects that no ref reaches. Objects younger than an hour stay: a push that runs
   * meanwhile may be about to refer to them.
   */
  async collect(id: string): Promise<void> {
    if (this.has(id)) await this.#run(id, ['gc', '--quiet', '--prune=1.hour.ago']);
  }

  /** Returns whether the repository is on this control's disk, and no other control is known to hold it. */
  has(id: string): boolean {
    return existsSync(this.pathOf(id)) && this.#isHere(id);
  }

  /**
   * Returns the bytes of all files of a repository, including a push that is being received; 0 without a repository.
   */
  async bytes(id: string): Promise<number> {
    return folderBytes(this.pathOf(id));
  }

  /** Returns whether the commit of Deployment `number` is pinned. Starts no git. */
  async pinned(id: string, number: number): Promise<boolean> {
    return (await readRef(this.pathOf(id), pinOf(number))) !== null;
  }

  /** Sets the branch that a clone checks out; `main` in a new repository. `branch`: a name that git has accepted. */
  async setHead(id: string, branch: string): Promise<void> {
    if (branch === 'main' || !this.#isHere(id)) return;
    await this.#run(id, ['symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
  }

  /** Stores the id of the git process that works on a push, since it may outlive a killed control. */
  async noteGit(id: string, pid: number): Promise<void> {
    await writeFile(join(this.pathOf(id), gitPidFile), String(pid), { mode: 0o600 });
  }

  /**
   * Ends a git process that a killed control left behind. After that the refs are final and tell the outcome of the
   * push. Throws `unavailable` if the process does not end.
   */
  async endOrphan(id: string): Promise<void> {
    const text = await readFile(join(this.pathOf(id), gitPidFile), 'utf8').catch(() => '');
    const pid = Number(text);
    if (!Number.isSafeInteger(pid) || pid <= 1) return;
    const end = performance.now() + orphanMsMax;
    // Compares the command line too: the process id may belong to another process now.
    while ((await commandOf(pid)).includes(`receive-pack --stateless-rpc ${this.pathOf(id)}`)) {
      process.kill(pid, 'SIGKILL');
      if (performance.now() > end) throw new PlatformError('unavailable', `git ${pid} does not end`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /**
   * Removes quarantines and notes of pushes that were killed. Must be called only while no push to this repository
   * runs.
   */
  async sweep(id: string): Promise<void> {
    await rm(join(this.pathOf(id), gitPidFile), { force: true });
    const objects = join(this.pathOf(id), 'objects');
    const entries = await readdir(objects).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    for (const entry of entries) {
      if (entry.startsWith('tmp_objdir-') || entry.startsWith('incoming-'))
        await rm(join(objects, entry), { recursive: true, force: true });
    }
  }

  /**
   * Packs the repositories that need it most after many pushes, and drops objects unreachable for two weeks (git's
   * default). Pushes may go on meanwhile. Removes copies of repositories that another control holds now. Returns the
   * number of packed repositories.
   */
  async maintain(): Promise<number> {
    let packed = 0;
    const all = await this.list();
    const elsewhere = this.#keeper === null ? new Set<string>() : await this.elsewhere(all);
    for (const id of elsewhere) await rm(this.pathOf(id), { recursive: true, force: true });
    for (const id of all) {
      if (elsewhere.has(id)) continue;
      if (packed >= maintainedMax) break;
      if (!(await this.#isScattered(id))) continue;
      await this.#run(id, ['gc', '--quiet']);
      packed += 1;
    }
    return packed;
  }

  /**
   * Returns whether git gc is due by git's own measure (gc.auto, gc.autoPackLimit); one of the 256 folders of objects
   * is taken as a sample.
   */
  async #isScattered(id: string): Promise<boolean> {
    const files = async (folder: string) => readdir(join(this.pathOf(id), 'objects', folder)).catch(() => []);
    const packs = (await files('pack')).filter((name) => name.endsWith('.pack'));
    return packs.length > 20 || (await files('17')).length > 4;
  }

  /** Runs a git command without output: simple-git would wait 50 ms more for it, in every push. */
  #run(id: string, args: readonly string[]): Promise<void> {
    const options = { cwd: this.pathOf(id), env: { ...this.#environment }, timeout: gitSilenceMsMax };
    return new Promise((resolve, reject) => {
      execFile('git', [...args], options, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Returns an object that runs git commands whose output is read. */
  #git(id: string): SimpleGit {
    return simpleGit({
      baseDir: this.pathOf(id),
      // The environment is fixed by control; simple-git's guards are for values from users.
      unsafe: { allowUnsafeConfigPaths: true },
      allowEnvironment: Object.keys(this.#environment),
      // Commands on a repository are short; one that hangs must not hold its lock for ever.
      timeout: { block: gitSilenceMsMax },
    }).env({ ...this.#environment });
  }

  async #makeTemplate(): Promise<void> {
    const path = this.emptyPath;
    await rm(path, { recursive: true, force: true });
    for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags'])
      await mkdir(join(path, folder), { recursive: true, mode: 0o700 });
    await writeFile(join(path, 'HEAD'), 'ref: refs/heads/main\n');
    await writeFile(join(path, 'config'), repositoryConfigText);
  }
}

/** Returns the ref that pins the commit of Deployment `number`. */
function pinOf(number: number): string {
  return `${pinPrefix}${number}`;
}

/** Returns the sum of the sizes of all files below `folder`. Files that vanish meanwhile count 0. */
async function folderBytes(folder: string): Promise<number> {
  const gone = (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  };
  const entries = (await readdir(folder, { withFileTypes: true }).catch(gone)) ?? [];
  let total = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    total += entry.isDirectory() ? await folderBytes(path) : ((await lstat(path).catch(gone))?.size ?? 0);
  }
  return total;
}

/** Returns the command line of a process; '' when there is none. */
function commandOf(pid: number): Promise<string> {
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'args=', '-p', String(pid)], (_error, stdout) => resolve(stdout));
  });
}
