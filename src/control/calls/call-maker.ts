/**
 * Fires schedules and makes waiting calls. It looks for them once a second, when a tick is due, and after wake(). Every
 * control does so; the database decides which control takes a call.
 */
import type { CallRequest } from '../../protocol/call-request.ts';
import { callLimits } from '../../protocol/limits.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { isPlatformField } from '../../protocol/platform-fields.ts';
import { relabelled } from '../../protocol/previews.ts';
import type { TriggerKind } from '../../protocol/trigger.ts';
import { FairPlaces } from '../../waiting/fair-places.ts';
import { deliveryLimits } from '../queues/deliveries.ts';
import { type Answered, type FunctionCaller, resultOf, type TriggeredCall } from '../queues/function-caller.ts';
import { newTakenId, type Taker } from '../queues/taker.ts';
import type { CallDeliveries, TakenCall } from './call-deliveries.ts';
import type { StoredAnswer } from './call-store.ts';
import type { Schedules } from './schedules.ts';

export const callMakerLimits = {
  /**
   * Milliseconds between two looks: calls stored by other controls, and jumps of the clock, are seen within this time.
   */
  lookMs: 1_000,
  /** Calls that one control makes at the same time. A user holds at most as many of these places as are free. */
  running: 128,
  /** Milliseconds after which a call is tried again when its function cannot be called. */
  refusedMs: 1_000,
  /** Number of ended calls after which old calls are pruned. */
  pruneEvery: 1_000,
} as const;

export interface CallMakerOptions {
  readonly calls: CallDeliveries;
  readonly schedules: Schedules;
  readonly caller: FunctionCaller;
  /** Identifies this control in the calls that it takes. */
  readonly taker: Taker;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
  /** Counts bytes that have been stored for a handler. */
  readonly onStored: (handlerId: HandlerId, bytes: number) => void;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** Answer fields that are not stored: they belong to one connection or are made anew. */
const notKept = new Set(['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']);

export class CallMaker {
  readonly #options: CallMakerOptions;
  /** Calls in progress, each with its promise. */
  readonly #running = new Map<Promise<void>, TakenCall>();
  readonly #places = new FairPlaces(callMakerLimits.running);
  #timers: NodeJS.Timeout[] = [];
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #isWoken = false;
  #isClosed = false;
  /** Calls that have ended since those that ended long ago were last removed. */
  #endedSincePruning = 0;

  constructor(options: CallMakerOptions) {
    this.#options = options;
  }

  /**
   * Starts firing and calling. Calls that an earlier process of this control had taken when it was killed come first.
   */
  start(): void {
    const { calls, taker } = this.#options;
    this.#looking = calls
      .giveUpBefore(taker)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#looking = null;
        this.wake();
      });
    this.#timers = [
      setInterval(() => this.wake(), callMakerLimits.lookMs),
      setInterval(() => {
        const taken = new Set([...this.#running.values()].map(({ takenId }) => takenId));
        this.#options.calls.extend([...taken]).catch((error: unknown) => this.#report(error));
      }, deliveryLimits.visibleMs / 3),
    ];
  }

  /** Makes the next look happen now, since a call may be due. */
  wake(): void {
    if (this.#isClosed) return;
    this.#isWoken = true;
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#looking = null;
        if (this.#isWoken && !this.#isClosed) setImmediate(() => this.wake());
      });
  }

