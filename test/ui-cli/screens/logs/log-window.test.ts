import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InvocationRecord, LogLine } from '../../../../src/protocol/nouns.ts';
import { LogBuffer } from '../../../../ui-cli/screens/logs/log-buffer.ts';
import { logRowLines, logRowText } from '../../../../ui-cli/screens/logs/log-row.ts';
import {
  type LogRow,
  type LogWindow,
  logRows,
  newSince,
  scrollLog,
  selectLine,
  wrappedLines,
} from '../../../../ui-cli/screens/logs/log-window.ts';
import { cells } from '../../../../ui-cli/text/width.ts';

function line(cursor: number, text = `line ${cursor}`, level = 6): LogLine {
  return {
    cursor,
    text,
    level,
    handler: 'h',
    deployment: 1,
    invocation: 'i',
    seq: 1,
    timeMs: 0,
    gas: 0,
    stream: 'log',
  };
}

function filled(count: number, capacity = 1_000): LogBuffer {
  const buffer = new LogBuffer(capacity);
  for (let i = 1; i <= count; i += 1) buffer.push({ kind: 'line', line: line(i) });
  return buffer;
}

const texts = (buffer: LogBuffer, view: LogWindow, rows: number) =>
  logRows(buffer, view, rows).map(({ entry, selected }) => {
    const text = entry.kind === 'line' ? entry.line.text : entry.kind === 'mark' ? entry.text : entry.record.id;
    return selected ? `>${text}` : text;
  });

const following: LogWindow = { kind: 'following' };

test('following shows the newest lines', () => {
  expect(texts(filled(5), following, 3)).toEqual(['line 3', 'line 4', 'line 5']);
  expect(texts(filled(2), following, 3)).toEqual(['line 1', 'line 2']);
});

test('scrolling up pauses, keeps its lines while new ones come, and counts those', () => {
  const buffer = filled(10);
  const view = scrollLog(following, buffer, -1, 3);
  expect(texts(buffer, view, 3)).toEqual(['line 8', '>line 9', 'line 10']);
  for (let i = 11; i <= 13; i += 1) buffer.push({ kind: 'line', line: line(i) });
  expect(texts(buffer, view, 3)).toEqual(['line 8', '>line 9', 'line 10']);
  expect(newSince(view, buffer)).toBe(3);
});

test('lines that fall out of the buffer take the selection along, not into the void', () => {
  const buffer = filled(10, 10);
  const view = selectLine(following, buffer, buffer.firstOrdinal, 3);
  for (let i = 11; i <= 25; i += 1) buffer.push({ kind: 'line', line: line(i) });
  expect(texts(buffer, view, 3)).toEqual(['>line 16', 'line 17', 'line 18']);
});

test('a smaller window keeps the selected line in it', () => {
  const buffer = filled(20);
  const view = selectLine(following, buffer, 15, 10);
  expect(texts(buffer, view, 3)).toContain('>line 16');
});

test('a filter keeps the selected line, or the one after it', () => {
  const buffer = filled(20);
  const kept = buffer.setFilter((candidate) => candidate.cursor % 5 === 0, 9);
  expect(buffer.matchCount).toBe(4);
  expect(buffer.at(kept)).toMatchObject({ line: { cursor: 10 } });
  expect(buffer.at(buffer.setFilter(null, kept))).toMatchObject({ line: { cursor: 10 } });
});

test('marks about the stream show whatever the filter', () => {
  const buffer = filled(3);
  buffer.push({ kind: 'mark', text: 'connection lost' });
  buffer.setFilter(() => false);
  expect(texts(buffer, following, 5)).toEqual(['connection lost']);
});

test('the next and the previous error are found from any line', () => {
  const buffer = new LogBuffer(100);
  for (let i = 0; i < 9; i += 1) buffer.push({ kind: 'line', line: line(i, `${i}`, i % 4 === 0 ? 1 : 6) });
  const isError = (candidate: LogLine) => candidate.level === 1;
  expect(buffer.find(0, 1, isError)).toBe(4);
  expect(buffer.find(8, -1, isError)).toBe(4);
  expect(buffer.find(8, 1, isError)).toBe(-1);
});

test('older lines go in front, as many as there is room for', () => {
  const buffer = new LogBuffer(5);
  for (const cursor of [10, 11, 12]) buffer.push({ kind: 'line', line: line(cursor) });
  buffer.prepend([7, 8, 9].map((cursor) => ({ kind: 'line', line: line(cursor) })));
  expect(texts(buffer, following, 9)).toEqual(['line 8', 'line 9', 'line 10', 'line 11', 'line 12']);
});

test('the index of matching lines agrees with looking at every line', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), level: fc.constantFrom(1, 3, 6) }),
    fc.record({ kind: fc.constant('filter' as const), most: fc.constantFrom(1, 3, 6) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (steps, capacity) => {
      const buffer = new LogBuffer(capacity);
      const all: LogLine[] = [];
      let most = 6;
      for (const step of steps) {
        if (step.kind === 'push') {
          all.push(line(all.length, `${all.length}`, step.level));
          buffer.push({ kind: 'line', line: all[all.length - 1]! });
        } else {
          most = step.most;
          buffer.setFilter((candidate) => candidate.level <= step.most);
        }
        const expected = all.slice(-capacity).filter((candidate) => candidate.level <= most);
        expect(texts(buffer, following, capacity)).toEqual(expected.map(({ text }) => text));
        expect(buffer.matchCount).toBe(expected.length);
      }
    }),
  );
});

