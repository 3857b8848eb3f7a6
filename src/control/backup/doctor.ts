/**
 * Checks a data folder and its database, and says what is wrong and what to type. With `repair` it makes repairs that
 * lose nothing: modes of files, pins of live commits, leftovers of interrupted work. Otherwise it changes nothing.
 */
import { execFile } from 'node:child_process';
import { chmod, lstat, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Kysely, type Selectable, sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB } from '../../protocol/limits.ts';
import { type SealedTable, Sealer, variableContext } from '../accounts/sealer.ts';
import { factorPlace } from '../accounts/second-factor.ts';
import { ArtifactStore } from '../artifacts/artifact-store.ts';
import { checkAudit } from '../audit/chain.ts';
import { type DatabaseLocation, openAsItIs } from '../db/database.ts';
import { appliedMigrations, migrationNames } from '../db/migrate.ts';
import type { Schema } from '../db/schema.ts';
import { readEffectiveManifest } from '../deploy/effective-manifest.ts';
import { drainPlace } from '../drains/drain-store.ts';
import { readRefs } from '../git/ref-files.ts';

/** One fault. `check` is a stable name, for scripts. */
export interface FolderFinding {
  readonly check: Check;
  /** The fault in one sentence. */
  readonly what: string;
  /** What to type or do. */
  readonly advice: string;
  /** Whether `--repair` repairs the fault. */
  readonly isRepairable: boolean;
  /** Whether the fault has been repaired. */
  readonly isRepaired: boolean;
}

export const checks = [
  'database',
  'schema',
  'identity',
  'modes',
  'key',
  'artifacts',
  'repositories',
  'audit',
  'leftovers',
  'disk',
] as const;
export type Check = (typeof checks)[number];

export interface DoctorOptions {
  /** Absolute path of the data folder. */
  readonly dataFolder: string;
  readonly location: DatabaseLocation;
  /** Content of control.json; null when it cannot be read. */
  readonly identity: { readonly controlId: string; readonly platformId: string } | null;
  /** Whether safe repairs are made. No control may be running with the folder then. */
  readonly repair: boolean;
  /** Environment of git. */
  readonly gitEnvironment: Readonly<Record<string, string>>;
}

/** Free bytes below which a warning is given: backups fail, and users are refused soon. */
const freeBytesMin = 256 * MIB;
const retry = 'restore a backup: trisiel restore FILE';

/** Returns all faults; an empty list when all is well. Throws when the database cannot be opened. */
export async function examine(options: DoctorOptions): Promise<readonly FolderFinding[]> {
  const doctor = new Doctor(options);
  await doctor.run();
  return doctor.findings;
}

interface Complaint {
  readonly check: Check;
  readonly what: string;
  readonly advice: string;
  /** Repairs the fault; absent when no repair is safe. */
  readonly mend?: () => Promise<unknown>;
}

class Doctor {
  readonly findings: FolderFinding[] = [];
  readonly #options: DoctorOptions;

