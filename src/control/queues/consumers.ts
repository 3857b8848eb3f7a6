/**
 * Delivers messages: takes them for each subscription while it has room, calls the function, settles. Each subscription
 * has a lane of its own; lanes do not wait for each other, so a poison message, a slow function or a paused queue
 * delays no other one.
 *
 * wake (published, settled, due, looked at) -> lane: take -> call -> done | failed | given back -> wake
 */
import { messageOf } from '../../protocol/errors.ts';
import { queueLimits } from '../../protocol/limits.ts';
import type { QueueEvent, QueueSettings } from '../../protocol/nouns.ts';
import { FairPlaces } from '../../waiting/fair-places.ts';
import type { Database } from '../db/database.ts';
import { type Deliveries, type Delivery, deliveryLimits, type TakenMessage } from './deliveries.ts';
import { framed, single } from './framing.ts';
import type { CallResult, FunctionCaller } from './function-caller.ts';
import type { NewMessage } from './new-message.ts';
import type { QueueStore } from './queue-store.ts';
import { readSubscriptions, type Subscription } from './subscriptions.ts';
import { newTakenId, type Taker } from './taker.ts';

export const consumerLimits = {
  /**
   * Milliseconds between two looks: changes of subscriptions and queues by other controls are seen within this time.
   */
  lookMs: 1_000,
  /**
   * Calls that one control makes for queues at the same time, over all subscriptions. Each holds a connection and up to
   * deliveryLimits.takenBytes. A user holds at most as many of these places as are free (src/waiting/fair-places.ts).
   */
  calls: 256,
  /** Messages of one take; deliveryLimits.takenBytes bounds their bytes. */
  takenMessages: 1_000,
  /** Milliseconds after which a delivery is tried again when its function cannot be called. */
  refusedMs: 1_000,
  /** Number of acknowledged messages of a queue between two prunings of the queue. */
  pruneEvery: 500,
} as const;

interface Lane {
  subscription: Subscription;
  /** Number of calls of the function that have not ended. */
  calls: number;
  isTaking: boolean;
  /** Whether a message was published, settled or has become due since the last take. */
  isWoken: boolean;
  timer: NodeJS.Timeout | null;
  /** Messages that are done since those done long ago were last removed. */
  doneSincePruning: number;
  /** Whether its subscription has ended: calls in progress are settled, nothing more is taken. */
  isGone: boolean;
}

export interface ConsumersOptions {
  readonly db: Database;
  readonly deliveries: Deliveries;
  /** Publishes an output to a queue of a user, held to the user's quota. Throws `limit_exceeded`. */
  readonly publish: (ownerId: string, queue: string, message: NewMessage) => Promise<void>;
  readonly queues: QueueStore;
  readonly caller: FunctionCaller;
  /** Counts messages by what becomes of them. */
  readonly count: (queueId: string, event: QueueEvent, messages: number) => void;
  /** Identifies this control in the messages that it takes. */
  readonly taker: Taker;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Takes a failure of the platform, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

export class Consumers {
  readonly #options: ConsumersOptions;
  /** Lanes by `HANDLERID LABEL QUEUE`. */
  readonly #lanes = new Map<string, Lane>();
  /** Calls of each delivery that have not ended; resolves when all of them are settled. */
  readonly #running = new Map<Delivery, Promise<void>>();
  readonly #places = new FairPlaces(consumerLimits.calls);
  /** Lanes that wait for a place, in order of arrival. */
  readonly #waiting = new Set<Lane>();
  #looking: Promise<void> = Promise.resolve();
  #timers: NodeJS.Timeout[] = [];
  #isClosed = false;

  constructor(options: ConsumersOptions) {
    this.#options = options;
  }

