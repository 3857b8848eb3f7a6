/**
 * Checks a data folder and its database, and says what is wrong and what to type. With `repair` it makes repairs that
 * lose nothing: modes of files, pins of live commits, leftovers of interrupted work. Otherwise it changes nothing.
 */
import { chmod, lstat, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { MIB } from '../../protocol/limits.ts';
import { Sealer } from '../accounts/sealer.ts';
import { ArtifactStore } from '../artifacts/artifact-store.ts';
import { checkAudit } from '../audit/chain.ts';
import { type DatabaseLocation, openAsItIs } from '../db/database.ts';
import { appliedMigrations, migrationNames } from '../db/migrate.ts';
import type { Schema } from '../db/schema.ts';
import { readEffectiveManifest } from '../deploy/effective-manifest.ts';
import { type Complaint, type FolderFinding, ifMissing } from './findings.ts';
import { checkRepositories } from './repository-checks.ts';
import { opens, sealedKinds, sealedValues } from './sealed-values.ts';

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
    const { dataFolder, identity, gitEnvironment } = this.#options;
    const found = (complaint: Complaint): Promise<void> => this.#found(complaint);
    await checkRepositories(db, { dataFolder, controlId: identity?.controlId, gitEnvironment, found });
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
}