  constructor(options: DoctorOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    await this.#modes();
    await this.#disk();
    await this.#leftovers();
    const db = await openAsItIs(this.#options.location);
    try {
      if (!(await this.#database(db))) return;
      if (!(await this.#schema(db))) return;
      await this.#identity(db);
      await this.#key(db);
      await this.#artifacts(db);
      await this.#repositories(db);
      await this.#audit(db);
    } finally {
      await db.destroy();
    }
  }

  async #found({ mend, ...finding }: Complaint): Promise<void> {
    const isRepairable = mend !== undefined;
    let isRepaired = false;
    if (isRepairable && this.#options.repair) {
      await mend();
      isRepaired = true;
    }
    const advice = isRepairable ? `${finding.advice} (or: trisiel doctor --repair)` : finding.advice;
    this.findings.push({ ...finding, advice, isRepairable, isRepaired });
  }

  /** Checks that other users of the machine cannot read the files. */
  async #modes(): Promise<void> {
    const { dataFolder } = this.#options;
    const { uid } = await stat(dataFolder);
    const names = ['', 'env.key', 'control.json', 'trisiel.db', 'runner.key', 'artifacts', 'repos', 'upgrades'];
    for (const name of names) {
      const path = join(dataFolder, name);
      // Through links, whose own modes mean nothing: under systemd the data folder is one.
      const entry = await stat(path).catch(ifMissing(null));
      if (entry === null || (entry.mode & 0o077) === 0) continue;
      // Where root repairs, the owner could lead it to any file of the machine with a link.
      if (name !== '' && entry.uid !== uid && (await lstat(path)).isSymbolicLink()) continue;
      const mode = entry.isDirectory() ? 0o700 : 0o600;
      await this.#found({
        check: 'modes',
        what: `others on this machine can reach ${path}`,
        advice: `chmod ${mode.toString(8)} ${path}`,
        mend: () => chmod(path, mode),
      });
    }
  }

  async #disk(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#options.dataFolder);
    if (bavail * bsize >= freeBytesMin) return;
    await this.#found({
      check: 'disk',
      what: `the disk has ${Math.floor((bavail * bsize) / MIB)} MiB left`,
      advice: 'make room on it: pushes are refused soon',
    });
  }

  /** Finds temporary files of interrupted work; control removes its own at its start. */
  async #leftovers(): Promise<void> {
    const { dataFolder } = this.#options;
    for (const folder of ['.', 'artifacts', 'repos']) {
      const entries = await readdir(join(dataFolder, folder)).catch(ifMissing<string[]>([]));
      for (const entry of entries) {
        if (!(folder === '.' ? /^\.backup-\d+-[0-9a-f]+$/ : /^\.new-/).test(entry)) continue;
        const path = join(dataFolder, folder, entry);
        await this.#found({
          check: 'leftovers',
          what: `${path} was left by work that was interrupted, unless it runs now`,
          advice: `rm -r ${path}`,
          mend: () => rm(path, { recursive: true, force: true }),
        });
      }
    }
  }

  /** Returns whether the rows can be read. PostgreSQL checks its pages itself. */
  async #database(db: Kysely<Schema>): Promise<boolean> {
    if ('url' in this.#options.location) return true;
    const { file } = this.#options.location;
    const problems = await sql<{ integrity_check: string }>`pragma integrity_check(20)`.execute(db).then(
      ({ rows }) => rows.map((row) => row.integrity_check).filter((text) => text !== 'ok'),
      (error: Error) => [error.message],
    );
    for (const problem of problems)
      await this.#found({ check: 'database', what: `${file} is damaged: ${problem}`, advice: retry });
    if (problems.length > 0) return false;
    const orphans = await sql<{ table: string; parent: string }>`pragma foreign_key_check`.execute(db);
    for (const { table, parent } of orphans.rows)
      await this.#found({
        check: 'database',
        what: `a row of ${table} refers to one of ${parent} that is gone`,
        advice: retry,
      });
    return true;
  }

  /** Returns whether the schema is that of this program. */
  async #schema(db: Kysely<Schema>): Promise<boolean> {
    const applied = await appliedMigrations(db);
    const unknown = applied.filter((name) => !migrationNames.includes(name));
    if (unknown.length > 0)
      await this.#found({
        check: 'schema',
        what: `a newer Trisiel has changed the database: ${unknown.join(', ')}`,
        advice: 'use that version, or the database kept in the folder upgrades',
      });
    else if (applied.length < migrationNames.length)
      await this.#found({
        check: 'schema',
        what: applied.length === 0 ? 'the database holds no platform' : 'the database is of an earlier version',
        advice: 'start the platform, which brings it up to date: trisiel serve',
      });
    return applied.length === migrationNames.length && unknown.length === 0;
  }

  async #identity(db: Kysely<Schema>): Promise<void> {
    const query = db.selectFrom('settings').select('value').where('key', '=', 'platform_id');
    const platformId = (await query.executeTakeFirst())?.value;
    const { identity, dataFolder } = this.#options;
    if (identity === null)
      await this.#found({
        check: 'identity',
        what: `${join(dataFolder, 'control.json')} is missing or damaged`,
        advice: retry,
      });
    else if (identity.platformId !== platformId)
      await this.#found({
        check: 'identity',
        what: 'folder and database belong to different platforms',
        advice: 'name the pair that belongs together with TRISIEL_DATA and TRISIEL_DATABASE',
      });
  }

  /** Opens every sealed value once: only that shows that the key is the right one. */
  async #key(db: Kysely<Schema>): Promise<void> {
    const values = await sealedValues(db);
    if (values.length === 0) return;
    const keyFile = join(this.#options.dataFolder, 'env.key');
    const sealer = await Sealer.openExisting(keyFile).catch((error: unknown) => {
      if (error instanceof PlatformError) return error;
      throw error;
    });
    if (sealer === null || sealer instanceof PlatformError) {
      const what = sealer === null ? `${keyFile} is missing` : sealer.message;
      await this.#found({ check: 'key', what, advice: sealer?.hints[0] ?? 'put it back from a backup' });
      return;
    }
    for (const [kind, again] of Object.entries(sealedKinds)) {
      const all = values.filter((value) => value.kind === kind);
      const closed = all.filter((value) => !opens(sealer, value));
      if (closed.length > 0)
        await this.#found({
          check: 'key',
          what: `${keyFile} opens ${all.length - closed.length} of ${all.length} sealed ${kind}`,
          advice: `put the right key back from a backup, or ${again}`,
        });
    }
  }

  async #artifacts(db: Kysely<Schema>): Promise<void> {
    const store = await ArtifactStore.openAsItIs(join(this.#options.dataFolder, 'artifacts'));
    const rows = await db
      .selectFrom('deployments')
      .innerJoin('handlers', 'handlers.id', 'deployments.handler_id')
      .select([
        'handlers.name',
        'deployments.number',
        'deployments.state',
        'deployments.artifact',
        'deployments.manifest',
      ])
      .execute();
    const users = new Map<string, string[]>();
    for (const row of rows) {
      const { files } = readEffectiveManifest(row.manifest);
      const title = `${row.name} v${row.number}${row.state === 'live' ? ' (live)' : ''}`;
      for (const name of files === null ? [row.artifact] : [row.artifact, files.bundle])
        users.set(name, [...(users.get(name) ?? []), title]);
    }
    // Where several controls may work, the disk is a cache of what the database holds.
    const shared = new Set((await db.selectFrom('blobs').select('name').execute()).map(({ name }) => name));
    for (const [name, titles] of users) {
      if (shared.has(name) || (await store.has(name))) continue;
      await this.#found({
        check: 'artifacts',
        what: `artifact ${name} is missing or damaged; ${titles.slice(0, 5).join(', ')} cannot start`,
        advice: 'push a new commit of it, or restore a backup',
      });
    }
    const known = new Set((await db.selectFrom('artifacts').select('name').execute()).map(({ name }) => name));
    for (const name of await store.list()) {
      if (users.has(name) || known.has(name)) continue;
      await this.#found({
        check: 'artifacts',
        what: `artifact ${name} belongs to nothing`,
        advice: 'nothing: the platform collects it within hours',
        mend: () => store.remove(name),
      });
    }
  }

  async #repositories(db: Kysely<Schema>): Promise<void> {
    const { dataFolder, identity } = this.#options;
    const folder = join(dataFolder, 'repos');
    const homes = await db.selectFrom('repository_homes').select(['repository_id', 'home', 'is_recorded']).execute();
    const recorded = new Set(homes.filter((row) => Number(row.is_recorded) === 1).map((row) => row.repository_id));
    const elsewhere = new Set(homes.filter(({ home }) => home !== identity?.controlId).map((row) => row.repository_id));
    const handlers = await db.selectFrom('handlers').select(['id', 'name']).execute();
    const entries = await readdir(folder).catch(ifMissing<string[]>([]));
    const there = new Set(entries.filter((entry) => /^[^.].*\.git$/.test(entry)).map((entry) => entry.slice(0, -4)));
    for (const { id, name } of handlers) {
      if (elsewhere.has(id)) continue;
      const deployments = await db
        .selectFrom('deployments')
        .select(['number', 'commit', 'ref', 'state', 'branch'])
        .where('handler_id', '=', id)
        .execute();
      if (there.has(id)) await this.#repository(join(folder, `${id}.git`), { name, deployments });
      else if (deployments.length > 0 && !recorded.has(id))
        await this.#found({
          check: 'repositories',
          what: `the repository of ${name} is missing`,
          advice: `restore a backup, or push again from a clone: git push --force wasmcloud`,
        });
    }
    const ids = new Set(handlers.map(({ id }) => id));
    for (const id of there) {
      if (ids.has(id)) continue;
      const path = join(folder, `${id}.git`);
      await this.#found({
        check: 'repositories',
        what: `${path} belongs to no handler`,
        advice: 'nothing: the platform removes it at its next start',
        mend: () => rm(path, { recursive: true, force: true }),
      });
    }
  }

  async #audit(db: Kysely<Schema>): Promise<void> {
    const result = await checkAudit(db);
    if (result.ok) return;
    await this.#found({
      check: 'audit',
      what: `the audit was changed by somebody else than the platform: entry ${result.number}: ${result.problem}`,
      advice: 'find out who can write to the database; compare with an export: wasmcloud audit --all --export',
    });
  }

  async #repository(
    path: string,
    {
      name,
      deployments,
    }: {
      readonly name: string;
      readonly deployments: readonly Pick<
        Selectable<Schema['deployments']>,
        'number' | 'commit' | 'ref' | 'state' | 'branch'
      >[];
    },
  ): Promise<void> {
    const broken = await this.#git(path, ['fsck', '--connectivity-only', '--no-dangling', '--no-progress']);
    if (broken !== null)
      await this.#found({
        check: 'repositories',
        what: `the repository of ${name} is damaged: ${broken}`,
        advice: 'restore a backup, or push it again from a clone',
      });
    const refs = await readRefs(path);
    for (const live of deployments.filter(({ state }) => state === 'live')) {
      if (refs.get(`refs/deployments/${live.number}`) === live.commit) continue;
      const has = (await this.#git(path, ['cat-file', '-e', `${live.commit}^{commit}`])) === null;
      const pin = `refs/deployments/${live.number}`;
      await this.#found({
        check: 'repositories',
        what: `the commit of ${name} v${live.number}, which is live, is ${has ? 'not pinned' : 'missing in its repository'}`,
        advice: has ? `git -C ${path} update-ref ${pin} ${live.commit}` : 'push it again from a clone',
        ...(has ? { mend: () => this.#git(path, ['update-ref', pin, live.commit]) } : {}),
      });
    }
    // Expects the deploy branch at the commit of its newest Deployment that did not fail. A branch with a preview may
    // be elsewhere: git accepts it even when its preview cannot run.
    for (const ref of new Set(deployments.filter(({ branch }) => branch === '').map((one) => one.ref))) {
      const newest = deployments
        .filter((one) => one.ref === ref && one.state !== 'failed')
        .sort((a, b) => b.number - a.number)[0];
      const at = refs.get(ref);
      if (newest === undefined || at === undefined || newest.state === 'staged' || at === newest.commit) continue;
      if (deployments.some((one) => one.ref === ref && one.commit === at && one.state !== 'failed')) continue;
      await this.#found({
        check: 'repositories',
        what: `${ref} of ${name} is at ${at.slice(0, 7)}, which was never deployed; v${newest.number} is ${newest.commit.slice(0, 7)}`,
        advice: `git push --force wasmcloud ${newest.commit.slice(0, 7)}:${ref}, then push the branch again`,
      });
    }
  }

  /** Runs git. Returns null on success, else the first line of its message. */
  #git(path: string, args: readonly string[]): Promise<string | null> {
    return new Promise((resolve) => {
      // `safe.directory`: the doctor may run as root on a folder of another user.
      execFile(
        'git',
        ['-c', 'safe.directory=*', '-C', path, ...args],
        { env: { ...this.#options.gitEnvironment }, maxBuffer: 16 * MIB },
        (error, stdout, stderr) =>
          resolve(error === null ? null : (`${stderr}${stdout}`.trim().split('\n')[0] ?? 'git failed')),
      );
    });
  }
}

