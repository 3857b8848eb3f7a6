import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AuditEvent, AuditLog, auditLimits } from '../../../src/control/audit/audit-log.ts';
import { auditHash, checkAudit } from '../../../src/control/audit/chain.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('the audit', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs = 1_000;
  let audit: AuditLog;

  beforeEach(async () => {
    nowMs = 1_000;
    store = await dialect.temporary();
    audit = new AuditLog({ db: store.db, now: () => nowMs });
  });
  afterEach(() => store.close());

  const event = (more: Partial<AuditEvent> = {}): AuditEvent => ({
    user: { id: 'u1', name: 'ada' },
    tokenId: 't1',
    address: '127.0.0.1',
    operation: 'rollBack',
    handler: { id: 'h1', name: 'otter' },
    detail: { number: 3 },
    outcome: 'ok',
    ...more,
  });
  const write = async (count: number) => {
    for (let n = 0; n < count; n += 1) await audit.write(event({ detail: { n } }));
  };

  it('lists newest first, by handler, user and operation, page by page', async () => {
    await write(3);
    await audit.write(event({ handler: null, operation: 'createToken', user: { id: 'u2', name: 'bob' } }));
    expect(await audit.list({}, { limit: 1 })).toMatchObject([
      { number: 4, user: 'bob', handler: null, operation: 'createToken', tokenId: 't1', timeMs: 1_000, outcome: 'ok' },
    ]);
    expect((await audit.list({ handlerId: 'h1' }, { limit: 2 })).map(({ number }) => number)).toEqual([3, 2]);
    expect((await audit.list({ handlerId: 'h1' }, { limit: 2, below: 2 })).map(({ number }) => number)).toEqual([1]);
    expect(await audit.list({ user: 'bob' }, { limit: 9 })).toHaveLength(1);
    expect(await audit.list({ operation: 'rollBack' }, { limit: 9 })).toHaveLength(3);
  });

  it('numbers entries without a gap when two controls write at once, and the chain holds', async () => {
    const other = new AuditLog({ db: await store.open(), now: () => nowMs });
    const writes = Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? audit : other).write(event({ detail: { n } })));
    await Promise.all(writes);
    const numbers = (await audit.list({}, { limit: 100 })).map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: 60 }, (_, n) => 60 - n));
    expect(await checkAudit(store.db)).toMatchObject({ ok: true, entries: 60 });
  });

  it.each([
    ['changed', 2, 'update'],
    ['removed', 2, 'delete'],
    ['removed at the end', 3, 'delete'],
    ['put in front', 0, 'insert'],
  ])('shows an entry that was %s', async (_what, number, how) => {
    await write(3);
    const { db } = store;
    if (how === 'update')
      await db.updateTable('audit_entries').set({ user_name: 'bob' }).where('number', '=', number).execute();
    else if (how === 'delete') await db.deleteFrom('audit_entries').where('number', '=', number).execute();
    else {
      const row = await db.selectFrom('audit_entries').selectAll().where('number', '=', 1).executeTakeFirstOrThrow();
      await db
        .insertInto('audit_entries')
        .values({ ...row, number: 0 })
        .execute();
    }
    expect(await checkAudit(db)).toMatchObject({ ok: false, number });
  });

  it('shows an entry whose hash was recomputed, by the entry after', async () => {
    await write(3);
    const { db } = store;
    const { hash: _, ...facts } = await db
      .selectFrom('audit_entries')
      .selectAll()
      .where('number', '=', 1)
      .executeTakeFirstOrThrow();
    const forged = { ...facts, user_name: 'bob' };
    const row = { ...forged, hash: auditHash('', forged) };
    await db.updateTable('audit_entries').set(row).where('number', '=', 1).execute();
    expect(await checkAudit(db)).toMatchObject({ ok: false, number: 2 });
  });

  it('removes what is too old or too much from the front, and the chain still holds', async () => {
    await write(5);
    nowMs += 10_000;
    await write(5);
    await audit.prune({ keptMs: 5_000, kept: 100 });
    expect((await audit.list({}, { limit: 99 })).map(({ number }) => number)).toEqual([10, 9, 8, 7, 6]);
    expect(await checkAudit(store.db)).toMatchObject({ ok: true, entries: 5 });
    await audit.prune({ keptMs: 1e9, kept: 2 });
    expect((await audit.list({}, { limit: 99 })).map(({ number }) => number)).toEqual([10, 9]);
    await write(1);
    expect(await checkAudit(store.db)).toMatchObject({ ok: true, entries: 3 });
  });

  it('exports everything oldest first and goes on above a number', async () => {
    await write(auditLimits.listed + 5);
    const numbers: number[] = [];
    for await (const { number } of audit.entries({})) numbers.push(number);
    expect(numbers).toEqual(Array.from({ length: auditLimits.listed + 5 }, (_, n) => n + 1));
    const rest: number[] = [];
    for await (const { number } of audit.entries({ handlerId: 'h1' }, 203)) rest.push(number);
    expect(rest).toEqual([204, 205]);
  });

  it('cuts what is told of an operation, and keeps NUL and lone surrogates as JSON', async () => {
    await audit.write(event({ detail: { label: 'x'.repeat(5_000) } }));
    await audit.write(event({ detail: { label: 'a\0b\ud800' } }));
    const [odd, long] = await audit.list({}, { limit: 2 });
    expect(long!.detail.length).toBeLessThanOrEqual(auditLimits.detailChars);
    expect(JSON.parse(odd!.detail)).toEqual({ label: 'a\0b\ud800' });
    expect((await checkAudit(store.db)).ok).toBe(true);
  });
});
