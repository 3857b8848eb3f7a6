/**
 * What the port LogSink promises: `promises` for every version, then what the store of control adds. A third version is
 * one more call of `promises`.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Bus } from '../../../src/bus/bus.ts';
import type { LogStore } from '../../../src/control/logs/log-store.ts';
import { ReportIntake } from '../../../src/control/nodes/report-intake.ts';
import { Reports } from '../../../src/node/reports.ts';
import { type LogBlock, packByHandler } from '../../../src/protocol/log-block.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import type { LogHandler, LogSink } from '../../../src/protocol/ports.ts';
import { onEachDatabase, postgres, type TestDialect } from '../../support/database.ts';
import { type Bench, bench, idOf, line, numbered } from '../../support/logs.ts';
import { onCluster, temporaryNats } from '../../support/nats.ts';

/** A LogSink and the log that its lines come to. */
interface Opened {
  readonly sink: LogSink;
  readonly bench: Bench;
  readonly logs: LogStore;
  close(): Promise<void>;
}

/** The store of control itself. */
async function storeOf(dialect: TestDialect): Promise<Opened> {
  const own = await bench(dialect);
  const logs = await own.openLogs();
  return {
    ...{ sink: logs, bench: own, logs },
    async close() {
      await logs.close();
      await own.close();
    },
  };
}

/** What a node of a cluster hands lines to: NATS keeps them until a control has stored them. */
async function nodeOf(nats: { readonly url: string; readonly nodeUrl: string }): Promise<Opened> {
  const own = await bench(postgres);
  const logs = await own.openLogs();
  const report = (message: string, error: unknown) => own.errors.push(`${message}: ${error}`);
  const nodeId = randomUUID();
  const bus = new Bus({ url: nats.url, name: 'control', role: 'control', report });
  const nodeBus = new Bus({ url: nats.nodeUrl, name: 'node', role: 'node', report });
  await Promise.all([bus.ready(30_000), nodeBus.ready(30_000)]);
  const intake = new ReportIntake({ bus, logs, onUsage: async () => {}, onStored: () => {}, report });
  await bus.makeStream();
  intake.follow([nodeId]);
  const reports = new Reports({ bus: nodeBus, nodeId, bootId: randomUUID(), report });
  return {
    sink: {
      append: (lines, dropped, id) => reports.logs(packByHandler(lines), dropped, id),
      appendBlocks: (blocks, dropped, id) => reports.logs(blocks, dropped, id),
    },
    ...{ bench: own, logs },
    async close() {
      await reports.close(0);
      await intake.close();
      await Promise.all([bus.close(), nodeBus.close()]);
      await logs.close();
      await own.close();
    },
  };
}

