/** What only the disk of a control has is stored for all controls, and what cannot be stored stops nothing else. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { shareOld } from '../../src/bin/many-controls.ts';
import { ArtifactStore } from '../../src/control/artifacts/artifact-store.ts';
import { DatabaseBlobs } from '../../src/control/artifacts/database-blobs.ts';
import { SharedBlobs } from '../../src/control/artifacts/shared-blobs.ts';
import { LeasedHomes } from '../../src/control/git/leased-homes.ts';
import { onPostgres, type TemporaryDatabase } from '../support/database.ts';

onPostgres('what an earlier version left on one disk', (dialect) => {
  let store: TemporaryDatabase;
  let folder: string;
  let reports: string[];
  let infos: unknown[];
  beforeEach(async () => {
    store = await dialect.temporary();
    folder = await mkdtemp(join(tmpdir(), 'trisiel-share-'));
    reports = [];
    infos = [];
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  async function share(created: string[], broken: ReadonlySet<string> = new Set()): Promise<void> {
    const disk = await ArtifactStore.open(folder);
    await disk.put('0'.repeat(64), Buffer.from('a module'));
    await shareOld({
      many: {
        homes: new LeasedHomes({ db: store.db, self: 'ours', now: Date.now }),
        artifacts: new SharedBlobs({ local: disk, shared: new DatabaseBlobs({ db: store.db }) }),
      },
      repositories: {
        create: async (id) => {
          if (broken.has(id)) throw new Error('no space left on the disk');
          created.push(id);
          return id;
        },
      },
      usedContents: async () => new Set(['0'.repeat(64)]),
      log: { info: (fields: unknown) => void infos.push(fields) },
      report: (message, error) => void reports.push(`${message}: ${(error as Error).message}`),
    });
  }

  async function home(id: string, recorded: 0 | 1): Promise<void> {
    await store.db
      .insertInto('repository_homes')
      .values({ repository_id: id, home: 'ours', claimed_ms: 0, epoch: 1, is_recorded: recorded })
      .execute();
  }

  test('is stored once, and one repository that fails stops no other', async () => {
    for (const id of ['a', 'b', 'c']) await home(id, 0);
    await home('d', 1);
    const created: string[] = [];
    await share(created, new Set(['b']));
    expect(created.sort()).toEqual(['a', 'c']);
    expect(reports).toEqual(['the repository b could not be stored for all controls: no space left on the disk']);
    expect(infos).toEqual([{ shared: 1 }]);
    expect(await new DatabaseBlobs({ db: store.db }).get('0'.repeat(64))).toEqual(Buffer.from('a module'));
    await share(created);
    expect(infos).toEqual([{ shared: 1 }]);
  });

  test('is reported and left for the next start when the database goes away', async () => {
    const created: string[] = [];
    await store.db.close();
    await share(created);
    expect(created).toEqual([]);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatch(/^what only this disk has could not be stored for all controls: /);
  });
});
