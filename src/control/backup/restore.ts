/**
 * Restores an archive into an empty data folder and, for PostgreSQL, an empty database. The archive is unpacked and
 * checked in a folder beside the target, which is renamed last. A restore that fails leaves nothing behind.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, readlink, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { PlatformError } from '../../protocol/errors.ts';
import { type DatabaseLocation, openAsItIs } from '../db/database.ts';
import { repositoryConfigText } from '../git/repository-config.ts';
import type { ArchiveHeader, ArchiveManifest } from './archive-format.ts';
import { ArchiveReader } from './archive-reader.ts';
import { checkMigrations, loadDatabase } from './database-load.ts';
import { damaged } from './tar.ts';

export interface RestoreOptions {
  /** Absolute path of the archive. */
  readonly file: string;
  /** Absolute paths of further archives that `file` may need. Archives beside `file` are found by their names. */
  readonly bases: readonly string[];
  /**
   * Absolute path of a folder that does not exist or is empty. For an archive of the database alone: the folder that
   * belongs to it.
   */
  readonly dataFolder: string;
  /** URL of an empty PostgreSQL database; null: SQLite. */
  readonly databaseUrl: string | null;
}

export interface RestoreResult {
  readonly header: ArchiveHeader;
  readonly files: number;
  readonly missing: readonly string[];
}

const sqliteName = 'trisiel.db';
const identityName = 'control.json';

/**
 * Restores an archive. Throws `conflict` when folder or database is not empty, `not_found` when an archive is missing,
 * `archive_newer`, `archive_invalid`, `unavailable`.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const { dataFolder } = options;
  const readers = await openAll(options);
  const [main] = readers;
  try {
    const { header, manifest } = main;
    checkMigrations(header.migrations);
    if (header.contents === 'database') await checkTarget(options, header);
    else await checkEmpty(dataFolder);
    await mkdir(dirname(dataFolder), { recursive: true });
    const draft = join(dirname(dataFolder), `.${basename(dataFolder)}.restore-${randomBytes(4).toString('hex')}`);
    await mkdir(draft, { mode: 0o700 });
    try {
      await unpack(readers, { manifest, draft });
      if (header.contents === 'all') await mendFolder(draft, { header, databaseUrl: options.databaseUrl });
      await fill(options, { header, manifest, draft });
      return { header, files: manifest.files.length, missing: manifest.missing };
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
}

/** Opens the archive and its bases. */
async function openAll({ file, bases }: RestoreOptions): Promise<readonly [ArchiveReader, ...ArchiveReader[]]> {
  const main = await ArchiveReader.open(file);
  const readers: [ArchiveReader, ...ArchiveReader[]] = [main];
  try {
    const given = [];
    for (const path of bases) given.push({ path, id: await idOf(path) });
    for (const { id, file: name } of main.header.bases) {
      // The name comes from an archive, so only its last part is used.
      const beside = join(dirname(file), basename(name));
      const path = given.find((one) => one.id === id)?.path ?? (existsSync(beside) ? beside : null);
      const reader = path === null ? null : await ArchiveReader.open(path);
      if (reader !== null) readers.push(reader);
      if (reader === null || reader.header.id !== id || reader.header.platformId !== main.header.platformId)
        throw new PlatformError(
          'not_found',
          `the archive ${basename(name)}, since which this one was made, is missing`,
          {
            hints: [`put it beside ${file}, or name it: --base PATH`],
          },
        );
    }
    return readers;
  } catch (error) {
    for (const reader of readers) await reader.close();
    throw error;
  }
}

async function idOf(path: string): Promise<string> {
  const reader = await ArchiveReader.open(path);
  await reader.close();
  return reader.header.id;
}

/** A link is not followed: who may write beside the folder could lead the files anywhere. */
async function checkEmpty(folder: string): Promise<void> {
  const target = await readlink(folder).catch(() => null);
  if (target !== null)
    throw new PlatformError('conflict', `the data folder ${folder} is a link`, {
      hints: [`if you trust it, name where it leads: TRISIEL_DATA=${resolve(dirname(folder), target)}`],
    });
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new PlatformError('conflict', `${folder} is no folder that can be used (${error.code})`, { cause: error });
  });
  if (entries.length > 0)
    throw new PlatformError('conflict', `the data folder ${folder} is not empty`, {
      hints: ['restore into an empty folder: name one with TRISIEL_DATA'],
    });
}

/** Checks the target. An archive of the database alone is restored beside the folder that it was made from. */
async function checkTarget({ dataFolder, databaseUrl }: RestoreOptions, { platformId }: ArchiveHeader): Promise<void> {
  const refuse = (why: string): never => {
    throw new PlatformError('conflict', `this archive holds a database alone, and ${why}`);
  };
  const text = await readFile(join(dataFolder, identityName), 'utf8').catch(() => '');
  const identity = identitySchema.safeParse(parse(text));
  if (!identity.success || identity.data.platformId !== platformId)
    refuse(`${dataFolder} is not the data folder that it belongs to`);
  if (databaseUrl === null && existsSync(join(dataFolder, sqliteName)))
    refuse(`${join(dataFolder, sqliteName)} is there: move it away, with its -wal and -shm`);
}

