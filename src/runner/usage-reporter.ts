/**
 * How Invocations ended, on its way to control: exact counters per Deployment, and a record of each
 * Invocation. Silent successes and refusals above a rate leave only their counters.
 */
import type { UsageCount } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import type { InvocationOutcome, PendingInvocationRecord } from '../protocol/nouns.ts';
import { batchesUnderway, usageLimits } from './limits.ts';
import type { SendBatch } from './log-buffer.ts';

export interface UsageBatch {
  readonly records: readonly PendingInvocationRecord[];
  readonly counts: readonly UsageCount[];
}

type Counter = { -readonly [K in keyof UsageCount]: UsageCount[K] };

/** One per Deployment, kept by it: counting costs no lookup. */
export interface UsageMeter {
  readonly handlerId: HandlerId;
  readonly deployment: number;
  counter: Counter | null;
  /** Records of silent successes and refusals in the second that `windowMs` begins. */
  windowMs: number;
  records: number;
}

export interface EndedInvocation {
  readonly outcome: InvocationOutcome;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly logLines: number;
  /** Whether it may leave only its counters where there are many such: a silent success, a refusal. */
  readonly isSampled: boolean;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Made only when it is kept. */
  record(): PendingInvocationRecord;
}

export function usageMeter(handlerId: HandlerId, deployment: number): UsageMeter {
  return { handlerId, deployment, counter: null, windowMs: 0, records: 0 };
}

export class UsageReporter {
  readonly #send: SendBatch<UsageBatch>;
  #active: UsageMeter[] = [];
  #records: PendingInvocationRecord[] = [];
  #timer: NodeJS.Timeout | null = null;
  #underway = 0;

  constructor(send: SendBatch<UsageBatch>) {
    this.#send = send;
  }

  add(meter: UsageMeter, ended: EndedInvocation): void {
    let counter = meter.counter;
    if (counter === null) {
      const { handlerId, deployment } = meter;
      counter = { handlerId, deployment, invocations: 0, failures: 0, gas: 0, durationMs: 0, bytesIn: 0, bytesOut: 0 };
      meter.counter = counter;
      this.#active.push(meter);
    }
    const isOk = ended.outcome === 'ok';
    counter.invocations += 1;
    if (!isOk) counter.failures += 1;
    counter.gas += ended.gas;
    counter.durationMs += ended.durationMs;
    counter.bytesIn += ended.bytesIn;
    counter.bytesOut += ended.bytesOut;
    if (!ended.isSampled || mayRecord(meter, ended.nowMs)) {
      if (this.#records.length < usageLimits.bufferRecords) this.#records.push(ended.record());
    }
    this.#timer ??= setTimeout(() => this.flush(), usageLimits.flushMs);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while ((this.#active.length > 0 || this.#records.length > 0) && this.#underway < batchesUnderway) {
      const records = this.#records.splice(0, usageLimits.batchRecords);
      const meters = this.#active;
      this.#active = [];
      const counters = meters.map(({ counter }) => counter);
      for (const meter of meters) meter.counter = null;
      this.#underway += 1;
      const counts = counters.filter((counter) => counter !== null);
      const taken = this.#send({ records, counts }, () => {
        this.#underway -= 1;
        this.flush();
      });
      if (taken) continue;
      this.#underway -= 1;
      this.#records = records.concat(this.#records);
      this.#active = meters;
      meters.forEach((meter, index) => {
        meter.counter = counters[index] ?? null;
      });
      return;
    }
  }

  get isEmpty(): boolean {
    return this.#records.length === 0 && this.#active.length === 0 && this.#underway === 0;
  }
}

function mayRecord(meter: UsageMeter, nowMs: number): boolean {
  if (nowMs - meter.windowMs >= 1_000) {
    meter.windowMs = nowMs;
    meter.records = 0;
  }
  meter.records += 1;
  return meter.records <= usageLimits.recordsPerSecond;
}
