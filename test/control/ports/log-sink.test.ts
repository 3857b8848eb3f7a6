/**
 * What the port LogSink promises, on both databases. A node of a cluster hands its lines to such a LogStore through NATS; what
 * that way adds to the promises is in test/node/node.test.ts and test/cluster/servers.test.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogStore } from '../../../src/control/logs/log-store.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, idOf, line, numbered } from '../../support/logs.ts';

onEachDatabase('log sink', (dialect) => {
  let it: Bench;
  let logs: LogStore;

  beforeEach(async () => {
    it = await bench(dialect);
    logs = await it.openLogs();
  });

  afterEach(async () => {
    await logs.close();
    await it.close();
  });

  const texts = async () => (await logs.query(it.a, { after: 0, limit: 1_000 })).lines.map(({ text }) => text);
  const id = (number: number, origin = 'node-1') => ({ origin, number });

  describe('a batch with an id', () => {
    test('is stored once, however often and whenever it is sent, its losses are told once', async () => {
      const send = () => logs.append([line('aa', 'one'), line('aa', 'two')], { [idOf('aa')]: 5 }, id(1));
      expect(await Promise.all([send(), send()])).toEqual(['stored', 'known']);
      expect(await send()).toBe('known');
      await logs.close();
      logs = await it.openLogs();
      expect(await send()).toBe('known');
      const stored = await texts();
      expect(stored).toEqual(['one', 'two', expect.stringMatching(/^5 log lines were dropped/)]);
    });

    test('an earlier number of the same sender is known; other senders count for themselves', async () => {
      expect(await logs.append([line('aa', 'a7')], {}, id(7))).toBe('stored');
      expect(await logs.append([line('aa', 'a6')], {}, id(6))).toBe('known');
      expect(await logs.append([line('aa', 'a8')], {}, id(8))).toBe('stored');
      expect(await logs.append([line('aa', 'b1')], {}, id(1, 'node-2'))).toBe('stored');
      expect(await texts()).toEqual(['a7', 'a8', 'b1']);
    });

    test('that could not be stored is the sender’s: not counted here, and stored when it is sent again', async () => {
      await it.db.schema.alterTable('log_blocks').renameTo('away').execute();
      expect(await logs.append(numbered('aa', 3), { [idOf('aa')]: 4 }, id(1))).toBe('lost');
      expect(logs.counters.dropped).toBe(0);
      await it.db.schema.alterTable('away').renameTo('log_blocks').execute();
      expect(await logs.append(numbered('aa', 3), { [idOf('aa')]: 4 }, id(1))).toBe('stored');
      expect(await texts()).toEqual(['line 0', 'line 1', 'line 2', expect.stringMatching(/^4 log lines/)]);
      expect(logs.counters.dropped).toBe(4);
    });

    test('whose sender has been silent for long is forgotten', async () => {
      await logs.append([line('aa', 'x')], {}, id(1));
      await it.db.updateTable('log_origins').set({ stored_ms: 1 }).execute();
      await logs.append([line('aa', 'y')], {}, id(1, 'node-2'));
      await logs.prune();
      expect(await it.db.selectFrom('log_origins').select('origin').execute()).toEqual([{ origin: 'node-2' }]);
    });
  });

  describe('a loss', () => {
    test('is told soon, also when nothing else is ever appended', async () => {
      await it.db.schema.alterTable('log_blocks').renameTo('away').execute();
      expect(await logs.append(numbered('aa', 3))).toBe('lost');
      await it.db.schema.alterTable('away').renameTo('log_blocks').execute();
      const tail = logs.tail(it.a, {});
      expect((await tail.next())!.dropped).toBe(3);
      expect(await texts()).toEqual([expect.stringMatching(/^3 log lines were dropped/)]);
    });

    test('is told before the store closes', async () => {
      await it.db.schema.alterTable('log_blocks').renameTo('away').execute();
      await logs.append(numbered('aa', 3));
      await it.db.schema.alterTable('away').renameTo('log_blocks').execute();
      await logs.close();
      logs = await it.openLogs();
      expect(await texts()).toEqual([expect.stringMatching(/^3 log lines were dropped/)]);
    });

    test('that cannot be told any more goes to the platform’s own log', async () => {
      await it.db.schema.alterTable('log_blocks').renameTo('away').execute();
      await logs.append(numbered('aa', 3));
      await logs.close();
      expect(it.errors.map(String).at(-1)).toContain(`3 lost log lines of handler ${it.a.id}`);
      await it.db.schema.alterTable('away').renameTo('log_blocks').execute();
    });
  });
});
