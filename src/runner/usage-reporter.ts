/**
 * Reports to control how Invocations run and end: exact counters per Deployment, a record of each ended Invocation, and
 * which ones run for long. Successes and refusals above a rate leave only counters; those that logged, above a higher
 * one.
 */
import {
  bucketOf,
  type CallFigures,
  callGas,
  callSeconds,
  emptyBuckets,
  statusClasses,
  statusClassOf,
  type TracedCall,
} from '../protocol/distributions.ts';
import type { RunningChange, UsageCount } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import { type InvocationOutcome, outcomesOfCallers, type PendingInvocationRecord } from '../protocol/nouns.ts';
import { batchesUnderway, usageLimits } from './limits.ts';
import type { SendBatch } from './log-buffer.ts';

export interface UsageBatch {
  readonly records: readonly PendingInvocationRecord[];
  readonly counts: readonly UsageCount[];
  readonly running: RunningChange;
}

/** A batch, and the meters of its `counts`, in the same order. */
interface Taken {
  readonly batch: UsageBatch;
  readonly meters: readonly UsageMeter[];
}

type Counter = { -readonly [K in keyof Omit<Required<UsageCount>, 'figures'>]: UsageCount[K] & {} } & {
  figures: Figures | null;
};

interface Figures extends CallFigures {
  readonly classes: number[];
  readonly seconds: number[];
  readonly gas: number[];
  traced: TracedCall | null;
}

/** Meter of a Deployment, which keeps it: counting needs no lookup. */
export interface UsageMeter {
  readonly handlerId: HandlerId;
  readonly deployment: number;
  /** Counts that have not been sent yet; null: none. */
  counter: Counter | null;
  /** Number of Invocations that have begun and not ended. */
  inFlight: number;
  /** Whether control has been told that Invocations of the Deployment may be in flight here. */
  isActive: boolean;
  /** Whether no Invocation has ended since the last check. */
  isQuiet: boolean;
  /** Start of a second, in milliseconds; followed by the number of records of silent successes and refusals in it. */
  windowMs: number;
  records: number;
  /** Records that Invocations with log lines may have, and the monotonic milliseconds for which that was computed. */
  loggedLeft: number;
  loggedMs: number;
}

export interface RunningInvocation {
  readonly id: string;
  /** Whether control has been told that it runs. */
  readonly isListed: boolean;
  /** Makes the record; called only when the record is kept. */
  record(): PendingInvocationRecord;
}

/**
 * Which Invocations leave a record of their own. `always`: every failure. `logged`: every success or refusal with log
 * lines, until more of a Deployment come than a handler keeps of them. `sampled`: silent ones, so many a second.
 */
export type RecordKeeping = 'always' | 'logged' | 'sampled';

export interface EndedInvocation extends RunningInvocation {
  readonly outcome: InvocationOutcome;
  /** Whether the platform refused it for a reason outside of its Deployment: no room, or an owner who is suspended. */
  readonly isOfPlatform: boolean;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly logLines: number;
  /** HTTP status that was sent; 0: none was. */
  readonly status: number;
  /** Trace of a caller who records it; null: nobody does. */
  readonly traceId: string | null;
  readonly keeping: RecordKeeping;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

export function usageMeter(handlerId: HandlerId, deployment: number): UsageMeter {
  return {
    handlerId,
    deployment,
    counter: null,
    inFlight: 0,
    isActive: false,
    isQuiet: true,
    windowMs: 0,
    records: 0,
    loggedLeft: usageLimits.loggedRecords,
    loggedMs: 0,
  };
}

export class UsageReporter {
  readonly #send: SendBatch<UsageBatch>;
  /** Meters with `isActive` true, or with counts to send. */
  readonly #active = new Set<UsageMeter>();
  #records: PendingInvocationRecord[] = [];
  /** Records by id; an Invocation that ends before it was reported is never mentioned. */
  readonly #started = new Map<string, PendingInvocationRecord>();
  #ended: string[] = [];
  /** Invocations that control lists as running, or will. */
  #listed = 0;
  #recordsDropped = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Batches that the channel holds. */
  #underway = 0;
  /** Whether the last `flush` left something that it could not send. */
  #isHeldBack = false;

