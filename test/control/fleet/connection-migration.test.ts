/** What the log of a start says about connections that wait at a runner that ends. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { suggestMigration } from '../../../src/control/fleet/connection-migration.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';

afterAll(removeTemporaryFolders);

it.each([
  ['0\n', 1],
  ['1\n', 0],
  [null, 0],
])('with the setting %j there are %i lines', async (value, count) => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'net/ipv4'), { recursive: true });
  if (value !== null) await writeFile(join(folder, 'net/ipv4/tcp_migrate_req'), value);
  const said: unknown[][] = [];
  suggestMigration({ info: (...words: unknown[]) => void said.push(words) }, folder);
  expect(said).toHaveLength(count);
  for (const words of said)
    expect(words).toEqual([
      { setting: 'net.ipv4.tcp_migrate_req' },
      expect.stringContaining('sysctl net.ipv4.tcp_migrate_req=1'),
    ]);
});
