/** Two controls on one database: each with connections of its own, in one process. */
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Accounts } from '../../../src/control/accounts/accounts.ts';
import { inviteLimits } from '../../../src/control/accounts/invites.ts';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import type { Database } from '../../../src/control/db/database.ts';
import { ArtifactRows } from '../../../src/control/deploy/artifact-rows.ts';
import { DeploymentStore, type Staging } from '../../../src/control/deploy/deployment-store.ts';
import { OwnerLog } from '../../../src/control/deploy/owner-log.ts';
import { PreviewStore } from '../../../src/control/deploy/preview-store.ts';
import { Recovery } from '../../../src/control/deploy/recovery.ts';
import { ServedLabels } from '../../../src/control/deploy/served-labels.ts';
import { gitEnvironment } from '../../../src/control/git/git-environment.ts';
import { SqlRepoHome } from '../../../src/control/git/repo-home.ts';
import { Repositories } from '../../../src/control/git/repositories.ts';
import { Handlers } from '../../../src/control/handlers/handlers.ts';
import { KvStore } from '../../../src/control/storage/kv-store.ts';
import { kvLimits } from '../../../src/protocol/limits.ts';
import type { VettedModule } from '../../../src/protocol/module.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

/** Only what the store reads of it. */
const vetted = { sha256: 'a'.repeat(64), meterVersion: 3, originalBytes: 1 } as unknown as VettedModule;

function staging(commit: string): Staging {
  return {
    handlerId: 'h',
    commit,
    ref: 'refs/heads/main',
    branch: '',
    userId: 'u',
    module: vetted,
    bytes: 1,
    modulePath: 'm.wasm',
    manifest: '{"files":null}',
    vetMs: 1,
    newly: [],
    words: { author: null, subject: null },
  };
}

