/** What every version of the port RepoHome promises. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/control/db/database.ts';
import { Membership } from '../../../src/control/db/membership.ts';
import { LeasedHomes } from '../../../src/control/git/leased-homes.ts';
import { claimHere, SqlRepoHome } from '../../../src/control/git/repo-home.ts';
import type { RepoHome } from '../../../src/protocol/ports.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

const versions = [
  {
    name: 'kept by the first control',
    make: (db: Database, self: string) => new SqlRepoHome({ db, self, now: () => 1 }),
  },
  { name: 'leased', make: (db: Database, self: string) => new LeasedHomes({ db, self, now: () => 1 }) },
];

onEachDatabase('homes of repositories', (dialect) =>
  describe.each(versions)('$name', ({ make }) => {
    let store: TemporaryDatabase;
    let one: RepoHome;
    let two: RepoHome;

    beforeEach(async () => {
      store = await dialect.temporary();
      one = make(store.db, 'one');
      two = make(await store.open(), 'two');
    });

    afterEach(() => store.close());

    test('the first to claim a repository keeps it, whoever asks', async () => {
      expect(await one.claim(['a', 'b'])).toEqual(
        new Map([
          ['a', 'one'],
          ['b', 'one'],
        ]),
      );
      expect(await two.claim(['b', 'c'])).toEqual(
        new Map([
          ['b', 'one'],
          ['c', 'two'],
        ]),
      );
      expect(await one.of(['a', 'b', 'c', 'd'])).toEqual(
        new Map([
          ['a', 'one'],
          ['b', 'one'],
          ['c', 'two'],
        ]),
      );
      await claimHere(one, 'a');
      await expect(claimHere(two, 'a')).rejects.toMatchObject({ code: 'conflict' });
    });

    test('claims of many at once agree', async () => {
      const ids = Array.from({ length: 700 }, (_, i) => `r${i}`);
      const answers = await Promise.all([one.claim(ids), two.claim(ids), one.claim(ids.toReversed())]);
      for (const id of ids) expect(new Set(answers.map((homes) => homes.get(id))).size).toBe(1);
    });

    test('a repository that is removed can be claimed anew; one of another control is not forgotten', async () => {
      await one.claim(['a']);
      await two.forget('a');
      expect(await two.claim(['a'])).toEqual(new Map([['a', 'one']]));
      await one.forget('a');
      expect(await two.claim(['a'])).toEqual(new Map([['a', 'two']]));
      expect(await one.claim(['a'])).toEqual(new Map([['a', 'two']]));
    });
  }),
);

onEachDatabase('leased homes of repositories', (dialect) => {
  let store: TemporaryDatabase;
  let one: LeasedHomes;
  let two: LeasedHomes;

  beforeEach(async () => {
    store = await dialect.temporary();
    one = new LeasedHomes({ db: store.db, self: 'one', now: () => 1 });
    two = new LeasedHomes({ db: await store.open(), self: 'two', now: () => 1 });
  });

  afterEach(() => store.close());

  const join = (controlId: string, bootId: string) =>
    Membership.join({
      ...{ db: store.db, controlId, bootId, url: `http://${controlId}` },
      onReplaced: () => {},
      onError: () => {},
    });

  test('a living control keeps its repositories; one of many others takes them when it has ended, with a greater epoch', async () => {
    const living = await join('one', 'first');
    expect(await one.take('a', true)).toMatchObject({ controlId: 'one', epoch: 1, isAlive: true });
    expect(await two.take('a', true)).toMatchObject({ controlId: 'one', epoch: 1, url: 'http://one' });
    expect(await two.lost()).toEqual([]);
    await living.leave();
    expect((await two.lost()).map(({ controlId }) => controlId)).toEqual(['one']);
    const others = Array.from({ length: 5 }, (_, i) => `other-${i}`);
    const joined = await Promise.all(others.map((id) => join(id, 'first')));
    const homes = await Promise.all(
      others.map((self) => new LeasedHomes({ db: store.db, self, now: () => 1 }).take('a', false)),
    );
    expect(new Set(homes.map(({ controlId, epoch }) => `${controlId} ${epoch}`)).size).toBe(1);
    expect(homes[0]).toMatchObject({ epoch: 2 });
    for (const one of joined) await one.leave();
  });

  test('a control that ended long ago is forgotten, unless it is the home of a repository', async () => {
    for (const id of ['one', 'two', 'three']) await (await join(id, 'first')).leave();
    const living = await join('living', 'first');
    await one.take('a', false);
    await store.db.updateTable('controls').set({ expires_ms: Date.now() }).where('control_id', '=', 'three').execute();
    await two.prune();
    const rows = await store.db.selectFrom('controls').select('control_id').orderBy('control_id').execute();
    expect(rows.map(({ control_id }) => control_id)).toEqual(['living', 'one', 'three']);
    await living.leave();
  });

  test('what is not recorded stays with its control, though it has ended', async () => {
    expect(await one.take('a', false)).toMatchObject({ controlId: 'one', isRecorded: false, isAlive: false });
    expect(await two.take('a', true)).toMatchObject({ controlId: 'one' });
  });

  test('time is that of the database: clocks of controls five minutes apart change nothing', async () => {
    const late = new LeasedHomes({ db: store.db, self: 'late', now: () => Date.now() - 300_000 });
    const early = new LeasedHomes({ db: store.db, self: 'early', now: () => Date.now() + 300_000 });
    const living = await join('late', 'first');
    await late.take('a', true);
    expect(await early.take('a', true)).toMatchObject({ controlId: 'late', isAlive: true });
    await living.leave();
    expect(await early.take('a', true)).toMatchObject({ controlId: 'early' });
  });

  test('a second start with the id of a living control replaces the first, which then knows it', async () => {
    let replaced = () => {};
    const isReplaced = new Promise<void>((resolve) => {
      replaced = resolve;
    });
    const first = await Membership.join({
      ...{ db: store.db, controlId: 'one', bootId: 'first', url: 'http://one' },
      onReplaced: replaced,
      onError: () => {},
    });
    const second = await join('one', 'second');
    await isReplaced;
    expect([first.isHeld, second.isHeld]).toEqual([false, true]);
    await first.leave();
    await one.take('a', true);
    expect(await one.locate('a')).toMatchObject({ isAlive: true, bootId: 'second' });
    await second.leave();
  });
});
