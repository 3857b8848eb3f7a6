import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type BlockSearch, mergeBlocks, searchBlocks } from '../../../src/control/logs/block-search.ts';
import { expiredBetween } from '../../../src/control/logs/expired.ts';
import { queryLimits, readRange } from '../../../src/control/logs/log-query.ts';
import { LogStore } from '../../../src/control/logs/log-store.ts';
import { groupToMerge, LogMerger, mergeLimits, rankOf } from '../../../src/control/logs/merging.ts';
import { moveLimits } from '../../../src/control/logs/old-lines.ts';
import { RecentBlocks } from '../../../src/control/logs/recent-blocks.ts';
import { logLimits, MIB } from '../../../src/protocol/limits.ts';
import { type LogBlock, packByHandler, packLines } from '../../../src/protocol/log-block.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import type { LogLine } from '../../../src/protocol/nouns.ts';
import type { LogFilter } from '../../../src/protocol/ports.ts';
import { onEachDatabase, onPostgres } from '../../support/database.ts';
import { type Bench, bench, idOf, line, numbered, storedLines, storeLines } from '../../support/logs.ts';

onEachDatabase('blocks of log lines', (dialect) => {
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

  const rows = () => it.db.selectFrom('log_blocks').selectAll().orderBy('first_cursor').execute();
  const seqs = (lines: readonly LogLine[]) => lines.map(({ seq }) => seq);
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

  describe('from a runner', () => {
    test('are stored as they were packed, one row each, and read like lines of control itself', async () => {
      const blocks = packByHandler([...numbered('aa', 400), ...numbered('bb', 3)]);
      expect(await logs.appendBlocks(blocks, {}, { origin: 'r', number: 1 })).toBe('stored');
      expect(await logs.appendBlocks(blocks, {}, { origin: 'r', number: 1 })).toBe('known');
      const stored = await rows();
      expect(stored.map(({ lines, first_cursor, last_cursor }) => [lines, first_cursor, last_cursor])).toEqual([
        [400, 1, 400],
        [3, 401, 403],
      ]);
      expect(stored.map(({ data }) => Buffer.from(data))).toEqual(blocks.map(({ data }) => Buffer.from(data)));
      expect(seqs((await logs.query(it.a, { limit: 1_000 })).lines)).toEqual(upTo(400));
      expect(logs.counters).toMatchObject({ stored: 403, dropped: 0 });
    });

    test('that nobody could unpack are counted as lost, and cost no other block', async () => {
      const [good] = packByHandler([line('bb', 'good')]);
      const [bad] = packByHandler(numbered('aa', 7));
      const wrong: readonly Partial<LogBlock>[] = [
        { data: new Uint8Array(3) },
        { data: Uint8Array.from(bad!.data, (byte, at) => (at === 0 ? 9 : byte)) },
        { data: 'text' as never },
        { words: new Uint8Array(1_000_000) },
        { firstMs: -1 },
        { levels: 2 ** 31 },
        { textChars: 10 ** 9 },
      ];
      await logs.appendBlocks([...wrong.map((more) => ({ ...bad!, ...more })), good!]);
      expect((await logs.query(it.b, {})).lines.map(({ text }) => text)).toEqual(['good']);
      expect((await logs.query(it.a, {})).lines.map(({ text }) => text)).toEqual([
        expect.stringMatching(/^49 log lines were dropped/),
      ]);
      await logs.appendBlocks([{ ...bad!, lines: Number.NaN }, { ...bad!, lines: 10 ** 9 }, {} as never]);
      expect(logs.counters.dropped).toBe(49 + 3);
      await logs.appendBlocks([null as never, undefined as never, 'text' as never, good!]);
      expect(logs.counters.dropped).toBe(49 + 6);
      expect((await logs.query(it.b, {})).lines).toHaveLength(2);
      expect(it.errors).toEqual([]);
    });

    test('of a handler whose id no database takes cost no other block', async () => {
      const [good] = packByHandler([line('bb', 'good')]);
      await logs.appendBlocks([{ ...good!, handlerId: handlerIdOf('a\0b') }, good!], { [handlerIdOf('\0')]: 5 });
      expect((await logs.query(it.b, {})).lines).toHaveLength(1);
      expect(logs.counters).toMatchObject({ stored: 1, unknown: 2 });
      expect(it.errors).toEqual([]);
    });

    test('that say less of themselves than they have are refused, since readers choose by it how to unpack', async () => {
      const [block] = packByHandler(Array.from({ length: 10 }, (_, seq) => line('aa', 'x'.repeat(9_000), { seq })));
      await logs.appendBlocks([{ ...block!, textChars: 0 }]);
      expect(logs.counters.dropped).toBe(10);
      expect((await logs.query(it.a, {})).lines).toHaveLength(1);
    });

    test('whose bytes are damaged cost their own lines, and every way to read says so', async () => {
      const tail = logs.tail(it.a, {});
      const [one, two] = [numbered('aa', 5), numbered('aa', 5, 5)].map((lines) => packByHandler(lines)[0]!);
      const damaged = { ...one!, data: Uint8Array.from(one!.data, (byte, at) => (at === 40 ? byte ^ 1 : byte)) };
      await logs.appendBlocks([damaged, two!]);
      const told = expect.stringMatching(/^5 log lines here cannot be read \(log_block_damaged\)/);
      const expected = [told, ...upTo(5).map((n) => `line ${n + 5}`)];
      const texts = (lines: readonly LogLine[]) => lines.map(({ text }) => text);
      expect(texts((await tail.next())!.lines)).toEqual(expected);
      const page = await logs.query(it.a, { after: 0 });
      expect(texts(page.lines)).toEqual(expected);
      expect(page.lines[0]).toMatchObject({ stream: 'platform', level: 1, cursor: 5 });
      expect(texts((await logs.query(it.a, {})).lines)).toEqual(expected);
      expect(texts((await logs.query(it.a, { after: 0, grep: 'line' })).lines)).toEqual(expected);
      expect(texts((await logs.query(it.a, { after: 5 })).lines)).toEqual(expected.slice(1));
      expect(texts((await logs.query(it.a, { before: 6 })).lines)).toEqual([told]);
      expect((await logs.query(it.a, { before: 5 })).lines).toEqual([]);
    });
  });

  describe('merged', () => {
    const merging = async (handlerId: string) => {
      const merger = new LogMerger({
        db: it.db,
        merge: async (blocks) => mergeBlocks(blocks),
        onError: (error) => it.errors.push(error),
      });
      merger.grown(handlerId, 1);
      await merger.idle();
      await merger.close();
    };

    test('keep every line at its cursor, among lines of another handler, and are few', async () => {
      for (let i = 0; i < 200; i += 1)
        await storeLines(it.db, it.a.id, [
          { cursor: 2 * i + 1, line: line('aa', `line ${i}`, { seq: i, level: i % 8, timeMs: 1_000 - i }) },
        ]);
      for (let i = 0; i < 200; i += 1)
        await storeLines(it.db, it.b.id, [{ cursor: 2 * i + 2, line: line('bb', `other ${i}`, { seq: i }) }]);
      const before = await storedLines(it.db, it.a.id);
      const other = await storedLines(it.db, it.b.id);
      await merging(it.a.id);
      expect(await storedLines(it.db, it.a.id)).toEqual(before);
      expect(await storedLines(it.db, it.b.id)).toEqual(other);
      const merged = (await rows()).filter(({ handler_id }) => handler_id === it.a.id);
      expect(merged.length).toBeLessThan(2 * mergeLimits.fanIn);
      expect(merged.reduce((sum, { lines }) => sum + lines, 0)).toBe(200);
      expect(merged[0]).toMatchObject({ first_cursor: 1, first_ms: 1_001 - merged[0]!.lines, last_ms: 1_000 });
      expect(it.errors).toEqual([]);
    });

    test('while lines are written and read, lose and double none', async () => {
      const tail = logs.tail(it.a, { after: 0 });
      const live: number[] = [];
      const reading = (async () => {
        for (let frame = await tail.next(); frame !== null; frame = await tail.next()) live.push(...seqs(frame.lines));
      })();
      const count = 300;
      for (let i = 0; i < count; i += 1) {
        await logs.append(numbered('aa', 1, i));
        if (i % 40 === 0) void merging(it.a.id);
        if (i % 25 === 0)
          expect(seqs((await logs.query(it.a, { after: 0, grep: 'line', limit: 1_000 })).lines)).toEqual(upTo(i + 1));
      }
      await merging(it.a.id);
      expect(seqs((await logs.query(it.a, { limit: 1_000 })).lines)).toEqual(upTo(count));
      expect(seqs((await logs.query(it.a, { after: 0, limit: 1_000 })).lines)).toEqual(upTo(count));
      expect((await rows()).length).toBeLessThan(count / 4);
      while (live.length < count) await new Promise((resolve) => setImmediate(resolve));
      tail.close();
      await reading;
      expect(live).toEqual(upTo(count));
      expect(it.errors).toEqual([]);
    });

    test('leave out one that is damaged, tell it once, and go on with the others', async () => {
      for (let i = 0; i < 60; i += 1)
        await storeLines(it.db, it.a.id, [{ cursor: i + 1, line: line('aa', `line ${i}`) }]);
      await it.db
        .updateTable('log_blocks')
        .set({ data: Buffer.from('damaged') })
        .where('first_cursor', '=', 10)
        .execute();
      await merging(it.a.id);
      expect(it.errors.map(String)).toEqual([expect.stringContaining('at cursor 10, is damaged')]);
      const left = await rows();
      expect(left.length).toBeLessThan(30);
      expect(left.reduce((sum, { lines }) => sum + lines, 0)).toBe(60);
      expect((await rows()).find(({ first_cursor }) => first_cursor === 10)?.lines).toBe(1);
    });

    test('do not take one whose lines reach into the cursors of the next', async () => {
      for (let i = 0; i < 40; i += 1)
        await storeLines(it.db, it.a.id, [{ cursor: i + 1, line: line('aa', `line ${i}`) }]);
      const packed = packLines([line('aa', 'a'), line('aa', 'b')], [1, 500]);
      await it.db
        .updateTable('log_blocks')
        .set({ data: packed.data, lines: 2 })
        .where('first_cursor', '=', 20)
        .execute();
      await merging(it.a.id);
      expect(it.errors.map(String)).toEqual([expect.stringContaining('at cursor 20, is damaged')]);
      const stored = await it.db.selectFrom('log_blocks').select('first_cursor').orderBy('first_cursor').execute();
      expect(stored.map(({ first_cursor }) => first_cursor)).toContain(20);
      expect(stored.length).toBeLessThan(10);
    });

    test('nothing of what retention has removed meanwhile comes back', async () => {
      for (let i = 0; i < 40; i += 1)
        await storeLines(it.db, it.a.id, [{ cursor: i + 1, line: line('aa', `line ${i}`) }]);
      const merger = new LogMerger({
        db: it.db,
        merge: async (blocks) => {
          await it.db.deleteFrom('log_blocks').where('first_cursor', '<=', 5).execute();
          return mergeBlocks(blocks);
        },
        onError: (error) => it.errors.push(error),
      });
      merger.grown(it.a.id, 1);
      await merger.idle();
      await merger.close();
      expect((await storedLines(it.db)).map(({ cursor }) => cursor)).toEqual(upTo(35).map((n) => n + 6));
      expect(it.errors).toEqual([]);
    });
  });

  describe('a search', () => {
    test('reads only blocks that can match', async () => {
      for (let i = 0; i < 40; i += 1)
        await storeLines(
          it.db,
          it.a.id,
          numbered('aa', 200, i * 200).map((one, at) => ({
            cursor: i * 200 + at + 1,
            line: { ...one, invocation: `call-${i}`, level: i === 7 ? 1 : 6, timeMs: i * 1_000 + at },
          })),
        );
      await it.db
        .updateTable('log_blocks')
        .set({ data: Buffer.from('unreadable') })
        .where('first_cursor', '!=', 1_401)
        .execute();
      await it.db.updateTable('settings').set({ value: '8000' }).where('key', '=', 'log_cursor').execute();
      await logs.close();
      logs = await it.openLogs();
      const found = async (query: Parameters<LogStore['query']>[1]) =>
        (await logs.query(it.a, { limit: 1_000, ...query })).lines;
      for (const query of [{ level: 3 }, { invocation: 'call-7' }, { sinceMs: 7_000, untilMs: 7_200 }]) {
        expect(seqs(await found(query))).toEqual(upTo(200).map((n) => n + 1_400));
        expect(seqs(await found({ ...query, after: 0 }))).toEqual(upTo(200).map((n) => n + 1_400));
      }
      expect(await found({ stream: 'stderr' })).toEqual([]);
    });

    test('unpacks large blocks in a thread of its own, and a small page at once', async () => {
      for (let i = 0; i < 6; i += 1)
        await logs.append(Array.from({ length: 30 }, (_, n) => line('aa', 'x'.repeat(16_000), { seq: i * 30 + n })));
      const page = await logs.query(it.a, { after: 0, grep: 'xx', limit: 1_000 });
      expect(page.lines.length * 16_000).toBeLessThanOrEqual(queryLimits.bytes + 16_000);
      expect(seqs(page.lines)).toEqual(upTo(page.lines.length));
      const inThread = async (filter: LogFilter, limit: number): Promise<boolean> => {
        let asked = false;
        const source = {
          db: it.db,
          recent: () => undefined,
          search: async (search: BlockSearch) => {
            asked = true;
            return searchBlocks(search);
          },
        };
        const range = { handlerId: it.a.id, after: 0, upTo: 1_000, direction: 'newest first', filter, limit } as const;
        await readRange(source, 'aa', range);
        return asked;
      };
      expect(await inThread({}, 5)).toBe(false);
      expect(await inThread({ grep: 'xx' }, 5)).toBe(true);
      expect(await inThread({}, 1_000)).toBe(true);
      await it.db.updateTable('log_blocks').set({ text_chars: 0 }).execute();
      expect(await inThread({}, 1_000)).toBe(true);
      expect(await inThread({ regex: 'x' }, 1)).toBe(true);
    });

    test('finds the newest blocks in memory, and forgets the oldest of them above a bound', () => {
      const recent = new RecentBlocks();
      const bytes = Uint8Array.from({ length: MIB }, () => 1);
      for (let first = 1; first <= 20; first += 1) recent.add('h', { first, lines: 1 }, bytes);
      expect(recent.get('h', 20, 1)).toEqual(bytes);
      expect(recent.get('h', 20, 2)).toBeUndefined();
      expect(recent.get('other', 20, 1)).toBeUndefined();
      expect(upTo(20).filter((n) => recent.get('h', n + 1, 1) !== undefined)).toEqual(upTo(15).map((n) => n + 5));
    });
  });

  describe('rows of an earlier version', () => {
    const old = (count: number, from = 0, text = (n: number) => `old ${n}`) =>
      upTo(count).map((n) => ({
        ...{ cursor: from + n + 1, handler_id: n % 3 === 0 ? it.b.id : it.a.id, deployment: 2, invocation: `i${n}` },
        ...{ seq: n, time_ms: 1_000 + n, gas: n, stream: n % 2 === 0 ? 'log' : 'stderr', level: n % 7, text: text(n) },
        preview: n % 5 === 0 ? 'branch' : '',
      }));

    async function reopenWith(given: ReturnType<typeof old>): Promise<string[]> {
      await logs.close();
      // The rows are as old as this version's first start.
      await it.db.deleteFrom('settings').where('key', '=', 'log_rows_end').execute();
      for (let at = 0; at < given.length; at += 500)
        await it.db
          .insertInto('log_lines')
          .values(given.slice(at, at + 500))
          .execute();
      const last = given.at(-1);
      if (last !== undefined)
        await it.db
          .updateTable('settings')
          .set({ value: String(last.cursor) })
          .where('key', '=', 'log_cursor')
          .execute();
      const told: string[] = [];
      logs = await LogStore.open({
        db: it.db,
        now: Date.now,
        onError: (error) => it.errors.push(error),
        onMoving: () => told.push('moving'),
      });
      return told;
    }

    test('are moved into blocks when the log opens, each line with its cursor, and are told once', async () => {
      const given = old(moveLimits.lines * 2 + 100);
      expect(await reopenWith(given)).toEqual(['moving']);
      expect(await it.db.selectFrom('log_lines').selectAll().execute()).toEqual([]);
      const lines = await storedLines(it.db);
      expect(lines).toHaveLength(given.length);
      for (const [at, row] of given.entries()) {
        const { handler_id: handler, time_ms: timeMs, preview, ...facts } = row;
        expect(lines[at]).toEqual({ ...facts, handler, timeMs, ...(preview === '' ? {} : { preview }) });
      }
      expect((await rows()).length).toBeLessThan(10);
      await logs.append([line('aa', 'new')]);
      const newest = await logs.query(it.a, { limit: 2 });
      expect(newest.lines.map(({ text }) => text)).toEqual([
        given.findLast(({ handler_id }) => handler_id === it.a.id)!.text,
        'new',
      ]);
      expect(await reopenWith([])).toEqual([]);
    });

    test('of any length are moved in steps of bounded bytes', async () => {
      await reopenWith(old(60, 0, () => 'y'.repeat(16_000)));
      const blocks = await rows();
      for (const { text_chars } of blocks) expect(text_chars).toBeLessThanOrEqual(moveLimits.textBytes);
      expect(blocks.reduce((sum, { lines }) => sum + lines, 0)).toBe(60);
    });

    test('that a stop has left in part are moved at the next start, nothing twice', async () => {
      const given = old(300);
      await reopenWith(given.slice(0, 100));
      await reopenWith(given.slice(100));
      expect((await storedLines(it.db)).map(({ cursor }) => cursor)).toEqual(given.map(({ cursor }) => cursor));
    });

    test('are still known as removed where retention had removed them', async () => {
      await it.db.insertInto('log_expired').values({ handler_id: it.a.id, last_cursor: 5, lines: 3 }).execute();
      await reopenWith(old(10, 5));
      expect(await expiredBetween(it.db, { handlerId: it.a.id, after: 0, below: 6 })).toBe(3);
    });
  });
});