  constructor(send: SendBatch<UsageBatch>) {
    this.#send = send;
  }

  /**
   * Counts an Invocation that is about to run. If control does not know that the Deployment is in use here, it is told
   * before the guest has the thread: if the guest ends the runner, control knows whose calls are lost.
   */
  begin(meter: UsageMeter): void {
    meter.inFlight += 1;
    if (meter.isActive) return;
    meter.isActive = true;
    this.#active.add(meter);
    meter.counter ??= emptyCounter(meter);
    this.flush();
  }

  /** Lets control list an Invocation that runs for long. Returns false when too many are listed. */
  list(invocation: RunningInvocation): boolean {
    if (this.#listed >= usageLimits.listedMax) return false;
    this.#listed += 1;
    this.#started.set(invocation.id, invocation.record());
    return true;
  }

  /** Counts an Invocation that has ended after `begin`. */
  end(meter: UsageMeter, ended: EndedInvocation): void {
    meter.inFlight -= 1;
    this.add(meter, ended);
  }

  /** Counts a refusal, which has ended without running. */
  add(meter: UsageMeter, ended: EndedInvocation): void {
    this.#active.add(meter);
    meter.isQuiet = false;
    meter.counter ??= emptyCounter(meter);
    const { counter } = meter;
    const isOk = ended.outcome === 'ok';
    counter.invocations += 1;
    if (!isOk && !outcomesOfCallers.has(ended.outcome)) counter.failures += 1;
    if (ended.isOfPlatform) counter.refusals += 1;
    counter.gas += ended.gas;
    counter.durationMs += ended.durationMs;
    counter.bytesIn += ended.bytesIn;
    counter.bytesOut += ended.bytesOut;
    counter.figures = figuresWith(counter.figures ?? emptyFigures(), ended);
    if (ended.isListed) {
      this.#listed -= 1;
      if (!this.#started.delete(ended.id)) this.#ended.push(ended.id);
    }
    if (ended.isListed || mayRecord(meter, ended)) {
      if (this.#records.length < usageLimits.bufferRecords) this.#records.push(ended.record());
      else this.#recordsDropped += 1;
    }
    this.#flushLater();
  }

  /** Sends as much as the channel may hold. */
  flush(): void {
    this.#isHeldBack = false;
    for (;;) {
      if (this.#underway >= batchesUnderway) {
        this.#isHeldBack = true;
        break;
      }
      const taken = this.#take();
      if (taken === null) break;
      this.#underway += 1;
      const isSending = this.#send(taken.batch, (fate) => {
        this.#underway -= 1;
        if (fate === 'failed') {
          this.#putBack(taken);
          this.#flushLater();
        } else if (this.#isHeldBack) this.flush();
      });
      if (isSending) continue;
      this.#underway -= 1;
      this.#putBack(taken);
      return;
    }
    if (this.#active.size > 0) this.#flushLater();
  }

  /** Number of records that were dropped since the start because too many waited for control. */
  get recordsDropped(): number {
    return this.#recordsDropped;
  }

  /** Whether the channel has been given every record so far. */
  get hasSentRecords(): boolean {
    return this.#records.length === 0;
  }

  /** Whether control has answered for all data. */
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

  /** Finds Deployments without an Invocation in flight or ended since the last check, and tells control once. */
  #look(): void {
    for (const meter of this.#active) {
      if (meter.isQuiet && meter.inFlight === 0) {
        meter.isActive = false;
        meter.counter ??= emptyCounter(meter);
      }
      meter.isQuiet = true;
    }
  }

  /** Returns the next batch; null: there is nothing to send. */
  #take(): Taken | null {
    const counts: UsageCount[] = [];
    const meters: UsageMeter[] = [];
    for (const meter of this.#active) {
      const { counter } = meter;
      if (counter === null) continue;
      const { figures, refusals, ...sums } = counter;
      counts.push({
        ...sums,
        inFlight: meter.inFlight,
        ...(refusals === 0 ? {} : { refusals }),
        ...(figures === null ? {} : { figures }),
      });
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

  /** Adds data that could not be sent to the next counts; records that no longer fit leave only their counters. */
  #putBack({ batch: { records, counts, running }, meters }: Taken): void {
    const all = [...records, ...this.#records];
    this.#records = all.slice(0, usageLimits.bufferRecords);
    this.#recordsDropped += all.length - this.#records.length;
    // An Invocation that has ended meanwhile is in #ended.
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
    counter.refusals += count.refusals ?? 0;
    counter.gas += count.gas;
    counter.durationMs += count.durationMs;
    counter.bytesIn += count.bytesIn;
    counter.bytesOut += count.bytesOut;
    if (count.figures === undefined) return;
    const { classes, seconds, gas, traced } = count.figures;
    const figures = counter.figures ?? emptyFigures();
    addTo(figures.classes, classes);
    addTo(figures.seconds, seconds);
    addTo(figures.gas, gas);
    figures.traced ??= traced;
    counter.figures = figures;
  }
}

function emptyCounter({ handlerId, deployment }: UsageMeter): Counter {
  return {
    handlerId,
    deployment,
    invocations: 0,
    failures: 0,
    refusals: 0,
    gas: 0,
    durationMs: 0,
    bytesIn: 0,
    bytesOut: 0,
    inFlight: 0,
    figures: null,
  };
}

function emptyFigures(): Figures {
  return {
    classes: new Array<number>(statusClasses.length).fill(0),
    seconds: emptyBuckets(callSeconds),
    gas: emptyBuckets(callGas),
    traced: null,
  };
}

/** Adds an Invocation to `figures` and returns them. */
function figuresWith(figures: Figures, { status, durationMs, gas, traceId, nowMs }: EndedInvocation): Figures {
  const seconds = durationMs / 1_000;
  addOne(figures.classes, statusClassOf(status));
  addOne(figures.seconds, bucketOf(callSeconds, seconds));
  addOne(figures.gas, bucketOf(callGas, gas));
  if (traceId !== null) figures.traced = { traceId, seconds, gas, timeMs: performance.timeOrigin + nowMs };
  return figures;
}

function addOne(counts: number[], index: number): void {
  counts[index] = (counts[index] ?? 0) + 1;
}

function addTo(counts: number[], more: readonly number[]): void {
  for (let index = 0; index < counts.length; index++) counts[index] = (counts[index] ?? 0) + (more[index] ?? 0);
}

function mayRecord(meter: UsageMeter, { keeping, nowMs }: EndedInvocation): boolean {
  if (keeping === 'always') return true;
  return keeping === 'logged' ? mayRecordLogged(meter, nowMs) : mayRecordSilent(meter, nowMs);
}

function mayRecordLogged(meter: UsageMeter, nowMs: number): boolean {
  const regained = (Math.max(0, nowMs - meter.loggedMs) / 1_000) * usageLimits.loggedRecordsPerSecond;
  meter.loggedLeft = Math.min(usageLimits.loggedRecords, meter.loggedLeft + regained);
  meter.loggedMs = Math.max(meter.loggedMs, nowMs);
  if (meter.loggedLeft < 1) return false;
  meter.loggedLeft -= 1;
  return true;
}

function mayRecordSilent(meter: UsageMeter, nowMs: number): boolean {
  if (nowMs - meter.windowMs >= 1_000) {
    meter.windowMs = nowMs;
    meter.records = 0;
  }
  meter.records += 1;
  return meter.records <= usageLimits.recordsPerSecond;
}
