import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { DrainStore } from '../../../src/control/drains/drain-store.ts';
import { type Handler, Handlers } from '../../../src/control/handlers/handlers.ts';
import { Teams, teamLimits } from '../../../src/control/handlers/teams.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('teams', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs: number;
  let handlers: Handlers;
  let teams: Teams;
  let otter: Handler;
  let lost: string[];

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 1_800_000_000_000;
    const { db } = store;
    handlers = new Handlers({ db, now: () => nowMs, randomBytes, randomInt });
    teams = new Teams({ db, handlers, now: () => nowMs });
    for (const name of ['ada', 'bob', 'eve'])
      await db
        .insertInto('users')
        .values({ id: `u-${name}`, name, password_hash: 'x', created_ms: 1 })
        .execute();
    otter = await handlers.create({ name: 'otter', ownerId: 'u-ada' });
    lost = [];
    teams.onLost(({ handlerId, userId }) => lost.push(`${handlerId} ${userId}`));
  });

  afterEach(() => store.close());

  async function code(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => null,
      (e: unknown) => e,
    );
    return error instanceof PlatformError ? error.code : String(error);
  }

  describe('collaborators', () => {
    test('are added, given another role, listed by name and removed', async () => {
      await teams.set(otter, 'eve', 'viewer');
      await teams.set(otter, 'bob', 'viewer');
      nowMs += 1;
      expect(await teams.set(otter, 'bob', 'deployer')).toEqual({
        user: 'bob',
        role: 'deployer',
        addedMs: nowMs - 1,
      });
      expect((await teams.list(otter.id)).map(({ user, role }) => `${user} ${role}`)).toEqual([
        'bob deployer',
        'eve viewer',
      ]);
      await teams.remove(otter.id, 'bob');
      expect(lost).toEqual([`${otter.id} u-bob`]);
      expect(await code(teams.remove(otter.id, 'bob'))).toBe('not_found');
      expect(await code(teams.get(otter.id, 'bob'))).toBe('not_found');
    });

    test('nobody is no collaborator, and the owner is none', async () => {
      for (const name of ['nobody', '', 'Bob', 'ｂｏｂ', "bob' or '1'='1", 'x'.repeat(100_000), 'u-bob'])
        expect(await code(teams.set(otter, name, 'viewer')), name.slice(0, 20)).toBe('not_found');
      expect(await code(teams.set(otter, 'ada', 'viewer'))).toBe('conflict');
    });

    test('are limited', async () => {
      const rows = Array.from({ length: teamLimits.collaborators + 5 }, (_, i) => ({
        ...{ id: `m${i}`, name: `member-${i}`, password_hash: 'x', created_ms: 1 },
      }));
      await store.db.insertInto('users').values(rows).execute();
      const all = await Promise.all(rows.map(({ name }) => code(teams.set(otter, name, 'viewer'))));
      expect(all.filter((result) => result === 'null')).toHaveLength(teamLimits.collaborators);
      expect(await teams.list(otter.id)).toHaveLength(teamLimits.collaborators);
      const other = await handlers.create({ name: 'heron', ownerId: 'u-ada' });
      expect(await code(teams.set(other, 'bob', 'viewer'))).toBe('null');
    });
  });

  describe('a transfer', () => {
    test('takes effect when it is accepted by whom it is offered to, and takes every right of the earlier owner', async () => {
      await teams.set(otter, 'bob', 'viewer');
      expect(await teams.offer(otter, 'bob')).toEqual({
        ...{ handler: 'otter', from: 'ada', to: 'bob', offeredMs: nowMs, expiresMs: nowMs + teamLimits.offerMs },
      });
      expect((await teams.offersTo('u-bob', { limit: 9 })).map(({ handler }) => handler)).toEqual(['otter']);
      expect(await teams.offersTo('u-eve', { limit: 9 })).toEqual([]);
      expect(await code(teams.accept('otter', 'u-eve'))).toBe('not_found');
      expect((await handlers.findById(otter.id))?.ownerId).toBe('u-ada');
      const twice = await Promise.all([code(teams.accept('otter', 'u-bob')), code(teams.accept('otter', 'u-bob'))]);
      expect(twice.sort()).toEqual(['not_found', 'null']);
      expect((await handlers.findById(otter.id))?.ownerId).toBe('u-bob');
      expect(await teams.list(otter.id)).toEqual([]);
      expect(lost).toEqual([`${otter.id} u-ada`]);
      expect(await teams.offersTo('u-bob', { limit: 9 })).toEqual([]);
    });

    test('takes the drains of the handler away, and no others', async () => {
      const { db, folder } = store;
      const sealer = await Sealer.open({ db, keyFile: join(folder, 'key'), randomBytes });
      const drains = new DrainStore({ db, sealer, now: () => nowMs, newId: randomUUID });
      const badger = await handlers.create({ name: 'badger', ownerId: 'u-ada' });
      for (const of of [otter, badger, null])
        await drains.put(of, 'there', { kind: 'otlp', url: 'https://a.example/' });
      await teams.offer(otter, 'bob');
      expect(await drains.list(otter.id)).toHaveLength(1);
      await teams.accept('otter', 'u-bob');
      expect(await drains.list(otter.id)).toEqual([]);
      expect(await drains.list(badger.id)).toHaveLength(1);
      expect(await drains.list(null)).toHaveLength(1);
    });

    test('can be replaced, withdrawn, declined, and lapses', async () => {
      await teams.offer(otter, 'bob');
      await teams.offer(otter, 'eve');
      expect(await teams.offersTo('u-bob', { limit: 9 })).toEqual([]);
      await teams.withdraw(otter);
      expect(await code(teams.accept('otter', 'u-eve'))).toBe('not_found');
      expect(await code(teams.withdraw(otter))).toBe('not_found');
      await teams.offer(otter, 'bob');
      await teams.decline('otter', 'u-bob');
      expect(await code(teams.decline('otter', 'u-bob'))).toBe('not_found');
      await teams.offer(otter, 'bob');
      nowMs += teamLimits.offerMs;
      expect(await teams.offersTo('u-bob', { limit: 9 })).toEqual([]);
      expect(await code(teams.accept('otter', 'u-bob'))).toBe('not_found');
    });

    test('to nobody or to the owner is refused, a deleted handler cannot be taken, and limits hold', async () => {
      expect(await code(teams.offer(otter, 'nobody'))).toBe('not_found');
      expect(await code(teams.offer(otter, 'ada'))).toBe('conflict');
      await teams.offer(otter, 'bob');
      await store.db.updateTable('users').set({ handlers_max: 1 }).where('id', '=', 'u-bob').execute();
      await handlers.create({ name: 'badger', ownerId: 'u-bob' });
      expect(await code(teams.accept('otter', 'u-bob'))).toBe('limit_exceeded');
      expect(await teams.offersTo('u-bob', { limit: 9 })).toHaveLength(1);
      expect(await code(handlers.create({ name: 'more', ownerId: 'u-bob' }))).toBe('limit_exceeded');
      await store.db.updateTable('users').set({ handlers_max: 2 }).where('id', '=', 'u-bob').execute();
      await handlers.delete(otter.id);
      expect(await code(teams.accept('otter', 'u-bob'))).toBe('not_found');
    });
  });
});
