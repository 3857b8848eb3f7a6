/** The nodes that may join: names, tokens, and their number, which requests at the same time do not exceed. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../../../src/control/db/database.ts';
import { NodeStore } from '../../../src/control/nodes/node-store.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('the register of nodes', (dialect) => {
  let place: TemporaryDatabase;
  let db: Database;
  let nodes: NodeStore;
  beforeAll(async () => {
    place = await dialect.temporary();
    db = await place.open();
    nodes = new NodeStore({ db, now: Date.now, randomBytes, nodesMax: 3 });
  });
  afterAll(async () => {
    await place.close();
  });

  test('takes no more than its limit from requests at the same time, and one again after one is removed', async () => {
    const added = await Promise.allSettled(Array.from({ length: 12 }, (_, n) => nodes.add(`eu-${n}`)));
    expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    for (const one of added)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'limit_exceeded' });
    const all = await nodes.list();
    expect(all).toHaveLength(3);
    await nodes.remove(all[0]?.name ?? '');
    const { token } = await nodes.add('us-1');
    expect(await nodes.byToken(token)).toMatchObject({ name: 'us-1' });
    await expect(nodes.add('us-2')).rejects.toMatchObject({ code: 'limit_exceeded' });
  });

  test('has each name once, also for requests at the same time', async () => {
    for (const { name } of await nodes.list()) await nodes.remove(name);
    const added = await Promise.allSettled(Array.from({ length: 3 }, () => nodes.add('same')));
    expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const one of added) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'name_taken' });
  });

  test.each(['', '-a', 'a-', 'A', 'a b', 'a.b', 'a'.repeat(64), 'é', 'a\n'])('refuses the name %j', async (name) => {
    await expect(nodes.add(name)).rejects.toMatchObject({ code: 'name_invalid' });
  });
});
