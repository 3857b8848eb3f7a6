import { expect, it } from 'vitest';
import { progressLine } from '../../../ui-cli/text/progress.ts';
import { csvFields, RecordScanner } from '../../../ui-cli/text/records.ts';

/** A scanner that was given the text in pieces of so many bytes. */
function scanned(format: 'ndjson' | 'csv', text: string, piece: number): RecordScanner {
  const bytes = Buffer.from(text);
  const scanner = new RecordScanner(format);
  for (let at = 0; at < bytes.length; at += piece) scanner.push(bytes.subarray(at, at + piece));
  return scanner;
}

it('records of NDJSON are its lines; what has no end is none', () => {
  for (let piece = 1; piece < 12; piece += 1) {
    const scanner = scanned('ndjson', '{"a":"\\""}\n{"ä":1}\n{"cut', piece);
    expect([scanner.records, scanner.lastBegin, scanner.end]).toEqual([2, 11, 20]);
  }
});

it('records of CSV may have line ends and quotes in their fields', () => {
  const text = 'id,text\r\n1,"a\nb ""q""\n"\r\n2,"open\n';
  for (let piece = 1; piece < text.length; piece += 1) {
    const scanner = scanned('csv', text, piece);
    expect([scanner.records, text.slice(scanner.lastBegin, scanner.end)]).toEqual([2, '1,"a\nb ""q""\n"\r\n']);
    const next = scanner.atEnd();
    next.push(Buffer.from('2,"open\nclosed"\r\n'));
    expect([next.records, next.end]).toEqual([3, scanner.end + 17]);
  }
});

it('a record of CSV is taken apart', () => {
  expect(csvFields('1,,"a\n""b"", c",x\r\n')).toEqual(['1', '', 'a\n"b", c', 'x']);
  expect(csvFields('a,\r\n')).toEqual(['a', '']);
  expect(csvFields('a,b\r')).toEqual(['a', 'b']);
  expect(csvFields('')).toEqual(['']);
});

it('progress is a bar where the total is known', () => {
  const facts = { records: 12_000, total: 48_000, bytes: 3_250_000, perSecond: 9_000.4 };
  expect(progressLine('message', facts)).toBe(
    '[======>                 ]  25 %  12,000 of 48,000 messages, 3.1 MiB, 9,000/s',
  );
  expect(progressLine('message', { ...facts, records: 50_000 })).toMatch(/^\[={24}\] 100 % {2}50,000 of 48,000/);
  expect(progressLine('line', { ...facts, total: null })).toBe('12,000 lines, 3.1 MiB, 9,000/s');
});
