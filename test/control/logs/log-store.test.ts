import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { foldCase, matcher, parseLevel } from '../../../src/control/logs/log-filter.ts';
import { queryLimits } from '../../../src/control/logs/log-query.ts';
import { type LogStore, storeLimits } from '../../../src/control/logs/log-store.ts';
import { LogTail, tailLimits } from '../../../src/control/logs/log-tail.ts';
import { type LogLine, logStreams } from '../../../src/protocol/nouns.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, idOf, line, numbered, storedLines } from '../../support/logs.ts';

onEachDatabase('logs', (dialect) => {
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

  const texts = (lines: readonly LogLine[]) => lines.map(({ text }) => text);

  async function take(tail: LogTail, count: number): Promise<{ lines: LogLine[]; dropped: number }> {
    const lines: LogLine[] = [];
    let dropped = 0;
    while (lines.length < count) {
      const frame = await tail.next();
      if (frame === null) break;
      lines.push(...frame.lines);
      dropped += frame.dropped;
    }
    return { lines, dropped };
  }

  describe('append', () => {
    test('gives cursors that grow in the order of the calls, and stores each line as it is', async () => {
      const odd = ['\u0000\u0007\u001b[2J', '', '\u{1f9a6} ünïcode', "'; drop table users; --", '\r\n\t'];
      await Promise.all([
        logs.append(odd.map((text) => line('aa', text))),
        logs.append([line('bb', 'b', { level: 3, stream: 'stderr', gas: 2 ** 50, deployment: 7 })]),
        logs.append([line('aa', 'last')]),
      ]);
      const a = await logs.query(it.a, {});
      const b = await logs.query(it.b, {});
      expect(texts(a.lines)).toEqual([...odd, 'last']);
      const { handlerId: _, ...said } = line('bb', 'b', { level: 3, stream: 'stderr', gas: 2 ** 50, deployment: 7 });
      expect(b.lines[0]).toEqual({ ...said, handler: 'bb', cursor: b.lines[0]!.cursor });
      const cursors = [...a.lines.slice(0, 5), ...b.lines, a.lines[5]!].map(({ cursor }) => cursor);
      expect(cursors).toEqual(cursors.toSorted((x, y) => x - y));
      expect(new Set(cursors).size).toBe(7);
    });

    test('a clock that was ahead and goes back across a restart costs no line, and searches by time find each', async () => {
      const nowMs = Date.now();
      const hour = 60 * 60_000;
      const put = (text: string, timeMs: number) => logs.append([line('aa', text, { timeMs })]);
      await put('before', nowMs - 2 * hour);
      await put('ahead', nowMs + 400 * 24 * hour);
      const { cursor } = await logs.query(it.a, {});
      await logs.close();
      logs = await it.openLogs();
      await put('after', nowMs - hour);
      await put('later', nowMs);
      const found = async (query: Parameters<LogStore['query']>[1]) => texts((await logs.query(it.a, query)).lines);
      for (let round = 0; round < 2; round += 1) {
        expect(await found({})).toEqual(['before', 'ahead', 'after', 'later']);
        expect(await found({ after: cursor })).toEqual(['after', 'later']);
        expect(await found({ sinceMs: nowMs - 1.5 * hour, untilMs: nowMs + hour })).toEqual(['after', 'later']);
        expect(await found({ sinceMs: nowMs + hour })).toEqual(['ahead']);
        expect(await found({ untilMs: nowMs - hour })).toEqual(['before']);
        await logs.prune();
      }
      expect(logs.counters).toMatchObject({ stored: 2, dropped: 0 });
    });

    test('cursors go on growing after a restart, even when every line is gone', async () => {
      await logs.append(numbered('aa', 10));
      const { cursor } = await logs.query(it.a, {});
      await logs.close();
      await it.db.deleteFrom('log_blocks').execute();
      logs = await it.openLogs();
      await logs.append([line('aa', 'after')]);
      const { lines } = await logs.query(it.a, { after: cursor });
      expect(texts(lines)).toEqual(['after']);
    });

    test('blocks of cursors are reserved before use and follow each other without a hole', async () => {
      await logs.close();
      logs = await it.openLogs({ cursorBlock: 10 });
      const reserved = async () =>
        Number(
          (
            await it.db
              .selectFrom('settings')
              .select('value')
              .where('key', '=', 'log_cursor_reserved')
              .executeTakeFirstOrThrow()
          ).value,
        );
      for (let i = 0; i < 200; i += 7) {
        await logs.append(numbered('aa', 7, i));
        expect(await reserved()).toBeGreaterThanOrEqual((await logs.query(it.a, {})).cursor);
      }
      const { lines } = await logs.query(it.a, { limit: 1_000 });
      expect(lines.map(({ cursor }) => cursor)).toEqual(lines.map((_, i) => i + 1));
    });

    test('lines of handlers that do not exist are counted and keep nobody else from being stored', async () => {
      await logs.append([line('nobody', 'x'), line('aa', 'y')]);
      expect(texts((await logs.query(it.a, {})).lines)).toEqual(['y']);
      expect(logs.counters).toMatchObject({ stored: 1, unknown: 1 });
    });

    test('nonsense from a runner does not cost the batch of others', async () => {
      await logs.append([
        line('aa', 'bad', { gas: Number.NaN, timeMs: Number.POSITIVE_INFINITY, seq: -1, level: 1.5 }),
        line('bb', 'good'),
        JSON.parse('{"handler":null,"text":7}'),
        JSON.parse('{}'),
      ]);
      await logs.append([], { [idOf('aa')]: Number.NaN, [idOf('bb')]: -3 });
      await logs.append([], JSON.parse(`{"${idOf('aa')}":"x"}`));
      expect(it.errors).toEqual([]);
      expect(logs.counters.dropped).toBe(0);
      expect(texts((await logs.query(it.b, {})).lines)).toEqual(['good']);
      expect((await logs.query(it.a, {})).lines[0]).toMatchObject({ gas: 0, timeMs: 0, seq: 0, level: 6 });
    });

    test('what a runner dropped becomes a line of the log, and a count for who watches', async () => {
      const tail = logs.tail(it.a, {});
      await logs.append([line('aa', 'kept')], { [idOf('aa')]: 312, [idOf('nobody')]: 3 });
      const { lines, dropped } = await take(tail, 2);
      expect(dropped).toBe(312);
      expect(lines[1]).toMatchObject({
        stream: 'platform',
        level: 3,
        text: expect.stringMatching(/^312 log lines were/),
      });
      expect(texts((await logs.query(it.a, { level: 3 })).lines)).toEqual([lines[1]!.text]);
      expect(logs.counters.dropped).toBe(315);
    });

    test('a full queue drops with a count instead of growing', async () => {
      const waiting: Promise<unknown>[] = [];
      for (let i = 0; i < 100; i += 1) waiting.push(logs.append(numbered('aa', 1_000)));
      expect(logs.counters.waiting).toBeLessThanOrEqual(storeLimits.waitingLines);
      await Promise.all(waiting);
      await logs.append([line('aa', 'end')]);
      const { stored, dropped } = logs.counters;
      expect(dropped).toBe(50_000);
      const told = (await logs.query(it.a, { level: 3, limit: 1_000 })).lines.filter((l) => l.stream === 'platform');
      expect(told.reduce((sum, { text }) => sum + Number.parseInt(text, 10), 0)).toBe(dropped);
      expect(stored).toBe(50_000 + 1 + told.length);
    });

    test('a failing database costs the lines, counted, and nothing more: it goes on when the database does', async () => {
      await sql`alter table log_blocks rename to away`.execute(it.db);
      await logs.append(numbered('aa', 5), { [idOf('aa')]: 7 });
      expect(it.errors).toHaveLength(1);
      await sql`alter table away rename to log_blocks`.execute(it.db);
      await logs.append([line('aa', 'back')]);
      expect(texts((await logs.query(it.a, {})).lines)).toEqual([
        'back',
        expect.stringMatching(/^12 log lines were dropped/),
      ]);
      expect(logs.counters).toMatchObject({ dropped: 12, stored: 2 });
    });
  });

  describe('query', () => {
    test('without a cursor the newest lines, and pages lead through everything in both directions', async () => {
      await logs.append(numbered('aa', 950));
      await logs.append(numbered('bb', 10));
      const newest = await logs.query(it.a, { limit: 3 });
      expect(texts(newest.lines)).toEqual(['line 947', 'line 948', 'line 949']);
      const back: string[] = [];
      for (let before: number | null | undefined; before !== null; ) {
        const page = await logs.query(it.a, { limit: 100, before });
        back.unshift(...texts(page.lines));
        before = page.before;
      }
      const forth: string[] = [];
      for (let after = 0, more = true; more; ) {
        const page = await logs.query(it.a, { limit: 100, after });
        forth.push(...texts(page.lines));
        ({ cursor: after, more } = page);
      }
      const all = numbered('aa', 950).map(({ text }) => text);
      expect(back).toEqual(all);
      expect(forth).toEqual(all);
    });

    test('an answer ends at its limit of bytes and says there is more', async () => {
      await logs.append(Array.from({ length: 300 }, () => line('aa', 'x'.repeat(16_000))));
      const page = await logs.query(it.a, { limit: 1_000 });
      expect(page.lines.length).toBeGreaterThan(100);
      expect(page.lines.length).toBeLessThan(150);
      expect(page).toMatchObject({ more: true, before: page.lines[0]!.cursor });
      expect(await logs.query(it.a, { before: 0 })).toMatchObject({ lines: [], cursor: 0, before: null });
    });

    test('an empty log answers with a cursor to tail from', async () => {
      const { cursor, lines, before } = await logs.query(it.a, {});
      expect({ lines, before }).toEqual({ lines: [], before: null });
      await logs.append([line('aa', 'first')]);
      expect(texts((await logs.query(it.a, { after: cursor })).lines)).toEqual(['first']);
      expect((await logs.query(it.a, { after: 10 ** 15 })).cursor).toBe(cursor + 1);
    });

    test('level means this severe or worse, by number or by word', async () => {
      await logs.append([0, 1, 2, 3, 6, 7, 100].map((level) => line('aa', String(level), { level })));
      const at = async (level: string) => texts((await logs.query(it.a, { level: parseLevel(level) })).lines);
      expect(await at('error')).toEqual(['0', '1']);
      expect(await at('warning')).toEqual(['0', '1', '2', '3']);
      expect(await at('info')).toEqual(['0', '1', '2', '3', '6']);
      expect(await at('2')).toEqual(['0', '1', '2']);
      for (const wrong of ['', '-1', '1e3', 'Error', '6.0', '1000'])
        expect(() => parseLevel(wrong)).toThrow(/level is/);
    });

    test('one invocation can be asked for', async () => {
      await logs.append([line('aa', 'x', { invocation: 'i1' }), line('aa', 'y', { invocation: 'i2' })]);
      expect(texts((await logs.query(it.a, { invocation: 'i2' })).lines)).toEqual(['y']);
    });

    test('grep is a plain substring, whatever characters it has', async () => {
      const lines = [
        'a.c',
        'abc',
        '100%',
        '100x',
        'a_c',
        "it's",
        'x\\y',
        '[a-z]+',
        'nul\u0000nul',
        'STRASSE',
        'ÄRGER',
        'ärger',
      ];
      await logs.append(lines.map((text) => line('aa', text)));
      const grep = async (needle: string) => texts((await logs.query(it.a, { grep: needle })).lines);
      expect(await grep('.')).toEqual(['a.c']);
      expect(await grep('%')).toEqual(['100%']);
      expect(await grep('_')).toEqual(['a_c']);
      expect(await grep("'")).toEqual(["it's"]);
      expect(await grep('\\')).toEqual(['x\\y']);
      expect(await grep('[A-Z]+')).toEqual(['[a-z]+']);
      expect(await grep('l\u0000N')).toEqual(['nul\u0000nul']);
      expect(await grep('strasse')).toEqual(['STRASSE']);
      expect(await grep('Ärger')).toEqual(['ÄRGER']);
      expect(await grep('ärger')).toEqual(['ärger']);
      expect(await grep('')).toEqual(lines);
    });

    test('a rare needle in many lines is found in both directions', async () => {
      for (let i = 0; i < 7; i += 1) await logs.append(numbered('aa', 1_000, i * 1_000));
      for (const query of [{ grep: 'LINE 12' }, { grep: 'line 12', after: 0 }])
        expect((await logs.query(it.a, { ...query, limit: 1_000 })).lines).toHaveLength(1 + 10 + 100);
      expect(texts((await logs.query(it.a, { grep: 'line 6999' })).lines)).toEqual(['line 6999']);
      expect(texts((await logs.query(it.a, { grep: 'line 0', after: 0 })).lines)).toEqual(['line 0']);
    });

    test('property: SQL and the live filter agree on every line', async () => {
      const piece = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 4 }),
        fc.constantFrom('A', 'a', 'K', '\u212a', 'İ', 'ß', '%', '_', '\u0000', 'é', 'É'),
      );
      const text = fc.array(piece, { maxLength: 4 }).map((parts) => parts.join('').toWellFormed());
      const stored = fc.sample(text, { numRuns: 400, seed: 7 });
      const facts = (seq: number) =>
        ({
          ...{ level: seq % 8, stream: logStreams[seq % 4] ?? 'log', timeMs: seq, deployment: seq % 5 },
          ...(seq % 4 === 3 ? { status: 200 + (seq % 7) * 51 } : {}),
          ...(seq % 6 === 0
            ? { fields: JSON.stringify({ user: seq % 3, '': 'é"', 'us=er': seq % 4 === 0 ? 'a=b' : 1 }) }
            : {}),
        }) as const;
      const time = fc.option(fc.nat(400), { nil: undefined });
      const choice = fc.record({
        grep: text,
        level: fc.option(fc.nat(8), { nil: undefined }),
        stream: fc.option(fc.constantFrom(...logStreams), { nil: undefined }),
        requests: fc.option(fc.boolean(), { nil: undefined }),
        deployment: fc.option(fc.nat(5), { nil: undefined }),
        status: fc.option(fc.constantFrom({ from: 200, to: 299 }, { from: 404, to: 404 }, { from: 400, to: 599 }), {
          nil: undefined,
        }),
        regex: fc.option(fc.constantFrom('^a', '[kK]', '(?i)é|_', '^$'), { nil: undefined, freq: 3 }),
        fields: fc.option(fc.constantFrom(['user'], ['user=2', '=é"'], ['user=1', 'us=er'], ['us=er=a=b'], ['x']), {
          nil: undefined,
          freq: 3,
        }),
        sinceMs: time,
        untilMs: time,
      });
      await logs.append(stored.map((t, seq) => line('aa', t, { seq, ...facts(seq) })));
      const all = await storedLines(it.db, it.a.id);
      await fc.assert(
        fc.asyncProperty(choice, async (filter) => {
          const { lines } = await logs.query(it.a, { ...filter, limit: 1_000 });
          const matches = matcher(filter);
          const expected = all.filter((one) => matches(one, () => foldCase(one.text))).map(({ seq }) => seq);
          expect(lines.map(({ seq }) => seq)).toEqual(expected);
        }),
        { numRuns: 150, verbose: 1 },
      );
    });
  });

  describe('structured lines and requests', () => {
    const fields = (of: object) => ({ fields: JSON.stringify(of) });

    test('keep their fields, and are found by name and value', async () => {
      await logs.append([
        line('aa', 'plain'),
        line('aa', 'slow', { level: 3, ...fields({ user: 42, 'http.path': '/a', ok: true, none: null }) }),
        line('aa', 'fast', fields({ user: '42x' })),
      ]);
      const found = async (...conditions: string[]) => texts((await logs.query(it.a, { fields: conditions })).lines);
      expect((await logs.query(it.a, { limit: 2 })).lines[0]!.fields).toEqual({
        ...{ user: 42, 'http.path': '/a', ok: true, none: null },
      });
      expect(await found('user')).toEqual(['slow', 'fast']);
      expect(await found('user=42')).toEqual(['slow']);
      expect(await found('user', 'ok=true')).toEqual(['slow']);
      expect(await found('none=null')).toEqual(['slow']);
      expect(await found('use')).toEqual([]);
      expect(await found('user=')).toEqual([]);
      expect(await found('toString')).toEqual([]);
    });

    test.each([
      ['a=b', 'c'],
      ['a', 'b=c'],
      ['=', '='],
      ['', 'x'],
      ['q"uote', 'v"w'],
      ['back\\slash=', '\\'],
      ['two words', 'and a\ttab'],
      ['ünï=😀', '😀=😀'],
      ['__proto__', 'p'],
      ['dots.in=it', 1],
    ])('a field named %j is found by its name and value', async (name, value) => {
      await logs.append([
        line('aa', 'it', { fields: JSON.stringify(Object.fromEntries([[name, value]])) }),
        line('aa', 'other', fields({ other: `${name}=${value}` })),
      ]);
      const found = async (condition: string) => texts((await logs.query(it.a, { fields: [condition] })).lines);
      expect(await found(`${name}=${value}`)).toEqual(['it']);
      if (name !== '') expect(await found(name)).toEqual(['it']);
      expect(await found(`${name}=${value}=`)).toEqual([]);
      expect(await found(`${name}=`)).toEqual([]);
    });

    test('with 100,000 names of fields are all stored, and each is found by its name', async () => {
      const names = 100_000;
      for (let n = 0; n < names; n += 10_000)
        await logs.append(
          Array.from({ length: 10_000 }, (_, i) => line('aa', `${n + i}`, fields({ [`name-${n + i}`]: n + i }))),
        );
      expect(logs.counters).toMatchObject({ stored: names, dropped: 0 });
      expect(it.errors).toEqual([]);
      const query = (conditions: string[]) => logs.query(it.a, { fields: conditions });
      for (const n of [0, 77_777, names - 1]) {
        expect(texts((await query([`name-${n}`])).lines)).toEqual([`${n}`]);
        expect(texts((await query([`name-${n}=${n}`])).lines)).toEqual([`${n}`]);
      }
      expect((await query([`name-${names}`])).lines).toEqual([]);
    });

    test('are left out unless they are asked for, by their status too', async () => {
      const request = (status: number) => line('aa', `GET / ${status}`, { stream: 'request', status });
      await logs.append([line('aa', 'a'), request(200), request(404), line('aa', 'b'), request(503)]);
      const found = async (query: Parameters<LogStore['query']>[1]) => texts((await logs.query(it.a, query)).lines);
      expect(await found({})).toEqual(['a', 'b']);
      expect(await found({ after: 0, limit: 2 })).toEqual(['a', 'b']);
      expect(await found({ requests: true, limit: 3 })).toEqual(['GET / 404', 'b', 'GET / 503']);
      expect(await found({ stream: 'request' })).toEqual(['GET / 200', 'GET / 404', 'GET / 503']);
      expect(await found({ status: { from: 500, to: 599 } })).toEqual(['GET / 503']);
      expect(await found({ status: { from: 404, to: 404 }, stream: 'log' })).toEqual([]);
      const tail = logs.tail(it.a, { after: 0 });
      expect(texts((await take(tail, 2)).lines)).toEqual(['a', 'b']);
      tail.close();
    });

    test('requests are read over at most in bounded parts, however many stand between two lines', async () => {
      await logs.append([line('aa', 'first')]);
      for (let n = 0; n < 8; n += 1)
        await logs.append(Array.from({ length: 2_000 }, () => line('aa', 'x', { stream: 'request', status: 200 })));
      await logs.append([line('aa', 'last')]);
      expect(texts((await logs.query(it.a, { limit: 2 })).lines)).toEqual(['first', 'last']);
    });
  });

  describe('several handlers', () => {
    test('have one log in the order of the lines, forward and backward, page by page', async () => {
      const expected: string[] = [];
      for (let n = 0; n < 30; n += 1) {
        const name = n % 3 === 0 ? 'bb' : 'aa';
        expected.push(`${name} ${n}`);
        await logs.append([line(name, `${name} ${n}`)]);
      }
      const both = [it.a, it.b];
      const forward: string[] = [];
      for (let after = 0, more = true; more; ) {
        const page = await logs.queryAll(both, { after, limit: 7 });
        forward.push(...texts(page.lines));
        ({ cursor: after, more } = page);
      }
      expect(forward).toEqual(expected);
      const backward: string[] = [];
      for (let before: number | null | undefined; before !== null; ) {
        const page = await logs.queryAll(both, { before: before ?? undefined, limit: 7 });
        backward.unshift(...texts(page.lines));
        expect(page.more).toBe(page.before !== null);
        ({ before } = page);
      }
      expect(backward).toEqual(expected);
      expect(texts((await logs.queryAll(both, { grep: 'bb' })).lines)).toHaveLength(10);
    });
  });

  describe('a regular expression', () => {
    test.each(['(', '(?=a)', '(a)\\1', 'x'.repeat(501), '((a{1,100}){1,10}){1,10}'])('%s is refused', async (regex) => {
      await expect(logs.query(it.a, { regex })).rejects.toMatchObject({ code: 'bad_request' });
      expect(() => logs.tail(it.a, { regex })).toThrow(expect.objectContaining({ code: 'bad_request' }));
    });

    test('made to be slow takes time in proportion to the text', async () => {
      await logs.append([line('aa', `${'a'.repeat(16_000)}!`), line('aa', 'aaa')]);
      expect(texts((await logs.query(it.a, { regex: '^(a+)+$' })).lines)).toEqual(['aaa']);
      expect(texts((await logs.query(it.a, { regex: '^(a|aa)+$' })).lines)).toEqual(['aaa']);
    });

    test('of a live reader is not run on the event loop: its lines come from the database', async () => {
      const tail = logs.tail(it.a, { regex: '[02468]$' });
      const seen = take(tail, 50);
      for (let n = 0; n < 10; n += 1) await logs.append(numbered('aa', 10, n * 10));
      expect((await seen).lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, n) => 2 * n));
      tail.close();
    });
  });

  test('a tail that reads all lines from the database tests none as they come', async () => {
    const tail = new LogTail({
      ...{ after: 0, ceiling: 0, readsAll: true, tellsCaughtUp: false, bytesMax: () => 1_000, onClose: () => {} },
      matches: () => {
        throw new Error('tested on the event loop');
      },
      read: async (after, upTo) => ({ lines: [], seen: upTo, complete: true, stopped: false, expired: after }),
    });
    tail.push([{ ...line('aa', 'x'), handler: 'aa', cursor: 5, fields: {} }], () => 'x');
    tail.lost(1);
    expect(await tail.next()).toEqual({ lines: [], dropped: 1 });
  });

  test('a reader is told once when it has got all stored lines, and up to which cursor', async () => {
    await logs.append(numbered('aa', 600));
    const tail = logs.tail(it.a, { after: 0, tellsCaughtUp: true, grep: 'line 59' });
    const frames = [await tail.next(), await tail.next()];
    expect(frames[0]!.lines).toHaveLength(11);
    expect(frames[1]).toEqual({ lines: [], dropped: 0, caughtUp: 600 });
    await logs.append([line('aa', 'line 590')]);
    expect(await tail.next()).toMatchObject({ lines: [{ text: 'line 590' }] });
    tail.close();
    const live = logs.tail(it.a, { tellsCaughtUp: true });
    expect(await live.next()).toEqual({ lines: [], dropped: 0, caughtUp: 601 });
    live.close();
  });

  describe('tail', () => {
    test('history and live meet without gap or duplicate while lines are being appended', async () => {
      const total = 6_000;
      const writing = (async () => {
        for (let i = 0; i < total; i += 50) await logs.append(numbered('aa', 50, i));
      })();
      const tails = Array.from({ length: 5 }, async (_, i) => {
        // Each begins at another moment, from another cursor.
        while (logs.counters.stored < i * 1_200) await logs.append([line('bb', 'other')]);
        const tail = logs.tail(it.a, { after: 0 });
        const { lines, dropped } = await take(tail, total);
        tail.close();
        expect(dropped).toBe(0);
        return lines.map(({ seq }) => seq);
      });
      const expected = Array.from({ length: total }, (_, i) => i);
      for (const seen of await Promise.all(tails)) expect(seen).toEqual(expected);
      await writing;
    });

    test('from every cursor: history to its last line, then the first live one', async () => {
      await logs.append(numbered('aa', 12));
      const { lines: stored } = await logs.query(it.a, { after: 0 });
      const tails = [0, ...stored.map(({ cursor }) => cursor)].map((after) => ({
        after,
        tail: logs.tail(it.a, { after }),
      }));
      await logs.append([line('aa', 'live', { seq: 12 })]);
      for (const { after, tail } of tails) {
        const skipped = stored.filter(({ cursor }) => cursor <= after).length;
        const { lines } = await take(tail, 13 - skipped);
        expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 13 - skipped }, (_, i) => skipped + i));
      }
    });

    test('property: any way to stop and go on by cursor sees every matching line once', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.oneof(fc.record({ append: fc.integer({ min: 1, max: 40 }) }), fc.constant('reconnect' as const)),
            {
              minLength: 1,
              maxLength: 12,
            },
          ),
          async (steps) => {
            const start = (await logs.query(it.a, {})).cursor;
            let cursor = start;
            let written = 0;
            const seen: number[] = [];
            let tail = logs.tail(it.a, { after: cursor, grep: 'LINE' });
            const reading = new Set<Promise<void>>();
            const read = (from: LogTail) => {
              const done = (async () => {
                for (let frame = await from.next(); frame !== null; frame = await from.next())
                  for (const l of frame.lines) {
                    seen.push(l.seq);
                    cursor = l.cursor;
                  }
              })();
              reading.add(done);
            };
            read(tail);
            for (const step of steps) {
              if (step === 'reconnect') {
                tail.close();
                await Promise.all(reading);
                tail = logs.tail(it.a, { after: cursor, grep: 'LINE' });
                read(tail);
              } else {
                await logs.append([...numbered('aa', step.append, written), line('aa', 'noise')]);
                written += step.append;
              }
            }
            tail.close();
            await Promise.all(reading);
            const rest = await logs.query(it.a, { after: cursor, grep: 'line', limit: 1_000 });
            seen.push(...rest.lines.map(({ seq }) => seq));
            expect(seen).toEqual(Array.from({ length: written }, (_, i) => i));
          },
        ),
        { numRuns: 40, verbose: 1 },
      );
    });

    test('without a cursor only what is appended from now on', async () => {
      await logs.append([line('aa', 'old')]);
      const tail = logs.tail(it.a, {});
      await logs.append([line('aa', 'new')]);
      expect(texts((await take(tail, 1)).lines)).toEqual(['new']);
    });

    test('a cursor from the future counts as now', async () => {
      await logs.append([line('aa', 'old')]);
      const tail = logs.tail(it.a, { after: Number.MAX_SAFE_INTEGER });
      await logs.append([line('aa', 'new')]);
      expect(texts((await take(tail, 1)).lines)).toEqual(['new']);
    });

    test('a reader that does not read costs a bounded buffer: the oldest lines are dropped and counted', async () => {
      const tail = logs.tail(it.a, {});
      for (let i = 0; i < 12_000; i += 1_000) await logs.append(numbered('aa', 1_000, i));
      const { lines, dropped } = await take(tail, tailLimits.lines);
      expect(dropped).toBe(12_000 - tailLimits.lines);
      expect(lines[0]!.seq).toBe(dropped);
      expect(lines.at(-1)!.seq).toBe(11_999);
    });

    test('bytes are bounded as lines are', async () => {
      const tail = logs.tail(it.a, {});
      for (let i = 0; i < 600; i += 100)
        await logs.append(Array.from({ length: 100 }, () => line('aa', 'x'.repeat(16_000))));
      const frame = await tail.next();
      expect(frame!.dropped).toBeGreaterThanOrEqual(600 - tailLimits.bytes / 16_000 - 1);
      expect(frame!.lines.length * 16_000).toBeLessThanOrEqual(tailLimits.frameBytes);
    });

    test('many readers that do not read share what one of them would have', async () => {
      const tails = Array.from({ length: 512 }, () => logs.tail(it.a, {}));
      const share = tailLimits.allBytes / tails.length;
      for (let i = 0; i < 3; i += 1)
        await logs.append(Array.from({ length: 50 }, () => line('aa', 'x'.repeat(16_000))));
      for (const tail of tails) {
        const { dropped } = (await tail.next())!;
        expect((150 - dropped) * 16_000).toBeLessThanOrEqual(share);
        expect((151 - dropped) * 16_300).toBeGreaterThan(share);
        tail.close();
      }
    });

    test('a reader still in history loses nothing when its buffer fills: it reads on from the database', async () => {
      await logs.append(numbered('aa', 1_000));
      const tail = logs.tail(it.a, { after: 0 });
      const first = await tail.next();
      for (let i = 1_000; i < 13_000; i += 1_000) await logs.append(numbered('aa', 1_000, i));
      const { lines, dropped } = await take(tail, 13_000 - first!.lines.length);
      expect(dropped).toBe(0);
      expect([...first!.lines, ...lines].map(({ seq }) => seq)).toEqual(Array.from({ length: 13_000 }, (_, i) => i));
    });

    test('closing wakes who waits, and nothing is held afterwards', async () => {
      const tail = logs.tail(it.a, {});
      const waiting = tail.next();
      tail.close();
      expect(await waiting).toBeNull();
      expect(await tail.next()).toBeNull();
      expect(logs.counters.tails).toBe(0);
    });
  });

  test('limits fit together: a search covers all lines that retention keeps', () => {
    expect(queryLimits.searchRows).toBeGreaterThanOrEqual(110_000);
  });
});
