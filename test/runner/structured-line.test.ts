import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { handlerIdOf } from '../../src/protocol/names.ts';
import { logLevels, type PendingLogLine } from '../../src/protocol/nouns.ts';
import { InvocationLog } from '../../src/runner/invocation-log.ts';
import { readStructured, structureLimits } from '../../src/runner/structured-line.ts';

/** Returns level, text and fields of a line; null: it is no structured one. */
function read(value: unknown): { level: number | null; text: string; fields: unknown } | null {
  const found = readStructured(typeof value === 'string' ? value : JSON.stringify(value));
  if (found === null) return null;
  return { level: found.level, text: found.text, fields: found.fields === undefined ? null : JSON.parse(found.fields) };
}

describe('a line that is a JSON object', () => {
  it('has its level, its message and its other keys as fields', () => {
    expect(read({ level: 'warn', msg: 'slow', user: 42, ok: true, why: null })).toEqual({
      ...{ level: 3, text: 'slow', fields: { user: 42, ok: true, why: null } },
    });
    expect(read({ severity: 'ERROR', message: 'broken' })).toEqual({ level: 1, text: 'broken', fields: null });
    expect(read({ a: 1 })).toEqual({ level: null, text: '{"a":1}', fields: { a: 1 } });
  });

  it('keeps every digit of numbers that JavaScript cannot hold', () => {
    expect(
      read(
        '{"id":9007199254740993,"small":42,"exact":1.2345678901234567,"long":0.1234567890123456789,"huge":1e400,"e":1e3,"in":[18446744073709551615]}',
      )?.fields,
    ).toEqual({
      id: '9007199254740993',
      small: 42,
      exact: 1.2345678901234567,
      long: '0.1234567890123456789',
      huge: '1e400',
      e: 1_000,
      in: '["18446744073709551615"]',
    });
  });

  it.each([
    ['0.10000000000000001', 0.1],
    ['0.29999999999999999', 0.3],
    ['-2.2250738585072014e-308', -2.2250738585072014e-308],
    ['6.0221407599999999e+23', 6.02214076e23],
    ['100000000000000000000', 1e20],
    ['9007199254740993.0', '9007199254740993.0'],
    ['0.12345678901234599', '0.12345678901234599'],
    ['12345678901234567', '12345678901234567'],
    ['0.100000000000000001', '0.100000000000000001'],
  ])('takes %s as %j: as a number if a double with that many digits is written like that', (number, field) => {
    expect(read(`{"n":${number}}`)?.fields).toEqual({ n: field });
  });

  it.each([
    ['fatal', 1],
    ['Warning', 3],
    ['notice', 6],
    ['debug', 7],
    ['trace', 8],
    [60, 1],
    [50, 1],
    [40, 3],
    [30, 6],
    [20, 7],
    [10, 8],
    [3, 3],
  ])('level %s is %i', (level, number) => {
    expect(read({ level, msg: 'x' })).toEqual({ level: number, text: 'x', fields: null });
  });

  it.each(['loud', 70, -1, 1.5, { a: 1 }, null])('level %j is none, and stays a field', (level) => {
    expect(read({ level, msg: 'x' })?.level).toBeNull();
    expect(read({ level, msg: 'x' })?.fields).not.toBeNull();
  });

  it('has names with dots for objects in it, down to a depth, and JSON for lists and what is deeper', () => {
    expect(read({ msg: 'x', a: { b: { c: { d: { e: 1 } } }, l: [1, { x: 2 }] } })?.fields).toEqual({
      'a.b.c.d': '{"e":1}',
      'a.l': '[1,{"x":2}]',
    });
  });

  it('keeps the whole text where a part is no field: too many, too long, twice the same name', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`n${n}`, n]));
    for (const value of [
      { msg: 'x', ...many },
      { msg: 'x', long: 'v'.repeat(structureLimits.valueChars + 1) },
      { msg: 'x', ['n'.repeat(structureLimits.nameChars + 1)]: 1 },
      { msg: 'x', 'a.b': 1, a: { b: 2 } },
    ]) {
      const found = read(value);
      expect(found?.text).toBe(JSON.stringify(value));
      expect(Object.keys(found?.fields ?? {}).length).toBeLessThanOrEqual(structureLimits.fields);
    }
  });

  it('is no object: other JSON, other text, a bomb of brackets, names of prototypes', () => {
    for (const text of ['', '[1]', '"x"', '{', '{}x', 'x{}', '{"a":}', ` ${'{"a":'.repeat(9)}`])
      expect(readStructured(text)).toBeNull();
    expect(readStructured(`{"a":"${'x'.repeat(structureLimits.lineChars)}"}`)).toBeNull();
    const deep = `{"msg":"x","a":${'['.repeat(4_000)}${']'.repeat(4_000)}}`;
    expect(readStructured(deep)?.text ?? deep).toBe(deep);
    const nested = `${'{"a":'.repeat(1_300)}1${'}'.repeat(1_300)}`;
    expect(readStructured(nested)?.text ?? nested).toBe(nested);
    expect(read('{"__proto__":{"x":1},"constructor":2}')?.fields).toEqual({ '__proto__.x': 1, constructor: 2 });
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('property: never throws, and never has more than its limits', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.object().map((value) => JSON.stringify(value)),
        ),
        (text) => {
          const found = readStructured(text);
          if (found === null) return;
          const fields: object = JSON.parse(found.fields ?? '{}');
          expect(Object.keys(fields).length).toBeLessThanOrEqual(structureLimits.fields);
          for (const value of Object.values(fields)) expect(typeof value === 'object' && value !== null).toBe(false);
        },
      ),
      { verbose: 1 },
    );
  });
});

describe('the log of an invocation', () => {
  it('reads lines of the guest, and none of the platform; an own level of standard error stays', () => {
    const lines: PendingLogLine[] = [];
    const source = { handlerId: handlerIdOf('one'), deployment: 1, invocation: 'i' };
    const log = new InvocationLog(source, { push: (line) => lines.push(line) });
    const write = (stream: PendingLogLine['stream'], text: string) =>
      log.line({ seq: 1, timeMs: 0, gas: 0, stream, level: stream === 'stderr' ? logLevels.warning : 6, text });
    write('log', '{"level":"error","msg":"a","user":1}');
    write('platform', '{"level":"error","msg":"b"}');
    write('stderr', '{"level":"info","msg":"c"}');
    write('stderr', 'd');
    log.fail();
    expect(lines.map(({ level, text, fields }) => [level, text, fields])).toEqual([
      [1, 'a', '{"user":1}'],
      [6, '{"level":"error","msg":"b"}', undefined],
      [6, 'c', undefined],
      [1, 'd', undefined],
    ]);
  });
});
