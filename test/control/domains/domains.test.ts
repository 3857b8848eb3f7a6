import { randomBytes, randomInt } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Certificate } from '../../../src/control/domains/certificate.ts';
import { CertificateNames } from '../../../src/control/domains/certificate-names.ts';
import type { Domains } from '../../../src/control/domains/domains.ts';
import { type Handler, Handlers } from '../../../src/control/handlers/handlers.ts';
import { domainLimits } from '../../../src/protocol/domains.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';
import { TestDns, testDomains } from '../../support/domains.ts';

onEachDatabase('custom domains', (dialect) => {
  let store: TemporaryDatabase;
  let domains: Domains;
  let handlers: Handlers;
  let dns: TestDns;
  let nowMs: number;
  /** Domains that runners were to serve anew. */
  let changed: string[];
  let otter: Handler;
  let badger: Handler;

  beforeEach(async () => {
    store = await dialect.temporary();
    nowMs = 1_800_000_000_000;
    dns = new TestDns();
    changed = [];
    const now = () => nowMs;
    handlers = new Handlers({ db: store.db, now, randomBytes, randomInt });
    domains = testDomains({
      ...{ db: store.db, now, dns, base: 'functions.example', ownHosts: ['console.example'] },
      changed: (domain) => changed.push(domain),
    });
    for (const id of ['ada', 'bob'])
      await store.db.insertInto('users').values({ id, name: id, password_hash: 'x', created_ms: 1 }).execute();
    otter = await handlers.create({ name: 'otter', ownerId: 'ada' });
    badger = await handlers.create({ name: 'badger', ownerId: 'bob' });
  });

  afterEach(() => store.close());

  async function code(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => null,
      (e: unknown) => e,
    );
    return error instanceof PlatformError ? error.code : String(error);
  }

  const served = async () =>
    (
      await store.db.selectFrom('domains').select(['served', 'handler_id']).where('served', 'is not', null).execute()
    ).map(({ served: domain, handler_id }) => `${domain} ${handler_id === otter.id ? 'otter' : 'badger'}`);

  describe('a claim', () => {
    test('is served once its TXT record is there, and not before', async () => {
      const claim = await domains.add(otter, 'API.example.com.');
      expect(claim).toMatchObject({
        domain: 'api.example.com',
        state: 'pending',
        txt: { name: '_trisiel.api.example.com', value: expect.stringMatching(/^trisiel=[0-9a-f]{32}$/) },
        cname: { name: 'api.example.com', value: expect.stringMatching(/^[0-9a-f]{32}\.domains\.functions\.example$/) },
        problem: expect.stringContaining('neither'),
        checkedMs: nowMs,
        verifiedMs: null,
      });
      expect(await domains.isServed('api.example.com')).toBe(false);
      dns.txts.set(claim.txt.name, ['v=spf1 -all']);
      expect(await domains.check(otter.id, 'api.example.com')).toMatchObject({ state: 'pending' });
      expect(changed).toEqual([]);
      dns.prove(claim);
      expect(await domains.check(otter.id, 'api.example.com')).toMatchObject({ state: 'verified', problem: null });
      expect(changed).toEqual(['api.example.com']);
      expect(await domains.isServed('api.example.com')).toBe(true);
      // A second check changes nothing that runners must hear of.
      await domains.check(otter.id, 'api.example.com');
      expect(changed).toEqual(['api.example.com']);
    });

    test('is not proven by a record that has its value among other text, or that of another claim', async () => {
      const { txt } = await domains.add(otter, 'api.example.com');
      const foreign = await domains.add(badger, 'api.example.com');
      for (const records of [
        [`x${txt.value}`],
        [`${txt.value}, too`],
        [txt.value.slice(0, -1)],
        [foreign.txt.value],
        [''],
      ]) {
        dns.txts.set(txt.name, records);
        expect((await domains.check(otter.id, 'api.example.com')).state, records.join()).toBe('pending');
      }
      dns.txts.set(txt.name, ['other', ` ${txt.value} `]);
      expect((await domains.check(otter.id, 'api.example.com')).state).toBe('verified');
    });

    test('is served once its CNAME record is there; one to another name does not prove it', async () => {
      const { cname } = await domains.add(otter, 'api.example.com');
      dns.cnames.set(cname.name, 'otter.functions.example');
      expect(await domains.check(otter.id, 'api.example.com')).toMatchObject({ state: 'pending' });
      dns.cnames.set(cname.name, `${cname.value.toUpperCase()}.`);
      expect(await domains.check(otter.id, 'api.example.com')).toMatchObject({ state: 'verified' });
    });

    test('keeps its records when it is repeated, and has others after a removal', async () => {
      const first = await domains.add(otter, 'api.example.com');
      expect((await domains.add(otter, 'api.example.com')).txt).toEqual(first.txt);
      dns.prove(first);
      await domains.check(otter.id, 'api.example.com');
      await domains.remove(otter.id, 'api.example.com');
      expect(changed).toEqual(['api.example.com', 'api.example.com']);
      // The record of the removed claim, forgotten in the zone, proves nothing for a later one.
      expect(await domains.add(badger, 'api.example.com')).toMatchObject({ state: 'pending' });
      expect((await domains.add(otter, 'api.example.com')).state).toBe('pending');
      expect(await served()).toEqual([]);
    });

    test("cannot be made for the platform's own names, nor for what is no domain", async () => {
      for (const text of [
        'functions.example',
        'badger.functions.example',
        'a.b.functions.example',
        'console.example',
        'x',
      ])
        expect(await code(domains.add(otter, text)), text).toBe('bad_request');
      expect(await code(domains.get(otter.id, 'api.example.com'))).toBe('not_found');
      expect(await code(domains.check(otter.id, 'api.example.com'))).toBe('not_found');
      expect(await code(domains.remove(otter.id, 'api.example.com'))).toBe('not_found');
      expect(await code(domains.get(otter.id, '*'))).toBe('bad_request');
    });

    test('by somebody else does not keep the owner of the domain away', async () => {
      await domains.add(badger, 'api.example.com');
      dns.prove(await domains.add(otter, 'api.example.com'));
      expect(await domains.check(otter.id, 'api.example.com')).toMatchObject({ state: 'verified' });
      expect(await domains.check(badger.id, 'api.example.com')).toMatchObject({ state: 'pending' });
    });

    test('is removed after a week without a proof', async () => {
      await domains.add(otter, 'api.example.com');
      nowMs += domainLimits.pendingMs + 1;
      await domains.checkDue();
      expect(await domains.list(otter.id)).toEqual([]);
    });

    test('is found proven by itself', async () => {
      dns.prove(await domains.add(otter, 'api.example.com'));
      await domains.checkDue();
      expect(await served()).toEqual(['api.example.com otter']);
      expect(changed).toEqual(['api.example.com']);
    });
  });

  describe('a domain that is served', () => {
    beforeEach(async () => {
      dns.prove(await domains.add(otter, 'api.example.com'));
      await domains.check(otter.id, 'api.example.com');
      changed.length = 0;
    });

    test('is not given to a second handler while the records of the first are there, or cannot be looked up', async () => {
      const claim = await domains.add(badger, 'api.example.com');
      dns.prove(claim);
      expect(await code(domains.check(badger.id, 'api.example.com'))).toBe('conflict');
      expect(await domains.get(badger.id, 'api.example.com')).toMatchObject({
        state: 'pending',
        problem: 'another handler is served under it',
      });
      // Only the claim of badger is proven, and a lookup for otter fails.
      dns.txts.set(claim.txt.name, [claim.txt.value]);
      dns.silent.add('api.example.com');
      expect(await code(domains.check(badger.id, 'api.example.com'))).toBe('conflict');
      expect(await served()).toEqual(['api.example.com otter']);
    });

    test('passes to a handler that proves it when the records of the first have gone', async () => {
      const claim = await domains.add(badger, 'api.example.com');
      dns.txts.set(claim.txt.name, [claim.txt.value]);
      expect(await domains.check(badger.id, 'api.example.com')).toMatchObject({ state: 'verified' });
      expect(await domains.get(otter.id, 'api.example.com')).toMatchObject({
        state: 'lost',
        problem: 'another handler has proven this domain',
      });
      expect(await served()).toEqual(['api.example.com badger']);
      expect(changed).toEqual(['api.example.com']);
    });

    test('is marked at the first failed check, lost after three days of them, and comes back with its record', async () => {
      const record = dns.txts.get('_trisiel.api.example.com')!;
      dns.txts.clear();
      nowMs += domainLimits.recheckMs + 1;
      await domains.checkDue();
      expect(await domains.get(otter.id, 'api.example.com')).toMatchObject({ state: 'failing' });
      expect(await served()).toEqual(['api.example.com otter']);
      nowMs += domainLimits.graceMs - 1;
      await domains.checkDue();
      expect(await served()).toEqual(['api.example.com otter']);
      nowMs += 1;
      await domains.checkDue();
      expect(await domains.get(otter.id, 'api.example.com')).toMatchObject({ state: 'lost' });
      expect(changed).toEqual(['api.example.com']);
      expect(await domains.isServed('api.example.com')).toBe(false);
      dns.txts.set('_trisiel.api.example.com', record);
      await domains.checkDue();
      expect(await domains.get(otter.id, 'api.example.com')).toMatchObject({ state: 'verified', problem: null });
      expect(changed).toEqual(['api.example.com', 'api.example.com']);
    });

    test('stays while DNS does not answer', async () => {
      dns.txts.clear();
      dns.silent.add('_trisiel.api.example.com');
      for (let day = 0; day < 10; day += 1) {
        nowMs += domainLimits.recheckMs + 1;
        await domains.checkDue();
      }
      expect(await domains.get(otter.id, 'api.example.com')).toMatchObject({
        state: 'verified',
        problem: 'DNS did not answer (ETIMEOUT)',
      });
    });

    test('is not lost while DNS does not answer, although a record was missing before', async () => {
      dns.txts.clear();
      nowMs += domainLimits.recheckMs + 1;
      await domains.checkDue();
      dns.silent.add('_trisiel.api.example.com');
      nowMs += domainLimits.graceMs + 1;
      await domains.checkDue();
      expect(await domains.get(otter.id, 'api.example.com')).toMatchObject({ state: 'failing' });
    });

    test('is not looked up again within a day', async () => {
      dns.asked.length = 0;
      nowMs += domainLimits.recheckMs - 1;
      await domains.checkDue();
      expect(dns.asked).toEqual([]);
    });

    test('ends with its handler, whose forgotten record holds it no longer', async () => {
      await handlers.delete(otter.id);
      expect(await domains.isServed('api.example.com')).toBe(false);
      dns.prove(await domains.add(badger, 'api.example.com'));
      expect(await domains.check(badger.id, 'api.example.com')).toMatchObject({ state: 'verified' });
      await handlers.purgeOne((await handlers.findById(otter.id))!, async () => {});
      expect(await served()).toEqual(['api.example.com badger']);
    });
  });

  describe('limits', () => {
    test('hold per handler and per user, and a removal makes room', async () => {
      const rows = (count: number, handlerId: string, at = 0) =>
        Array.from({ length: count }, (_, n) => ({
          ...{ handler_id: handlerId, domain: `d${at + n}.example.com`, token: 't', created_ms: nowMs },
        }));
      await store.db.insertInto('domains').values(rows(domainLimits.perHandler, otter.id)).execute();
      expect(await code(domains.add(otter, 'api.example.com'))).toBe('limit_exceeded');
      await domains.remove(otter.id, 'd0.example.com');
      expect((await domains.add(otter, 'api.example.com')).state).toBe('pending');
      for (let n = 1; n < domainLimits.perUser / domainLimits.perHandler; n += 1) {
        const { id } = await handlers.create({ name: `more-${n}`, ownerId: 'ada' });
        await store.db.insertInto('domains').values(rows(domainLimits.perHandler, id)).execute();
      }
      const last = await handlers.create({ name: 'last', ownerId: 'ada' });
      expect(await code(domains.add(last, 'api.example.com'))).toBe('limit_exceeded');
      expect((await domains.add(badger, 'api.example.com')).state).toBe('pending');
    });

    test('hold for requests at the same time', async () => {
      const rows = Array.from({ length: domainLimits.perHandler - 1 }, (_, n) => ({
        ...{ handler_id: otter.id, domain: `d${n}.example.com`, token: 't', created_ms: nowMs },
      }));
      await store.db.insertInto('domains').values(rows).execute();
      const codes = await Promise.all(
        Array.from({ length: 6 }, (_, n) => code(domains.add(otter, `at-once-${n}.example.com`))),
      );
      expect(codes.filter((one) => one === 'limit_exceeded')).toHaveLength(5);
      expect(await domains.list(otter.id)).toHaveLength(domainLimits.perHandler);
    });

    test('hold for the platform; 10,000 domains are checked in rounds of 100, the oldest checks first', async () => {
      const rows = Array.from({ length: domainLimits.platform }, (_, n) => ({
        ...{ handler_id: badger.id, domain: `d${n}.example.com`, token: 't', created_ms: nowMs, checked_ms: nowMs + n },
      }));
      for (let at = 0; at < rows.length; at += 500)
        await store.db
          .insertInto('domains')
          .values(rows.slice(at, at + 500))
          .execute();
      expect(await code(domains.add(otter, 'api.example.com'))).toBe('limit_exceeded');
      await domains.checkDue();
      expect(new Set(dns.asked.filter((name) => name.startsWith('d'))).size).toBe(domainLimits.perRound);
      expect(dns.asked).toContain('d99.example.com');
      expect(dns.asked).not.toContain('d100.example.com');
      // One place is left for claims of several users at the same time.
      await store.db.deleteFrom('domains').where('domain', '=', 'd9999.example.com').execute();
      const others = await Promise.all(
        ['cat', 'dog', 'elk'].map(async (id) => {
          await store.db.insertInto('users').values({ id, name: id, password_hash: 'x', created_ms: 1 }).execute();
          return handlers.create({ name: `of-${id}`, ownerId: id });
        }),
      );
      const codes = await Promise.all(others.map((other) => code(domains.add(other, `${other.name}.example.com`))));
      expect(codes.filter((one) => one === 'limit_exceeded')).toHaveLength(2);
    });
  });

  describe('the certificate of a domain', () => {
    let found: Certificate;
    let probed: string[];
    let overHttps: Domains;
    beforeEach(async () => {
      found = { kind: 'refused', problem: 'alert internal error' };
      probed = [];
      overHttps = testDomains({
        ...{ db: store.db, now: () => nowMs, dns, base: 'functions.example' },
        probe: async (domain) => {
          probed.push(domain);
          return found;
        },
      });
      dns.prove(await overHttps.add(otter, 'api.example.com'));
    });
    const certificate = async () => (await overHttps.get(otter.id, 'api.example.com')).certificate;

    test('is looked at once the domain is served, and shown as callers get it', async () => {
      expect(probed).toEqual([]);
      const shown = await overHttps.check(otter.id, 'api.example.com');
      expect(shown).toMatchObject({
        state: 'verified',
        problem: null,
        certificate: { problem: 'alert internal error', checkedMs: nowMs },
      });
      nowMs += 1;
      found = { kind: 'trusted' };
      expect((await overHttps.check(otter.id, 'api.example.com')).certificate).toEqual({
        problem: null,
        checkedMs: nowMs,
      });
      expect(probed).toEqual(['api.example.com', 'api.example.com']);
    });

    test('is looked at again an hour after it was missing, a day after it was there', async () => {
      await overHttps.check(otter.id, 'api.example.com');
      nowMs += domainLimits.certificateMs;
      await overHttps.checkDue();
      expect(probed).toHaveLength(1);
      nowMs += 1;
      found = { kind: 'trusted' };
      await overHttps.checkDue();
      expect(await certificate()).toEqual({ problem: null, checkedMs: nowMs });
      nowMs += domainLimits.certificateMs + 1;
      await overHttps.checkDue();
      expect(probed).toHaveLength(2);
      nowMs += domainLimits.recheckMs;
      await overHttps.checkDue();
      expect(probed).toHaveLength(3);
    });

    test('stays as it was while the front is not reached, and is not known where nothing was seen', async () => {
      found = { kind: 'unknown', problem: 'ECONNREFUSED' };
      expect((await overHttps.check(otter.id, 'api.example.com')).certificate).toBeNull();
      found = { kind: 'trusted' };
      const seen = (await overHttps.check(otter.id, 'api.example.com')).certificate;
      nowMs += 1;
      found = { kind: 'unknown', problem: 'ECONNREFUSED' };
      expect((await overHttps.check(otter.id, 'api.example.com')).certificate).toEqual(seen);
    });

    test('is none of a domain that is served no longer', async () => {
      await overHttps.check(otter.id, 'api.example.com');
      dns.txts.clear();
      await overHttps.check(otter.id, 'api.example.com');
      expect(await certificate()).not.toBeNull();
      nowMs += domainLimits.graceMs;
      expect(await overHttps.check(otter.id, 'api.example.com')).toMatchObject({ state: 'lost', certificate: null });
      expect(probed).toHaveLength(1);
    });
  });

  describe('certificates', () => {
    test('are for handlers, former names, previews, served domains and the platform itself, and for nothing else', async () => {
      const names = new CertificateNames({
        ...{ db: store.db, domains, base: 'functions.example', ownHosts: ['console.example'] },
      });
      const has = (host: string) => names.has(host);
      await handlers.rename(badger.id, 'mole');
      await store.db
        .insertInto('previews')
        .values({ id: 'p', handler_id: otter.id, branch: 'x', slug: 'x', days: 1, created_ms: 1, pushed_ms: 1 })
        .execute();
      dns.prove(await domains.add(otter, 'api.example.com'));
      await domains.check(otter.id, 'api.example.com');
      await domains.add(otter, 'pending.example.com');
      for (const host of [
        ...['otter.functions.example', 'OTTER.functions.example', 'mole.functions.example', 'badger.functions.example'],
        ...['x--otter.functions.example', 'functions.example', 'console.example', 'api.example.com'],
      ])
        expect(await has(host), host).toBe(true);
      for (const host of [
        ...['', '.', 'none.functions.example', 'y--otter.functions.example', 'x--mole.functions.example'],
        ...['a.otter.functions.example', '--otter.functions.example', '-otter.functions.example', 'example.com'],
        ...['pending.example.com', 'xapi.example.com', 'api.example.com.', 'api.example.com:443', 'x.console.example'],
        ...["' or 1=1 --", '%00', '\0', 'otter.functions.example\n', '../otter.functions.example', '127.0.0.1', '::1'],
        ...['a'.repeat(1_000_000), `${'a.'.repeat(126)}a`, 'оtter.functions.example', '*.functions.example'],
      ])
        expect(await has(host), host.slice(0, 80)).toBe(false);
      await handlers.delete(otter.id);
      for (const host of ['otter.functions.example', 'x--otter.functions.example', 'api.example.com'])
        expect(await has(host), host).toBe(false);
    });
  });
});
