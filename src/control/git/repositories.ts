/**
 * Keeps the bare repositories of control, one per handler, named by the handler's opaque id: never by anything
 * a user wrote. The configuration of all of them stands in one file that each includes and that is written anew at
 * every start, so a moved program or a new rule reaches old repositories too.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, cp, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SimpleGit, simpleGit } from 'simple-git';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { RepoHome } from '../../protocol/ports.ts';
import { claimHere } from './repo-home.ts';

export interface RepositoriesOptions {
  /** DATA/repos. Absolute. */
  readonly folder: string;
  /** <program>/hooks. Absolute. */
  readonly hooksFolder: string;
  /** gitEnvironment(). */
  readonly environment: Readonly<Record<string, string>>;
  /** Where other controls may hold repositories; without it all are this control's. */
  readonly home?: RepoHome;
}

/** Repositories that one round of maintenance packs, one after the other. */
const maintainedMax = 50;
/** Milliseconds that a git command may be silent: git gc of a large repository says nothing for a while. */
const gitSilenceMsMax = 5 * 60_000;
/** An id of the platform's own: opaque, and no option to git. */
const idPattern = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
const oidPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const suffix = '.git';
/** A dot in front: no id starts with one. */
const templateName = '.empty.git';
const sharedConfig = '.config';
/** Configuration of each repository itself. */
export const repositoryConfigText = `[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[include]\n\tpath = ../${sharedConfig}\n`;
const gitPidFile = 'trisiel-git';
/** Milliseconds: a process that SIGKILL has not ended by then hangs in the kernel. */
const orphanMsMax = 5_000;

export class Repositories {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #home: RepoHome | null;

  private constructor(options: RepositoriesOptions) {
    this.#folder = options.folder;
    this.#environment = options.environment;
    this.#home = options.home ?? null;
  }

