import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../src/control/db/database.ts';

export interface TemporaryDatabase {
  readonly db: Database;
  readonly folder: string;
  readonly file: string;
  close(): Promise<void>;
}

export async function temporaryDatabase(): Promise<TemporaryDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-db-'));
  const file = join(folder, 'trisiel.db');
  const db = await openDatabase({ file });
  return {
    db,
    folder,
    file,
    async close() {
      await db.close();
      await rm(folder, { recursive: true });
    },
  };
}
