import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Accounts, accountLimits, type Registration } from '../../../src/control/accounts/accounts.ts';
import { inviteLimits } from '../../../src/control/accounts/invites.ts';
import { knownAddressLimits } from '../../../src/control/accounts/known-addresses.ts';
import { tokenLimits } from '../../../src/control/accounts/tokens.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('accounts', (dialect) => {
  let store: TemporaryDatabase;
  let nowMs: number;

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 1_800_000_000_000;
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
      expect(await it.userOfToken(token)).toEqual({ user, tokenId: expect.stringMatching(/^t/) });
      const again = await it.logIn({ name: 'ada', password, address });
      expect(again.user).toEqual(user);
      expect((await it.userOfToken(again.token))?.user).toEqual(user);
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
      expect(await it.listInvites(user.id)).toEqual([{ ...view, usedBy: done[0]!.value.user.name, usedMs: nowMs }]);
      expect(await code(it.signUp({ name: 'late', password, invite, address }))).toBe('invite_required');
      expect(await code(it.deleteInvite(user.id, view.id))).toBe('not_found');
    });

    test('are limited, can be taken back by who made them, and are not given when registration is closed', async () => {
      const it = accounts('open');
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { user: bob } = await it.signUp({ name: 'bob', password, address });
      for (let i = 0; i < inviteLimits.open; i += 1) await it.createInvite(user.id);
      expect(await code(it.createInvite(user.id))).toBe('limit_exceeded');
      const { id } = (await it.listInvites(user.id))[0]!;
      expect(await code(it.deleteInvite(bob.id, id))).toBe('not_found');
      await it.deleteInvite(user.id, id);
      await it.createInvite(user.id);
      expect(await code(accounts('closed').createInvite(bob.id))).toBe('registration_closed');
    });
  });

  describe('tokens', () => {
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
        expect(await it.userOfToken(wrong)).toBeNull();
    });

    test('are listed without themselves, revoked by their owner only, and then told to who listens', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      const { user: bob } = await it.signUp({ name: 'bob', password, address });
      const made = await it.createToken(user.id, 'ci');
      const revoked: string[] = [];
      const stop = it.onTokenRevoked((id) => revoked.push(id));
      expect((await it.listTokens(user.id)).map(({ label }) => label).sort()).toEqual(['ci', 'sign up']);
      expect(JSON.stringify(await it.listTokens(user.id))).not.toContain('tr_');
      expect(await code(it.revokeToken(bob.id, made.view.id))).toBe('not_found');
      await it.revokeToken(user.id, made.view.id);
      expect(await it.userOfToken(made.token)).toBeNull();
      expect(await it.userOfToken(token)).not.toBeNull();
      expect(await code(it.revokeToken(user.id, made.view.id))).toBe('not_found');
      stop();
      expect(revoked).toEqual([made.view.id]);
      for (const label of ['', 'x'.repeat(81)]) expect(await code(it.createToken(user.id, label))).toBe('bad_request');
    });

    test('the last use is remembered, to the minute', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      const lastUsed = async () => (await it.listTokens(user.id))[0]!.lastUsedMs;
      expect(await lastUsed()).toBeNull();
      await it.userOfToken(token);
      const first = nowMs;
      nowMs += 30_000;
      await it.userOfToken(token);
      expect(await lastUsed()).toBe(first);
      nowMs += 31_000;
      await it.userOfToken(token);
      expect(await lastUsed()).toBe(nowMs);
    });

    test('are limited; logging in replaces the one used longest ago and tells so', async () => {
      const it = accounts();
      const { user, token } = await it.signUp({ name: 'ada', password, address });
      for (let i = 1; i < tokenLimits.perUser; i += 1) await it.createToken(user.id, `t${i}`);
      expect(await code(it.createToken(user.id, 'more'))).toBe('limit_exceeded');
      nowMs += 1;
      await it.userOfToken(token);
      const oldest = (await it.listTokens(user.id)).find(({ lastUsedMs }) => lastUsedMs === null)!.id;
      const revoked: string[] = [];
      it.onTokenRevoked((id) => revoked.push(id));
      await it.logIn({ name: 'ada', password, address });
      expect(revoked).toEqual([oldest]);
      expect(await it.userOfToken(token)).not.toBeNull();
      expect(await it.listTokens(user.id)).toHaveLength(tokenLimits.perUser);
    });

    test('revoked ones are forgotten after their time', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      const { view } = await it.createToken(user.id, 'old');
      await it.revokeToken(user.id, view.id);
      nowMs += tokenLimits.revokedMs + 1;
      await it.createToken(user.id, 'new');
      const labels = await store.db.selectFrom('tokens').select('label').execute();
      expect(labels.map(({ label }) => label).sort()).toEqual(['new', 'sign up']);
    });

    test('making and revoking in a loop leaves a bounded number behind, the newest', async () => {
      const it = accounts();
      const { user } = await it.signUp({ name: 'ada', password, address });
      for (let i = 0; i < tokenLimits.revoked + 50; i += 1) {
        nowMs += 1;
        const { view } = await it.createToken(user.id, `t${i}`);
        await it.revokeToken(user.id, view.id);
      }
      await it.createToken(user.id, 'last');
      const rows = await store.db.selectFrom('tokens').select('label').where('revoked_ms', 'is not', null).execute();
      expect(rows).toHaveLength(tokenLimits.revoked);
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
