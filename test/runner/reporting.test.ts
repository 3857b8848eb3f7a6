import { describe, expect, it } from 'vitest';
import { recordLimits } from '../../src/control/usage/record-retention.ts';
import { callGas, callSeconds, emptyBuckets } from '../../src/protocol/distributions.ts';
import { logLimits } from '../../src/protocol/limits.ts';
import { handlerIdOf } from '../../src/protocol/names.ts';
import { outcomesOfCallers, type PendingInvocationRecord, type PendingLogLine } from '../../src/protocol/nouns.ts';
import { batchesUnderway, usageLimits } from '../../src/runner/limits.ts';
import { type Fate, type LogBatch, LogBuffer } from '../../src/runner/log-buffer.ts';
import {
  type EndedInvocation,
  type UsageBatch,
  type UsageMeter,
  UsageReporter,
  usageMeter,
} from '../../src/runner/usage-reporter.ts';
import { linesOfBlocks } from '../support/log-blocks.ts';

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

/** Number of lines in a batch. */
const linesIn = ({ blocks }: LogBatch): number => blocks.reduce((sum, { lines }) => sum + lines, 0);

/** A channel that takes what it is given, and says so only when it is told to. */
function slowChannel<T>() {
  const batches: T[] = [];
  const acknowledge: (() => void)[] = [];
  const fail: (() => void)[] = [];
  const lose: (() => void)[] = [];
  return {
    batches,
    acknowledge,
    fail,
    lose,
    send: (batch: T, sent: (fate: Fate) => void) => {
      batches.push(batch);
      acknowledge.push(() => sent('stored'));
      fail.push(() => sent('failed'));
      lose.push(() => sent('lost'));
      return true;
    },
  };
}

