import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DeploymentRow } from '../../../src/control/deploy/deployment-row.ts';
import { DeploymentStore } from '../../../src/control/deploy/deployment-store.ts';
import type { VettedModule } from '../../../src/protocol/module.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('deployments', (dialect) => {
  let store: TemporaryDatabase;
  let deployments: DeploymentStore;

  beforeEach(async () => {
    store = await dialect.temporary();
    deployments = new DeploymentStore({ db: store.db, now: () => 7, randomBytes });
    await store.db.insertInto('users').values({ id: 'u', name: 'ada', password_hash: 'x', created_ms: 1 }).execute();
    const row = { id: 'h', name: 'hi', owner_id: 'u', deploy_branch: null, created_ms: 1, deleted_ms: null };
    await store.db
      .insertInto('handlers')
      .values({ ...row, next_number: 1 })
      .execute();
  });

  afterEach(() => store.close());

  async function stage(): Promise<DeploymentRow> {
    return deployments.stage({
      handlerId: 'h',
      commit: 'c',
      ref: 'refs/heads/main',
      branch: '',
      userId: 'u',
      module: { sha256: 'a'.repeat(64), meterVersion: 3, originalBytes: 1 } as unknown as VettedModule,
      bytes: 1,
      modulePath: 'm.wasm',
      manifest: '{"files":null}',
      vetMs: 1,
      newly: [],
      words: { author: null, subject: null },
    });
  }

  async function states(): Promise<readonly string[]> {
    const rows = await store.db.selectFrom('deployments').select('state').orderBy('number').execute();
    return rows.map(({ state }) => state);
  }

  test('of a handler that was deleted during the push is not stored', async () => {
    await store.db.updateTable('handlers').set({ deleted_ms: 5 }).execute();
    await expect(stage()).rejects.toMatchObject({ code: 'not_found' });
    expect(await states()).toEqual([]);
  });

  describe('release', () => {
    test('makes one Deployment live, retires the one before, and says which that was', async () => {
      const [one, two] = [await stage(), await stage()];
      expect(await deployments.release(one.id, 'staged')).toEqual({ replaced: null });
      expect(await deployments.release(two.id, 'staged')).toMatchObject({ replaced: { id: one.id, state: 'live' } });
      expect(await states()).toEqual(['retired', 'live']);
      expect(await deployments.release(one.id, 'retired')).toMatchObject({ replaced: { id: two.id } });
      expect(await states()).toEqual(['live', 'retired']);
      expect(await deployments.live('h')).toMatchObject({ id: one.id });
    });

    test('goes from the state that is named only, and otherwise changes nothing', async () => {
      const [one, two, three] = [await stage(), await stage(), await stage()];
      await deployments.release(one.id, 'staged');
      await deployments.fail(two.id, 'no');
      const before = await states();
      for (const [id, from] of [
        [one.id, 'staged'],
        [one.id, 'retired'],
        [two.id, 'staged'],
        [two.id, 'retired'],
        [three.id, 'retired'],
        ['nobody', 'staged'],
      ] as const)
        await expect(deployments.release(id, from), `${id} ${from}`).rejects.toMatchObject({ code: 'conflict' });
      expect(await states()).toEqual(before);
      expect(await deployments.live('h')).toMatchObject({ id: one.id });
    });

    test('is one transaction: where its last statement fails, nothing has changed', async () => {
      const [one, two] = [await stage(), await stage()];
      await deployments.release(one.id, 'staged');
      // A release may not be changed: its last statement fails.
      const refuse =
        dialect.name === 'sqlite'
          ? ["create trigger refuse before update on releases begin select raise(abort, 'refused'); end"]
          : [
              "create function refuse() returns trigger as $$ begin raise exception 'refused'; end $$ language plpgsql",
              'create trigger refuse before update on releases for each row execute function refuse()',
            ];
      for (const statement of refuse) await sql.raw(statement).execute(store.db);
      await expect(deployments.release(two.id, 'staged')).rejects.toThrow('refused');
      expect(await states()).toEqual(['live', 'staged']);
      expect(await deployments.live('h')).toMatchObject({ id: one.id });
    });
  });
});
