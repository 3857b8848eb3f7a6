/** The table of what is released, which a control that starts makes agree with the database. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { SharedReleaseFeed } from '../../../src/control/nodes/shared-feed.ts';
import { SpecShelf } from '../../../src/control/nodes/spec-shelf.ts';
import { onEachDatabase } from '../../support/database.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';

onEachDatabase('the table of what is released', (dialect) => {
  afterAll(removeTemporaryFolders);

  test('says of a label whose spec cannot be made that it is not served, not that it is unknown', async () => {
    const place = await dialect.temporary();
    const db = await place.open();
    const unserved = [{ label: 'otter', reason: 'its version cannot be loaded' }];
    const feed = await SharedReleaseFeed.open({
      db,
      sealer: await Sealer.open({ db, keyFile: join(await temporaryFolder(), 'key'), randomBytes }),
      shelf: new SpecShelf(),
      read: async () => ({
        ...{ specs: [], releases: [], known: ['heron'], moved: [], domains: [], owners: [] },
        unserved,
      }),
      wake: () => {},
      now: Date.now,
      report: () => {},
    });
    await feed.announce('otter');
    await feed.rebuild();
    const { rows } = await feed.rowsAfter(0);
    expect(Object.fromEntries(rows.map(({ key, content }) => [key, content?.kind]))).toEqual({
      'label/otter': 'unserved',
      'label/heron': 'announce',
    });
    await feed.close();
    await place.close();
  });
});
