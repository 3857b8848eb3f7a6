/** A platform that is started on a database which a newer version of it has written. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { startPlatformChild } from '../../src/bin/platform-child.ts';
import { onEachDatabase } from '../support/database.ts';

onEachDatabase('a database of a newer version', (dialect) => {
  test('ends the start with one clear line, and stays as it is', async () => {
    const { db, folder, location, close } = await dialect.temporary();
    await sql`insert into kysely_migration values ('9999-later', '2030-01-01')`.execute(db);
    const migrations = () => sql`select name from kysely_migration order by name`.execute(db);
    const before = (await migrations()).rows;
    const started = startPlatformChild({
      TRISIEL_DATA: folder,
      TRISIEL_DATABASE: 'url' in location ? location.url : '',
      TRISIEL_PORT: '0',
      TRISIEL_RUN_PORT: '0',
      TRISIEL_RUNNERS: '1',
    });
    const error = await started.then(
      () => 'it started',
      (thrown: unknown) => String(thrown),
    );
    expect(error.split('\n').filter((line) => line.startsWith('trisiel: '))).toEqual([
      'trisiel: the database was made by another version of Trisiel',
    ]);
    expect(error).toContain('start the newer version again, or restore the backup made before the upgrade');
    expect((await migrations()).rows).toEqual(before);
    await close();
  });
});