onPostgres('rows of a control of the earlier version beside this one', (dialect) => {
  test('never get cursors that readers have passed, without lines of their handler too', async () => {
    const it = await bench(dialect);
    const logs = await it.openLogs();
    // Cursor 1 is the other control's; a reader of this one has seen everything up to 3.
    await it.db.updateTable('settings').set({ value: '1' }).where('key', '=', 'log_cursor').execute();
    await logs.append(numbered('bb', 2));
    const { cursor } = await logs.query(it.a, {});
    expect(cursor).toBe(3);
    const facts = { deployment: 1, invocation: 'i', time_ms: Date.now(), gas: 1, stream: 'log', level: 6 };
    await it.db
      .insertInto('log_lines')
      .values({ ...facts, cursor: 1, handler_id: idOf('aa'), seq: 1, text: 'old' })
      .execute();
    await logs.prune();
    expect((await logs.query(it.a, { after: cursor })).lines.map(({ text }) => text)).toEqual(['old']);
    await logs.close();
    await it.close();
  });

  test('become new lines of the log once an hour, none lost', async () => {
    const it = await bench(dialect);
    const logs = await it.openLogs();
    await logs.append(numbered('aa', 3).map((one) => ({ ...one, timeMs: Date.now() })));
    const reserved = await it.db
      .updateTable('settings')
      .set({ value: '5' })
      .where('key', '=', 'log_cursor')
      .returning('value')
      .execute();
    expect(reserved).toEqual([{ value: '5' }]);
    await logs.append(numbered('aa', 1, 3).map((one) => ({ ...one, timeMs: Date.now() })));
    const facts = { deployment: 1, invocation: 'i', time_ms: Date.now(), gas: 1, stream: 'log', level: 6 };
    await it.db
      .insertInto('log_lines')
      .values(
        [4, 5].map((cursor) => ({ ...facts, cursor, handler_id: idOf('aa'), seq: cursor * 10, text: `old ${cursor}` })),
      )
      .execute();
    await logs.prune();
    const { lines } = await logs.query(it.a, { after: 0 });
    expect(lines.map(({ text }) => text)).toEqual(['line 0', 'line 1', 'line 2', 'line 3', 'old 4', 'old 5']);
    expect(new Set(lines.map(({ cursor }) => cursor)).size).toBe(6);
    expect(handlerIdOf(it.a.id)).toBe(idOf('aa'));
    await logs.close();
    await it.close();
  });
});

