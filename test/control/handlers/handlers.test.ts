import { randomBytes, randomInt } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HandlerAccess } from '../../../src/control/handlers/access.ts';
import { existingHandlers } from '../../../src/control/handlers/existing-handlers.ts';
import { type Handler, Handlers, handlerLimits, isBranchName } from '../../../src/control/handlers/handlers.ts';
import { HandlerViews } from '../../../src/control/handlers/views.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { defaultLimits } from '../../../src/protocol/limits.ts';
import { handlerIdOf, isHandlerName } from '../../../src/protocol/names.ts';
import type { Actor } from '../../../src/protocol/permissions.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('handlers', (dialect) => {
  let store: TemporaryDatabase;
  let handlers: Handlers;
  let nowMs: number;

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 1_800_000_000_000;
    handlers = new Handlers({ db: store.db, now: () => nowMs, randomBytes, randomInt });
    for (const id of ['ada', 'bob'])
      await store.db.insertInto('users').values({ id, name: id, password_hash: 'x', created_ms: 1 }).execute();
  });

  afterEach(() => store.close());

  async function code(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => null,
      (e: unknown) => e,
    );
    return error instanceof PlatformError ? error.code : String(error);
  }

  describe('names', () => {
    test('are unique over all users, for deleted handlers too', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      expect(otter).toEqual({
        id: expect.stringMatching(/^h[0-9a-f]{20}$/),
        name: 'otter',
        ownerId: 'ada',
        deployBranch: null,
        createdMs: nowMs,
        deletedMs: null,
      });
      expect(await code(handlers.create({ name: 'otter', ownerId: 'bob' }))).toBe('name_taken');
      await handlers.delete(otter.id);
      expect(await code(handlers.create({ name: 'otter', ownerId: 'bob' }))).toBe('name_taken');
      expect(await code(handlers.create({ name: 'otter', ownerId: 'ada' }))).toBe('name_taken');
    });

    test('are generated where missing, again when one is taken, until it is enough', async () => {
      const draws: number[] = [];
      const fixed = new Handlers({ db: store.db, now: () => nowMs, randomBytes, randomInt: () => draws.shift() ?? 0 });
      const first = await fixed.create({ ownerId: 'ada' });
      expect(first.name).toBe('ace-of-wands-1000');
      draws.push(0, 0, 0, 1, 1, 1);
      expect((await fixed.create({ ownerId: 'ada' })).name).toBe('two-of-cups-1001');
      expect(await code(fixed.create({ ownerId: 'ada' }))).toBe('name_taken');
      for (let i = 0; i < 20; i += 1)
        expect(isHandlerName((await handlers.create({ ownerId: 'bob' })).name)).toBe(true);
    });

    test('two who want the same at the same time: one gets it', async () => {
      const both = await Promise.allSettled(['ada', 'bob'].map((ownerId) => handlers.create({ name: 'x', ownerId })));
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    });
  });

  describe('finding', () => {
    test('a foreign handler, a missing one and a deleted one look the same', async () => {
      const { id } = await handlers.create({ name: 'otter', ownerId: 'ada' });
      const message = (name: string, owner: string) =>
        new HandlerAccess(store)
          .handlerFor(actor(owner), 'getHandler', name)
          .catch((e: PlatformError) => `${e.code} ${e.message.replace(name, 'NAME')}`);
      const foreign = await message('otter', 'bob');
      expect(foreign).toBe('not_found you have no handler "NAME"');
      expect(await message('nobody', 'bob')).toBe(foreign);
      await handlers.delete(id);
      expect(await message('otter', 'ada')).toBe(foreign);
      expect(await handlers.find('otter')).toBeNull();
      expect((await handlers.findById(id))?.deletedMs).toBe(nowMs);
      expect(await handlers.find('x'.repeat(1_000_000))).toBeNull();
    });
  });

  describe('deletion', () => {
    test('can be taken back by the owner; who listens hears of it once', async () => {
      const { id } = await handlers.create({ name: 'otter', ownerId: 'ada' });
      const deleted: string[] = [];
      handlers.onDeleted((handlerId) => deleted.push(handlerId));
      expect(await code(handlers.restore('otter', 'ada'))).toBe('conflict');
      await handlers.delete(id);
      expect(await code(handlers.delete(id))).toBe('not_found');
      expect(deleted).toEqual([id]);
      expect(await handlers.list('ada')).toEqual([]);
      expect((await handlers.list('ada', { deleted: true })).map(({ name }) => name)).toEqual(['otter']);
      expect(await code(handlers.restore('otter', 'bob'))).toBe('not_found');
      expect(await handlers.restore('otter', 'ada')).toMatchObject({ id, deletedMs: null });
      expect(await handlers.find('otter')).toMatchObject({ id });
    });

    test('becomes final after the retention: everything goes, the name is free', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      const kept = await handlers.create({ name: 'kept', ownerId: 'ada' });
      await deploy(otter, 1, 'live');
      await store.db
        .insertInto('handler_env')
        .values({ handler_id: otter.id, key: 'A', sealed: 'x', updated_ms: 1 })
        .execute();
      await handlers.delete(otter.id);
      nowMs += handlerLimits.retentionMs;
      const purged: string[] = [];
      const before = async ({ name }: Handler) => void purged.push(name);
      expect(await handlers.purge(before)).toBe(0);
      nowMs += 1;
      const failing = handlers.purge(async () => {
        throw new Error('the repository is stuck');
      });
      await expect(failing).rejects.toThrow('stuck');
      expect(await handlers.findById(otter.id)).not.toBeNull();
      expect(await handlers.purge(before)).toBe(1);
      expect(purged).toEqual(['otter']);
      expect(await code(handlers.restore('otter', 'ada'))).toBe('not_found');
      for (const table of ['deployments', 'releases', 'handler_env'] as const)
        expect(await store.db.selectFrom(table).selectAll().execute(), table).toEqual([]);
      expect(await handlers.findById(kept.id)).not.toBeNull();
      await handlers.create({ name: 'otter', ownerId: 'bob' });
    });
  });

  describe('renaming', () => {
    const named = async (name: string, ownerId = 'ada') => handlers.create({ name, ownerId });

    test('keeps the handler, and gives its name before to nobody but the owner for 30 days', async () => {
      const otter = await named('otter');
      expect(await handlers.rename(otter.id, 'heron')).toEqual({ before: 'otter', freed: [] });
      expect(await handlers.find('heron')).toEqual({ ...otter, name: 'heron' });
      expect(await handlers.find('otter')).toBeNull();
      const badger = await named('badger', 'bob');
      expect(await code(named('otter', 'bob'))).toBe('name_taken');
      expect(await code(handlers.rename(badger.id, 'otter'))).toBe('name_taken');
      nowMs += handlerLimits.formerNameMs - 1;
      expect(await code(named('otter', 'bob'))).toBe('name_taken');
      nowMs += 1;
      await named('otter', 'bob');
      expect(await store.db.selectFrom('former_names').selectAll().execute()).toEqual([]);
    });

    test('lets the owner take a former name, for another handler or back', async () => {
      const otter = await named('otter');
      await handlers.rename(otter.id, 'heron');
      await handlers.rename(otter.id, 'otter');
      expect(await names(otter.id)).toEqual(['heron']);
      await named('heron');
      expect(await names(otter.id)).toEqual([]);
    });

    test('refuses what a new handler could not be called, names that are in use, and handlers that are not', async () => {
      const otter = await named('otter');
      const taken = await named('taken');
      await handlers.delete(taken.id);
      for (const bad of [
        '',
        'Heron',
        'h\u0435ron',
        'hero\u0301n',
        'a--b',
        '-a',
        'xn--a',
        'a b',
        '../a',
        'x'.repeat(41),
        'admin',
        'api',
      ])
        expect(await code(handlers.rename(otter.id, bad)), bad).toBe('name_invalid');
      expect(await code(handlers.rename(otter.id, 'taken'))).toBe('name_taken');
      expect(await code(handlers.rename(taken.id, 'heron'))).toBe('not_found');
      expect(await code(handlers.rename('h-none', 'heron'))).toBe('not_found');
      expect(await handlers.rename(otter.id, 'otter')).toEqual({ before: 'otter', freed: [] });
      expect(await names(otter.id)).toEqual([]);
    });

    test('does not reserve names without end: only former names older than 30 days make room', async () => {
      const { id } = await named('n0');
      for (let n = 1; n <= handlerLimits.formerNames; n += 1) {
        nowMs += 1;
        await handlers.rename(id, `n${n}`);
      }
      expect(await code(handlers.rename(id, 'more'))).toBe('limit_exceeded');
      expect((await handlers.findById(id))?.name).toBe(`n${handlerLimits.formerNames}`);
      nowMs += handlerLimits.formerNameMs;
      expect(await handlers.rename(id, 'more')).toMatchObject({ freed: ['n0'] });
      await named('n0', 'bob');
    });

    test('at the same time as others: a name goes to one of two, and every handler keeps one', async () => {
      const [one, two] = [await named('one'), await named('two', 'bob')];
      const results = await Promise.all([
        code(handlers.rename(one.id, 'same')),
        code(handlers.rename(two.id, 'same')),
        code(named('same', 'ada')),
      ]);
      expect(results.filter((result) => result === 'null')).toHaveLength(1);
      expect(results.filter((result) => result === 'name_taken')).toHaveLength(2);
      const renames = ['a', 'b', 'c', 'd'].map((name) => handlers.rename(one.id, name));
      await Promise.all(renames);
      const present = (await handlers.findById(one.id))!.name;
      const all = [present, ...(await names(one.id))];
      expect(new Set(all).size).toBe(all.length);
      expect(['a', 'b', 'c', 'd']).toContain(present);
      expect(all).toContain('one');
    });

    test('beside a creation of the name that it leaves: the name stays the owner’s', async () => {
      for (let round = 0; round < 10; round += 1) {
        const { id } = await named(`left-${round}`);
        const [, created] = await Promise.all([
          handlers.rename(id, `new-${round}`),
          code(named(`left-${round}`, 'bob')),
        ]);
        expect(created).toBe('name_taken');
        expect(await names(id)).toEqual([`left-${round}`]);
      }
    });

    test('leaves the old name to the team for git, and tells the new one to other questions', async () => {
      const otter = await named('otter');
      await store.db
        .insertInto('collaborators')
        .values({ handler_id: otter.id, user_id: 'bob', role: 'viewer', added_ms: 1 })
        .execute();
      await store.db
        .insertInto('users')
        .values({ id: 'eve', name: 'eve', password_hash: 'x', created_ms: 1 })
        .execute();
      await handlers.rename(otter.id, 'heron');
      const access = new HandlerAccess({ db: store.db });
      const former = { former: true };
      for (const user of ['ada', 'bob'])
        expect(await access.handlerFor(actor(user), 'gitFetch', 'otter', former)).toMatchObject({
          id: otter.id,
          name: 'heron',
        });
      expect(await code(access.handlerFor(actor('eve'), 'gitFetch', 'otter', former))).toBe('not_found');
      expect(await access.pushTarget(actor('ada'), 'otter')).toMatchObject({ id: otter.id, name: 'heron' });
      expect(await code(access.pushTarget(actor('bob'), 'otter'))).toBe('forbidden');
      expect(await access.pushTarget(actor('eve'), 'otter')).toBeNull();
      const asked = (user: string) =>
        access.handlerFor(actor(user), 'getHandler', 'otter').catch((error: Error) => error.message);
      expect(await asked('ada')).toBe('otter is called heron now');
      expect(await asked('eve')).toBe('you have no handler "otter"');
    });

    test('a former name goes with its handler', async () => {
      const otter = await named('otter');
      await handlers.rename(otter.id, 'heron');
      await handlers.delete(otter.id);
      expect(await code(named('otter', 'bob'))).toBe('name_taken');
      await handlers.purgeOne({ ...otter, name: 'heron' }, async () => {});
      await named('otter', 'bob');
    });

    async function names(handlerId: string): Promise<readonly string[]> {
      const rows = await store.db
        .selectFrom('former_names')
        .select('name')
        .where('handler_id', '=', handlerId)
        .execute();
      return rows.map(({ name }) => name);
    }
  });

  test('a user has so many handlers, and deleting does not make room for ever more', async () => {
    const row = (i: number, deleted: boolean) => ({
      id: `h${i}`,
      name: `n${i}`,
      owner_id: 'ada',
      deploy_branch: null,
      next_number: 1,
      created_ms: 1,
      deleted_ms: deleted ? 1 : null,
    });
    const { live, total } = handlerLimits;
    const rows = Array.from({ length: live - 1 }, (_, i) => row(i, false));
    await store.db.insertInto('handlers').values(rows).execute();
    const last = await handlers.create({ name: 'last', ownerId: 'ada' });
    expect(await code(handlers.create({ name: 'more', ownerId: 'ada' }))).toBe('limit_exceeded');
    await handlers.create({ name: 'of-bob', ownerId: 'bob' });
    await handlers.delete(last.id);
    await handlers.create({ name: 'again', ownerId: 'ada' });
    expect(await code(handlers.restore('last', 'ada'))).toBe('limit_exceeded');
    await store.db.updateTable('handlers').set({ deleted_ms: 1 }).where('owner_id', '=', 'ada').execute();
    await store.db
      .insertInto('handlers')
      .values(Array.from({ length: total - live - 1 }, (_, i) => row(1_000 + i, true)))
      .execute();
    expect(await code(handlers.create({ name: 'more', ownerId: 'ada' }))).toBe('limit_exceeded');
  });

  test('branch names that git or a shell could misread are refused', () => {
    for (const good of ['main', 'feature/x-1', 'v1.2', 'a_b', 'release+1']) expect(isBranchName(good), good).toBe(true);
    const bad = [
      '',
      '-x',
      '--upload-pack=x',
      '/a',
      'a/',
      'a//b',
      'a..b',
      'a.lock',
      'a.lock/b',
      '.a',
      'a/.b',
      'a b',
      'a~1',
      'a^',
      'a:b',
      'a\u0000',
      'a\n',
      'ä',
      'a.',
      '@{',
      'x'.repeat(201),
    ];
    for (const name of bad) expect(isBranchName(name), JSON.stringify(name)).toBe(false);
  });

  describe('views', () => {
    const views = () =>
      new HandlerViews({
        db: store.db,
        functionUrl: (name) => `http://${name}.localhost:3003`,
        functionPathUrl: (name) => `http://localhost:3003/${name}/`,
        gitUrl: (name) => `http://localhost:3002/${name}.git`,
      });

    test('state and version follow deployments and releases', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      expect(await views().of(otter.id, 'owner')).toEqual({
        name: 'otter',
        owner: 'ada',
        role: 'owner',
        url: 'http://otter.localhost:3003',
        pathUrl: 'http://localhost:3003/otter/',
        gitUrl: 'http://localhost:3002/otter.git',
        deployBranch: null,
        settings: { limits: {}, policy: { allow: [], disallow: [] }, previews: true },
        state: 'empty',
        version: null,
        createdMs: nowMs,
        deployedMs: null,
        formerNames: [],
      });
      await deploy(otter, 1, 'failed');
      expect(await views().of(otter.id, 'owner')).toMatchObject({ state: 'failed', version: null });
      await deploy(otter, 2, 'live');
      await deploy(otter, 3, 'failed');
      expect(await views().of(otter.id, 'owner')).toMatchObject({ state: 'live', version: 2, deployedMs: 77 });
      await handlers.delete(otter.id);
      expect(await views().of(otter.id, 'owner')).toMatchObject({ state: 'deleted' });
      await handlers.create({ name: 'badger', ownerId: 'ada' });
      const all = { boundTo: null, after: '', search: '', limit: 9 };
      expect((await views().list('ada', { ...all, deleted: false })).map(({ name }) => name)).toEqual(['badger']);
      expect((await views().list('ada', { ...all, deleted: true })).map(({ name }) => name)).toEqual(['otter']);
      expect(await views().list('bob', { ...all, deleted: false })).toEqual([]);
      expect(await code(views().of('h0', 'owner'))).toBe('not_found');
    });

    test('the names before are told, newest first, with the time until which they are kept', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      await handlers.create({ name: 'badger', ownerId: 'ada' });
      await handlers.rename(otter.id, 'heron');
      const first = { name: 'otter', keptUntilMs: nowMs + handlerLimits.formerNameMs };
      nowMs += 1;
      await handlers.rename(otter.id, 'stork');
      const second = { name: 'heron', keptUntilMs: nowMs + handlerLimits.formerNameMs };
      expect((await views().of(otter.id, 'viewer')).formerNames).toEqual([second, first]);
      const all = { boundTo: null, after: '', search: '', limit: 9, deleted: false };
      const list = await views().list('ada', all);
      expect(list.map(({ name, formerNames }) => [name, formerNames])).toEqual([
        ['badger', []],
        ['stork', [second, first]],
      ]);
    });

    test('a list is searched by a part of the name, in any case, and read in pages', async () => {
      for (const name of ['a-red-fox', 'b-fox', 'c-owl', 'd-fox']) await handlers.create({ name, ownerId: 'ada' });
      const names = async (page: { readonly search?: string; readonly after?: string; readonly limit?: number }) => {
        const options = { deleted: false, boundTo: null, after: '', search: '', limit: 9, ...page };
        return (await views().list('ada', options)).map(({ name }) => name);
      };
      expect(await names({ search: 'FOX' })).toEqual(['a-red-fox', 'b-fox', 'd-fox']);
      expect(await names({ search: '-fox', after: 'a-red-fox', limit: 1 })).toEqual(['b-fox']);
      expect(await names({ after: 'b-fox' })).toEqual(['c-owl', 'd-fox']);
      for (const search of ['%', '_', 'ж', 'fo x', "'"]) expect(await names({ search }), search).toEqual([]);
    });

    test('a preview of another branch is not the live version', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      await deploy(otter, 1, 'live', 'dev');
      expect(await views().of(otter.id, 'owner')).toMatchObject({ state: 'empty', version: null });
    });

    test('deployments come newest first, in pages', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      for (let n = 1; n <= 5; n += 1) await deploy(otter, n, n === 5 ? 'live' : 'retired');
      const numbers = async (options: { limit: number; before?: number }) =>
        (await views().deployments(otter.id, options)).map(({ number }) => number);
      expect(await numbers({ limit: 2 })).toEqual([5, 4]);
      expect(await numbers({ limit: 10, before: 4 })).toEqual([3, 2, 1]);
      expect((await views().deployments(otter.id, { limit: 1 }))[0]).toEqual({
        number: 5,
        state: 'live',
        commit: '8a1c0de',
        author: 'Ada Lovelace',
        subject: 'Say hello',
        ref: 'refs/heads/main',
        preview: null,
        pushedBy: 'ada',
        createdMs: 50,
        modulePath: 'dist/hello.wasm',
        moduleBytes: 100,
        moduleSha256: 'abc',
        abis: ['cwa'],
        interfaces: ['cwa'],
        limits: defaultLimits,
        policy: { allow: ['^https:'], disallow: [] },
        newlyAllowed: ['newly allowed: https:'],
        vetMs: 12,
        failure: null,
      });
    });
  });

  describe('existing handlers', () => {
    test('are told from others, deleted ones included, however many are asked for', async () => {
      const otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
      const gone = await handlers.create({ name: 'gone', ownerId: 'ada' });
      await handlers.delete(gone.id);
      const many = Array.from({ length: 1_300 }, (_, i) => `n${i}`);
      const asked = [otter.id, ...many, gone.id, otter.id].map(handlerIdOf);
      expect([...(await existingHandlers(store.db, asked))]).toEqual([otter.id, gone.id]);
      expect((await existingHandlers(store.db, [])).size).toBe(0);
    });
  });

  async function deploy(
    handler: Handler,
    number: number,
    state: 'live' | 'failed' | 'retired',
    branch = '',
  ): Promise<void> {
    const { db } = store;
    await db
      .insertInto('artifacts')
      .values({
        name: 'abc-m1',
        sha256: 'abc',
        meter_version: 1,
        original_bytes: 100,
        bytes: 120,
        module: JSON.stringify({ plan: { abis: ['cwa'], imports: [{ module: 'cwa' }] } }),
        created_ms: 1,
      })
      .onConflict((oc) => oc.doNothing())
      .execute();
    const id = `d-${handler.name}-${number}`;
    await db
      .insertInto('deployments')
      .values({
        id,
        handler_id: handler.id,
        number,
        commit: '8a1c0de',
        ref: 'refs/heads/main',
        user_id: 'ada',
        artifact: 'abc-m1',
        module_path: 'dist/hello.wasm',
        manifest: JSON.stringify({ limits: defaultLimits, policy: { allow: ['^https:'], disallow: [] }, env: {} }),
        state,
        failure: state === 'failed' ? 'why' : null,
        vet_ms: 12,
        created_ms: number * 10,
        author: 'Ada Lovelace',
        subject: 'Say hello',
        newly: '["newly allowed: https:"]',
      })
      .execute();
    if (state !== 'live') return;
    await db
      .insertInto('releases')
      .values({ handler_id: handler.id, branch, deployment_id: id, changed_ms: 77 })
      .execute();
  }
});

/** A user with every right of an ordinary one. */
function actor(id: string): Actor {
  const user = { id, name: id, createdMs: 0 };
  return { user, isAdmin: false, tokenId: 't', scope: 'full', boundTo: null, expiresMs: null };
}