  /**
   * Makes the folder, its configuration and the template, and removes drafts of an earlier control. Throws
   * `unavailable` where git would not run the hooks: it would accept every push unseen.
   */
  static async open(options: RepositoriesOptions): Promise<Repositories> {
    const { folder, hooksFolder } = options;
    for (const hook of ['pre-receive', 'post-receive']) {
      await access(join(hooksFolder, hook), constants.X_OK).catch((cause: unknown) => {
        throw new PlatformError('unavailable', `git cannot run the hook ${join(hooksFolder, hook)}`, {
          hints: [`chmod 755 ${join(hooksFolder, hook)}`],
          cause,
        });
      });
    }
    await mkdir(join(folder, '.home'), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, sharedConfig), sharedConfigText(hooksFolder), { mode: 0o600 });
    for (const entry of await readdir(folder))
      if (entry.startsWith('.new-')) await rm(join(folder, entry), { recursive: true, force: true });
    const repositories = new Repositories(options);
    await repositories.#makeTemplate();
    return repositories;
  }

  /** Path of an empty repository, which a push to a name without a handler is shown. Nothing is ever written to it. */
  get emptyPath(): string {
    return join(this.#folder, templateName);
  }

  /** Folder for packs that arrive; nothing in it has a name for long. */
  get spoolFolder(): string {
    return join(this.#folder, '.incoming');
  }

  /** Returns the path of a repository, which need not exist. Throws TypeError on anything but an id. */
  pathOf(id: string): string {
    if (!idPattern.test(id)) throw new TypeError(`not a repository id: ${JSON.stringify(id)}`);
    return join(this.#folder, `${id}${suffix}`);
  }

  /** Makes the repository unless it is there already; returns its path. Throws `conflict` where another control holds it. */
  async create(id: string): Promise<string> {
    const path = this.pathOf(id);
    if (this.#home !== null) await claimHere(this.#home, id);
    if (existsSync(path)) return path;
    // A copy of the template is two small files: git init takes ten times as long. Renamed when whole.
    const draft = join(this.#folder, `.new-${randomBytes(8).toString('hex')}`);
    await cp(this.emptyPath, draft, { recursive: true });
    await rename(draft, path).catch(async (error: NodeJS.ErrnoException) => {
      await rm(draft, { recursive: true, force: true });
      // Somebody else's copy was faster (a fetch beside a push): as good as ours.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return path;
  }

  async remove(id: string): Promise<void> {
    await rm(this.pathOf(id), { recursive: true, force: true });
    await this.#home?.forget(id);
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

  /** Returns every ref: name -> object id. */
  async refs(id: string): Promise<ReadonlyMap<string, string>> {
    const lines = await this.#git(id).raw(['for-each-ref', '--format=%(objectname) %(refname)']);
    return new Map(
      lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]),
    );
  }

  /** Keeps the commit of Deployment `number` for ever: `git fetch wasmcloud 'refs/deployments/*'`. */
  async pin(id: string, number: number, commit: string): Promise<void> {
    if (!oidPattern.test(commit) || !Number.isSafeInteger(number)) throw new TypeError('not a commit to pin');
    await this.#run(id, ['update-ref', `refs/deployments/${number}`, commit]);
  }

  /** Lets a dropped Deployment's commit go, unless another ref holds it. No error where there is no such pin. */
  async unpin(id: string, number: number): Promise<void> {
    if (!Number.isSafeInteger(number)) throw new TypeError('not a pin');
    if (await this.pinned(id, number)) await this.#run(id, ['update-ref', '-d', `refs/deployments/${number}`]);
  }

  /**
   * Packs a repository and removes what no ref reaches. Objects younger than an hour stay: a push that runs
   * meanwhile may be about to refer to them.
   */
  async collect(id: string): Promise<void> {
    if (existsSync(this.pathOf(id))) await this.#run(id, ['gc', '--quiet', '--prune=1.hour.ago']);
  }

  /** Says whether the repository lies on this control's disk. */
  has(id: string): boolean {
    return existsSync(this.pathOf(id));
  }

  /** Returns the bytes of all files of a repository, of a push that is being received too; 0 where there is none. */
  async bytes(id: string): Promise<number> {
    return folderBytes(this.pathOf(id));
  }

  /**
   * Returns whether the commit of Deployment `number` is pinned. Reads files and starts no git: refs of these
   * repositories are files.
   */
  async pinned(id: string, number: number): Promise<boolean> {
    const ref = `refs/deployments/${number}`;
    if (existsSync(join(this.pathOf(id), ref))) return true;
    const packed = await readFile(join(this.pathOf(id), 'packed-refs'), 'utf8').catch(() => '');
    return packed.split('\n').some((line) => line.endsWith(` ${ref}`));
  }

  /** Sets the branch that a clone checks out; `main` in a new repository. git has accepted `branch` as a name before. */
  async setHead(id: string, branch: string): Promise<void> {
    if (branch === 'main') return;
    await this.#run(id, ['symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
  }

  /** Notes which git works on a push to this repository: it outlives a control that is killed. */
  async noteGit(id: string, pid: number): Promise<void> {
    await writeFile(join(this.pathOf(id), gitPidFile), String(pid), { mode: 0o600 });
  }

  /**
   * Ends a git that a killed control left behind. Only then do the refs stand still, and what they say
   * about the push is the last word.
   */
  async endOrphan(id: string): Promise<void> {
    const text = await readFile(join(this.pathOf(id), gitPidFile), 'utf8').catch(() => '');
    const pid = Number(text);
    if (!Number.isSafeInteger(pid) || pid <= 1) return;
    const end = performance.now() + orphanMsMax;
    // By what it is doing, not by number alone: the number may be somebody else's by now.
    while ((await commandOf(pid)).includes(`receive-pack --stateless-rpc ${this.pathOf(id)}`)) {
      process.kill(pid, 'SIGKILL');
      if (performance.now() > end) throw new PlatformError('unavailable', `git ${pid} does not end`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Removes quarantines and notes of pushes that were killed. Call it only while no push to this repository runs. */
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
   * Packs what many pushes left in the repositories that have most of it, and drops objects unreachable
   * for two weeks (git's default). Pushes may go on meanwhile. Returns how many were packed.
   */
  async maintain(): Promise<number> {
    let packed = 0;
    for (const id of await this.list()) {
      if (packed >= maintainedMax) break;
      if (!(await this.#isScattered(id))) continue;
      await this.#run(id, ['gc', '--quiet']);
      packed += 1;
    }
    return packed;
  }

  /**
   * Returns whether git gc is due by git's own measure (gc.auto, gc.autoPackLimit); one of 256 folders of objects
   * stands for all.
   */
  async #isScattered(id: string): Promise<boolean> {
    const files = async (folder: string) => readdir(join(this.pathOf(id), 'objects', folder)).catch(() => []);
    const packs = (await files('pack')).filter((name) => name.endsWith('.pack'));
    return packs.length > 20 || (await files('17')).length > 4;
  }

  /** Runs a git command that prints nothing: simple-git waits 50 ms more for those, in every push. */
  #run(id: string, args: readonly string[]): Promise<void> {
    const options = { cwd: this.pathOf(id), env: { ...this.#environment }, timeout: gitSilenceMsMax };
    return new Promise((resolve, reject) => {
      execFile('git', [...args], options, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Returns what runs git commands whose output is wanted. */
  #git(id: string): SimpleGit {
    return simpleGit({
      baseDir: this.pathOf(id),
      // The environment is ours and fixed; simple-git's guards are against values that come from users.
      unsafe: { allowUnsafeConfigPaths: true },
      allowEnvironment: Object.keys(this.#environment),
      // A repository is read and changed by short commands; one that hangs must not hold its lock for ever.
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

/** Adds up the sizes of all files below `folder`. Files that vanish meanwhile count nothing. */
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

/** Messages of git-fsck(1) about the words of commits and tags, and about how a mode is written. */
const harmlessFindings = [
  'badDate',
  'badDateOverflow',
  'badEmail',
  'badName',
  'badTimezone',
  'missingEmail',
  'missingNameBeforeEmail',
  'missingSpaceBeforeDate',
  'missingSpaceBeforeEmail',
  'multipleAuthors',
  'nulInCommit',
  'zeroPaddedDate',
  'zeroPaddedFilemode',
] as const;

/** Returns the configuration of all repositories. */
function sharedConfigText(hooksFolder: string): string {
  const hooks = hooksFolder.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `# Written at every start; changes are lost.
[core]
	hooksPath = "${hooks}"
	logAllRefUpdates = false
	# An accepted push survives a power cut, as the Deployment made from it does.
	fsync = committed,reference
	fsyncMethod = batch
[receive]
	fsckObjects = true
	maxInputSize = ${pushLimits.packBytes}
	advertisePushOptions = false
	# Deployments are pinned there by control; clients fetch them, but never push them.
	hideRefs = refs/deployments
	denyDeletes = false
	denyNonFastForwards = false
	denyDeleteCurrent = ignore
	# A pack is kept as it came: no object is compressed once more. maintain() joins packs.
	unpackLimit = 1
	# git gc --auto after a push would hold the repository while the next push waits.
	autogc = false
	# What CI has is a clone with --depth 1. Its history ends here where it ends there.
	shallowUpdate = true
[receive "fsck"]
	# Of published histories: objects that today's git would not write and that hurt nobody. Everything that
	# could hurt a reader (.git and .. in trees, names twice, .gitmodules that run something) stays refused.
${harmlessFindings.map((finding) => `\t${finding} = warn\n`).join('')}[gc]
	auto = 0
[uploadpack]
	allowFilter = true
	# A clone with --filter asks for the missing objects by name later.
	allowAnySHA1InWant = true
[http]
	receivepack = true
`;
}
