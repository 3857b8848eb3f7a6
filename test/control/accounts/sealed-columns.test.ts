/** No sealed column is forgotten where the key is missing or is not the right one. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sealedColumns } from '../../../src/control/accounts/sealer.ts';

const root = join(import.meta.dirname, '../../..');
/** Columns with sealed values that control makes again without the key. */
const madeAgain = ['kept_answers.answer', 'released.content'];

test('every column of the schema that is sealed is looked at, or made again without the key', () => {
  const schema = readFileSync(join(root, 'src/control/db/schema.ts'), 'utf8');
  const found: string[] = [];
  let table = '';
  let comment = '';
  for (const line of schema.split('\n')) {
    table = /^ {2}(\w+): \{/.exec(line)?.[1] ?? table;
    if (/^ *(\/\*\*| \*)/.test(line)) comment += line;
    else {
      for (const [, column = ''] of line.matchAll(/\b(\w+): [^;{}]+;?/g))
        if (/(^|_)sealed$/.test(column) || (/\bsealed\b/.test(comment) && /^ {4}\S/.test(line)))
          found.push(`${table}.${column}`);
      comment = '';
    }
  }
  const known = [...sealedColumns.map(({ table, column }) => `${table}.${column}`), ...madeAgain];
  expect(found.sort()).toEqual(known.sort());
});

test('what seals values is known by file', () => {
  const files = globSync('src/**/*.ts', { cwd: root }).filter((file) =>
    /\b(#?sealer)\.seal\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  // A file that is new here seals a column that sealedColumns must name, or that control makes again.
  expect(files.sort()).toEqual([
    'src/bin/cluster-serving.ts',
    'src/control/accounts/second-factor.ts',
    'src/control/api/kept-answers.ts',
    'src/control/drains/drain-store.ts',
    'src/control/handlers/env.ts',
    'src/control/nodes/shared-feed.ts',
  ]);
});
