import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/control/db/database.ts';
import { KvStore } from '../../../src/control/storage/kv-store.ts';
import { QueueStore } from '../../../src/control/storage/queue-store.ts';
import { kvLimits, queueLimits } from '../../../src/protocol/limits.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('storage', (dialect) => {
  let store: TemporaryDatabase;
  let db: Database;

  beforeEach(async () => {
    store = await dialect.temporary();
    db = store.db;
    const user = { id: 'u', name: 'ada', password_hash: '', created_ms: 0 };
    await db.insertInto('users').values(user).execute();
    for (const id of ['one', 'two']) {
      const handler = {
        id,
        name: id,
        owner_id: 'u',
        deploy_branch: null,
        next_number: 1,
        created_ms: 0,
        deleted_ms: null,
      };
      await db.insertInto('handlers').values(handler).execute();
    }
  });

  afterEach(() => store.close());

  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

  describe('kv', () => {
    it('gives back the last value put, per handler, bucket and key, also after a restart', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const address = { handlerId: 'one', bucket: 'b', key: 'k' };
      expect(await kv.get(address)).toBeNull();
      await kv.put(address, bytes('first'));
      await kv.put(address, new Uint8Array([0, 255, 10]));
      await kv.put({ ...address, handlerId: 'two' }, bytes('other'));
      await kv.put({ ...address, bucket: 'c' }, new Uint8Array());
      const again = new KvStore({ db: await store.open(), now: () => 1 });
      expect(await again.get(address)).toEqual(new Uint8Array([0, 255, 10]));
      expect(await again.get({ ...address, handlerId: 'two' })).toEqual(bytes('other'));
      expect(await again.get({ ...address, bucket: 'c' })).toEqual(new Uint8Array());
    });

    it('refuses a value or key past its limit and keeps the old value', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const address = { handlerId: 'one', bucket: 'b', key: 'k' };
      await kv.put(address, bytes('kept'));
      await expect(kv.put(address, new Uint8Array(kvLimits.valueBytes + 1))).rejects.toMatchObject({
        code: 'limit_exceeded',
      });
      await expect(kv.put({ ...address, key: 'x'.repeat(kvLimits.keyBytes + 1) }, bytes(''))).rejects.toMatchObject({
        code: 'limit_exceeded',
      });
      expect(await kv.get(address)).toEqual(bytes('kept'));
    });

    it('bounds what one handler stores in all', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const value = new Uint8Array(kvLimits.valueBytes);
      await kv.put({ handlerId: 'one', bucket: 'b', key: '0' }, value);
      // As if 255 more of them were there.
      const full = { items: 256, bytes: kvLimits.handlerBytes };
      await db.updateTable('storage_totals').set(full).where('handler_id', '=', 'one').execute();
      await expect(kv.put({ handlerId: 'one', bucket: 'b', key: 'more' }, bytes('x'))).rejects.toMatchObject({
        code: 'limit_exceeded',
      });
      // Replacing does not count what is replaced.
      await kv.put({ handlerId: 'one', bucket: 'b', key: '0' }, value);
      await kv.put({ handlerId: 'two', bucket: 'b', key: '0' }, bytes('x'));
    });
  });

  describe('queues', () => {
    it('keep messages in the order of publishing, apart by handler and name', async () => {
      const queues = new QueueStore({ db, now: () => 7, newId: randomUUID });
      const publish = (queue: string, text: string, handlerId = 'one') =>
        queues.publish({ handlerId, queue, message: bytes(text) });
      await Promise.all([
        publish('q', 'a'),
        publish('q', 'b'),
        publish('q', 'c'),
        publish('other', 'x'),
        publish('q', 'y', 'two'),
      ]);
      const read = (after: number) => queues.read({ handlerId: 'one', queue: 'q', after, limit: 2 });
      expect((await read(0)).map(({ position, message }) => [position, Buffer.from(message).toString()])).toEqual([
        [1, 'a'],
        [2, 'b'],
      ]);
      expect((await read(2)).map(({ message }) => Buffer.from(message).toString())).toEqual(['c']);
    });

    it('refuse a message past its limit', async () => {
      const queues = new QueueStore({ db, now: () => 7, newId: randomUUID });
      await expect(
        queues.publish({ handlerId: 'one', queue: 'q', message: new Uint8Array(queueLimits.messageBytes + 1) }),
      ).rejects.toMatchObject({ code: 'limit_exceeded' });
    });
  });
});