describe('the log buffer', () => {
  it('sends what comes together in one batch, in order', async () => {
    const sent = Promise.withResolvers<LogBatch>();
    const buffer = new LogBuffer({
      send: (batch, done) => {
        sent.resolve(batch);
        done('stored');
        return true;
      },
    });
    for (const text of ['a', 'b', 'c']) buffer.push(line('one', text));
    expect(linesOfBlocks((await sent.promise).blocks).map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    expect(buffer.isEmpty).toBe(true);
  });

  it('keeps a bounded number behind a slow channel and counts the rest, by handler', () => {
    const { batches, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer({ send });
    const total = logLimits.bufferLines + batchesUnderway * logLimits.batchLines + 500;
    for (let i = 0; i < total; i++) buffer.push(line(i % 2 === 0 ? 'even' : 'odd'));
    while (acknowledge.length > 0) acknowledge.shift()?.();
    const kept = batches.reduce((sum, batch) => sum + linesIn(batch), 0);
    expect(kept).toBe(total - 500);
    const dropped = batches.map((batch) => batch.dropped).filter((counts) => Object.keys(counts).length > 0);
    expect(dropped).toEqual([{ even: 250, odd: 250 }]);
    expect(buffer.isEmpty).toBe(true);
  });

  it('is bounded in bytes too', () => {
    const { batches, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer({ send });
    const text = 'x'.repeat(logLimits.lineBytes);
    for (let i = 0; i < 10_000; i++) buffer.push(line('one', text));
    while (acknowledge.length > 0) acknowledge.shift()?.();
    const kept = batches.reduce((sum, batch) => sum + linesIn(batch), 0);
    expect(kept * logLimits.lineBytes).toBeLessThanOrEqual(
      logLimits.bufferBytes + batchesUnderway * logLimits.batchLines * logLimits.lineBytes,
    );
    expect(batches.reduce((sum, batch) => sum + (batch.dropped[handlerIdOf('one')] ?? 0), 0)).toBe(10_000 - kept);
  });

  it('does not send the few lines that came before an answer of control: they wait for their batch', async () => {
    const { batches, acknowledge, send } = slowChannel<LogBatch>();
    const second = Promise.withResolvers<void>();
    const buffer = new LogBuffer({
      send: (batch, sent) => {
        if (batches.length === 1) second.resolve();
        return send(batch, sent);
      },
    });
    for (let i = 0; i < logLimits.batchLines; i++) buffer.push(line('one'));
    buffer.push(line('one', 'late'));
    acknowledge.shift()?.();
    buffer.resume();
    expect(batches.map(linesIn)).toEqual([logLimits.batchLines]);
    await second.promise;
    expect(batches.map(linesIn)).toEqual([logLimits.batchLines, 1]);
  });

  it('goes on with what a full channel held back as soon as there is room', () => {
    const { batches, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer({ send });
    for (let i = 0; i < batchesUnderway * logLimits.batchLines; i++) buffer.push(line('one'));
    buffer.push(line('one', 'late'));
    buffer.flush();
    expect(batches).toHaveLength(batchesUnderway);
    acknowledge.shift()?.();
    expect(batches.map(linesIn).at(-1)).toBe(1);
  });

  it('keeps its lines where there is nobody to send to', () => {
    let isThere = false;
    const batches: LogBatch[] = [];
    const buffer = new LogBuffer({
      send: (batch, sent) => {
        if (isThere) batches.push(batch);
        if (isThere) sent('stored');
        return isThere;
      },
    });
    buffer.push(line('one'));
    buffer.flush();
    expect(buffer.isEmpty).toBe(false);
    isThere = true;
    buffer.flush();
    expect(batches.map(linesIn)).toEqual([1]);
  });
});

const run = (reporter: UsageReporter, meter: UsageMeter, ended: EndedInvocation): void => {
  reporter.begin(meter);
  reporter.end(meter, ended);
};

describe('lines and records', () => {
  it('are sent again when the channel failed to take them, first, and in order', async () => {
    const { batches, fail, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer({ send });
    for (const text of ['a', 'b']) buffer.push(line('one', text));
    buffer.flush();
    buffer.push(line('one', 'c'));
    fail[0]?.();
    expect(buffer.isEmpty).toBe(false);
    buffer.flush();
    const sent = batches.map(({ batch, blocks }) => [batch, ...linesOfBlocks(blocks).map(({ text }) => text)]);
    expect(sent).toEqual([
      [1, 'a', 'b'],
      [1, 'a', 'b'],
      [2, 'c'],
    ]);
    acknowledge[1]?.();
    acknowledge[2]?.();
    expect(buffer.isEmpty).toBe(true);
  });

  it('that control could not store are counted', () => {
    const { batches, lose, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer({ send });
    for (let i = 0; i < 3; i++) buffer.push(line('one'));
    buffer.flush();
    lose[0]?.();
    expect(batches.at(-1)).toEqual({ batch: 2, blocks: [], dropped: { one: 3 } });
  });

  it('that wait to be sent again leave room for fewer others', () => {
    const { batches, fail, acknowledge, send } = slowChannel<LogBatch>();
    const buffer = new LogBuffer({ send });
    for (let i = 0; i < logLimits.batchLines; i++) buffer.push(line('one'));
    fail[0]?.();
    for (let i = 0; i < 2 * logLimits.bufferLines; i++) buffer.push(line('one'));
    for (let i = 1; i < acknowledge.length; i++) acknowledge[i]?.();
    const sent = batches.slice(1);
    const kept = sent.reduce((sum, batch) => sum + linesIn(batch), 0);
    const dropped = sent.reduce((sum, { dropped }) => sum + (dropped[handlerIdOf('one')] ?? 0), 0);
    expect(kept + dropped).toBe(logLimits.batchLines + 2 * logLimits.bufferLines);
    expect(kept).toBeLessThanOrEqual(logLimits.bufferLines + batchesUnderway * logLimits.batchLines);
  });

  it('go together: lines wait until the record of their Invocation has been sent', () => {
    const order: string[] = [];
    let isFull = true;
    const usage = new UsageReporter((batch, sent) => {
      if (isFull) return false;
      order.push(...batch.records.map(({ id }) => `record ${id}`));
      sent('stored');
      return true;
    });
    const buffer = new LogBuffer({
      sendFirst: () => {
        usage.flush();
        return usage.hasSentRecords;
      },
      send: (batch, sent) => {
        order.push(...linesOfBlocks(batch.blocks).map(({ text }) => `line ${text}`));
        sent('stored');
        return true;
      },
    });
    const meter = usageMeter(handlerIdOf('one'), 1);
    usage.begin(meter);
    buffer.push(line('one', 'last'));
    usage.end(meter, ended({ logLines: 1, keeping: 'logged' }));
    buffer.flush();
    expect(order).toEqual([]);
    isFull = false;
    buffer.resume();
    expect(order).toEqual(['record r', 'line last']);
  });
});

describe('usage', () => {
  it('is on its way until control has answered, so a runner that ends waits for that', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const usage = new UsageReporter(send);
    expect(usage.isEmpty).toBe(true);
    run(usage, usageMeter(handlerIdOf('one'), 1), ended());
    usage.flush();
    expect(batches.length).toBeGreaterThan(0);
    for (const one of acknowledge) {
      expect(usage.isEmpty).toBe(false);
      one();
    }
    expect(usage.isEmpty).toBe(true);
  });
});

const record = { id: 'r' } as PendingInvocationRecord;
const ended = (over: Partial<EndedInvocation> = {}): EndedInvocation => ({
  id: 'r',
  isListed: false,
  outcome: 'ok',
  isOfPlatform: false,
  gas: 10,
  durationMs: 2,
  bytesIn: 3,
  bytesOut: 4,
  logLines: 0,
  status: 200,
  traceId: null,
  keeping: 'sampled',
  nowMs: 5_000,
  record: () => record,
  ...over,
});

describe('the usage reporter', () => {
  it('counts failures that the platform brought about apart', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 3);
    reporter.add(meter, ended({ outcome: 'overloaded', isOfPlatform: true }));
    reporter.add(meter, ended({ outcome: 'overloaded' }));
    reporter.flush();
    for (const done of acknowledge) done();
    expect(batches.flatMap(({ counts }) => counts)).toMatchObject([{ invocations: 2, failures: 2, refusals: 1 }]);
  });

  it('counts exactly, and samples only records that may be', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 3);
    const silent = usageLimits.recordsPerSecond + 100;
    for (let i = 0; i < silent; i++) run(reporter, meter, ended());
    for (let i = 0; i < 50; i++) run(reporter, meter, ended({ outcome: 'trapped', keeping: 'always' }));
    for (let i = 0; i < 50; i++) run(reporter, meter, ended({ logLines: 1, keeping: 'logged' }));
    run(reporter, meter, ended({ nowMs: 6_000 }));
    reporter.flush();
    for (const done of acknowledge) done();
    expect(batches.flatMap((batch) => batch.records)).toHaveLength(usageLimits.recordsPerSecond + 101);
    const invocations = silent + 101;
    const of = { handlerId: 'one', deployment: 3 };
    const nothing = { invocations: 0, failures: 0, gas: 0, durationMs: 0, bytesIn: 0, bytesOut: 0 };
    expect(batches.flatMap((batch) => batch.counts)).toEqual([
      // Told before the first one ran.
      { ...of, ...nothing, inFlight: 1 },
      {
        ...of,
        invocations,
        failures: 50,
        gas: invocations * 10,
        durationMs: invocations * 2,
        bytesIn: invocations * 3,
        bytesOut: invocations * 4,
        inFlight: 0,
        figures: {
          classes: [0, invocations, 0, 0, 0, 0],
          seconds: emptyBuckets(callSeconds).with(1, invocations),
          gas: emptyBuckets(callGas).with(0, invocations),
          traced: null,
        },
      },
    ]);
    expect(reporter.isEmpty).toBe(true);
  });

  it('records no more calls that logged than a handler keeps: a burst, and then a number a second', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 3);
    const { loggedRecords, loggedRecordsPerSecond } = usageLimits;
    expect(loggedRecords).toBe(recordLimits.retained);
    const logged = (count: number, nowMs: number) => {
      for (let i = 0; i < count; i++) run(reporter, meter, ended({ logLines: 1, keeping: 'logged', nowMs }));
    };
    const recorded = () => {
      reporter.flush();
      for (let done = acknowledge.shift(); done !== undefined; done = acknowledge.shift()) done();
      return batches.flatMap((batch) => batch.records).length;
    };
    logged(loggedRecords + 5_000, 5_000);
    // Ends that come out of order give no more.
    logged(50, 4_000);
    logged(50, 5_000);
    expect(recorded()).toBe(loggedRecords);
    logged(3 * loggedRecordsPerSecond, 6_000);
    expect(recorded()).toBe(loggedRecords + loggedRecordsPerSecond);
    for (let i = 0; i < 20; i++) run(reporter, meter, ended({ outcome: 'trapped', keeping: 'always', nowMs: 6_000 }));
    run(reporter, meter, ended({ nowMs: 6_000 }));
    expect(recorded()).toBe(loggedRecords + loggedRecordsPerSecond + 21);
    logged(2 * loggedRecords, 60_000);
    expect(recorded()).toBe(2 * loggedRecords + loggedRecordsPerSecond + 21);
    const counted = batches.flatMap((batch) => batch.counts).reduce((sum, { invocations }) => sum + invocations, 0);
    expect(counted).toBe(3 * loggedRecords + 5_000 + 100 + 3 * loggedRecordsPerSecond + 21);
    expect(reporter.recordsDropped).toBe(0);
  });

  it('counts as failures what the function did, not what its callers did', () => {
    const { batches, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 3);
    const failed = ['trapped', 'out_of_gas', 'deadline_exceeded', 'overloaded'] as const;
    for (const outcome of [...failed, ...outcomesOfCallers]) run(reporter, meter, ended({ outcome }));
    reporter.flush();
    const counts = batches.flatMap((batch) => batch.counts);
    expect(counts.reduce((sum, { failures }) => sum + failures, 0)).toBe(failed.length);
    expect([...outcomesOfCallers]).toEqual(expect.arrayContaining(['aborted', 'body_too_large']));
  });

  it('loses no count where the channel is full or gone for a while', () => {
    let isThere = false;
    const counts: number[] = [];
    const reporter = new UsageReporter((batch, sent) => {
      if (!isThere) return false;
      counts.push(...batch.counts.map(({ invocations }) => invocations));
      sent('stored');
      return true;
    });
    const meter = usageMeter(handlerIdOf('one'), 1);
    for (let i = 0; i < 10; i++) {
      run(reporter, meter, ended());
      reporter.flush();
    }
    isThere = true;
    run(reporter, meter, ended());
    reporter.flush();
    expect(counts).toEqual([11]);
  });

  it('sends counts at its own pace, not at each answer of control', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 1);
    run(reporter, meter, ended());
    reporter.flush();
    const sent = batches.length;
    run(reporter, meter, ended());
    for (let done = acknowledge.shift(); done !== undefined; done = acknowledge.shift()) done();
    expect(batches).toHaveLength(sent);
    // As many as may be underway at once, and one more.
    for (let i = 0; i <= batchesUnderway; i++) {
      run(reporter, meter, ended());
      reporter.flush();
    }
    expect(batches).toHaveLength(sent + batchesUnderway);
    acknowledge.shift()?.();
    expect(batches).toHaveLength(sent + batchesUnderway + 1);
  });

  it('counts again what the channel failed to take', () => {
    const { batches, fail, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 1);
    run(reporter, meter, ended({ outcome: 'trapped', keeping: 'always' }));
    reporter.flush();
    run(reporter, meter, ended({ outcome: 'trapped', keeping: 'always' }));
    fail[1]?.();
    reporter.flush();
    expect(batches.at(-1)?.counts[0]).toMatchObject({ invocations: 2, failures: 2 });
    expect(batches.at(-1)?.records).toHaveLength(2);
    acknowledge[0]?.();
    acknowledge.at(-1)?.();
    expect(reporter.isEmpty).toBe(true);
  });

  it('tells that a Deployment is in use before its Invocation runs, once, and when it is at rest', async () => {
    const atRest = Promise.withResolvers<void>();
    const told: number[][] = [];
    const reporter = new UsageReporter((batch, sent) => {
      for (const { invocations, inFlight } of batch.counts) {
        told.push([invocations, inFlight]);
        if (invocations === 0 && inFlight === 0) atRest.resolve();
      }
      sent('stored');
      return true;
    });
    const meter = usageMeter(handlerIdOf('one'), 1);
    reporter.begin(meter);
    expect(told).toEqual([[0, 1]]);
    reporter.begin(meter);
    reporter.end(meter, ended());
    reporter.end(meter, ended());
    expect(told).toEqual([[0, 1]]);
    await atRest.promise;
    expect(told).toEqual([
      [0, 1],
      [2, 0],
      [0, 0],
    ]);
    reporter.begin(meter);
    expect(told.at(-1)).toEqual([0, 1]);
  });

  it('lists what runs for long, a bounded number, until it ends', () => {
    const { batches, acknowledge, send } = slowChannel<UsageBatch>();
    const reporter = new UsageReporter(send);
    const meter = usageMeter(handlerIdOf('one'), 1);
    const running = (id: string) => ended({ id, isListed: true, record: () => ({ id }) as PendingInvocationRecord });
    for (let i = 0; i < usageLimits.listedMax; i++) {
      reporter.begin(meter);
      expect(reporter.list(running(`r${i}`))).toBe(true);
    }
    reporter.begin(meter);
    expect(reporter.list(running('one too many'))).toBe(false);
    // One that ends before it was told of is told of as ended only.
    reporter.end(meter, running('r0'));
    while (acknowledge.length > 0) acknowledge.shift()?.();
    reporter.flush();
    reporter.end(meter, running('r1'));
    while (acknowledge.length > 0) acknowledge.shift()?.();
    reporter.flush();
    const started = batches.flatMap((batch) => batch.running.started.map(({ id }) => id));
    expect(started).toHaveLength(usageLimits.listedMax - 1);
    expect(started).not.toContain('r0');
    expect(batches.flatMap((batch) => batch.running.ended)).toEqual(['r1']);
    expect(batches.flatMap((batch) => batch.records.map(({ id }) => id))).toEqual(['r0', 'r1']);
  });
});
