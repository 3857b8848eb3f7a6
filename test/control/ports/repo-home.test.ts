/** What every version of the port RepoHome promises. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimHere, SqlRepoHome } from '../../../src/control/git/repo-home.ts';
import type { RepoHome } from '../../../src/protocol/ports.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('homes of repositories', (dialect) => {
  let store: TemporaryDatabase;
  let one: RepoHome;
  let two: RepoHome;

  beforeEach(async () => {
    store = await dialect.temporary();
    one = new SqlRepoHome({ db: store.db, self: 'one', now: () => 1 });
    two = new SqlRepoHome({ db: await store.open(), self: 'two', now: () => 1 });
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
});
