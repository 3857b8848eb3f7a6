/** A data folder of the first version is brought up to date, and the way back is kept. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, describe, expect, it } from 'vitest';
import { keepBeforeUpgrade } from '../../../src/bin/upgrade-backup.ts';
import { restoreBackup } from '../../../src/control/backup/restore.ts';
import { openAsItIs, openDatabase } from '../../../src/control/db/database.ts';
import { appliedMigrations, migrate, migrationNames } from '../../../src/control/db/migrate.ts';
import { postgres } from '../../support/database.ts';
import { api, call, createUser, removeTemporaryFolders, startPlatform, temporaryFolder } from '../../support/e2e.ts';
import { postgresMissing } from '../../support/postgres.ts';
import { trisiel } from '../../support/trisiel.ts';

afterAll(removeTemporaryFolders);

const fixtures = fileURLToPath(new URL('../../../fixtures/data/', import.meta.url));

async function firstVersion(): Promise<string> {
  const folder = join(await temporaryFolder(), 'data');
  await mkdir(folder, { mode: 0o700 });
  execFileSync('tar', ['-xzf', join(fixtures, 'first-version.tar.gz'), '-C', folder]);
  return folder;
}

/** Returns the names of the migrations of a SQLite file. */
async function schemaOf(file: string): Promise<readonly string[]> {
  const db = await openAsItIs({ file });
  return appliedMigrations(db).finally(() => db.destroy());
}

describe('an upgrade from the first version', () => {
  it('serves what was deployed, as of the live version, and keeps the database as it was', {
    timeout: 360_000,
  }, async () => {
    const folder = await firstVersion();
    const before = await schemaOf(join(folder, 'trisiel.db'));
    expect(before.length).toBeLessThan(migrationNames.length);
    const platform = await startPlatform({ TRISIEL_DATA: folder });
    const token = /`(tr_[\w-]+)`/.exec(await readFile(join(fixtures, 'README.md'), 'utf8'))?.[1] ?? '';
    expect(await call(platform, 'old-otter')).toMatchObject({ status: 200, body: 'hello from the first version\n' });
    const ada = { name: 'ada', token };
    expect(await api(platform, ada, 'GET', '/handlers/old-otter')).toMatchObject({ body: { handler: { version: 1 } } });
    await platform.stop();

    const [kept] = await readdir(join(folder, 'upgrades'));
    expect(kept).toBe(`after-${before.at(-1)}.db`);
    expect(await schemaOf(join(folder, 'upgrades', kept!))).toEqual(before);
    expect(await trisiel('doctor', [], platform.env)).toMatchObject({ status: 0, stdout: 'all is well\n' });
    // A second start changes nothing more.
    const again = await startPlatform({ TRISIEL_DATA: folder });
    expect((await call(again, 'old-otter')).status).toBe(200);
    await again.stop();
    expect(await readdir(join(folder, 'upgrades'))).toEqual([kept]);
  });

  it('can be undone: the database that was kept, moved back, is upgraded again', { timeout: 360_000 }, async () => {
    const folder = await firstVersion();
    const first = await startPlatform({ TRISIEL_DATA: folder });
    await createUser(first, 'late');
    await first.stop();
    const [kept] = await readdir(join(folder, 'upgrades'));
    for (const name of await readdir(folder))
      if (name.startsWith('trisiel.db')) execFileSync('rm', [join(folder, name)]);
    execFileSync('mv', [join(folder, 'upgrades', kept!), join(folder, 'trisiel.db')]);
    const second = await startPlatform({ TRISIEL_DATA: folder });
    expect((await call(second, 'old-otter')).body).toBe('hello from the first version\n');
    expect((await createUser(second, 'late')).name).toBe('late');
    await second.stop();
  });

  it('does not begin where the database cannot be kept', async () => {
    const folder = await firstVersion();
    const file = join(folder, 'trisiel.db');
    const before = await schemaOf(file);
    const refused = async (): Promise<void> => {
      throw new Error('no room');
    };
    await expect(openDatabase({ file, beforeUpgrade: refused })).rejects.toThrow('no room');
    expect(await schemaOf(file)).toEqual(before);
  });
});

describe.skipIf(postgresMissing !== null)('an upgrade on PostgreSQL', () => {
  it('keeps an archive of the database, which goes back into an empty one', async () => {
    const temporary = await postgres.temporary();
    const target = await postgres.temporary();
    const dataFolder = await temporaryFolder();
    try {
      if (!('url' in temporary.location) || !('url' in target.location)) throw new Error('not PostgreSQL');
      const { url } = temporary.location;
      await empty(url);
      const old = await openAsItIs({ url });
      await migrate(old, { upTo: migrationNames[5]! });
      await sql`insert into settings values ('platform_id', 'p1')`.execute(old);
      await old.destroy();
      execFileSync('sh', [
        '-c',
        `echo '{"controlId":"c","platformId":"p1","database":"postgres"}' > ${dataFolder}/control.json`,
      ]);
      let kept = '';
      const db = await openDatabase({
        url,
        beforeUpgrade: async (last) => {
          kept = await keepBeforeUpgrade({ dataFolder, databaseUrl: url, last, now: Date.now });
        },
      });
      await db.close();
      expect(kept).toBe(join(dataFolder, 'upgrades', `after-${migrationNames[5]}.trisiel`));
      await empty(target.location.url);
      const restored = await restoreBackup({ file: kept, bases: [], dataFolder, databaseUrl: target.location.url });
      expect(restored.header).toMatchObject({ contents: 'database', platformId: 'p1' });
      const back = await openAsItIs(target.location);
      expect(await appliedMigrations(back)).toEqual(migrationNames.slice(0, 6));
      await back.destroy();
    } finally {
      await temporary.close();
      await target.close();
    }
  });
});

async function empty(url: string): Promise<void> {
  const db = await openAsItIs({ url });
  await sql`drop schema public cascade`.execute(db);
  await sql`create schema public`.execute(db);
  await db.destroy();
}
