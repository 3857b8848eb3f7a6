/**
 * Says which database a data folder belongs to. Rows of the database refer to repositories, Artifacts and keys in the
 * folder; with another database control would treat the repositories as leftovers and remove them.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { DatabaseLocation } from '../control/db/database.ts';
import { PlatformError } from '../protocol/errors.ts';

export interface FolderIdentity {
  /** Id of this folder among the controls of one database. */
  readonly controlId: string;
  /** Id of the platform, drawn when the database is first used. */
  readonly platformId: string;
  readonly database: 'sqlite' | 'postgres';
}

const sqliteName = 'trisiel.db';
const identityName = 'control.json';

export class DataIdentity {
  readonly #folder: string;
  readonly #database: FolderIdentity['database'];
  readonly #known: FolderIdentity | null;
  readonly controlId: string;

  private constructor(folder: string, database: FolderIdentity['database'], known: FolderIdentity | null) {
    this.#folder = folder;
    this.#database = database;
    this.#known = known;
    this.controlId = known?.controlId ?? randomUUID();
  }

  /**
   * Reads the folder's identity before its database is opened or created. `databaseUrl`: TRISIEL_DATABASE. Throws
   * `unavailable` when the folder belongs to a database of the other kind, or holds a SQLite file as well.
   */
  static read(folder: string, databaseUrl: string | null): DataIdentity {
    const database = databaseUrl === null ? 'sqlite' : 'postgres';
    const known = readIdentity(join(folder, identityName));
    if (database === 'postgres' && existsSync(join(folder, sqliteName)))
      throw new PlatformError(
        'unavailable',
        `the data folder ${folder} holds the SQLite file ${sqliteName}, and TRISIEL_DATABASE names PostgreSQL`,
        {
          hints: [
            'to go on with SQLite: unset TRISIEL_DATABASE',
            'to begin with PostgreSQL: choose an empty folder with TRISIEL_DATA',
          ],
        },
      );
    if (known !== null && known.database !== database)
      throw new PlatformError(
        'unavailable',
        `the data folder ${folder} belongs to a PostgreSQL database, and TRISIEL_DATABASE is not set`,
        { hints: ['set TRISIEL_DATABASE as before, or choose another folder with TRISIEL_DATA'] },
      );
    return new DataIdentity(folder, database, known);
  }

  /** Returns where the database is. */
  location(databaseUrl: string | null): DatabaseLocation {
    return databaseLocation(this.#folder, databaseUrl);
  }

  /**
   * Name of the holder of this folder's lease. The same folder on the same machine may take its lease again at once.
   */
  get holder(): string {
    return `${hostname()}:${this.#folder}`;
  }

  /** Binds the folder to the database of `platformId`, durably. Throws `unavailable` where it is bound to another. */
  async bind(platformId: string): Promise<void> {
    if (this.#known?.platformId === platformId) return;
    if (this.#known !== null)
      throw new PlatformError('unavailable', `the data folder ${this.#folder} belongs to another database`, {
        hints: [
          'choose the database that it was used with, or restore it from a backup',
          `or give up the folder's repositories: move the folder away, and start with an empty one`,
        ],
      });
    await writeIdentity(this.#folder, { controlId: this.controlId, platformId, database: this.#database });
  }
}

/** Writes which database a folder belongs to, durably. */
export async function writeIdentity(folder: string, identity: FolderIdentity): Promise<void> {
  await writeDurably(join(folder, identityName), `${JSON.stringify(identity)}\n`);
}

/** Returns where the database of a data folder is. `databaseUrl`: TRISIEL_DATABASE. */
export function databaseLocation(folder: string, databaseUrl: string | null): DatabaseLocation {
  return databaseUrl === null ? { file: join(folder, sqliteName) } : { url: databaseUrl };
}

/** Returns the identity stored in a data folder; null when there is none or it cannot be read. */
export function knownIdentity(folder: string): FolderIdentity | null {
  try {
    return readIdentity(join(folder, identityName));
  } catch (error) {
    if (error instanceof PlatformError) return null;
    throw error;
  }
}

function readIdentity(file: string): FolderIdentity | null {
  if (!existsSync(file)) return null;
  const damaged = (cause?: unknown): PlatformError =>
    new PlatformError('unavailable', `${file} is damaged`, { hints: ['restore it from a backup'], cause });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw damaged(cause);
  }
  if (typeof value !== 'object' || value === null) throw damaged();
  const { controlId, platformId, database } = value as Record<string, unknown>;
  if (typeof controlId !== 'string' || typeof platformId !== 'string') throw damaged();
  if (database !== 'sqlite' && database !== 'postgres') throw damaged();
  return { controlId, platformId, database };
}

/**
 * Writes a temporary file beside `path` and renames it, both synced: after a crash the file is either absent or whole.
 */
async function writeDurably(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
