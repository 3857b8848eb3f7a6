/** Tests of stations that keep something in the database run on SQLite and on PostgreSQL; those that do not say why. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { onPostgresToo } from '../../../vitest.config.ts';

const root = join(import.meta.dirname, '../../..');

/** Tests of control that open a database and run on one kind only, with the reason. */
const onOne: Readonly<Record<string, string>> = {
  'api/accessibility': 'looks at pages in a browser; their answers are those of api/pages',
  'api/full-disk': 'SQLite on a full disk',
  'api/openapi': 'the document is made from the code',
  'backup/archive': 'the format of an archive; backup/backup makes archives of both and restores them into both',
  'backup/backup': 'each test says of which database, and into which',
  'backup/doctor': 'looks at a data folder; what it asks of PostgreSQL is in backup/backup',
  'backup/upgrade': 'each test says of which database',
  'book/browser': 'looks at pages in a browser; nothing of them is stored',
  'book/server': 'pages that are files; nothing of them is stored',
  'db/database': 'SQLite alone; db/dialects has what both must do',
  'db/postgres': 'PostgreSQL alone',
  'db/shared-clock': 'what differs between the two; each test says of which database',
  'db/vacuum': 'the file of SQLite',
  'ports/blobs': 'each version of the port with the database that it stands on',
  'quota/disk-space': 'SQLite on a full disk',
};

const opensDatabase = /support\/(?:api|database|git-platform)\.ts'|\bopenDatabase\(/;

test('every test of control that opens a database runs on both, or says why not', () => {
  const both = new Set(globSync(onPostgresToo, { cwd: root }));
  const files = globSync('test/control/**/*.test.{ts,tsx}', { cwd: root });
  const alone = files.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return opensDatabase.test(text) && !text.includes('onEachDatabase(') && !both.has(file);
  });
  const names = alone.map((file) => file.replace(/^test\/control\/|\.test\.tsx?$/g, ''));
  expect(names.sort()).toEqual(Object.keys(onOne).sort());
});

test('every file that is to run on PostgreSQL too is there', () => {
  for (const pattern of onPostgresToo) {
    const names = /\{(.*)\}/.exec(pattern)?.[1]?.split(',') ?? [''];
    expect(globSync(pattern, { cwd: root }), pattern).toHaveLength(names.length);
  }
});
