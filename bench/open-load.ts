/**
 * Calls by the clock, however long their answers take: what callers see who do not wait for each other. Each has
 * a moment at which it is due, and its latency counts from then. So a stall is seen by every call that falls into
 * it, not by the one alone that happened to be underway.
 */
import { Agent } from 'node:http';
import { type Answer, call } from '../test/support/fleet.ts';
import { percentile } from './statistics.ts';

/** Connections kept alive and thereby calls underway. At 1,000 a second it is a stall of 100 ms that fills them. */
const underwayMax = 100;
/** Without its answer after this time a call has failed: longer than anything that a deployment may take. */
const answerTimeoutMs = 10_000;
/** Timers have milliseconds. */
const tickMs = 1;

export interface OpenLoadOptions {
  readonly url: string;
  readonly perSecond: number;
  /** Asked when a call is sent, for what judges its answer: it says what is wrong, or null. */
  readonly expect: () => (answer: Answer) => string | null;
}

export interface OpenLoadResult {
  readonly calls: number;
  readonly tookS: number;
  /** Answered as expected, per second from the first due to the last answer. */
  readonly callsPerSecond: number;
  readonly failed: number;
  /** How often each thing went wrong. */
  readonly failures: ReadonlyMap<string, number>;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** How long after they were due calls were sent; it is part of their latency. */
  readonly senderLateMs: { readonly median: number; readonly p99: number };
}

export interface OpenLoad {
  /** Ends the load: no call is due from now on; resolves when all that were have ended. */
  stop(): Promise<OpenLoadResult>;
}

/** Opens the connections with a call on each, which is not counted, then begins. */
export async function openLoad({ url, perSecond, expect }: OpenLoadOptions): Promise<OpenLoad> {
  // First in, first out: all connections are used in turn, and so are all runners.
  const agent = new Agent({ keepAlive: true, maxSockets: underwayMax, scheduling: 'fifo' });
  const failures = new Map<string, number>();
  const latenciesMs: number[] = [];
  const latenessMs: number[] = [];
  const ended = Promise.withResolvers<void>();
  let sent = 0;
  let underway = 0;
  /** How many there will be in all. */
  let last = Number.POSITIVE_INFINITY;

  async function send(dueMs: number): Promise<void> {
    underway += 1;
    latenessMs.push(performance.now() - dueMs);
    const wrong = await outcome(url, agent, expect());
    latenciesMs.push(performance.now() - dueMs);
    if (wrong !== null) failures.set(wrong, (failures.get(wrong) ?? 0) + 1);
    underway -= 1;
    sendDue();
    if (sent === last && underway === 0) ended.resolve();
  }

  await Promise.all(Array.from({ length: underwayMax }, () => outcome(url, agent, () => null)));
  const startMs = performance.now();
  const dueBy = (nowMs: number) => Math.min(last, Math.ceil(((nowMs - startMs) * perSecond) / 1000));
  function sendDue(): void {
    const due = dueBy(performance.now());
    while (sent < due && underway < underwayMax) {
      void send(startMs + (sent * 1000) / perSecond);
      sent += 1;
    }
  }
  const timer = setInterval(sendDue, tickMs);

  return {
    async stop() {
      last = dueBy(performance.now());
      sendDue();
      if (sent < last || underway > 0) await ended.promise;
      clearInterval(timer);
      agent.destroy();
      const tookS = (performance.now() - startMs) / 1000;
      const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
      return {
        calls: sent,
        tookS,
        callsPerSecond: (sent - failed) / tookS,
        failed,
        failures,
        medianMs: percentile(latenciesMs, 50),
        p99Ms: percentile(latenciesMs, 99),
        longestMs: percentile(latenciesMs, 100),
        senderLateMs: { median: percentile(latenessMs, 50), p99: percentile(latenessMs, 99) },
      };
    },
  };
}

/** Returns what is wrong with the answer to one call, or null. */
async function outcome(url: string, agent: Agent, judge: (answer: Answer) => string | null): Promise<string | null> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve(`no answer in ${answerTimeoutMs} ms`), answerTimeoutMs);
  const answered = call(url, { agent }).then(
    (answer) => (answer.status === 200 ? judge(answer) : `status ${answer.status}`),
    (error: Error) => error.message,
  );
  const wrong = await Promise.race([answered, late.promise]);
  clearTimeout(timer);
  return wrong;
}
