import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Sealer } from '../../../src/control/accounts/sealer.ts';
import { isOutage } from '../../../src/control/db/sql-error.ts';
import { envLimits, HandlerEnv } from '../../../src/control/handlers/env.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { HandlerId } from '../../../src/protocol/names.ts';
import { previewLimits } from '../../../src/protocol/previews.ts';
import { onEachDatabase, type TemporaryDatabase } from '../../support/database.ts';

onEachDatabase('variables', (dialect) => {
  let store: TemporaryDatabase;
  let keyFile: string;
  let env: HandlerEnv;

  beforeEach(async () => {
    store = await dialect.temporary();
    keyFile = join(store.folder, 'env.key');
    await store.db.insertInto('users').values({ id: 'u', name: 'u', password_hash: 'x', created_ms: 1 }).execute();
    const row = { owner_id: 'u', deploy_branch: null, next_number: 1, created_ms: 1, deleted_ms: null };
    await store.db
      .insertInto('handlers')
      .values([
        { id: 'h1', name: 'one', ...row },
        { id: 'h2', name: 'two', ...row },
      ])
      .execute();
    env = await open();
  });

  afterEach(() => store.close());

  function open(): Promise<HandlerEnv> {
    const { db } = store;
    return Sealer.open({ db, keyFile, randomBytes }).then((sealer) => new HandlerEnv({ db, sealer, now: () => 5 }));
  }

  /**
   * All wait for one row: on a slow machine some do not get it within the database's limits on time (postgresLimits),
   * are refused for that, and ask again.
   */
  async function setWhenThereIsTime(key: string): Promise<'set' | 'limit_exceeded'> {
    for (;;) {
      try {
        await env.set('h1', key, 'x');
        return 'set';
      } catch (error) {
        if (error instanceof PlatformError && error.code === 'limit_exceeded') return error.code;
        if (!isOutage(error) && !(error instanceof PlatformError && error.code === 'unavailable')) throw error;
      }
    }
  }

  describe('variables', () => {
    test('property: any text comes back for deployments, and is nowhere in the database', async () => {
      const value = fc
        .string({ unit: 'grapheme', minLength: 8, maxLength: 200 })
        .map((text) => text.replaceAll('\0', ''));
      await fc.assert(
        fc.asyncProperty(value, async (text) => {
          await env.set('h1', 'SECRET', text);
          expect(await env.envOf('h1')).toEqual({ SECRET: text });
          const { sealed } = await store.db.selectFrom('handler_env').select('sealed').executeTakeFirstOrThrow();
          if (text.length >= 8) expect(Buffer.from(sealed, 'base64').includes(text)).toBe(false);
        }),
        { numRuns: 50, verbose: 1 },
      );
    });

    test('are replaced, listed by name without values, removed', async () => {
      expect(await env.set('h1', 'TOKEN', 'sk-0123456789abcdef')).toEqual({
        key: 'TOKEN',
        bytes: 19,
        tail: 'cdef',
        updatedMs: 5,
      });
      await env.set('h1', 'SHORT', 'hunter2');
      await env.set('h1', 'TOKEN', 'sk-0123456789abcXYZ');
      await env.set('h2', 'TOKEN', 'other');
      expect(await env.list('h1')).toEqual([
        { key: 'SHORT', bytes: 7, tail: '', updatedMs: 5 },
        { key: 'TOKEN', bytes: 19, tail: 'cXYZ', updatedMs: 5 },
      ]);
      await env.remove('h1', 'TOKEN');
      await expect(env.get('h1', 'TOKEN')).rejects.toMatchObject({ code: 'not_found' });
      await expect(env.remove('h1', 'TOKEN')).rejects.toMatchObject({ code: 'not_found' });
      expect(await env.envOf('h1')).toEqual({ SHORT: 'hunter2' });
      expect(await env.envOf('h2')).toEqual({ TOKEN: 'other' });
    });

    test('a name like __proto__ is a variable, no trap', async () => {
      await env.set('h1', '__proto__', 'x');
      expect(Object.entries(await env.envOf('h1'))).toEqual([['__proto__', 'x']]);
    });

    test('bad names and values are refused', async () => {
      for (const key of ['', '1A', 'A-B', 'A=B', 'A\0', 'é', 'A\n', 'x'.repeat(129)])
        await expect(env.set('h1', key, 'v'), JSON.stringify(key)).rejects.toMatchObject({ code: 'bad_request' });
      await expect(env.set('h1', 'A', 'a\0b')).rejects.toMatchObject({ code: 'bad_request' });
      await expect(env.set('h1', 'A', 'x'.repeat(envLimits.valueBytes + 1))).rejects.toMatchObject({
        code: 'limit_exceeded',
      });
      await expect(env.set('h1', 'A', 'é'.repeat(envLimits.valueBytes / 2 + 1))).rejects.toMatchObject({
        code: 'limit_exceeded',
      });
      expect(await env.list('h1')).toEqual([]);
    });

    test('number and total size are bounded, also when set at the same time; replacing is always possible', async () => {
      const many = await Promise.all(Array.from({ length: 105 }, (_, i) => setWhenThereIsTime(`V${i}`)));
      expect(many.filter((outcome) => outcome === 'limit_exceeded')).toHaveLength(105 - envLimits.variables);
      expect(await env.list('h1')).toHaveLength(envLimits.variables);
      await env.set('h1', 'V0', 'y');
      const big = 'x'.repeat(envLimits.valueBytes);
      for (let i = 0; i < 7; i += 1) await env.set('h2', `B${i}`, big);
      await expect(env.set('h2', 'B7', big)).rejects.toMatchObject({ code: 'limit_exceeded' });
      await env.set('h2', 'B6', big);
    });

    test('number is bounded over all branches of a handler', async () => {
      await env.set('h1', 'A', 'v', 'b0');
      const rows = Array.from({ length: previewLimits.variables - 1 }, (_, i) => ({
        ...{ handler_id: 'h1' as HandlerId, branch: `b${i + 1}`, key: 'A', sealed: '', updated_ms: 1 },
      }));
      await store.db.insertInto('handler_env').values(rows).execute();
      await expect(env.set('h1', 'A', 'v', 'another')).rejects.toMatchObject({ code: 'limit_exceeded' });
      await env.set('h1', 'A', 'v');
      await env.remove('h1', 'A', 'b0');
      await env.set('h1', 'A', 'v', 'another');
    });
  });

  describe('sealing', () => {
    const sealedOf = async (handlerId: string, key: string) =>
      (
        await store.db
          .selectFrom('handler_env')
          .select('sealed')
          .where('handler_id', '=', handlerId)
          .where('key', '=', key)
          .executeTakeFirstOrThrow()
      ).sealed;

    test('the same value is sealed differently each time', async () => {
      await env.set('h1', 'A', 'same');
      const first = await sealedOf('h1', 'A');
      await env.set('h1', 'A', 'same');
      expect(await sealedOf('h1', 'A')).not.toBe(first);
    });

    test('a sealed value works for its handler and name only, and no bit of it can be changed', async () => {
      await env.set('h1', 'A', 'secret');
      const sealed = await sealedOf('h1', 'A');
      const row = { sealed, updated_ms: 1 };
      await store.db
        .insertInto('handler_env')
        .values({ handler_id: 'h2', key: 'A', ...row })
        .execute();
      await expect(env.envOf('h2')).rejects.toMatchObject({ code: 'unavailable' });
      await store.db
        .insertInto('handler_env')
        .values({ handler_id: 'h1', key: 'B', ...row })
        .execute();
      await expect(env.envOf('h1')).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('B'),
      });
      await env.remove('h1', 'B');
      const bytes = Buffer.from(sealed, 'base64');
      for (let at = 0; at < bytes.length; at += 1) {
        const bent = Buffer.from(bytes);
        bent[at]! ^= 1;
        await store.db
          .updateTable('handler_env')
          .set({ sealed: bent.toString('base64') })
          .where('handler_id', '=', 'h1')
          .execute();
        await expect(env.envOf('h1'), `byte ${at}`).rejects.toMatchObject({ code: 'unavailable' });
      }
      for (const cut of ['', 'AQ==', bytes.subarray(0, 20).toString('base64')]) {
        await store.db.updateTable('handler_env').set({ sealed: cut }).where('handler_id', '=', 'h1').execute();
        await expect(env.envOf('h1')).rejects.toMatchObject({ code: 'unavailable' });
      }
      expect(await env.list('h1')).toMatchObject([{ key: 'A', tail: '' }]);
      await env.set('h1', 'A', 'anew');
      expect(await env.envOf('h1')).toEqual({ A: 'anew' });
    });
  });

  describe('the key file', () => {
    test('is made once, for its owner only, and used again', async () => {
      expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
      const text = await readFile(keyFile, 'utf8');
      await env.set('h1', 'A', 'v');
      expect(await (await open()).envOf('h1')).toEqual({ A: 'v' });
      expect(await readFile(keyFile, 'utf8')).toBe(text);
      expect((await readdir(store.folder)).filter((name) => name.startsWith('env.key'))).toEqual(['env.key']);
    });

    test('readable by others, damaged, or missing while values are sealed: the start is refused with a hint', async () => {
      await chmod(keyFile, 0o644);
      await expect(open()).rejects.toMatchObject({ code: 'unavailable', hints: [`chmod 600 ${keyFile}`] });
      await chmod(keyFile, 0o600);
      await writeFile(keyFile, 'abc');
      await expect(open()).rejects.toThrow(/damaged/);
      await rm(keyFile);
      await env.set('h1', 'A', 'v');
      await expect(open()).rejects.toThrow(/missing/);
      await env.remove('h1', 'A');
      await open();
    });

    test('another key opens nothing', async () => {
      await env.set('h1', 'A', 'v');
      await writeFile(keyFile, `${'0'.repeat(64)}\n`, { mode: 0o600 });
      await expect((await open()).envOf('h1')).rejects.toMatchObject({ code: 'unavailable' });
    });
  });
});
