import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Accounts, accountLimits, type Registration } from '../../../src/control/accounts/accounts.ts';
import { codeTryLimits } from '../../../src/control/accounts/code-tries.ts';
import { inviteLimits } from '../../../src/control/accounts/invites.ts';
import { knownAddressLimits } from '../../../src/control/accounts/known-addresses.ts';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { tokenLimits } from '../../../src/control/accounts/tokens.ts';
import { codeOf, stepAt, totpLimits } from '../../../src/control/accounts/totp.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('accounts', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs: number;
  let sealer: Sealer;

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 1_800_000_000_000;
    sealer = await Sealer.open({ db: store.db, keyFile: join(store.folder, 'env.key'), randomBytes });
  });

  afterEach(() => store.close());

  const password = 'correct horse battery';
  const address = '192.0.2.1';

  /** Cheap hashes, but where hashing itself is looked at: hundreds of real ones take half a minute. */
  function accounts(registration: Registration = 'open', real = false): Accounts {
    const passwordCost = { memory: 64, passes: 1, parallelism: 1 };
    return new Accounts({
      db: store.db,
      now: () => nowMs,
      randomBytes,
      registration,
      sealer,
      ...(real ? {} : { passwordCost }),
    });
  }

  async function code(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => null,
      (e: unknown) => e,
    );
    return error instanceof PlatformError ? error.code : String(error);
  }

  describe('the first account', () => {
    test('needs the code, which stays the same until it is used and is null afterwards', async () => {
      const first = await accounts('invite').firstAccountCode();
      expect(first).toMatch(/^([0-9a-z]{4}-){3}[0-9a-z]{4}$/);
      const restarted = accounts('invite');
      expect(await restarted.firstAccountCode()).toBe(first);
      const signUp = (invite?: string) => restarted.signUp({ name: 'ada', password, invite, address });
      expect(await code(signUp())).toBe('invite_required');
      expect(await code(signUp('wrong'))).toBe('invite_required');
      await signUp(` ${first!.toUpperCase()}\n`);
      expect(await restarted.firstAccountCode()).toBeNull();
      expect(await code(restarted.signUp({ name: 'bob', password, invite: first!, address }))).toBe('invite_required');
    });

    test('can be made with the code although registration is closed', async () => {
      const closed = accounts('closed');
      const invite = (await closed.firstAccountCode())!;
      await closed.signUp({ name: 'ada', password, invite, address });
      expect(await code(closed.signUp({ name: 'bob', password, address }))).toBe('registration_closed');
    });

    test('is made once, however many sign up with the code at the same time', async () => {
      const it = accounts('invite');
      const invite = (await it.firstAccountCode())!;
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, (_, i) => it.signUp({ name: `user${i}`, password, invite, address })),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await store.db.selectFrom('users').select('id').execute()).toHaveLength(1);
    });
  });

  describe('sign up and log in', () => {
    test('the Token works, the password is stored as argon2id only', async () => {
      const it = accounts('open', true);
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      expect(token).toMatch(/^tr_[A-Za-z0-9_-]{43}$/);
      expect(await it.actorOfToken(token)).toMatchObject({ user, tokenId: expect.stringMatching(/^t/), scope: 'full' });
      const again = await it.logIn({ name: 'ada', password, address });
      expect(again.user).toEqual(user);
      expect((await it.actorOfToken(again.token))?.user).toEqual(user);
      const stored = JSON.stringify([
        await store.db.selectFrom('users').selectAll().execute(),
        await store.db.selectFrom('tokens').selectAll().execute(),
      ]);
      expect(stored).toContain('$argon2id$v=19$m=19456,t=2,p=1$');
      for (const secret of [password, token, again.token]) expect(stored).not.toContain(secret);
    });

    test('a wrong name, a wrong password and an endless one get the same answer', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      const message = (name: string, tried: string) =>
        it.logIn({ name, password: tried, address }).catch((e: PlatformError) => `${e.code} ${e.message}`);
      const expected = 'unauthorized wrong name or password';
      expect(await message('ada', 'wrong')).toBe(expected);
      expect(await message('nobody', password)).toBe(expected);
      expect(await message('ada', `${password} `)).toBe(expected);
      expect(await message('ada', '')).toBe(expected);
      expect(await message('ada', 'x'.repeat(100_000))).toBe(expected);
      expect(await message('x'.repeat(100_000), password)).toBe(expected);
    });

    test('the same work is done for an unknown name as for a wrong password', async () => {
      // In CPU time of this process: a stopwatch would lie on a busy machine.
      const it = accounts('open', true);
      await it.signUp({ name: 'ada', password, address });
      await it.logIn({ name: 'nobody', password, address }).catch(() => {});
      const cpuOf = async (name: string) => {
        const before = process.cpuUsage();
        await it.logIn({ name, password: 'wrong wrong', address }).catch(() => {});
        const { user, system } = process.cpuUsage(before);
        return user + system;
      };
      // The least of three: what else this process does in between is no work on the password.
      const leastOf = async (name: string) => Math.min(await cpuOf(name), await cpuOf(name), await cpuOf(name));
      const [known, unknown] = [await leastOf('ada'), await leastOf('nobody')];
      expect(unknown).toBeGreaterThan(known / 4);
    });

    test('names and passwords follow the rules', async () => {
      const it = accounts();
      let n = 0;
      const elsewhere = () => {
        n += 1;
        return `198.51.100.${n}`; // below the rate limit
      };
      for (const name of ['', 'Ada', 'a b', '-a', 'a-', 'é', 'x'.repeat(33), 'a\u0000', '../x'])
        expect(await code(it.signUp({ name, password, address: elsewhere() })), name).toBe('name_invalid');
      for (const bad of ['', 'short', '7 chars', '🦦🦦🦦🦦🦦🦦🦦', 'x'.repeat(1025)])
        expect(await code(it.signUp({ name: 'ada', password: bad, address: elsewhere() })), bad).toBe('bad_request');
      await it.signUp({ name: 'admin', password: '🦦🦦🦦🦦🦦🦦🦦🦦', address });
      await it.signUp({ name: 'x'.repeat(32), password: 'x'.repeat(1024), address });
    });

    test('a taken name is refused, also when two take it at the same time', async () => {
      const it = accounts();
      const both = await Promise.allSettled([
        it.signUp({ name: 'ada', password, address }),
        it.signUp({ name: 'ada', password, address }),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(await code(it.signUp({ name: 'ada', password, address }))).toBe('name_taken');
      expect(await store.db.selectFrom('tokens').select('id').execute()).toHaveLength(1);
    });

    test('a password is the same in composed and decomposed form', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password: 'motörhead'.normalize('NFD'), address });
      await it.logIn({ name: 'ada', password: 'motörhead'.normalize('NFC'), address });
    });
  });

  describe('invites', () => {
    test('let one person in, once, also under a race', async () => {
      const it = accounts('invite');
      const first = (await it.firstAccountCode())!;
      const { user } = await it.signUp({ name: 'ada', password, invite: first, address });
      const { invite, view } = await it.createInvite(user.id);
      const results = await Promise.allSettled(
        ['b', 'c', 'd'].map((name) => it.signUp({ name, password, invite, address })),
      );
      const done = results.filter((result) => result.status === 'fulfilled');
      expect(done).toHaveLength(1);
      expect(await it.listInvites(user.id, { limit: 50 })).toEqual([
        { ...view, uses: 1, usedBy: [done[0]!.value.user.name] },
      ]);
      expect(await code(it.signUp({ name: 'late', password, invite, address }))).toBe('invite_required');
      expect(await code(it.deleteInvite(user.id, view.id))).toBe('not_found');
    });

    test('let as many in as they are for, and nobody after they have expired', async () => {
      const it = accounts('invite');
      const { user } = await it.signUp({ name: 'ada', password, invite: (await it.firstAccountCode())!, address });
      const { invite, view } = await it.createInvite(user.id, { usesMax: 2, lifeMs: 1_000 });
      expect(view).toMatchObject({ usesMax: 2, uses: 0, expiresMs: nowMs + 1_000, usedBy: [] });
      const results = await Promise.allSettled(
        ['b', 'c', 'd'].map((name) => it.signUp({ name, password, invite, address })),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
      expect((await it.listInvites(user.id, { limit: 50 }))[0]).toMatchObject({ uses: 2 });
      const late = await it.createInvite(user.id, { usesMax: 5, lifeMs: 1_000 });
      nowMs += 1_000;
      expect(await code(it.signUp({ name: 'late', password, invite: late.invite, address }))).toBe('invite_required');
      for (const usesMax of [0, -1, Number.NaN, inviteLimits.uses + 1])
        expect(await code(it.createInvite(user.id, { usesMax })), `${usesMax}`).toBe('bad_request');
      for (const lifeMs of [0, -1, Number.NaN, inviteLimits.lifeMs + 1])
        expect(await code(it.createInvite(user.id, { lifeMs })), `${lifeMs}`).toBe('bad_request');
    });

    test('are limited, can be taken back by who made them, and are not given when registration is closed', async () => {
      const it = accounts('open');
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { user: bob } = await it.signUp({ name: 'bob', password, address });
      for (let i = 0; i < inviteLimits.open; i += 1) await it.createInvite(user.id);
      expect(await code(it.createInvite(user.id))).toBe('limit_exceeded');
      const { id } = (await it.listInvites(user.id, { limit: 50 }))[0]!;
      expect(await code(it.deleteInvite(bob.id, id))).toBe('not_found');
      await it.deleteInvite(user.id, id);
      await it.createInvite(user.id);
      expect(await code(accounts('closed').createInvite(bob.id))).toBe('registration_closed');
    });
  });

  describe('the password', () => {
    const next = 'another good one';

    test('is changed with the current one; other sessions end if that is wished, at once', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      const { tokenId } = (await it.actorOfToken(token))!;
      const other = await it.logIn({ name: 'ada', password, address });
      const revoked: string[] = [];
      it.onTokenRevoked((id) => revoked.push(id));
      const change = (current: string, endSessions: boolean, to = next) =>
        it.changePassword({ user, tokenId, current, next: to, endSessions, address });
      expect(await code(change('wrong password', true))).toBe('unauthorized');
      expect(await code(change(password, true, 'short'))).toBe('bad_request');
      expect(await it.actorOfToken(other.token)).not.toBeNull();
      await change(password, false);
      expect(revoked).toEqual([]);
      expect(await code(it.logIn({ name: 'ada', password, address }))).toBe('unauthorized');
      await change(next, true, password);
      expect(revoked).toHaveLength(1);
      expect(await it.actorOfToken(other.token)).toBeNull();
      expect(await it.actorOfToken(token)).not.toBeNull();
      await it.logIn({ name: 'ada', password, address });
    });

    test('guesses at the current one are limited like log-ins', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      const { tokenId } = (await it.actorOfToken(token))!;
      const from = { user, tokenId, next, endSessions: false, address: '192.0.2.77' };
      for (let i = 0; i < accountLimits.logInByAddress.burst; i += 1)
        expect(await code(it.changePassword({ ...from, current: 'wrong one' }))).toBe('unauthorized');
      expect(await code(it.changePassword({ ...from, current: password }))).toBe('rate_limited');
    });

    test('what is remembered of credentials ends with a change and with a suspension', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      await it.signUp({ name: 'bob', password, address });
      await it.users.change('bob', { admin: true });
      const { tokenId } = (await it.actorOfToken(token))!;
      const first = await it.actorOfPassword({ name: 'ada', password, address });
      expect(await it.isCurrent(user.id, first.epoch)).toBe(true);
      await it.changePassword({ user, tokenId, current: password, next, endSessions: false, address });
      expect(await it.isCurrent(user.id, first.epoch)).toBe(false);
      const second = await it.actorOfPassword({ name: 'ada', password: next, address });
      await it.users.change('ada', { suspended: true });
      await it.users.change('ada', { suspended: false });
      expect(await it.isCurrent(user.id, second.epoch)).toBe(false);
    });
  });

  describe('the second factor', () => {
    const secretOf = (base32Text: string): Uint8Array => {
      const bits = [...base32Text].map((letter) =>
        'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
      );
      return Uint8Array.from(bits.join('').match(/.{8}/g)!, (byte) => Number.parseInt(byte, 2));
    };

    async function enrolled(it: Accounts) {
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { secret, uri } = await it.secondFactor.start(user, 'example.test');
      expect(uri).toBe(`otpauth://totp/example.test:ada?secret=${secret}&issuer=example.test`);
      const current = () => codeOf(secretOf(secret), stepAt(nowMs));
      const recovery = await it.secondFactor.confirm(user.id, current());
      return { user, secret, current, recovery };
    }

    test('is asked for once it is confirmed; each code is taken once, within a step of the clock', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      await it.secondFactor.start(user, 'x');
      await it.logIn({ name: 'ada', password, address }); // waits for its first code
      const { secret } = await it.secondFactor.start(user, 'x');
      const at = (steps: number) => codeOf(secretOf(secret), stepAt(nowMs) + steps);
      const logIn = (given?: string) => it.logIn({ name: 'ada', password, code: given, address });
      expect(await code(it.secondFactor.confirm(user.id, '000'))).toBe('bad_request');
      await it.secondFactor.confirm(user.id, at(0));
      expect(await code(it.secondFactor.start(user, 'x'))).toBe('conflict');
      expect(await code(logIn())).toBe('code_required');
      expect(await code(it.logIn({ name: 'ada', password: 'wrong', address }))).toBe('unauthorized');
      expect(await code(logIn(at(0)))).toBe('unauthorized'); // confirmed with it
      nowMs += totpLimits.stepMs;
      expect(await code(logIn(at(-2)))).toBe('unauthorized');
      expect(await code(logIn(at(2)))).toBe('unauthorized');
      const twice = await Promise.all([code(logIn(at(0))), code(logIn(at(0)))]);
      expect(twice.sort()).toEqual(['null', 'unauthorized']);
      await logIn(at(1)); // a clock that is fast
      expect(await code(logIn(at(0)))).toBe('unauthorized'); // behind the last one that was taken
    });

    test('recovery codes stand for one code each, and removing needs a code', async () => {
      const it = accounts();
      const { user, current, recovery } = await enrolled(it);
      expect(new Set(recovery).size).toBe(8);
      const logIn = (given: string) => it.logIn({ name: 'ada', password, code: given, address });
      await logIn(` ${recovery[0]!.toUpperCase()} `);
      expect(await code(logIn(recovery[0]!))).toBe('unauthorized');
      expect(await code(it.secondFactor.remove(user.id, '123456'))).toBe('bad_request');
      nowMs += totpLimits.stepMs;
      await it.secondFactor.remove(user.id, current());
      await it.logIn({ name: 'ada', password, address });
      expect(await store.db.selectFrom('recovery_codes').selectAll().execute()).toEqual([]);
      expect(await code(it.secondFactor.remove(user.id, current()))).toBe('conflict');
    });

    test('guesses are limited, at the log-in and at removing', async () => {
      const it = accounts();
      const { user } = await enrolled(it);
      const elsewhere = '198.51.100.9';
      const guess = (n: number) => it.logIn({ name: 'ada', password, code: `00000${n % 10}`, address: elsewhere });
      const guesses = [];
      for (let i = 0; i <= codeTryLimits.burst; i += 1) guesses.push(await code(guess(i)));
      expect(guesses).toEqual([...Array(codeTryLimits.burst).fill('unauthorized'), 'rate_limited']);
      expect(await code(it.secondFactor.remove(user.id, 'x'))).toBe('rate_limited');
    });

    test('guesses are counted over controls and restarts; time and right codes are not counted', async () => {
      const { user, current } = await enrolled(accounts());
      const from = (n: number) => `198.51.100.${n}`;
      const logIn = (given: string, n: number) =>
        accounts().logIn({ name: 'ada', password, code: given, address: from(n) });
      for (let i = 0; i < codeTryLimits.burst - 1; i += 1) expect(await code(logIn('x', i))).toBe('unauthorized');
      nowMs += totpLimits.stepMs;
      await logIn(current(), 50);
      const both = await Promise.all([code(logIn('x', 51)), code(accounts().secondFactor.remove(user.id, 'x'))]);
      expect(both).toContain('rate_limited');
      expect(await code(logIn(current(), 52))).toBe('rate_limited');
      nowMs += codeTryLimits.everyMs;
      await logIn(current(), 53);
    });

    test('a database that fails when a try is given back takes neither a used code nor the recovery codes away', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { secret } = await it.secondFactor.start(user, 'x');
      const current = () => codeOf(secretOf(secret), stepAt(nowMs));
      await refuseGivingBack();
      await expect(it.secondFactor.confirm(user.id, current())).rejects.toThrow();
      // Nothing was stored: the user can confirm again.
      await it.logIn({ name: 'ada', password, address });
      await allowGivingBack();
      const recovery = await it.secondFactor.confirm(user.id, current());
      await refuseGivingBack();
      await it.logIn({ name: 'ada', password, code: recovery[0], address });
    });

    /** Makes the database refuse a statement that takes a counted try back. */
    async function refuseGivingBack(): Promise<void> {
      const goesBack = sql`new.totp_tries_until_ms < old.totp_tries_until_ms`;
      if (dialect.name === 'sqlite') {
        await sql`create trigger refuses before update on users when ${goesBack}
          begin select raise(abort, 'refused'); end`.execute(store.db);
        return;
      }
      await sql`create or replace function refuse() returns trigger language plpgsql
        as $$ begin raise exception 'refused'; end $$`.execute(store.db);
      await sql`create trigger refuses before update on users for each row when (${goesBack})
        execute function refuse()`.execute(store.db);
    }

    async function allowGivingBack(): Promise<void> {
      await (dialect.name === 'sqlite' ? sql`drop trigger refuses` : sql`drop trigger refuses on users`).execute(
        store.db,
      );
    }

    test('its secret is sealed, an administrator can take it away, git gets no way around it', async () => {
      const it = accounts();
      const { secret, recovery } = await enrolled(it);
      const stored = JSON.stringify([
        await store.db.selectFrom('users').selectAll().execute(),
        await store.db.selectFrom('recovery_codes').selectAll().execute(),
      ]);
      for (const clear of [secret, Buffer.from(secretOf(secret)).toString('base64'), ...recovery])
        expect(stored).not.toContain(clear);
      expect(await code(it.actorOfPassword({ name: 'ada', password, address }))).toBe('code_required');
      await it.secondFactor.clear(await it.users.idOf('ada'));
      await it.logIn({ name: 'ada', password, address });
    });
  });

  describe('users', () => {
    test('the first one is the administrator, no other', async () => {
      const it = accounts();
      for (const name of ['ada', 'bob']) await it.signUp({ name, password, address });
      const all = await it.users.list({ after: '', limit: 10 });
      expect(all.map(({ name, admin }) => [name, admin])).toEqual([
        ['ada', true],
        ['bob', false],
      ]);
      expect((await it.users.list({ after: 'ada', limit: 10 })).map(({ name }) => name)).toEqual(['bob']);
      expect((await it.users.list({ after: '', limit: 10, search: 'o' })).map(({ name }) => name)).toEqual(['bob']);
      for (const search of ['%', '_', "'", 'ä'])
        expect(await it.users.list({ after: '', limit: 10, search })).toEqual([]);
    });

    test('of two that sign up first at the same time, one is the administrator', async () => {
      const it = accounts();
      await Promise.all(['a', 'b', 'c', 'd'].map((name) => it.signUp({ name, password, address })));
      expect((await it.users.list({ after: '', limit: 10 })).filter(({ admin }) => admin)).toHaveLength(1);
    });

    test('a suspended user can do nothing, until that ends', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      const { user, token } = await it.signUp({ name: 'bob', password, address });
      const changes: unknown[] = [];
      it.users.onChanged((owner) => void changes.push(owner));
      const view = await it.users.change('bob', { suspended: true, callsMax: 3 });
      expect(view).toMatchObject({ suspendedMs: nowMs, callsMax: 3 });
      expect(changes).toEqual([{ ownerId: user.id, isSuspended: true, callsMax: 3 }]);
      expect(await code(it.actorOfToken(token))).toBe('forbidden');
      expect(await code(it.logIn({ name: 'bob', password, address }))).toBe('forbidden');
      expect(await code(it.logIn({ name: 'bob', password: 'wrong', address }))).toBe('unauthorized');
      expect(await code(it.actorOfPassword({ name: 'bob', password, address }))).toBe('forbidden');
      await it.users.change('bob', { suspended: false, callsMax: null });
      expect(await it.actorOfToken(token)).toMatchObject({ user: { name: 'bob' } });
    });

    test('there is always an administrator who can log in, also when two suspend each other', async () => {
      const it = accounts();
      for (const name of ['ada', 'bob']) await it.signUp({ name, password, address });
      expect(await code(it.users.change('ada', { suspended: true }))).toBe('conflict');
      expect(await code(it.users.change('ada', { admin: false }))).toBe('conflict');
      await it.users.change('bob', { admin: true });
      const both = await Promise.all([
        code(it.users.change('ada', { suspended: true })),
        code(it.users.change('bob', { admin: false })),
      ]);
      expect(both.sort()).toEqual(['conflict', 'null']);
      expect(await code(it.users.change('nobody', { admin: true }))).toBe('not_found');
    });
  });

  describe('a user who is deleted', () => {
    test('owns nothing; what others have of the user stays, the rest goes, and the name is free', async () => {
      const it = accounts();
      const { user: ada } = await it.signUp({ name: 'ada', password, address });
      const { user: bob, token } = await it.signUp({ name: 'bob', password, address });
      const row = { deploy_branch: null, next_number: 1, created_ms: 1, deleted_ms: null };
      await store.db
        .insertInto('handlers')
        .values([
          { id: 'ours', name: 'otter', owner_id: ada.id, ...row },
          { id: 'his', name: 'heron', owner_id: bob.id, ...row, deleted_ms: 2 },
        ])
        .execute();
      await store.db
        .insertInto('collaborators')
        .values({ handler_id: 'ours', user_id: bob.id, role: 'deployer', added_ms: 1 })
        .execute();
      expect(await code(it.users.remove('bob'))).toBe('conflict');
      expect(await it.actorOfToken(token)).not.toBeNull();
      await store.db.deleteFrom('handlers').where('id', '=', 'his').execute();

      const changes: unknown[] = [];
      it.users.onChanged((owner) => void changes.push(owner));
      await it.users.remove('bob');
      expect(changes).toEqual([{ ownerId: bob.id, isSuspended: true, callsMax: null }]);
      expect(await it.actorOfToken(token)).toBeNull();
      expect(await code(it.logIn({ name: 'bob', password, address }))).toBe('unauthorized');
      expect(await code(it.users.get('bob'))).toBe('not_found');
      expect(await code(it.users.remove('bob'))).toBe('not_found');
      const kept = await store.db.selectFrom('users').select(['id', 'name']).where('id', '=', bob.id).execute();
      expect(kept[0]?.name).toMatch(/^deleted-[a-z0-9]+$/);
      expect(await code(it.logIn({ name: kept[0]!.name, password: '', address }))).toBe('unauthorized');
      expect(await code(it.users.change(kept[0]!.name, { suspended: false }))).toBe('not_found');
      expect((await it.users.list({ after: '', limit: 10 })).map(({ name }) => name)).toEqual(['ada']);
      expect(await store.db.selectFrom('collaborators').selectAll().execute()).toEqual([]);

      const again = await it.signUp({ name: 'bob', password, address });
      expect(again.user.id).not.toBe(bob.id);
    });

    test('is not the last administrator, also when two delete each other', async () => {
      const it = accounts();
      for (const name of ['ada', 'bob']) await it.signUp({ name, password, address });
      expect(await code(it.users.remove('ada'))).toBe('conflict');
      await it.users.change('bob', { admin: true });
      const both = await Promise.all([code(it.users.remove('ada')), code(it.users.remove('bob'))]);
      expect(both.sort()).toEqual(['conflict', 'null']);
    });
  });

  describe('tokens', () => {
    test('have a scope, perhaps one handler, and an end', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      const row = { owner_id: user.id, deploy_branch: null, next_number: 1, created_ms: 1, deleted_ms: null };
      await store.db
        .insertInto('handlers')
        .values({ id: 'h', name: 'otter', ...row })
        .execute();
      const handler = { id: 'h', name: 'otter' };
      const made = await it.createToken(user.id, { label: 'ci', scope: 'deploy', handler, lifeMs: 5_000 });
      expect(made.view).toMatchObject({ scope: 'deploy', handler: 'otter', expiresMs: nowMs + 5_000 });
      expect(await it.listTokens(user.id)).toContainEqual(made.view);
      expect(await it.actorOfToken(made.token)).toMatchObject({ scope: 'deploy', boundTo: 'h' });
      nowMs += 4_999;
      expect(await it.actorOfToken(made.token)).not.toBeNull();
      nowMs += 1;
      expect(await it.actorOfToken(made.token)).toBeNull();
      expect(await it.listTokens(user.id)).toHaveLength(1);
      expect(await code(it.createToken(user.id, { label: 'x', scope: 'full', handler }))).toBe('bad_request');
      for (const lifeMs of [0, -1, Number.NaN, tokenLimits.lifeMs + 1])
        expect(await code(it.createToken(user.id, { label: 'x', lifeMs })), `${lifeMs}`).toBe('bad_request');
      nowMs += tokenLimits.revokedMs;
      await it.createToken(user.id, { label: 'next' });
      expect(await store.db.selectFrom('tokens').select('id').execute()).toHaveLength(2);
    });

    test('garbage is nobody', async () => {
      const it = accounts();
      const { token } = await it.signUp({ name: 'ada', password, address });
      for (const wrong of [
        '',
        'tr_',
        token.slice(0, -1),
        `${token}x`,
        token.toLowerCase(),
        ` ${token}`,
        'x'.repeat(1e6),
      ])
        expect(await it.actorOfToken(wrong)).toBeNull();
    });

    test('are listed without themselves, revoked by their owner only, and then told to who listens', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      const { user: bob } = await it.signUp({ name: 'bob', password, address });
      const made = await it.createToken(user.id, { label: 'ci' });
      const revoked: string[] = [];
      const stop = it.onTokenRevoked((id) => revoked.push(id));
      expect((await it.listTokens(user.id)).map(({ label }) => label).sort()).toEqual(['ci', 'sign up']);
      expect(JSON.stringify(await it.listTokens(user.id))).not.toContain('tr_');
      expect(await code(it.revokeToken(bob.id, made.view.id))).toBe('not_found');
      await it.revokeToken(user.id, made.view.id);
      expect(await it.actorOfToken(made.token)).toBeNull();
      expect(await it.actorOfToken(token)).not.toBeNull();
      expect(await code(it.revokeToken(user.id, made.view.id))).toBe('not_found');
      stop();
      expect(revoked).toEqual([made.view.id]);
      for (const label of ['', 'x'.repeat(81)])
        expect(await code(it.createToken(user.id, { label }))).toBe('bad_request');
    });

    test('the last use is remembered, to the minute', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      const lastUsed = async () => (await it.listTokens(user.id))[0]!.lastUsedMs;
      expect(await lastUsed()).toBeNull();
      await it.actorOfToken(token);
      const first = nowMs;
      nowMs += 30_000;
      await it.actorOfToken(token);
      expect(await lastUsed()).toBe(first);
      nowMs += 31_000;
      await it.actorOfToken(token);
      expect(await lastUsed()).toBe(nowMs);
    });

    test('are limited; logging in replaces the one used longest ago and tells so', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      for (let i = 1; i < tokenLimits.perUser; i += 1) await it.createToken(user.id, { label: `t${i}` });
      expect(await code(it.createToken(user.id, { label: 'more' }))).toBe('limit_exceeded');
      nowMs += 1;
      await it.actorOfToken(token);
      const oldest = (await it.listTokens(user.id)).find(({ lastUsedMs }) => lastUsedMs === null)!.id;
      const revoked: string[] = [];
      it.onTokenRevoked((id) => revoked.push(id));
      await it.logIn({ name: 'ada', password, address });
      expect(revoked).toEqual([oldest]);
      expect(await it.actorOfToken(token)).not.toBeNull();
      expect(await it.listTokens(user.id)).toHaveLength(tokenLimits.perUser);
    });

    test('revoked ones are forgotten after their time', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { view } = await it.createToken(user.id, { label: 'old' });
      await it.revokeToken(user.id, view.id);
      nowMs += tokenLimits.revokedMs + 1;
      await it.createToken(user.id, { label: 'new' });
      const labels = await store.db.selectFrom('tokens').select('label').execute();
      expect(labels.map(({ label }) => label).sort()).toEqual(['new', 'sign up']);
    });

    test('making and revoking in a loop leaves a bounded number behind, the newest', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { user: other } = await it.signUp({ name: 'bob', password, address });
      await it.revokeToken(other.id, (await it.createToken(other.id, { label: "bob's" })).view.id);
      for (let i = 0; i < tokenLimits.revoked + 50; i += 1) {
        nowMs += 1;
        const { view } = await it.createToken(user.id, { label: `t${i}` });
        await it.revokeToken(user.id, view.id);
      }
      await it.createToken(user.id, { label: 'last' });
      const rows = await store.db.selectFrom('tokens').select('label').where('revoked_ms', 'is not', null).execute();
      expect(rows).toHaveLength(tokenLimits.revoked + 1);
      expect(rows.some(({ label }) => label === "bob's")).toBe(true);
      expect(rows.some(({ label }) => label === `t${tokenLimits.revoked + 49}`)).toBe(true);
      expect(rows.some(({ label }) => label === 't49')).toBe(false);
    });
  });

  describe('rate limits', () => {
    test('failing log-ins by address and by name end in rate_limited, good ones do not count', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      for (let i = 0; i < accountLimits.logInByAddress.burst + 5; i += 1)
        await it.logIn({ name: 'ada', password, address });
      const codes = new Set<string>();
      for (let i = 0; i <= accountLimits.logInByAddress.burst; i += 1)
        codes.add(await code(it.logIn({ name: `n${i}`, password, address: '198.51.100.7' })));
      expect([...codes]).toEqual(['unauthorized', 'rate_limited']);
      await it.logIn({ name: 'ada', password, address });
      nowMs += accountLimits.logInByAddress.everyMs;
      expect(await code(it.logIn({ name: 'ada', password: 'wrong', address: '198.51.100.7' }))).toBe('unauthorized');
    });

    test('the limit by name holds however many addresses the guesses come from', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      const guess = (name: string, i: number) =>
        code(it.logIn({ name, password: 'wrong', address: `198.51.100.${i}` }));
      const codes: string[] = [];
      for (let i = 0; i <= accountLimits.logInByName.burst; i += 1) codes.push(await guess('ada', i));
      expect(codes.slice(0, -1)).toEqual(Array(accountLimits.logInByName.burst).fill('unauthorized'));
      expect(codes.at(-1)).toBe('rate_limited');
      expect(await code(it.logIn({ name: 'ada', password, address: '198.51.100.99' }))).toBe('rate_limited');
      expect(await guess('bob', 99)).toBe('unauthorized');
      nowMs += accountLimits.logInByName.everyMs;
      expect(await guess('ada', 98)).toBe('unauthorized');
    });

    test('wrong guesses, from elsewhere or from her own address, do not lock a user out of where she has logged in', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      const guess = (from: string, name = 'ada') => code(it.logIn({ name, password: 'wrong', address: from }));
      for (let i = 0; i <= accountLimits.logInByName.burst; i += 1) await guess(`198.51.100.${i}`);
      for (let i = 0; i < accountLimits.logInByAddress.burst; i += 1) await guess(address, `n${i}`);
      for (let i = 0; i < 30; i += 1) expect(await guess(address)).toBe('unauthorized');
      await it.logIn({ name: 'ada', password, address });
      // Another control, or this one after a restart, knows the address too; a stranger's address is none.
      await accounts().logIn({ name: 'ada', password, address });
      expect(await code(it.logIn({ name: 'ada', password, address: '198.51.100.99' }))).toBe('rate_limited');
    });

    test('guesses from an address that the user has used are bounded too', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      const guess = () => code(it.logIn({ name: 'ada', password: 'wrong', address }));
      for (let i = 0; i < accountLimits.logInFromKnown.burst; i += 1) expect(await guess()).toBe('unauthorized');
      expect(await guess()).toBe('rate_limited');
    });

    test('an address is known for 90 days, and a user has a bounded number of them', async () => {
      const it = accounts();
      await it.signUp({ name: 'ada', password, address });
      const isKnown = async (from: string) => {
        for (let i = 0; i <= accountLimits.logInByAddress.burst; i += 1)
          if ((await code(it.logIn({ name: 'ada', password: 'wrong', address: from }))) === 'rate_limited')
            return false;
        return true;
      };
      nowMs += knownAddressLimits.ageMs - 1;
      expect(await isKnown(address)).toBe(true);
      for (let i = 0; i < knownAddressLimits.perUser; i += 1) {
        nowMs += 1;
        await it.logIn({ name: 'ada', password, address: `203.0.113.${i}` });
      }
      expect(await isKnown(address)).toBe(false);
      // One more than the user may have, while none of them is old.
      nowMs += 1;
      await it.logIn({ name: 'ada', password, address: '198.51.100.1' });
      const rows = await store.db.selectFrom('known_addresses').selectAll().execute();
      expect(rows).toHaveLength(knownAddressLimits.perUser);
      expect(JSON.stringify(rows)).not.toContain('203.0.113');
    });

    test('sign-ups by address', async () => {
      const it = accounts();
      const signUp = (i: number) => it.signUp({ name: `x${i}`, password: 'short', address: '2001:db8::1' });
      for (let i = 0; i < accountLimits.signUpByAddress.burst; i += 1)
        expect(await code(signUp(i))).toBe('bad_request');
      expect(await code(signUp(99))).toBe('rate_limited');
      // The same household under another address of its /64; another household is not concerned.
      expect(await code(it.signUp({ name: 'y', password: 'short', address: '2001:db8::ffff:2' }))).toBe('rate_limited');
      expect(await code(it.signUp({ name: 'y', password: 'short', address: '2001:db8:0:1::1' }))).toBe('bad_request');
    });
  });
});
