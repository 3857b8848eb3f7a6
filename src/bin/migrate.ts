/**
 * `trisiel migrate --to postgres://…`: moves a stopped platform from the SQLite file of its data folder to an empty
 * PostgreSQL database; repositories, Artifacts and keys stay in the folder. `trisiel migrate --to sqlite:FOLDER`: moves
 * a stopped platform from PostgreSQL into a new folder, with everything in it. Both go on after a kill.
 */
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, open, readdir, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import { checkSource, endMove, type MovedTable, moveDatabase } from '../control/backup/move-database.ts';
import { type Database, openAsItIs, openDatabase } from '../control/db/database.ts';
import { databaseMs } from '../control/db/database-clock.ts';
import { isMoving } from '../control/db/moving.ts';
import { ArtifactRows } from '../control/deploy/artifact-rows.ts';
import { gitEnvironment } from '../control/git/git-environment.ts';
import { packSuffix } from '../control/git/repository-keeper.ts';
import { PlatformError } from '../protocol/errors.ts';
import type { HandlerId } from '../protocol/names.ts';
import { runCommand } from './command.ts';
import { takeDataFolder } from './data-folder.ts';
import { type FolderIdentity, knownIdentity, writeIdentity } from './data-identity.ts';
import { giveToOwner } from './give-to-owner.ts';
import { recordsToDisk } from './records-to-disk.ts';

const sqliteName = 'trisiel.db';
/** Name that the SQLite file gets when all of it is in PostgreSQL: nothing reads it any more. */
const movedName = 'moved-to-postgres.db';
/** Tables that only several controls use: their contents become files again. */
const ofManyControls = ['repository_records', 'blobs', 'blob_pieces'] as const;