function promises(open: () => Promise<Opened>): void {
  let it: Opened;
  beforeEach(async () => {
    it = await open();
  });
  afterEach(() => it.close());

  /** Sends a last line and waits until it is stored; all that was sent before has been dealt with then. */
  const settled = async () => {
    expect(await it.sink.append([line('bb', 'the last line')])).toBe('stored');
    await vi.waitFor(async () => expect(await stored(it.bench.b)).toContain('the last line'), { timeout: 60_000 });
  };
  const stored = async (handler: LogHandler) =>
    (await it.logs.query(handler, { after: 0, limit: 1_000 })).lines.map(({ text }) => text);
  const texts = async (): Promise<readonly string[]> => {
    await settled();
    return stored(it.bench.a);
  };
  const id = (number: number, origin = 'sender-1') => ({ origin, number });

  test('lines are stored in order, as they were, each with its handler', async () => {
    await it.sink.append([line('aa', 'one', { level: 3, fields: '{"a":1}' }), line('bb', 'other'), line('aa', 'two')]);
    await it.sink.append([line('aa', 'three', { stream: 'stderr', status: 204, preview: 'dev' })]);
    expect(await texts()).toEqual(['one', 'two', 'three']);
    expect(await stored(it.bench.b)).toEqual(['other', 'the last line']);
    const { lines } = await it.logs.query(it.bench.a, { after: 0 });
    expect(lines).toMatchObject([
      { handler: 'aa', level: 3, fields: { a: 1 } },
      { stream: 'log' },
      { stream: 'stderr', status: 204, preview: 'dev' },
    ]);
    expect(lines.map(({ cursor }) => cursor)).toEqual(lines.map(({ cursor }) => cursor).sort((a, b) => a - b));
  });

  test('a batch with an id that is sent again is stored once, and its losses are told once', async () => {
    const send = () => it.sink.append([line('aa', 'one'), line('aa', 'two')], { [idOf('aa')]: 5 }, id(1));
    for (const result of await Promise.all([send(), send()])) expect(result).not.toBe('lost');
    expect(await send()).not.toBe('lost');
    expect(await texts()).toEqual(['one', 'two', expect.stringMatching(/^5 log lines were dropped/)]);
  });

  test('an earlier number of a sender is not stored again; other senders count for themselves', async () => {
    for (const [text, number, origin] of [
      ['a7', 7],
      ['a6', 6],
      ['a8', 8],
      ['b1', 1, 'sender-2'],
    ] as const)
      expect(await it.sink.append([line('aa', text)], {}, id(number, origin))).not.toBe('lost');
    expect(await texts()).toEqual(['a7', 'a8', 'b1']);
  });

  test('losses on the way are told in the log of their handler, also without lines', async () => {
    await it.sink.append([], { [idOf('aa')]: 1 });
    await it.sink.append([line('bb', 'x')], { [idOf('aa')]: 4, [idOf('bb')]: Number.NaN });
    expect(await texts()).toEqual([
      expect.stringMatching(/^1 log line was dropped/),
      expect.stringMatching(/^4 log lines were dropped/),
    ]);
    expect(await stored(it.bench.b)).toEqual(['x', 'the last line']);
  });

  test('a batch that the database cannot store is stored once when it can, if it is sent until it is not lost', async () => {
    await it.bench.db.schema.alterTable('log_blocks').renameTo('away').execute();
    const send = () => it.sink.append(numbered('aa', 3), { [idOf('aa')]: 4 }, id(1));
    const result = await send();
    await it.bench.db.schema.alterTable('away').renameTo('log_blocks').execute();
    if (result === 'lost') expect(await send()).toBe('stored');
    expect(await texts()).toEqual(['line 0', 'line 1', 'line 2', expect.stringMatching(/^4 log lines/)]);
  });

  test('blocks that nobody could unpack, and lines of handlers that are not there, cost no other line', async () => {
    const [good] = packByHandler([line('bb', 'good')]);
    const [bad] = packByHandler(numbered('aa', 7));
    if (good === undefined || bad === undefined) throw new Error('a block for each');
    const wrong: readonly Partial<LogBlock>[] = [
      { data: new Uint8Array(3) },
      { data: 'text' as never },
      { words: new Uint8Array(1_000_000) },
      { firstMs: -1 },
    ];
    const unknown = { ...good, handlerId: handlerIdOf('nobody') };
    const hostile = [...wrong.map((more) => ({ ...bad, ...more })), null as never, unknown];
    expect(await it.sink.appendBlocks([...hostile, good])).toBe('stored');
    expect(await texts()).toEqual([expect.stringMatching(/^28 log lines were dropped/)]);
    expect(await stored(it.bench.b)).toEqual(['good', 'the last line']);
    expect(it.bench.errors).toEqual([]);
  });
}

onEachDatabase('every log sink: the store of control', (dialect) => promises(() => storeOf(dialect)));

onCluster('every log sink: a node, through NATS', () => {
  let nats: ReturnType<typeof temporaryNats> | undefined;
  afterAll(async () => (await nats)?.close());
  promises(async () => {
    nats ??= temporaryNats();
    return nodeOf(await nats);
  });
});

onEachDatabase('the store of control', (dialect) => {
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
