/**
 * Makes calls by the clock, however long their answers take, as independent callers do. Each call is due at a moment,
 * from which its latency is counted. So every call that falls into a stall shows it, and not only the one that was
 * running.
 */
import { Agent } from 'node:http';
import { type Answer, call } from '../test/support/fleet.ts';
import { percentile } from './statistics.ts';

/** Connections kept alive, and thereby running calls. At 1,000 calls per second a stall of 100 ms fills them. */
const underwayMax = 100;
/** Milliseconds after which a call without an answer has failed: longer than a deployment may take. */
const answerTimeoutMs = 10_000;
/** Milliseconds of a timer's resolution. */
const tickMs = 1;

export interface OpenLoadOptions {
  readonly url: string;
  readonly perSecond: number;
  /** Returns, when a call is sent, the judge of its answer, which returns what is wrong, or null. */
  readonly expect: () => (answer: Answer) => string | null;
}

export interface OpenLoadResult {
  readonly calls: number;
  readonly tookS: number;
  /** Calls answered as expected, per second from the first due call to the last answer. */
  readonly callsPerSecond: number;
  readonly failed: number;
  /** Number of failures, by kind. */
  readonly failures: ReadonlyMap<string, number>;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Milliseconds by which calls were sent late; they are part of the latency. */
  readonly senderLateMs: { readonly median: number; readonly p99: number };
}

export interface OpenLoad {
  /** Ends the load: no further call is due; resolves when all due calls have ended. */
  stop(): Promise<OpenLoadResult>;
}

/** Opens the connections with one uncounted call on each, then begins. */
export async function openLoad({ url, perSecond, expect }: OpenLoadOptions): Promise<OpenLoad> {
  // First in, first out: all connections, and thereby all runners, are used in turn.
  const agent = new Agent({ keepAlive: true, maxSockets: underwayMax, scheduling: 'fifo' });
  const failures = new Map<string, number>();
  const latenciesMs: number[] = [];
  const latenessMs: number[] = [];
  const ended = Promise.withResolvers<void>();
  let sent = 0;
  let underway = 0;
  /** Number of calls in all. */
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
