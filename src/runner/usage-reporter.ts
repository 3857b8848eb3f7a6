/**
 * How Invocations run and end, on its way to control: exact counters per Deployment, a record of each
 * Invocation that has ended, and which ones run for long. Silent successes and refusals above a
 * rate leave only their counters.
 */
import type { RunningChange, UsageCount } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import type { InvocationOutcome, PendingInvocationRecord } from '../protocol/nouns.ts';
import { batchesUnderway, usageLimits } from './limits.ts';
import type { SendBatch } from './log-buffer.ts';

export interface UsageBatch {
  readonly records: readonly PendingInvocationRecord[];
  readonly counts: readonly UsageCount[];
  readonly running: RunningChange;
}

/** A batch and, in the order of its `counts`, the meters that they came from. */
interface Taken {
  readonly batch: UsageBatch;
  readonly meters: readonly UsageMeter[];
}

type Counter = { -readonly [K in keyof UsageCount]: UsageCount[K] };

/** One per Deployment, kept by it: counting costs no lookup. */
export interface UsageMeter {
  readonly handlerId: HandlerId;
  readonly deployment: number;
  /** What has not been sent yet. */
  counter: Counter | null;
  /** Invocations that have begun and not ended. */
  inFlight: number;
  /** Whether control was told that Invocations of the Deployment may be in flight here. */
  isActive: boolean;
  /** No Invocation has ended since the last look. */
  isQuiet: boolean;
  /** Records of silent successes and refusals in the second that `windowMs` begins. */
  windowMs: number;
  records: number;
}

export interface RunningInvocation {
  readonly id: string;
  /** Whether control was told that it runs. */
  readonly isListed: boolean;
  /** Makes the record; called only when it is kept. */
  record(): PendingInvocationRecord;
}

export interface EndedInvocation extends RunningInvocation {
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
}

export function usageMeter(handlerId: HandlerId, deployment: number): UsageMeter {
  return { handlerId, deployment, counter: null, inFlight: 0, isActive: false, isQuiet: true, windowMs: 0, records: 0 };
}

export class UsageReporter {
  readonly #send: SendBatch<UsageBatch>;
  /** Those whose `isActive` is true, or that have something to tell. */
  readonly #active = new Set<UsageMeter>();
  #records: PendingInvocationRecord[] = [];
  /** By id: one that ends before it was told of is never mentioned. */
  readonly #started = new Map<string, PendingInvocationRecord>();
  #ended: string[] = [];
  #listed = 0;
  #timer: NodeJS.Timeout | null = null;
  #underway = 0;

  constructor(send: SendBatch<UsageBatch>) {
    this.#send = send;
  }

  /**
   * Counts an Invocation that is about to run. Where control does not know that the Deployment is in use here, it is
   * told before the guest has the thread: if the guest takes the runner down, control knows whose calls are gone.
   */
  begin(meter: UsageMeter): void {
    meter.inFlight += 1;
    if (meter.isActive) return;
    meter.isActive = true;
    this.#active.add(meter);
    meter.counter ??= emptyCounter(meter);
    this.flush();
  }