  /** Starts delivering. Messages that an earlier process of this control had taken when it was killed come first. */
  start(): void {
    const { deliveries, taker } = this.#options;
    const look = (): void => {
      this.#looking = this.#look().catch((error: unknown) => this.#report(error));
    };
    this.#looking = deliveries
      .giveUpBefore(taker)
      .catch((error: unknown) => this.#report(error))
      .then(() => this.#look())
      .catch((error: unknown) => this.#report(error));
    this.#timers = [
      setInterval(look, consumerLimits.lookMs),
      setInterval(() => {
        this.#options.deliveries.extend([...this.#running.keys()]).catch((error: unknown) => this.#report(error));
      }, deliveryLimits.visibleMs / 3),
    ];
  }

  /** Tells that a queue has got messages. */
  wake(queueId: string): void {
    for (const lane of this.#lanes.values()) if (lane.subscription.queueId === queueId) this.#wake(lane);
  }

  /** Takes no more messages; waits until running deliveries are settled, at most `graceMs` milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const lane of this.#lanes.values()) stopTimer(lane);
    await this.#looking;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.all(this.#running.values()),
      new Promise((resolve) => {
        timer = setTimeout(resolve, graceMs);
      }),
    ]);
    clearTimeout(timer);
    this.#options.caller.close();
    await Promise.all(this.#running.values());
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    const found = new Set<string>();
    for (const subscription of await readSubscriptions(this.#options.db, this.#options.now())) {
      const key = `${subscription.handlerId} ${subscription.label} ${subscription.settings.name}`;
      found.add(key);
      const lane = this.#lanes.get(key);
      if (lane !== undefined) lane.subscription = subscription;
      else
        this.#lanes.set(key, {
          subscription,
          calls: 0,
          isTaking: false,
          isWoken: false,
          timer: null,
          doneSincePruning: 0,
          isGone: false,
        });
    }
    for (const [key, lane] of this.#lanes) {
      // Finds messages that are due without a wake: published by another control, resumed, or given up by one that has
      // ended.
      if (found.has(key)) {
        if (lane.subscription.isDue) this.#wake(lane);
      } else {
        stopTimer(lane);
        lane.isGone = true;
        this.#lanes.delete(key);
        this.#waiting.delete(lane);
      }
    }
  }

  #wake(lane: Lane): void {
    lane.isWoken = true;
    if (lane.isTaking || lane.isGone || this.#isClosed) return;
    lane.isTaking = true;
    void this.#take(lane)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        lane.isTaking = false;
        // The lane was woken after the last look at it.
        if (lane.isWoken) this.#wake(lane);
      });
  }

  async #take(lane: Lane): Promise<void> {
    while (lane.isWoken && !lane.isGone && !this.#isClosed) {
      lane.isWoken = false;
      stopTimer(lane);
      const { subscription } = lane;
      const { queueId, handlerId, ownerId, settings } = subscription;
      const { batch, concurrency, maxAttempts } = settings;
      const wanted = Math.min(concurrency - lane.calls, Math.ceil(consumerLimits.takenMessages / batch));
      if (queueId === null || wanted <= 0) return;
      const calls = Math.min(wanted, this.#places.room(ownerId));
      if (calls === 0) {
        this.#waiting.add(lane);
        return;
      }
      this.#places.take(ownerId, calls);
      let unused = calls;
      try {
        const delivery = { queueId, takenId: newTakenId(this.#options.taker) };
        const { messages, hasMore, nextMs, lost } = await this.#options.deliveries.take({
          ...{ ...delivery, handlerId, maxAttempts },
          limit: Math.min(calls * batch, consumerLimits.takenMessages),
          inFlightMax: concurrency * batch,
        });
        this.#options.count(queueId, 'retried', lost.retried);
        this.#options.count(queueId, 'dead', lost.dead);
        unused -= Math.ceil(messages.length / batch);
        this.#deliver(lane, subscription, delivery, messages);
        // There may be more messages, also when the bytes or the pages limited the take.
        if (messages.length > 0 || hasMore) lane.isWoken = lane.calls < concurrency;
        if (nextMs !== null) this.#wakeAt(lane, nextMs);
      } finally {
        this.#free(ownerId, unused);
      }
    }
  }

  /** Calls the function for messages of a take. `subscription`: its state when they were taken. */
  #deliver(lane: Lane, subscription: Subscription, delivery: Delivery, messages: readonly TakenMessage[]): void {
    const { settings, ownerId } = subscription;
    let left = messages.length;
    for (let at = 0; at < messages.length; at += settings.batch) {
      const part = messages.slice(at, at + settings.batch);
      lane.calls += 1;
      const settled = this.#call(lane, subscription, delivery, part)
        .catch((error: unknown) => this.#report(error))
        .then(() => {
          lane.calls -= 1;
          left -= part.length;
          if (left === 0) this.#running.delete(delivery);
          this.#free(ownerId, 1);
          this.#wake(lane);
        });
      const before = this.#running.get(delivery);
      this.#running.set(delivery, before === undefined ? settled : Promise.all([before, settled]).then(() => {}));
    }
  }

  /** Gives places back and passes them to waiting lanes, first to those whose owners hold the fewest. */
  #free(ownerId: string, count: number): void {
    if (count === 0) return;
    this.#places.give(ownerId, count);
    while (this.#waiting.size > 0) {
      let next: Lane | null = null;
      for (const lane of this.#waiting) if (next === null || this.#heldBy(lane) < this.#heldBy(next)) next = lane;
      // Owners who hold more places have no room either.
      if (next === null || this.#places.room(next.subscription.ownerId) === 0) return;
      this.#waiting.delete(next);
      this.#wake(next);
    }
  }

  #heldBy(lane: Lane): number {
    return this.#places.heldBy(lane.subscription.ownerId);
  }

  async #call(
    lane: Lane,
    subscription: Subscription,
    delivery: Delivery,
    messages: readonly TakenMessage[],
  ): Promise<void> {
    const { deliveries } = this.#options;
    const { settings, ownerId } = subscription;
    const { queueId } = delivery;
    const result = await this.#options.caller.call(callOf(subscription, messages));
    switch (result.kind) {
      case 'refused':
        return deliveries.giveBack(delivery, messages, consumerLimits.refusedMs);
      case 'failed':
        return this.#failed(subscription, delivery, messages, result);
      case 'ok': {
        if (settings.output !== null && !(await this.#chain(subscription, result, delivery, messages))) return;
        const done = await deliveries.done(delivery, messages, result.invocation);
        this.#options.count(queueId, 'acknowledged', done);
        lane.doneSincePruning += done;
      }
    }
    if (lane.doneSincePruning < consumerLimits.pruneEvery) return;
    lane.doneSincePruning = 0;
    await this.#options.queues.pruneDone(ownerId, queueId);
  }

  /** Publishes the output. Returns false when that failed: the delivery has then failed. */
  async #chain(
    subscription: Subscription,
    result: Extract<CallResult, { readonly kind: 'ok' }>,
    delivery: Delivery,
    messages: readonly TakenMessage[],
  ): Promise<boolean> {
    const { ownerId, settings } = subscription;
    if (settings.output === null || result.output.length === 0) return true;
    try {
      // A key makes a repeated delivery publish its output once.
      const [first, ...others] = messages;
      const key = first !== undefined && others.length === 0 ? `output:${first.id}` : null;
      const message = { body: result.output, contentType: null, key, group: null, dueMs: 0 };
      if (result.lostBytes > 0) throw new Error(`${result.lostBytes} bytes of it are beyond what is kept`);
      await this.#options.publish(ownerId, settings.output, message);
      return true;
    } catch (error) {
      const why = messageOf(error);
      const reason = `its output could not be published to ${settings.output}: ${why}`;
      await this.#failed(subscription, delivery, messages, { reason, invocation: result.invocation });
      return false;
    }
  }

  async #failed(
    { settings: { maxAttempts } }: Subscription,
    delivery: Delivery,
    messages: readonly TakenMessage[],
    failure: { readonly reason: string; readonly invocation: string | null },
  ): Promise<void> {
    const { deliveries, count } = this.#options;
    const { reason, invocation } = failure;
    const { queueId } = delivery;
    await deliveries.failed(delivery, { messages, maxAttempts, reason, invocation });
    const dead = messages.filter(({ attempt }) => attempt >= maxAttempts).length;
    count(queueId, 'dead', dead);
    count(queueId, 'retried', messages.length - dead);
  }

  #wakeAt(lane: Lane, ms: number): void {
    stopTimer(lane);
    // Messages due later than in a day are found by a later look.
    const delay = Math.min(Math.max(1, ms - this.#options.now()), 24 * 60 * 60_000);
    lane.timer = setTimeout(() => this.#wake(lane), delay);
    lane.timer.unref();
  }

  #report(error: unknown): void {
    if (!this.#isClosed) this.#options.report('messages could not be delivered', error);
  }
}

function stopTimer(lane: Lane): void {
  if (lane.timer !== null) clearTimeout(lane.timer);
  lane.timer = null;
}

function callOf({ label, settings }: Subscription, messages: readonly TakenMessage[]) {
  const [first] = messages;
  if (first === undefined) throw new Error('a delivery has a message');
  const { body, contentType } = settings.batch === 1 ? single(first) : framed(messages, settings.framing);
  return {
    kind: 'queue' as const,
    name: settings.name,
    handler: label,
    path: `/.trisiel/queue/${encodeURIComponent(settings.name)}`,
    env: queueVariables(settings, messages, first),
    contentType,
    body,
    timeoutMs: settings.timeoutMs,
  };
}

function queueVariables(
  { name }: QueueSettings,
  messages: readonly TakenMessage[],
  first: TakenMessage,
): Record<string, string> {
  return {
    TRISIEL_TRIGGER: 'queue',
    QUEUE_NAME: name,
    MESSAGE_ID: first.id.slice(0, queueLimits.keyChars),
    MESSAGE_ATTEMPT: String(first.attempt),
    MESSAGE_COUNT: String(messages.length),
  };
}