describe('neighbours to merge', () => {
  const sized = (...lines: number[]) => lines.map((count, at) => ({ at, lines: count, text_chars: count * 10 }));
  const groupOf = (...lines: number[]) => groupToMerge(sized(...lines), rankOf)?.map(({ at }) => at) ?? null;
  const repeat = (count: number, lines: number) => Array.from({ length: count }, () => lines);

  test('are at least sixteen of one rank, the oldest, without a larger one among them', () => {
    expect(groupOf(...repeat(15, 1))).toBeNull();
    expect(groupOf(...repeat(16, 1))).toHaveLength(16);
    expect(groupOf(...repeat(100, 1))).toHaveLength(mergeLimits.stepBlocks);
    expect(groupOf(...repeat(10, 1), 2_000, ...repeat(10, 1))).toBeNull();
    expect(groupOf(2_000, ...repeat(16, 1))).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  });

  test('of a higher rank take the smaller ones between them along, and stay within a block', () => {
    expect(groupOf(900, ...repeat(15, 1))).toBeNull();
    expect(groupOf(...repeat(16, 40))).toHaveLength(16);
    expect(groupOf(...repeat(16, 500))).toHaveLength(8);
    expect(groupOf(...repeat(40, 512))).toBeNull();
  });

  test('are no full batches of runners: those are large enough as they come', () => {
    expect(groupOf(...repeat(40, logLimits.batchLines))).toBeNull();
  });

  test('make a log of small blocks one of few, and pack each line a few times', () => {
    let blocks = sized(...repeat(20_000, 1));
    let packed = 0;
    for (let group = groupToMerge(blocks, rankOf); group !== null; group = groupToMerge(blocks, rankOf)) {
      const lines = group.reduce((sum, one) => sum + one.lines, 0);
      packed += lines;
      const at = blocks.indexOf(group[0]!);
      blocks = blocks.toSpliced(at, group.length, { at, lines, text_chars: lines * 10 });
    }
    expect(blocks.length).toBeLessThan(60);
    expect(packed / 20_000).toBeLessThan(4);
  });
});
