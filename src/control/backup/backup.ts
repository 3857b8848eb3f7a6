/**
 * Backs up a data folder and its database while a server works with them. First the database is read, in one
 * transaction; then the files that it refers to are linked into a separate folder within moments, so that nothing can
 * remove them; then the archive is written. Everything that was acknowledged before the beginning is in it. Refs that
 * moved after the database was read are set back, so that each ref agrees with its Deployments.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { sql } from 'kysely';
import { PlatformError } from '../../protocol/errors.ts';
import { type DatabaseLocation, openAsItIs } from '../db/database.ts';
import { readEffectiveManifest } from '../deploy/effective-manifest.ts';
import { type Refs, writeRefs } from '../git/ref-files.ts';
import { type ArchiveFile, archiveFormat } from './archive-format.ts';
import { ArchiveReader } from './archive-reader.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { type Dump, dumpDatabase, type Row } from './database-dump.ts';
import { linkOrCopy, linkRepository } from './repository-files.ts';

export interface BackupOptions {
  /** Absolute path of the data folder. */
  readonly dataFolder: string;
  readonly location: DatabaseLocation;
  /** Absolute path of the archive; it must not exist. */
  readonly file: string;
  /** Path of an earlier archive, whose files are only named in the new one; null: the new one holds all files. */
  readonly since: string | null;
  /** `all`, or `database`: rows only. */
  readonly contents: 'all' | 'database';
  /** Version of this program. */
  readonly program: string;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
}

export interface BackupResult {
  readonly bytes: number;
  readonly files: number;
  readonly handlers: number;
  /** Names that the database refers to and that the folder does not have. */
  readonly missing: readonly string[];
}

/** Files of the data folder itself that are backed up. Keys of runners, locks and caches are made anew. */
const plainFiles = ['env.key', 'control.json'] as const;

/**
 * Writes an archive. Throws `not_found` when the folder holds no platform, `conflict` when `file` exists,
 * `unavailable`, and for `since` what ArchiveReader.open throws.
 */