  /** Lets control list an Invocation that runs for long. Returns false where too many are listed already. */
  list(invocation: RunningInvocation): boolean {
    if (this.#listed >= usageLimits.listedMax) return false;
    this.#listed += 1;
    this.#started.set(invocation.id, invocation.record());
    return true;
  }

  /** Counts an Invocation for which `begin` was called and that has ended. */
  end(meter: UsageMeter, ended: EndedInvocation): void {
    meter.inFlight -= 1;
    this.add(meter, ended);
  }

  /** Counts what has ended without having run: a refusal. */
  add(meter: UsageMeter, ended: EndedInvocation): void {
    this.#active.add(meter);
    meter.isQuiet = false;
    meter.counter ??= emptyCounter(meter);
    const { counter } = meter;
    const isOk = ended.outcome === 'ok';
    counter.invocations += 1;
    if (!isOk) counter.failures += 1;
    counter.gas += ended.gas;
    counter.durationMs += ended.durationMs;
    counter.bytesIn += ended.bytesIn;
    counter.bytesOut += ended.bytesOut;
    if (ended.isListed) {
      this.#listed -= 1;
      if (!this.#started.delete(ended.id)) this.#ended.push(ended.id);
    }
    if (!ended.isSampled || ended.isListed || mayRecord(meter, ended.nowMs)) {
      if (this.#records.length < usageLimits.bufferRecords) this.#records.push(ended.record());
    }
    this.#flushLater();
  }

  /** Hands over as much as the channel may hold. */
  flush(): void {
    while (this.#underway < batchesUnderway) {
      const taken = this.#take();
      if (taken === null) break;
      this.#underway += 1;
      const isSending = this.#send(taken.batch, (fate) => {
        this.#underway -= 1;
        if (fate !== 'failed') this.flush();
        else {
          this.#putBack(taken);
          this.#flushLater();
        }
      });
      if (isSending) continue;
      this.#underway -= 1;
      this.#putBack(taken);
      return;
    }
    if (this.#active.size > 0) this.#flushLater();
  }

  /** Whether every record so far has been handed to the channel. */
  get hasSentRecords(): boolean {
    return this.#records.length === 0;
  }

  /** Whether everything has been handed to the channel, and taken by it. */
  get isEmpty(): boolean {
    if (this.#records.length > 0 || this.#ended.length > 0 || this.#underway > 0) return false;
    for (const { counter } of this.#active) if (counter !== null && counter.invocations > 0) return false;
    return true;
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#look();
      this.flush();
    }, usageLimits.flushMs);
  }

  /** Finds Deployments at rest: without an Invocation in flight, or ended since the last look. Control is told once. */
  #look(): void {
    for (const meter of this.#active) {
      if (meter.isQuiet && meter.inFlight === 0) {
        meter.isActive = false;
        meter.counter ??= emptyCounter(meter);
      }
      meter.isQuiet = true;
    }
  }

  /** Returns what there is to tell, at most one batch; null: nothing. */
  #take(): Taken | null {
    const counts: UsageCount[] = [];
    const meters: UsageMeter[] = [];
    for (const meter of this.#active) {
      const { counter } = meter;
      if (counter === null) continue;
      counts.push({ ...counter, inFlight: meter.inFlight });
      meters.push(meter);
      meter.counter = null;
      if (!meter.isActive) this.#active.delete(meter);
    }
    const running = { started: [...this.#started.values()], ended: this.#ended };
    const records = this.#records.splice(0, usageLimits.batchRecords);
    if (counts.length + records.length + running.started.length + running.ended.length === 0) return null;
    this.#started.clear();
    this.#ended = [];
    return { batch: { records, counts, running }, meters };
  }

  /** Puts back what could not be sent, which is counted again; records that no longer fit leave only their counters. */
  #putBack({ batch: { records, counts, running }, meters }: Taken): void {
    this.#records = [...records, ...this.#records].slice(0, usageLimits.bufferRecords);
    // One that has ended meanwhile stands in #ended.
    const ended = new Set(this.#ended);
    for (const record of running.started) if (!ended.delete(record.id)) this.#started.set(record.id, record);
    this.#ended = [...running.ended, ...ended];
    counts.forEach((count, index) => {
      const meter = meters[index];
      if (meter !== undefined) this.#addBack(meter, count);
    });
  }

  #addBack(meter: UsageMeter, count: UsageCount): void {
    this.#active.add(meter);
    meter.counter ??= emptyCounter(meter);
    const { counter } = meter;
    counter.invocations += count.invocations;
    counter.failures += count.failures;
    counter.gas += count.gas;
    counter.durationMs += count.durationMs;
    counter.bytesIn += count.bytesIn;
    counter.bytesOut += count.bytesOut;
  }
}

function emptyCounter({ handlerId, deployment }: UsageMeter): Counter {
  return {
    handlerId,
    deployment,
    invocations: 0,
    failures: 0,
    gas: 0,
    durationMs: 0,
    bytesIn: 0,
    bytesOut: 0,
    inFlight: 0,
  };
}

function mayRecord(meter: UsageMeter, nowMs: number): boolean {
  if (nowMs - meter.windowMs >= 1_000) {
    meter.windowMs = nowMs;
    meter.records = 0;
  }
  meter.records += 1;
  return meter.records <= usageLimits.recordsPerSecond;
}