test('a row fits its width, with control characters visible and scrolled sideways', () => {
  const row = (text: string, width: number, offset = 0) =>
    logRowText({ entry: { kind: 'line', line: line(1, text) }, selected: false }, { width, offset });
  expect(row('\u001b[2Jboom', 80)).toMatch(/INFO {2}\^\[\[2Jboom$/);
  expect(row('0123456789', 80, 4)).toMatch(/INFO {2}456789$/);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 30, max: 200 }), fc.nat(40), (text, width, offset) => {
      const shown = row(text, width, offset);
      expect(cells(shown)).toBeLessThanOrEqual(width);
      expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});

const wrapped = (buffer: LogBuffer, view: LogWindow, rows: number) =>
  wrappedLines(buffer, view, { rows, linesOf: (row) => logRowLines(row, { width: 40, most: rows }) }).map((line) =>
    line.text.slice(16).trimEnd(),
  );

test('wrapped rows take as many lines as they need, the newest ones when following', () => {
  const buffer = filled(1);
  buffer.push({ kind: 'line', line: line(2, 'one two three four five six seven eight') });
  buffer.push({ kind: 'line', line: line(3, 'short') });
  expect(wrapped(buffer, following, 10)).toEqual(['line 1', 'one two three four five', 'six seven eight', 'short']);
  expect(wrapped(buffer, following, 2)).toEqual(['six seven eight', 'short']);
});

test('lines of calls and marks are wrapped and scrolled too: status and time stand at their end', () => {
  const record = { method: 'GET', path: `/${'long/'.repeat(10)}`, status: 404, outcome: 'ok', durationMs: 1.5 };
  const call: LogRow['entry'] = {
    kind: 'call',
    record: { ...record, id: 'i-1', deployment: 3, startedMs: 0, syscalls: {}, io: {} } as unknown as InvocationRecord,
  };
  for (const width of [40, 80, 120]) {
    const lines = logRowLines({ entry: call, selected: true }, { width, most: 10 });
    for (const text of lines) expect(cells(text)).toBeLessThanOrEqual(width);
    expect(lines[0]).toMatch(/^›\d\d:\d\d:\d\d\S* CALL {2}/);
    const whole = lines.map((text) => text.trim()).join(' ');
    expect(whole.replaceAll(' ', '')).toContain(record.path);
    expect(whole).toMatch(/404 in 1\.5 ms$/);
    const scrolled = logRowText({ entry: call, selected: true }, { width, offset: 30 });
    expect(cells(scrolled)).toBeLessThanOrEqual(width);
    expect(scrolled).toMatch(/^›\d\d:\d\d:\d\d\S* CALL {2}/);
    expect(scrolled).not.toContain('GET');
  }
  const mark: LogRow['entry'] = { kind: 'mark', text: 'many words that tell what is missing here, and since when' };
  expect(logRowLines({ entry: mark, selected: false }, { width: 40, most: 10 })).toEqual([
    ' -- many words that tell what is missing',
    '    here, and since when --',
  ]);
});

test('the selected row is on the screen whatever is wrapped, and no row is longer than the screen', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(300), { minLength: 1, maxLength: 40 }),
      fc.nat(40),
      fc.integer({ min: 1, max: 20 }),
      (lengths, at, rows) => {
        const buffer = filled(0);
        for (const [i, length] of lengths.entries()) buffer.push({ kind: 'line', line: line(i, 'x'.repeat(length)) });
        const view = selectLine(following, buffer, Math.min(at, lengths.length - 1), rows);
        const linesOf = (row: LogRow) => logRowLines(row, { width: 40, most: rows });
        const shown = wrappedLines(buffer, view, { rows, linesOf });
        expect(shown.length).toBeLessThanOrEqual(rows);
        expect(shown.some(({ row }) => row.selected)).toBe(true);
        for (const { text } of shown) expect(cells(text)).toBeLessThanOrEqual(40);
      },
    ),
  );
});

test('the texts of lines and calls begin at one column where version and invocation are shown', () => {
  const record: InvocationRecord = {
    ...{ id: 'aaaa-bbbbcccc', handler: 'h', deployment: 1, startedMs: 0, durationMs: 1, method: 'GET', path: '/here' },
    ...{
      status: 200,
      outcome: 'ok',
      gas: 1,
      memoryPages: 1,
      bytesIn: 0,
      bytesOut: 0,
      syscalls: {},
      io: {},
      logLines: 0,
    },
  };
  for (const width of [60, 80, 110, 200]) {
    const text = (entry: LogRow['entry']) => logRowText({ entry, selected: false }, { width, offset: 0 });
    const column = text({ kind: 'line', line: { ...line(1, 'here'), invocation: record.id } }).indexOf('here');
    expect(column).toBeGreaterThan(0);
    expect(text({ kind: 'call', record }).indexOf('GET')).toBe(column);
  }
});
