import { describe, expect, it } from 'vitest';
import { handlerIdOf } from '../../src/protocol/names.ts';
import { type LogStream, logLevels, type PendingLogLine } from '../../src/protocol/nouns.ts';
import { InvocationLog } from '../../src/runner/invocation-log.ts';

function logOf(): { log: InvocationLog; lines: PendingLogLine[]; write: (stream: LogStream, text: string) => void } {
  const lines: PendingLogLine[] = [];
  const source = { handlerId: handlerIdOf('one'), deployment: 1, invocation: 'i-1' };
  const log = new InvocationLog(source, { push: (line) => lines.push(line) });
  let seq = 0;
  const write = (stream: LogStream, text: string): void => {
    seq += 1;
    const level = stream === 'stderr' ? logLevels.warning : logLevels.info;
    log.line({ seq, timeMs: 0, gas: 0, stream, level, text });
  };
  return { log, lines, write };
}

const levels = (lines: readonly PendingLogLine[]) => lines.map(({ text, level }) => `${text} ${level}`);

describe('the log of an invocation', () => {
  it('passes lines on at once as long as nothing was written to standard error', () => {
    const { lines, write } = logOf();
    write('log', 'a');
    expect(lines).toEqual([
      {
        handlerId: 'one',
        deployment: 1,
        invocation: 'i-1',
        seq: 1,
        timeMs: 0,
        gas: 0,
        stream: 'log',
        level: 6,
        text: 'a',
      },
    ]);
  });

  it('makes errors of the last words of a run that fails, in the order of all lines', () => {
    const { log, lines, write } = logOf();
    write('stderr', 'early');
    log.release();
    write('log', 'a');
    write('stderr', 'panic');
    write('log', 'b');
    expect(levels(lines)).toEqual(['early 3', 'a 6']);
    log.fail();
    expect(levels(lines)).toEqual(['early 3', 'a 6', 'panic 1', 'b 6']);
  });

  it('holds few lines, and none in front of others', () => {
    const { log, lines, write } = logOf();
    for (let n = 0; n < 1_000; n += 1) write('stderr', String(n));
    expect(lines.length).toBeGreaterThan(900);
    log.fail();
    expect(lines.map(({ text }) => Number(text))).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    expect(lines.filter(({ level }) => level === logLevels.error).length).toBeGreaterThan(10);
  });
});
