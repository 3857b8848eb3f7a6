/** Records of pushes, where a repository goes to another control between one step and the next. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DatabaseBlobs } from '../../../src/control/artifacts/database-blobs.ts';
import type { Home } from '../../../src/control/git/leased-homes.ts';
import { type KeptRepository, RepositoryKeeper } from '../../../src/control/git/repository-keeper.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { commit, git, makeRepo, removeTemporaryFolders } from '../../support/e2e.ts';

/** What may become of a repository of this control: another control's, or its own once more, later. */
const lost = [
  ['another control has taken it', { home: 'other', epoch: 1 }],
  ['it was lost and taken again', { home: 'self', epoch: 2 }],
] as const;

onEachDatabase('a repository', (dialect) => {
  let database: TemporaryDatabase;
  let keeper: RepositoryKeeper;
  let source: string;
  let otter: KeptRepository;
  let twin: KeptRepository;
  /** Homes as this control has read them, which may be out of date. */
  const homes = new Map<string, Home>();

  beforeEach(async () => {
    database = await dialect.temporary();
    const { db, folder } = database;
    source = await makeRepo({ 'a.txt': 'one' });
    const kept = async (id: string): Promise<KeptRepository> => {
      const path = join(folder, `${id}.git`);
      await git(source, 'clone', '-q', '--bare', source, path);
      await db.insertInto('repository_homes').values({ repository_id: id, home: 'self', claimed_ms: 1 }).execute();
      const home = { controlId: 'self', epoch: 1, number: 0, isRecorded: false, isAlive: true, url: '', bootId: '' };
      homes.set(id, home);
      return { id, path, make: async () => undefined };
    };
    otter = await kept('otter');
    twin = await kept('twin');
    keeper = await RepositoryKeeper.open({
      db,
      homes: {
        self: 'self',
        mine: async () => new Map(),
        take: async (id) => homes.get(id)!,
        locate: async (id) => homes.get(id) ?? null,
        erase: async () => undefined,
      },
      packs: new DatabaseBlobs({ db }),
      environment: { ...process.env } as Record<string, string>,
      spoolFolder: join(folder, 'packs'),
      report: (message, error) => {
        throw new Error(message, { cause: error });
      },
    });
  });
  afterEach(async () => {
    await keeper.close();
    await database.close();
    await rm(source, { recursive: true });
    await removeTemporaryFolders();
  });

  const numbersOf = async ({ id }: KeptRepository): Promise<readonly string[]> => {
    const rows = database.db.selectFrom('repository_records').select(['number', 'is_base']);
    const all = await rows.where('repository_id', '=', id).orderBy('number').execute();
    return all.map(({ number, is_base }) => `${number}${Number(is_base) === 1 ? ' base' : ''}`);
  };
  const homeOf = async ({ id }: KeptRepository) => {
    const row = await database.db
      .selectFrom('repository_homes')
      .select(['is_recorded', 'last_number'])
      .where('repository_id', '=', id)
      .executeTakeFirstOrThrow();
    return { isRecorded: Number(row.is_recorded) === 1, number: Number(row.last_number) };
  };
  const goes = (to: { readonly home?: string; readonly epoch?: number; readonly is_recorded?: number }) =>
    database.db.updateTable('repository_homes').set(to).where('repository_id', '=', 'otter').execute();
  const elsewhere = { code: 'conflict', message: expect.stringContaining('has moved to another server') };

  /** Brings one commit, as git does in a push, and prepares its record. */
  async function push({ id, path }: KeptRepository): Promise<void> {
    const old = (await git(path, 'rev-parse', 'main')).stdout.trim();
    await commit(source, { 'a.txt': `more of ${id}, after ${old}` });
    await keeper.begin({ path });
    await git(path, 'fetch', '-q', source, 'main:main');
    const now = (await git(path, 'rev-parse', 'main')).stdout.trim();
    expect(now).not.toBe(old);
    await keeper.prepare({ id, path, make: otter.make }, [{ ref: 'refs/heads/main', old, new: now }]);
  }

  it('is recorded, push by push, and folded, each by itself', async () => {
    for (const one of [otter, twin]) await keeper.ready(one);
    await push(otter);
    await keeper.commit(otter);
    expect([await numbersOf(otter), await numbersOf(twin)]).toEqual([['1 base', '2'], ['1 base']]);
    expect([await homeOf(otter), await homeOf(twin)]).toEqual([
      { isRecorded: true, number: 2 },
      { isRecorded: true, number: 1 },
    ]);
    // What is recorded already is not recorded again.
    await keeper.commit(otter);
    await keeper.fold(twin);
    await keeper.fold(otter);
    expect([await numbersOf(otter), await numbersOf(twin)]).toEqual([['2 base'], ['1 base']]);
  });

  it.each([...lost, ['it has been recorded meanwhile', { is_recorded: 1 }]] as const)(
    'is not recorded for the first time where %s',
    async (_why, to) => {
      await goes(to);
      await expect(keeper.ready(otter)).rejects.toMatchObject(elsewhere);
      expect(await numbersOf(otter)).toEqual([]);
      expect(await homeOf(twin)).toEqual({ isRecorded: false, number: 0 });
    },
  );

  it.each(lost)('gets no record of a push where %s', async (_why, to) => {
    for (const one of [otter, twin]) await keeper.ready(one);
    await push(otter);
    await goes(to);
    await expect(keeper.commit(otter)).rejects.toMatchObject(elsewhere);
    expect([await numbersOf(otter), await numbersOf(twin)]).toEqual([['1 base'], ['1 base']]);
    expect(await homeOf(otter)).toEqual({ isRecorded: true, number: 1 });
  });

  it.each(lost)('is not folded where %s', async (_why, to) => {
    await keeper.ready(otter);
    await push(otter);
    await keeper.commit(otter);
    await goes(to);
    await keeper.fold(otter);
    expect(await numbersOf(otter)).toEqual(['1 base', '2']);
  });

  it('that is not ready takes no push', async () => {
    await expect(keeper.prepare(otter, [])).rejects.toMatchObject(elsewhere);
    await keeper.commit(otter);
    expect(await numbersOf(otter)).toEqual([]);
  });
});