/** Kinds of sealed values, with what to do about values that cannot be opened. */
const sealedKinds = {
  variables: 'set the variables again',
  drains: 'set the drains again',
  'second factors': 'take the second factors away',
} as const;

interface SealedValue {
  readonly kind: keyof typeof sealedKinds;
  /** Place that the value is sealed for. */
  readonly place: readonly string[];
  readonly sealed: string;
}

/** Returns all values that only the key of the folder opens, and that are lost without it. */
async function sealedValues(db: Kysely<Schema>): Promise<readonly SealedValue[]> {
  const lists = await Promise.all(Object.values(sealedReaders).map((read) => read(db)));
  return lists.flat();
}

/** Reads the sealed values of each table that has some. */
const sealedReaders: Readonly<Record<SealedTable, (db: Kysely<Schema>) => Promise<readonly SealedValue[]>>> = {
  handler_env: async (db) => {
    const rows = await db.selectFrom('handler_env').select(['handler_id', 'branch', 'key', 'sealed']).execute();
    return rows.map(({ handler_id, branch, key, sealed }) => ({
      ...{ kind: 'variables', place: variableContext({ handlerId: handler_id, branch, key }), sealed },
    }));
  },
  drains: async (db) => {
    const rows = await db.selectFrom('drains').select(['id', 'sealed']).execute();
    return rows.map(({ id, sealed }) => ({ kind: 'drains', place: drainPlace(id), sealed }));
  },
  users: async (db) => {
    const rows = await db.selectFrom('users').select(['id', 'totp_sealed']).execute();
    return rows.flatMap(({ id, totp_sealed }) =>
      totp_sealed === null ? [] : [{ kind: 'second factors', place: factorPlace(id), sealed: totp_sealed }],
    );
  },
};

function opens(sealer: Sealer, { place, sealed }: SealedValue): boolean {
  try {
    sealer.unseal(place, sealed);
    return true;
  } catch {
    return false;
  }
}

function ifMissing<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
