import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/control/db/database.ts';
import { KvStore, removePreviewValues } from '../../../src/control/storage/kv-store.ts';
import { kvLimits } from '../../../src/protocol/limits.ts';
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

    it('replaces a value only where it is the expected one', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const address = { handlerId: 'one', bucket: 'b', key: 'k' };
      expect(await kv.put(address, bytes('1'), { expected: bytes('0') })).toBe(false);
      expect(await kv.put(address, bytes('1'), { expected: null })).toBe(true);
      expect(await kv.put(address, bytes('2'), { expected: null })).toBe(false);
      expect(await kv.put(address, bytes('2'), { expected: bytes('0') })).toBe(false);
      expect(await kv.get(address)).toEqual(bytes('1'));
      const swaps = Array.from({ length: 8 }, (_, n) => kv.put(address, bytes(`w${n}`), { expected: bytes('1') }));
      expect((await Promise.all(swaps)).filter((isDone) => isDone)).toHaveLength(1);
    });

    it('keeps the values of a preview apart, and takes none for one that is gone', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const preview = { handler_id: 'one', days: 14, created_ms: 0, pushed_ms: 0 };
      for (const id of ['pa', 'pb'])
        await db
          .insertInto('previews')
          .values({ ...preview, id, branch: id, slug: id })
          .execute();
      const address = { handlerId: 'one', bucket: 'b', key: 'k' };
      await kv.put(address, bytes('own'));
      await kv.put({ ...address, preview: 'pa' }, bytes('a'));
      await kv.put({ ...address, preview: 'pb' }, bytes('b'));
      await expect(kv.get({ ...address, bucket: 'pa/b' })).rejects.toMatchObject({ code: 'bad_request' });
      await db.transaction().execute((trx) => removePreviewValues(trx, { handlerId: 'one', preview: 'pa' }));
      await db.deleteFrom('previews').where('id', '=', 'pa').execute();
      await expect(kv.put({ ...address, preview: 'pa' }, bytes('late'))).rejects.toMatchObject({ code: 'not_found' });
      expect(await kv.get({ ...address, preview: 'pa' })).toBeNull();
      expect(await kv.get({ ...address, preview: 'pb' })).toEqual(bytes('b'));
      expect(await kv.get(address)).toEqual(bytes('own'));
    });

    it('removes a value, so that there is room for another', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const address = { handlerId: 'one', bucket: 'b', key: 'k' };
      const total = () =>
        db.selectFrom('storage_totals').select(['items', 'bytes']).where('handler_id', '=', 'one').executeTakeFirst();
      await kv.put(address, bytes('abc'));
      await kv.put({ ...address, key: 'kept' }, bytes('x'));
      await kv.delete({ ...address, handlerId: 'two' });
      await kv.delete(address);
      await kv.delete(address);
      expect(await kv.get(address)).toBeNull();
      expect(await total()).toEqual({ items: 1, bytes: 1 });
    });

    it('lists keys of one bucket in pages', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const row = (key: string) => ({ handler_id: 'one', bucket: 'b', key, value: Buffer.from('x'), updated_ms: 1 });
      const all = Array.from({ length: kvLimits.keysPerPage + 2 }, (_, n) => `k${1000 + n}`);
      await db.insertInto('kv').values(all.map(row)).execute();
      await kv.put({ handlerId: 'one', bucket: 'c', key: 'other' }, bytes(''));
      const first = await kv.keys({ handlerId: 'one', bucket: 'b', after: '' });
      expect(first).toEqual(all.slice(0, kvLimits.keysPerPage));
      expect(await kv.keys({ handlerId: 'one', bucket: 'b', after: first.at(-1) as string })).toEqual(all.slice(-2));
      expect(await kv.keys({ handlerId: 'two', bucket: 'b', after: '' })).toEqual([]);
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

    it('bounds how many keys one handler has', async () => {
      const kv = new KvStore({ db, now: () => 1 });
      const put = (key: string) => kv.put({ handlerId: 'one', bucket: 'b', key }, bytes('x'));
      await put('0');
      // As if all others but one were there.
      const full = { items: kvLimits.keys - 1 };
      await db.updateTable('storage_totals').set(full).where('handler_id', '=', 'one').execute();
      await put('last');
      await expect(put('more')).rejects.toMatchObject({ code: 'limit_exceeded' });
      await put('0');
    });
  });
});