await runCommand({ takesFile: false, options: { to: 'text' } }, async ({ texts, config }) => {
  const to = texts.get('to') ?? '';
  const folder = config.dataFolder;
  const identity = knownIdentity(folder);
  if (identity === null)
    throw new PlatformError('not_found', `there is no platform in the data folder ${folder}`, {
      hints: ['name its folder with TRISIEL_DATA'],
    });
  const held = takeDataFolder({ path: folder, readableByGuests: [] });
  try {
    if (/^postgres(?:ql)?:\/\//.test(to)) return await toPostgres({ folder, identity, url: to });
    const target = /^sqlite:(.+)$/.exec(to)?.[1];
    if (target === undefined)
      throw new PlatformError('bad_request', '--to names neither postgres://… nor sqlite:FOLDER');
    return await toSqlite({ folder, identity, url: config.database, target: resolve(target) });
  } finally {
    giveToOwner(folder);
    held.release();
  }
});

interface Source {
  readonly folder: string;
  readonly identity: FolderIdentity;
}

async function toPostgres({ folder, identity, url }: Source & { readonly url: string }): Promise<number> {
  const file = join(folder, sqliteName);
  const to = await openAsItIs({ url });
  try {
    if (existsSync(file)) {
      const from = await openAsItIs({ file });
      try {
        tell(await moveDatabase({ from, to, postgres: 'to', without: [], onStep }));
      } finally {
        await from.destroy();
      }
      await writeIdentity(folder, { ...identity, database: 'postgres' });
      await rename(file, join(folder, movedName));
    } else if (identity.database !== 'postgres' || !(await isMoving(to)))
      throw new PlatformError('not_found', `the data folder ${folder} holds no SQLite file ${sqliteName}`);
    await endMove(to);
  } finally {
    await to.destroy();
  }
  process.stdout.write(
    `moved to PostgreSQL; start it with TRISIEL_DATABASE: trisiel serve\n` +
      `the SQLite file is kept as ${join(folder, movedName)}, and nothing reads it any more\n`,
  );
  return 0;
}

async function toSqlite({
  folder,
  identity,
  url,
  target,
}: Source & { readonly url: string | null; readonly target: string }): Promise<number> {
  if (url === null || identity.database !== 'postgres')
    throw new PlatformError('bad_request', `the data folder ${folder} belongs to no PostgreSQL database`, {
      hints: ['name the database as the server does: TRISIEL_DATABASE'],
    });
  const file = join(target, sqliteName);
  await mkdir(target, { recursive: true, mode: 0o700 });
  if (!existsSync(file) && (await readdir(target)).length > 0)
    throw new PlatformError('conflict', `the folder ${target} is not empty`, { hints: ['name a new one'] });
  // Comes first: a folder that has it is one where the same command goes on. It holds password hashes, so only its
  // owner may read it.
  await (await open(file, 'a', 0o600)).close();
  const held = takeDataFolder({ path: target, readableByGuests: [] });
  const to = await openAsItIs({ file });
  try {
    const from = await openAsItIs({ url });
    try {
      await checkSource(from);
      const db = await openDatabase({ url });
      try {
        await refuseLiving(db);
        tell(await moveDatabase({ from, to, postgres: 'from', without: ofManyControls, onStep }));
        await moveFiles({ db, folder, target });
      } finally {
        await db.close();
      }
    } finally {
      await from.destroy();
    }
    const { controlId } = identity;
    await to.updateTable('repository_homes').set({ home: controlId, is_recorded: 0, last_number: 0 }).execute();
    await writeIdentity(target, { ...identity, database: 'sqlite' });
    await endMove(to);
  } finally {
    await to.destroy();
    held.release();
  }
  process.stdout.write(`moved into ${target}; start it with TRISIEL_DATA, without TRISIEL_DATABASE: trisiel serve\n`);
  return 0;
}

/** Throws `conflict` while a control works with the database. */
async function refuseLiving(db: Database): Promise<void> {
  const living = await db.selectFrom('controls').select('url').where('expires_ms', '>', databaseMs(db)).execute();
  if (living.length === 0) return;
  throw new PlatformError('conflict', 'controls work with the database: stop them all', {
    details: living.map(({ url }) => url),
  });
}

/** Writes key, Artifacts and repositories into the target, as far as they are not there yet. */
async function moveFiles({
  db,
  folder,
  target,
}: {
  readonly db: Database;
  readonly folder: string;
  readonly target: string;
}): Promise<void> {
  if (existsSync(join(folder, 'env.key'))) await copyFile(join(folder, 'env.key'), join(target, 'env.key'));
  const environment = gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder: target });
  await recordsToDisk({ db, folder: target, environment });
  // What was never recorded is in this folder alone.
  const artifacts = await ArtifactStore.open(join(target, 'artifacts'));
  const disk = await ArtifactStore.openAsItIs(join(folder, 'artifacts'));
  for (const name of await new ArtifactRows({ db }).used()) {
    if (name.endsWith(packSuffix) || (await artifacts.has(name))) continue;
    try {
      await artifacts.put(name, await disk.get(name));
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      process.stderr.write(`warning: ${error.message}\n`);
    }
  }
  const recorded = await db
    .selectFrom('repository_homes')
    .select('repository_id')
    .where('is_recorded', '=', 1)
    .execute();
  const known = new Set(recorded.map((row) => row.repository_id));
  for (const { id } of await db.selectFrom('handlers').select('id').execute()) {
    const name = join('repos', `${id}.git`);
    if (known.has(id)) continue;
    if (existsSync(join(folder, name))) await cp(join(folder, name), join(target, name), { recursive: true });
    else if (await hasDeployments(db, id))
      throw new PlatformError('conflict', `the repository ${id} is on the disk of another control, and not recorded`, {
        hints: ['start that control once with this version, which records it; then stop it and move again'],
      });
  }
}

async function hasDeployments(db: Database, handlerId: HandlerId): Promise<boolean> {
  const query = db.selectFrom('deployments').select('id').where('handler_id', '=', handlerId).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

function onStep(table: string, rows: number): void {
  if (rows > 0) process.stdout.write(`moving ${table}: ${rows} rows\n`);
}

function tell(tables: readonly MovedTable[]): void {
  for (const { table, rows, sum } of tables)
    if (rows > 0) process.stdout.write(`verified ${table}: ${rows} rows, sum ${sum}\n`);
  process.stdout.write(`verified: ${tables.length} tables are the same on both sides\n`);
}
