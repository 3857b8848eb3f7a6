import { describe, expect, it } from 'vitest';
import { logLimits } from '../../src/protocol/limits.ts';
import { handlerIdOf } from '../../src/protocol/names.ts';
import type { PendingInvocationRecord, PendingLogLine } from '../../src/protocol/nouns.ts';
import { batchesUnderway, usageLimits } from '../../src/runner/limits.ts';
import { type LogBatch, LogBuffer } from '../../src/runner/log-buffer.ts';
import { type EndedInvocation, type UsageBatch, UsageReporter, usageMeter } from '../../src/runner/usage-reporter.ts';

const line = (handler: string, text = 'x'): PendingLogLine => ({
  handlerId: handlerIdOf(handler),
  deployment: 1,
  invocation: 'i',
  seq: 1,
  timeMs: 0,
  gas: 0,
  stream: 'log',
  level: 6,
  text,
});

/** A channel that takes what it is given, and says so only when it is told to. */
function slowChannel<T>() {
  const batches: T[] = [];
  const acknowledge: (() => void)[] = [];
  return {
    batches,
    acknowledge,
    send: (batch: T, sent: () => void) => {
      batches.push(batch);
      acknowledge.push(sent);
      return true;
    },
  };
}

describe('the log buffer', () => {
  it('sends what comes together in one batch, in order', async () => {
    const sent = Promise.withResolvers<LogBatch>();
    const buffer = new LogBuffer((batch, done) => {
      sent.resolve(batch);
      done();
      return true;
    });
    for (const text of ['a', 'b', 'c']) buffer.push(line('one', text));
    expect((await sent.promise).lines.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    expect(buffer.isEmpty).toBe(true);
  });

  it('keeps a bounded number behind a slow channel and counts the rest, by handler', () => {
    const { batches, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer(send);
    const total = logLimits.bufferLines + batchesUnderway * logLimits.batchLines + 500;
    for (let i = 0; i < total; i++) buffer.push(line(i % 2 === 0 ? 'even' : 'odd'));
    while (acknowledge.length > 0) acknowledge.shift()?.();
    const kept = batches.reduce((sum, batch) => sum + batch.lines.length, 0);
    expect(kept).toBe(total - 500);
    const dropped = batches.map((batch) => batch.dropped).filter((counts) => Object.keys(counts).length > 0);
    expect(dropped).toEqual([{ even: 250, odd: 250 }]);
    expect(buffer.isEmpty).toBe(true);
  });

  it('is bounded in bytes too', () => {
    const { batches, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer(send);
    const text = 'x'.repeat(logLimits.lineBytes);
    for (let i = 0; i < 10_000; i++) buffer.push(line('one', text));
    while (acknowledge.length > 0) acknowledge.shift()?.();
    const kept = batches.reduce((sum, batch) => sum + batch.lines.length, 0);
    expect(kept * logLimits.lineBytes).toBeLessThanOrEqual(
      logLimits.bufferBytes + batchesUnderway * logLimits.batchLines * logLimits.lineBytes,
    );
    expect(batches.reduce((sum, batch) => sum + (batch.dropped[handlerIdOf('one')] ?? 0), 0)).toBe(10_000 - kept);
  });

  it('keeps its lines where there is nobody to send to', () => {
    let isThere = false;
    const batches: LogBatch[] = [];
    const buffer = new LogBuffer((batch, sent) => {
      if (isThere) batches.push(batch);
      if (isThere) sent();
      return isThere;
    });
    buffer.push(line('one'));
    buffer.flush();
    expect(buffer.isEmpty).toBe(false);
    isThere = true;
    buffer.flush();
    expect(batches[0]?.lines).toHaveLength(1);
  });
});

describe('the usage reporter', () => {
  const record = { id: 'r' } as PendingInvocationRecord;
  const ended = (over: Partial<EndedInvocation> = {}): EndedInvocation => ({
    outcome: 'ok',
    gas: 10,
    durationMs: 2,
    bytesIn: 3,
    bytesOut: 4,
    logLines: 0,
    isSampled: true,
    nowMs: 5_000,
    record: () => record,
    ...over,
  });

  it('counts exactly, and samples only records that may be', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 3);
    const silent = usageLimits.recordsPerSecond + 100;
    for (let i = 0; i < silent; i++) reporter.add(meter, ended());
    for (let i = 0; i < 50; i++) reporter.add(meter, ended({ outcome: 'trapped', isSampled: false }));
    for (let i = 0; i < 50; i++) reporter.add(meter, ended({ logLines: 1, isSampled: false }));
    reporter.add(meter, ended({ nowMs: 6_000 }));
    reporter.flush();
    for (const done of acknowledge) done();
    expect(batches.flatMap((batch) => batch.records)).toHaveLength(usageLimits.recordsPerSecond + 101);
    const invocations = silent + 101;
    expect(batches.flatMap((batch) => batch.counts)).toEqual([
      {
        handlerId: 'one',
        deployment: 3,
        invocations,
        failures: 50,
        gas: invocations * 10,
        durationMs: invocations * 2,
        bytesIn: invocations * 3,
        bytesOut: invocations * 4,
      },
    ]);
    expect(reporter.isEmpty).toBe(true);
  });

  it('loses no count where the channel is full or gone for a while', () => {
    let isThere = false;
    const counts: number[] = [];
    const reporter = new UsageReporter((batch, sent) => {
      if (!isThere) return false;
      counts.push(...batch.counts.map(({ invocations }) => invocations));
      sent();
      return true;
    });
    const meter = usageMeter(handlerIdOf('one'), 1);
    for (let i = 0; i < 10; i++) {
      reporter.add(meter, ended());
      reporter.flush();
    }
    isThere = true;
    reporter.add(meter, ended());
    reporter.flush();
    expect(counts).toEqual([11]);
  });
});
