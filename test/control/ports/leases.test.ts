/** What every version of the port Leases promises. SQL serves one control and many, on both databases. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HeldLease } from '../../../src/control/db/held-lease.ts';
import { SqlLeases } from '../../../src/control/db/leases.ts';
import type { Leases } from '../../../src/protocol/ports.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('leases', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs: number;
  let one: Leases;
  let two: Leases;

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 1_800_000_000_000;
    one = new SqlLeases({ db: store.db, now: () => nowMs });
    two = new SqlLeases({ db: await store.open(), now: () => nowMs });
  });

  afterEach(() => store.close());

  const of = (holder: string, ttlMs = 1_000) => ({ name: 'repo', holder, ttlMs });

  test('one of many who ask at once gets it', async () => {
    const taken = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).take(of(`holder-${i}`))));
    expect(taken.filter((lease) => lease !== null)).toHaveLength(1);
  });

  test('it is free again when it expires, is given back, or is asked for by its own holder; the epoch grows each time', async () => {
    const first = (await one.take(of('a')))!;
    expect(first).toMatchObject({ epoch: 1, expiresMs: nowMs + 1_000 });
    expect(await two.take(of('b'))).toBeNull();
    expect(await two.take(of('a'))).toMatchObject({ epoch: 2 });
    nowMs += 1_000;
    const third = (await two.take(of('b')))!;
    expect(third.epoch).toBe(3);
    await two.release(third);
    expect(await one.take(of('c'))).toMatchObject({ epoch: 4 });
  });

  test('renewing goes on with the same epoch, also late, as long as nobody has taken it', async () => {
    const lease = (await one.take(of('a')))!;
    nowMs += 5_000;
    expect(await one.renew(lease, 1_000)).toEqual({ ...lease, expiresMs: nowMs + 1_000 });
    expect(await two.take(of('b'))).toBeNull();
    nowMs += 1_000;
    await two.take(of('b'));
    expect(await one.renew(lease, 1_000)).toBeNull();
    await one.release(lease);
    expect(await one.take(of('c'))).toBeNull();
  });

  test('names do not concern each other', async () => {
    await one.take(of('a'));
    expect(await two.take({ ...of('b'), name: 'other' })).toMatchObject({ epoch: 1 });
  });

  describe('held', () => {
    const hold = (holder: string) =>
      HeldLease.take({ leases: one, name: 'control/1', holder, onLost: () => {}, onError: () => {} });

    test('a copied data folder does not start beside the first; after that has ended it does', async () => {
      const first = (await hold('machine-a:/data'))!;
      expect(await hold('machine-b:/copy')).toBeNull();
      await first.close();
      const second = (await hold('machine-b:/copy'))!;
      expect(second.epoch).toBe(2);
      await second.close();
    });

    test('the same folder starts at once after its control was killed', async () => {
      await hold('machine-a:/data');
      expect(await hold('machine-a:/data')).not.toBeNull();
    });
  });
});