async function unpack(
  readers: readonly [ArchiveReader, ...ArchiveReader[]],
  { manifest, draft }: { readonly manifest: ArchiveManifest; readonly draft: string },
): Promise<void> {
  const byId = new Map(readers.map((reader) => [reader.header.id, reader]));
  for (const { name, sha256, archive } of manifest.files) {
    const reader = byId.get(archive);
    if (reader === undefined) throw damaged(`${name} is in no archive at hand`);
    const path = join(draft, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    try {
      await reader.read(name, sha256, async (chunk) => {
        for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
      });
    } finally {
      await file.close();
    }
  }
}

const identitySchema = z.looseObject({ controlId: z.string(), platformId: z.string() });

/**
 * Adds to the folder what archives do not hold: the identity of its database, and the files that make a folder a git
 * repository.
 */
async function mendFolder(
  draft: string,
  { header, databaseUrl }: { readonly header: ArchiveHeader; readonly databaseUrl: string | null },
): Promise<void> {
  const file = join(draft, identityName);
  const text = await readFile(file, 'utf8').catch(() => '');
  const identity = identitySchema.safeParse(parse(text));
  if (!identity.success || identity.data.platformId !== header.platformId) throw damaged('its control.json is damaged');
  const database = databaseUrl === null ? 'sqlite' : 'postgres';
  await writeFile(file, `${JSON.stringify({ ...identity.data, database })}\n`);
  const repositories = existsSync(join(draft, 'repos')) ? await readdir(join(draft, 'repos')) : [];
  for (const name of repositories) {
    const path = join(draft, 'repos', name);
    const head = await readFile(join(path, 'HEAD'), 'utf8').catch(() => '');
    if (!/^ref: refs\/heads\/[^\0\n]{1,255}\n$/.test(head)) throw damaged(`HEAD of ${name} is damaged`);
    for (const folder of ['refs/heads', 'refs/tags', 'objects/info', 'objects/pack'])
      await mkdir(join(path, folder), { recursive: true, mode: 0o700 });
    await writeFile(join(path, 'config'), repositoryConfigText, { mode: 0o600 });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Fills the database, then renames the folder: for PostgreSQL before the commit, so that either both exist or neither.
 */
async function fill(
  { dataFolder, databaseUrl }: RestoreOptions,
  {
    header,
    manifest,
    draft,
  }: { readonly header: ArchiveHeader; readonly manifest: ArchiveManifest; readonly draft: string },
): Promise<void> {
  const location: DatabaseLocation = databaseUrl === null ? { file: join(draft, sqliteName) } : { url: databaseUrl };
  const tables = manifest.files.flatMap(({ name }) => /^database\/(.+)\.ndjson$/.exec(name)?.[1] ?? []);
  const isWhole = header.contents === 'all';
  const move = async (): Promise<void> => {
    await rm(join(draft, 'database'), { recursive: true, force: true });
    await synced();
    if (isWhole) await giveName(draft, dataFolder);
    else if (databaseUrl === null) await rename(join(draft, sqliteName), join(dataFolder, sqliteName));
  };
  if ('file' in location) await (await open(location.file, 'wx', 0o600)).close();
  const db = await openAsItIs(location);
  let hasName = false;
  try {
    await loadDatabase({
      ...{ db, location, tables, folder: join(draft, 'database'), migrations: header.migrations },
      beforeCommit: async (trx) => {
        const row = trx.selectFrom('settings').select('value').where('key', '=', 'platform_id');
        if ((await row.executeTakeFirst())?.value !== header.platformId)
          throw damaged('its database is of another platform');
        if (databaseUrl === null) return;
        await move();
        hasName = true;
      },
    });
  } catch (error) {
    if (hasName && isWhole) await rm(dataFolder, { recursive: true, force: true });
    throw error;
  } finally {
    await db.destroy();
  }
  if (databaseUrl === null) await move();
}

/** Renames the folder. Throws `unavailable` when its place is a mount point, which cannot be replaced. */
async function giveName(draft: string, dataFolder: string): Promise<void> {
  try {
    await rmdir(dataFolder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(draft, dataFolder);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && ['EBUSY', 'EACCES', 'EPERM'].includes(String(error.code))))
      throw error;
    throw new PlatformError(
      'unavailable',
      `the folder ${dataFolder} cannot be replaced: it is a mount point, or not this user's`,
      {
        hints: [`restore into a folder in it: TRISIEL_DATA=${join(dataFolder, 'data')}`],
        cause: error,
      },
    );
  }
}

/** Waits until all written files are on disk: one sync for all is far faster than one per file. */
function synced(): Promise<void> {
  return new Promise((resolve) => {
    execFile('sync', () => resolve());
  });
}