export async function writeBackup(options: BackupOptions): Promise<BackupResult> {
  const { dataFolder, location, file } = options;
  if ('file' in location && !existsSync(location.file))
    throw new PlatformError('not_found', `there is no platform in the data folder ${dataFolder}`, {
      hints: ['name its folder with TRISIEL_DATA'],
    });
  const base = options.since === null ? null : await readBase(options.since);
  await removeStale(dataFolder);
  const staging = join(dataFolder, `.backup-${process.pid}-${randomBytes(4).toString('hex')}`);
  await mkdir(join(staging, 'database'), { recursive: true, mode: 0o700 });
  try {
    const createdMs = options.now();
    const index = new SnapshotIndex();
    const folder = join(staging, 'database');
    const dump = await dumpDatabase({ location, folder, onRow: (table, row) => index.take(table, row) });
    const platformId = index.platformId;
    if (platformId === null || dump.migrations.length === 0)
      throw new PlatformError('not_found', 'the database holds no platform', {
        hints: ['start the platform once: trisiel serve'],
      });
    const missing: string[] = [];
    if (options.contents === 'all') await linkFiles({ ...options, staging, index, missing });
    if (base !== null && base.platformId !== platformId)
      throw new PlatformError('conflict', `${options.since} is a backup of another platform`);
    const header = {
      kind: 'trisiel-backup' as const,
      format: archiveFormat as typeof archiveFormat, // not widened to number
      id: randomUUID(),
      createdMs,
      program: options.program,
      platformId,
      contents: options.contents,
      migrations: [...dump.migrations],
      bases: base === null ? [] : [...base.archives],
    };
    const writer = await ArchiveWriter.create({ path: file, header, known: base?.files ?? new Map() });
    try {
      await addAll(writer, { staging, dump });
      return { ...(await writer.finish(missing)), handlers: index.handlers.size, missing };
    } catch (error) {
      await writer.abandon();
      throw error;
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

interface Base {
  readonly platformId: string;
  readonly files: ReadonlyMap<string, ArchiveFile>;
  readonly archives: readonly { readonly id: string; readonly file: string }[];
}

async function readBase(path: string): Promise<Base> {
  const reader = await ArchiveReader.open(path);
  await reader.close();
  const { header, manifest } = reader;
  return {
    platformId: header.platformId,
    files: new Map(manifest.files.map((file) => [file.name, file])),
    archives: [...header.bases, { id: header.id, file: basename(path) }],
  };
}

/** Removes temporary folders of backups that were killed. */
async function removeStale(dataFolder: string): Promise<void> {
  for (const entry of await readdir(dataFolder)) {
    const pid = Number(/^\.backup-(\d+)-[0-9a-f]+$/.exec(entry)?.[1]);
    if (Number.isSafeInteger(pid) && !isAlive(pid)) await rm(join(dataFolder, entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

interface DeploymentFacts {
  /** Number of the Deployment. */
  readonly number: number;
  readonly ref: string;
  readonly commit: string;
  readonly hasFailed: boolean;
}

/** Facts that files must agree with, collected from the rows while they are written. */
class SnapshotIndex {
  platformId: string | null = null;
  readonly handlers = new Set<string>();
  readonly artifacts = new Set<string>();
  /** Facts of Deployments, by the handler's id. */
  readonly deployments = new Map<string, DeploymentFacts[]>();
  /** Id of the control that holds a repository, by the repository's id. */
  readonly homes = new Map<string, string>();
  /** Contents that the database itself holds, which need no file. */
  readonly inDatabase = new Set<string>();

  take(table: string, row: Row): void {
    if (table === 'settings' && row.key === 'platform_id') this.platformId = String(row.value);
    else if (table === 'handlers') this.handlers.add(String(row.id));
    else if (table === 'artifacts') this.artifacts.add(String(row.name));
    else if (table === 'repository_homes') this.homes.set(String(row.repository_id), String(row.home));
    else if (table === 'blobs') this.inDatabase.add(String(row.name));
    else if (table === 'deployments') this.#deployment(row);
  }

  #deployment(row: Row): void {
    const handlerId = String(row.handler_id);
    const known = this.deployments.get(handlerId) ?? [];
    const { number, ref, commit, state } = row;
    known.push({ number: Number(number), ref: String(ref), commit: String(commit), hasFailed: state === 'failed' });
    this.deployments.set(handlerId, known);
    const { files } = readEffectiveManifest(String(row.manifest));
    if (files !== null) this.artifacts.add(files.bundle);
  }
}

async function linkFiles(
  options: BackupOptions & { readonly staging: string; readonly index: SnapshotIndex; readonly missing: string[] },
): Promise<void> {
  const { dataFolder, staging, index, missing } = options;
  for (const name of plainFiles)
    if (existsSync(join(dataFolder, name))) await linkOrCopy(join(dataFolder, name), join(staging, name));
    else if (name === 'control.json') throw new PlatformError('unavailable', `${join(dataFolder, name)} is missing`);
  for (const name of index.artifacts) {
    const path = join('artifacts', name.slice(0, 2), name);
    await mkdir(join(staging, 'artifacts', name.slice(0, 2)), { recursive: true, mode: 0o700 });
    await linkOrCopy(join(dataFolder, path), join(staging, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      if (!index.inDatabase.has(name)) missing.push(path);
    });
  }
  const found = new Map<string, Refs>();
  for (const id of index.handlers) {
    const path = join('repos', `${id}.git`);
    if (existsSync(join(dataFolder, path)))
      found.set(id, await linkRepository(join(dataFolder, path), join(staging, path)));
    else if (index.deployments.has(id) && !index.homes.has(id)) missing.push(path);
  }
  const later = await laterPushes(options.location, { found, index });
  for (const [id, refs] of found)
    await writeRefs(
      join(staging, 'repos', `${id}.git`),
      asInSnapshot(refs, { later: later.get(id), known: index.deployments.get(id) ?? [] }),
    );
}

/** Returns, by handler, the refs that point to a commit whose Deployment came after the snapshot. */
async function laterPushes(
  location: DatabaseLocation,
  { found, index }: { readonly found: ReadonlyMap<string, Refs>; readonly index: SnapshotIndex },
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const later = new Map<string, Set<string>>();
  const db = await openAsItIs(location);
  try {
    for (const [id, refs] of found) {
      const newest = Math.max(0, ...(index.deployments.get(id) ?? []).map(({ number }) => number));
      const { rows } = await sql<{ ref: string; commit: string }>`
        select ref, ${sql.ref('commit')} from deployments where handler_id = ${id} and number > ${newest}`.execute(db);
      const moved = rows.filter(({ ref, commit }) => refs.get(ref) === commit).map(({ ref }) => ref);
      if (moved.length > 0) later.set(id, new Set(moved));
    }
    return later;
  } finally {
    await db.destroy();
  }
}

/** Sets refs that a later push has moved back to their newest Deployment of the snapshot, and leaves out later pins. */
function asInSnapshot(
  refs: Refs,
  { later, known }: { readonly later: ReadonlySet<string> | undefined; readonly known: readonly DeploymentFacts[] },
): Refs {
  const numbers = new Set(known.map(({ number }) => number));
  const result = new Map<string, string>();
  for (const [name, id] of refs) {
    const pin = /^refs\/deployments\/(\d+)$/.exec(name)?.[1];
    if (pin !== undefined && !numbers.has(Number(pin))) continue;
    if (later?.has(name) !== true) {
      result.set(name, id);
      continue;
    }
    const before = known
      .filter(({ ref, hasFailed }) => ref === name && !hasFailed)
      .sort((a, b) => b.number - a.number)[0];
    if (before !== undefined) result.set(name, before.commit);
  }
  return result;
}

async function addAll(
  writer: ArchiveWriter,
  { staging, dump }: { readonly staging: string; readonly dump: Dump },
): Promise<void> {
  for (const name of plainFiles) if (existsSync(join(staging, name))) await writer.add(name, join(staging, name));
  for (const table of dump.tables) {
    const name = `database/${table}.ndjson`;
    await writer.add(name, join(staging, name));
  }
  for (const folder of ['artifacts', 'repos']) await addFolder(writer, staging, folder);
}

async function addFolder(writer: ArchiveWriter, staging: string, folder: string): Promise<void> {
  if (!existsSync(join(staging, folder))) return;
  const entries = await readdir(join(staging, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) await addFolder(writer, staging, name);
    else await writer.add(name, join(staging, name));
  }
}
