import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RelinkStore } from '../../../src/control/deploy/relink-store.ts';
import { LINKER_VERSION } from '../../../src/guest/component/recognise.ts';
import type { VettedModule } from '../../../src/protocol/module.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const older = `m3-l${LINKER_VERSION - 1}`;

onEachDatabase('Deployments of an earlier linker', (dialect) => {
  let store: TemporaryDatabase;
  let relinks: RelinkStore;

  beforeEach(async () => {
    store = await dialect.temporary();
    relinks = new RelinkStore({ db: store.db, now: () => 7 });
    const { db } = store;
    await db.insertInto('users').values({ id: 'u', name: 'ada', password_hash: 'x', created_ms: 1 }).execute();
    for (const [id, deleted_ms] of [
      ['there', null],
      ['gone', 5],
    ] as const) {
      const row = { id, name: id, owner_id: 'u', deploy_branch: null, created_ms: 1, deleted_ms, next_number: 1 };
      await db.insertInto('handlers').values(row).execute();
    }
  });
  afterEach(() => store.close());

  async function made(
    id: string,
    artifact: string,
    {
      handler = 'there',
      state = 'live' as 'live' | 'retired' | 'staged' | 'failed',
      refused = null as number | null,
    } = {},
  ): Promise<void> {
    const { db } = store;
    const name = `${hashOf(id)}-${artifact}`;
    const facts = { sha256: id, meter_version: 3, original_bytes: 1, bytes: 1, module: '{}', created_ms: 1 };
    await db
      .insertInto('artifacts')
      .values({ name, ...facts })
      .execute();
    const { length } = await db.selectFrom('deployments').select('id').execute();
    await db
      .insertInto('deployments')
      .values({
        ...{ id, handler_id: handler, number: length + 1, commit: 'c', ref: 'refs/heads/main', user_id: 'u' },
        ...{ artifact: name, module_path: 'm.wasm', manifest: '{}', state, failure: null, vet_ms: 1 },
        ...{ created_ms: length, ended_ms: null, relink_refused: refused },
      })
      .execute();
  }
  const outdated = async () => (await relinks.outdated()).map(({ id }) => id);

  test('are those that live, of handlers that are not deleted, and that this linker has not refused', async () => {
    await made('old', older);
    await made('debug', `${older}-d123`);
    await made('refused-before', older, { refused: LINKER_VERSION - 1 });
    await made('refused', older, { refused: LINKER_VERSION });
    await made('module', 'm3');
    await made('present', `m3-l${LINKER_VERSION}`);
    await made('present-debug', `m3-l${LINKER_VERSION}-d123`);
    await made('later', `m3-l${LINKER_VERSION + 1}`);
    await made('of-gone', older, { handler: 'gone' });
    for (const state of ['retired', 'staged', 'failed'] as const) await made(state, older, { state });
    expect(await outdated()).toEqual(['old', 'debug', 'refused-before']);
  });

  test('get another Artifact once, while they live or are retired', async () => {
    const component = { linkerVersion: LINKER_VERSION };
    const module = { sha256: hashOf('new'), meterVersion: 3, originalBytes: 1, component } as unknown as VettedModule;
    await made('old', older);
    await made('other', older);
    const [row] = await relinks.outdated();
    const exchange = () => relinks.exchange(row!, { module, bytes: 2 });
    for (const [state, isExchanged] of [
      ['staged', false],
      ['failed', false],
      ['retired', true],
    ] as const) {
      await store.db.updateTable('deployments').set({ state }).where('id', '=', 'old').execute();
      expect(await exchange(), state).toBe(isExchanged);
    }
    // It has another Artifact by now.
    expect(await exchange()).toBe(false);
    const rows = await store.db.selectFrom('deployments').select(['id', 'artifact', 'relinked_ms']).execute();
    expect(rows.map((one) => [one.id, one.artifact, one.relinked_ms])).toEqual(
      expect.arrayContaining([
        ['old', `${hashOf('new')}-m3-l${LINKER_VERSION}`, 7],
        ['other', `${hashOf('other')}-${older}`, null],
      ]),
    );
  });
});
