import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { blobLimits, DatabaseBlobs } from '../../../src/control/artifacts/database-blobs.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('contents in the database', (dialect) => {
  let store: TemporaryDatabase;
  let one: DatabaseBlobs;
  let two: DatabaseBlobs;

  beforeEach(async () => {
    store = await dialect.temporary();
    one = new DatabaseBlobs({ db: store.db });
    two = new DatabaseBlobs({ db: await store.open() });
  });

  afterEach(() => store.close());

  const name = `${'ab'.repeat(32)}-pack`;

  test.each([0, 1, blobLimits.pieceBytes, blobLimits.pieceBytes * blobLimits.pieces * 2 + 7])(
    '%i bytes come back whole on another control, however they were cut',
    async (length) => {
      const bytes = randomBytes(length);
      const parts = [bytes.subarray(0, length / 3), bytes.subarray(length / 3)];
      await one.write(name, parts);
      expect(Buffer.compare(await two.get(name), bytes)).toBe(0);
    },
  );

  test('two controls that store the same content at once store it once', async () => {
    const bytes = randomBytes(3 * blobLimits.pieceBytes);
    await Promise.all([one, two, one, two].map((blobs) => blobs.put(name, bytes)));
    expect(Buffer.compare(await two.get(name), bytes)).toBe(0);
    expect(await store.db.selectFrom('blob_pieces').select('position').execute()).toHaveLength(3);
  });

  test('a young content is not removed, nor one that was stored again a moment ago', async () => {
    await one.put(name, randomBytes(10));
    await two.remove(name);
    expect(await one.has(name)).toBe(true);
    await store.db.updateTable('blobs').set({ touched_ms: 1 }).execute();
    await one.put(name, randomBytes(10));
    await two.remove(name);
    expect(await one.has(name)).toBe(true);
    await store.db.updateTable('blobs').set({ touched_ms: 1 }).execute();
    await two.remove(name);
    expect(await one.has(name)).toBe(false);
    expect(await store.db.selectFrom('blob_pieces').select('position').execute()).toEqual([]);
  });

  test('a reader that fails in the middle leaves nothing behind', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield randomBytes(20 * blobLimits.pieceBytes);
      throw new Error('the disk fails');
    }
    await expect(one.write(name, broken())).rejects.toThrow('the disk fails');
    expect(await two.has(name)).toBe(false);
    expect(await store.db.selectFrom('blob_pieces').select('position').execute()).toEqual([]);
  });
});