onEachDatabase('two controls on one database', (dialect) => {
  let store: TemporaryDatabase;
  let both: readonly [Database, Database];

  beforeEach(async () => {
    store = await dialect.temporary();
    both = [store.db, await store.open()];
  });

  afterEach(() => store.close());

  /** One of the two, in turn. */
  const dbOf = (i: number): Database => both[i % 2]!;

  async function makeHandler(): Promise<void> {
    await store.db.insertInto('users').values({ id: 'u', name: 'ada', password_hash: 'x', created_ms: 1 }).execute();
    const row = { id: 'h', name: 'hi', owner_id: 'u', deploy_branch: null, created_ms: 1, deleted_ms: null };
    await store.db
      .insertInto('handlers')
      .values({ ...row, next_number: 1 })
      .execute();
  }

  const storesOf = () => both.map((db) => new DeploymentStore({ db, now: Date.now, randomBytes }));

  test('20 pushes at once get 20 numbers without a hole', async () => {
    await makeHandler();
    const stores = storesOf();
    const rows = await Promise.all(Array.from({ length: 20 }, (_, i) => stores[i % 2]!.stage(staging(`c${i}`))));
    expect(rows.map((row) => row.number).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  test('10 releases at once leave one live Deployment, the one that is released', async () => {
    await makeHandler();
    const stores = storesOf();
    const rows = [];
    for (let i = 0; i < 10; i += 1) rows.push(await stores[0]!.stage(staging(`c${i}`)));
    const released = await Promise.all(rows.map((row, i) => stores[i % 2]!.release(row.id, 'staged')));
    expect(new Set(released.map(({ replaced }) => replaced?.id ?? null)).size).toBe(10);
    const live = await store.db.selectFrom('deployments').select('id').where('state', '=', 'live').execute();
    expect(live).toEqual([{ id: (await stores[0]!.live('h'))?.id }]);
    const retired = await store.db.selectFrom('deployments').select('id').where('state', '=', 'retired').execute();
    expect(retired).toHaveLength(9);
  });

  test('an Artifact that a push is about to use is not removed under it', async () => {
    await makeHandler();
    const row = await storesOf()[0]!.stage(staging('c'));
    const [one, two] = both.map((db) => new ArtifactRows({ db }));
    expect(await two!.remove(row.artifact)).toBe(false);
    expect(await one!.moduleOf(row.artifact)).toMatchObject(vetted);
  });

  test('100 kv values put at once are counted exactly, and the limit holds over both controls', async () => {
    await makeHandler();
    const kv = both.map((db) => new KvStore({ db, now: Date.now }));
    const put = (i: number, key: string) => kv[i % 2]!.put({ handlerId: 'h', bucket: 'b', key }, new Uint8Array(100));
    await Promise.all(Array.from({ length: 100 }, (_, i) => put(i, `k${i % 50}`)));
    expect(await store.db.selectFrom('storage_totals').select(['items', 'bytes']).execute()).toEqual([
      { items: 50, bytes: 5_000 },
    ]);
    await store.db
      .updateTable('storage_totals')
      .set({ bytes: kvLimits.handlerBytes - 150 })
      .execute();
    const results = await Promise.allSettled([put(0, 'new one'), put(1, 'new two')]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  describe('accounts', () => {
    const passwordCost = { memory: 64, passes: 1, parallelism: 1 };
    let sealer: Sealer;
    beforeEach(async () => {
      sealer = await Sealer.open({ db: store.db, keyFile: join(store.folder, 'env.key'), randomBytes });
    });
    const accountsOf = () =>
      both.map((db) => new Accounts({ db, now: Date.now, randomBytes, registration: 'invite', passwordCost, sealer }));
    const person = (name: string, invite: string) => ({
      name,
      password: 'correct horse battery',
      invite,
      address: '192.0.2.1',
    });

    test('the first account is one, with the one code that both controls print', async () => {
      const [one, two] = accountsOf();
      const codes = await Promise.all([one!.firstAccountCode(), two!.firstAccountCode()]);
      expect(codes[0]).toBe(codes[1]);
      const results = await Promise.allSettled([
        one!.signUp(person('ada', codes[0]!)),
        two!.signUp(person('bob', codes[0]!)),
      ]);
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'invite_required' },
      });
      expect(await store.db.selectFrom('users').select('id').execute()).toHaveLength(1);
    });

    test('limits per user hold over both controls', async () => {
      const [one, two] = accountsOf();
      const { user } = await one!.signUp(person('ada', (await one!.firstAccountCode())!));
      const made = await Promise.allSettled(
        Array.from({ length: inviteLimits.open + 10 }, (_, i) => (i % 2 ? one! : two!).createInvite(user.id)),
      );
      expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(inviteLimits.open);
    });

    test('one name goes to one of two who ask at once', async () => {
      await store.db.insertInto('users').values({ id: 'u', name: 'ada', password_hash: 'x', created_ms: 1 }).execute();
      const results = await Promise.allSettled(
        both.map((db) =>
          new Handlers({ db, now: Date.now, randomBytes, randomInt }).create({ name: 'otter', ownerId: 'u' }),
        ),
      );
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'name_taken' } });
    });
  });

  describe('recovery', () => {
    const hooksFolder = fileURLToPath(new URL('../../../hooks', import.meta.url));

    async function control(i: number) {
      const db = dbOf(i);
      const folder = join(store.folder, `control-${i}`);
      await mkdir(folder);
      const environment = gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder: folder });
      const home = new SqlRepoHome({ db, self: `control-${i}`, now: Date.now });
      const repositories = await Repositories.open({ folder: join(folder, 'repos'), hooksFolder, environment, home });
      const deployments = new DeploymentStore({ db, now: Date.now, randomBytes });
      const reports: string[] = [];
      const report = (message: string) => void reports.push(message);
      const recovery = new Recovery({
        store: deployments,
        previewStore: new PreviewStore({ db, now: Date.now }),
        servedLabels: new ServedLabels({ db }),
        repositories,
        handlers: new Handlers({ db, now: Date.now, randomBytes, randomInt }),
        log: new OwnerLog({ logs: { append: async () => 'stored' }, now: Date.now, report }),
        rollouts: { goLive: () => Promise.reject(new Error('nothing is staged')) },
        // Recovery at start only asks it to forget what was prepared.
        releases: { forgetPrepared: () => {} } as never,
        previews: { remove: async () => false },
        report,
      });
      return { repositories, deployments, recovery, reports };
    }

    test("of one control neither fails the other's push nor removes its new repository; the other then finishes it", async () => {
      const [one, two] = [await control(0), await control(1)];
      // A first push to control 0 that has a repository and no handler yet, and one that is staged.
      await one.repositories.create('fresh');
      await makeHandler();
      const path = await one.repositories.create('h');
      const git = (...args: string[]) =>
        execFileSync('git', ['-C', path, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
          encoding: 'utf8',
        }).trim();
      const tree = execFileSync('git', ['-C', path, 'mktree'], { input: '', encoding: 'utf8' }).trim();
      const commit = git('commit-tree', tree, '-m', 'x');
      const row = await one.deployments.stage(staging(commit));

      await two.recovery.run();
      expect(two.reports).toEqual([]);
      expect(await one.deployments.staged()).toMatchObject([{ id: row.id }]);
      expect(await one.repositories.list()).toEqual(expect.arrayContaining(['fresh', 'h']));
      await expect(two.repositories.create('h')).rejects.toMatchObject({ code: 'conflict' });

      git('update-ref', 'refs/heads/main', commit);
      await one.recovery.run();
      expect(one.reports).toEqual([]);
      expect(await one.deployments.live('h')).toMatchObject({ id: row.id });
      // Nobody's push any more: its own control may remove it.
      expect(await one.repositories.list()).toEqual(['h']);
    });
  });
});