  /** Takes no more calls; waits until those in progress are settled, at most `graceMs` milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.all(this.#running.keys()),
      new Promise((resolve) => {
        timer = setTimeout(resolve, graceMs);
      }),
    ]);
    clearTimeout(timer);
    this.#options.caller.close();
    await Promise.all(this.#running.keys());
  }

  async #look(): Promise<void> {
    const { schedules, calls, now } = this.#options;
    while (this.#isWoken && !this.#isClosed) {
      this.#isWoken = false;
      const nextMs = await schedules.fire();
      if (nextMs !== null) this.#wakeAt(nextMs - now());
      const running = new Map<string, number>();
      for (const { handlerId } of this.#running.values()) running.set(handlerId, (running.get(handlerId) ?? 0) + 1);
      if (this.#places.held >= callMakerLimits.running || this.#isClosed) return;
      const takenId = newTakenId(this.#options.taker);
      const taken = await calls.take({ takenId, running, places: this.#places });
      for (const call of taken) this.#make(call);
      if (this.#endedSincePruning >= callMakerLimits.pruneEvery) {
        this.#endedSincePruning = 0;
        await calls.prune();
      }
    }
  }

  #make(call: TakenCall): void {
    const made = this.#call(call)
      .catch((error: unknown) => this.#report(error))
      .then(() => {
        this.#running.delete(made);
        this.#places.give(call.ownerId, 1);
        this.#endedSincePruning += 1;
        this.wake();
      });
    this.#running.set(made, call);
  }

  async #call(call: TakenCall): Promise<void> {
    const { calls, caller } = this.#options;
    const result = await caller.exchange(triggered(call));
    if (result.kind === 'unanswered') {
      const { reason, isAway } = result;
      return isAway
        ? calls.refused(call, reason, callMakerLimits.refusedMs)
        : calls.failed(call, { reason, invocation: null, answer: null, isInterrupted: true });
    }
    const { invocation } = result;
    const meant = resultOf(result);
    if (meant.kind === 'failed' && meant.isCancelled)
      return calls.failed(call, {
        reason: meant.reason,
        invocation,
        answer: null,
        isInterrupted: false,
        isFinal: true,
      });
    if (meant.kind === 'refused') return calls.refused(call, meant.reason, callMakerLimits.refusedMs);
    if (call.schedule !== null)
      return meant.kind === 'ok'
        ? calls.done(call, { invocation, answer: null })
        : calls.failed(call, { ...meant, answer: null, isInterrupted: false });
    const answer = kept(result);
    if (answer === null) {
      const reason = `the answer has more than ${callLimits.answerBytes} bytes`;
      return calls.failed(call, { reason, invocation, answer, isInterrupted: false, isFinal: true });
    }
    this.#options.onStored(call.handlerId, answer.body.length);
    // Any other status is a valid answer: only errors that may differ at the next attempt are failures.
    if (result.status < 500) return calls.done(call, { invocation, answer });
    const reason = meant.kind === 'failed' ? meant.reason : `status ${result.status}`;
    return calls.failed(call, { reason, invocation, answer, isInterrupted: false });
  }

  #wakeAt(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // Sets no timer for a later tick: a later look finds it, even when the clock changes until then.
    if (delayMs < callMakerLimits.lookMs) this.#timer = setTimeout(() => this.wake(), Math.max(1, delayMs));
  }

  #report(error: unknown): void {
    if (!this.#isClosed) this.#options.report('calls could not be made', error);
  }
}

function triggered({ id, handler, schedule, request, body, attempt }: TakenCall): TriggeredCall {
  const kind: TriggerKind = schedule === null ? 'async' : 'schedule';
  const { label, path, authority } = presentAddress(request, handler);
  return {
    kind,
    name: schedule ?? id.slice(0, callLimits.shownIdChars),
    handler: label,
    path,
    env: { ...request.env, CALL_ATTEMPT: String(attempt) },
    contentType: '',
    body,
    timeoutMs: request.timeoutMs,
    method: request.method,
    fields: request.fields,
    ...(authority === null ? {} : { authority }),
  };
}

/**
 * Returns the address of a call under the present name of its handler: the handler may have been renamed since the call
 * was stored, and another handler may have the name that the call was stored with.
 */
export function presentAddress(
  { label, path, authority }: Pick<CallRequest, 'label' | 'path' | 'authority'>,
  handler: string,
): { readonly label: string; readonly path: string; readonly authority: string | null } {
  if (label === null) return { label: handler, path, authority };
  const present = relabelled(label, handler);
  if (present === label) return { label, path, authority };
  // By host name: `LABEL.DOMAIN`; by path: `/LABEL/…`; else the call is one of a schedule.
  if (authority?.toLowerCase().startsWith(`${label}.`))
    return { label: present, path, authority: `${present}${authority.slice(label.length)}` };
  const [, first, rest] = /^\/([^/?]*)(.*)$/s.exec(path) ?? [];
  return { label: present, path: first === label ? `/${present}${rest}` : path, authority };
}

/** Returns the part of an answer that is stored; null when it is too large. */
function kept({ status, fields, body, lostBytes }: Answered): StoredAnswer | null {
  if (lostBytes > 0 || body.length > callLimits.answerBytes) return null;
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [name, value] = [fields[index] as string, fields[index + 1] as string];
    const lower = name.toLowerCase();
    if (!notKept.has(lower) && !isPlatformField(lower)) pairs.push([name, value]);
  }
  return { status, fields: pairs, body };
}
