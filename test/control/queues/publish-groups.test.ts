/** Messages that are published one by one and written in groups. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { groupLimits, PublishGroups } from '../../../src/control/queues/publish-groups.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { newMessage, type TestQueues, testQueues } from '../../support/queues.ts';
import { testQuota } from '../../support/quotas.ts';

onEachDatabase('grouped publications', (dialect) => {
  let store: TemporaryDatabase;
  let own: TestQueues;
  let groups: PublishGroups;
  /** Messages of each group that was written. */
  let written: number[];

  beforeEach(async () => {
    store = await dialect.temporary();
    own = testQueues(store.db);
    written = [];
    for (const id of ['ada', 'bob'])
      await store.db.insertInto('users').values({ id, name: id, password_hash: '', created_ms: 0 }).execute();
    const quota = testQuota(store.db, { quotaBytes: 1_000_000 });
    groups = new PublishGroups(async (ownerId, queue, messages) => {
      written.push(messages.length);
      const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
      await quota.publishing(ownerId, bytes, () => own.messages.publish(ownerId, queue, messages));
    });
  });
  afterEach(() => store.close());

  const bodies = async (ownerId: string, queue: string) => {
    const { id } = await own.queues.find(ownerId, queue);
    const read = await own.messages.read(id, { after: 0, limit: 10_000 });
    return read.map(({ body }) => Buffer.from(body).toString());
  };

  it('of many at once are few transactions; each queue has its own in order', async () => {
    const texts = Array.from({ length: 600 }, (_, n) => String(n));
    await Promise.all([
      ...texts.map((text, n) => groups.publish('ada', n % 2 === 0 ? 'even' : 'odd', newMessage(text))),
      groups.publish('bob', 'even', newMessage('own')),
    ]);
    expect(await bodies('ada', 'even')).toEqual(texts.filter((_, n) => n % 2 === 0));
    expect(await bodies('ada', 'odd')).toEqual(texts.filter((_, n) => n % 2 === 1));
    expect(await bodies('bob', 'even')).toEqual(['own']);
    // The first one goes at once, what comes meanwhile waits for it: two queues, and the other user.
    expect(written).toHaveLength(4);
  });

  it('are bounded in messages and bytes', async () => {
    const count = groupLimits.messages + 10;
    await Promise.all(Array.from({ length: count }, () => groups.publish('ada', 'q', newMessage(''))));
    expect(written).toEqual([1, groupLimits.messages, 9]);
    written.length = 0;
    const none = new PublishGroups(async (_, __, messages) => {
      written.push(messages.length);
    });
    const large = newMessage(Buffer.alloc(1024 * 1024));
    await Promise.all(Array.from({ length: 20 }, () => none.publish('ada', 'q', large)));
    expect(written).toEqual([1, 8, 8, 3]);
  });

  it('that fail fail alone: one that no queue takes, one for which there is no room', async () => {
    const settled = await Promise.allSettled([
      groups.publish('ada', 'q', newMessage('a')),
      groups.publish('ada', 'q', newMessage('b')),
      groups.publish('ada', 'q', newMessage(Buffer.alloc(1_000_001))),
      groups.publish('ada', 'q', newMessage('c', { group: '' })),
      groups.publish('ada', 'no/name', newMessage('d')),
      groups.publish('ada', 'q', newMessage('e')),
    ]);
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(await bodies('ada', 'q')).toEqual(['a', 'b', 'e']);
    expect(settled.map((one) => (one.status === 'rejected' ? (one.reason as { code?: string }).code : null))).toEqual([
      ...[null, null, 'limit_exceeded', 'bad_request', 'name_invalid', null],
    ]);
  });

  it('with a key that was used are not published again', async () => {
    await Promise.all([1, 2, 3].map(() => groups.publish('ada', 'q', newMessage('x', { key: 'k' }))));
    expect(await bodies('ada', 'q')).toEqual(['x']);
  });
});
