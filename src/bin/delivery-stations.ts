/** Joins the stations that call functions by themselves: queues, schedules and calls that nobody waits for. */
import type { RandomBytes } from '../control/accounts/secrets.ts';
import { newId } from '../control/accounts/secrets.ts';
import { CallDeliveries } from '../control/calls/call-deliveries.ts';
import { CallMaker } from '../control/calls/call-maker.ts';
import { CallStore } from '../control/calls/call-store.ts';
import { Schedules } from '../control/calls/schedules.ts';
import type { Database } from '../control/db/database.ts';
import { Consumers } from '../control/queues/consumers.ts';
import { Deliveries } from '../control/queues/deliveries.ts';
import { FunctionCaller } from '../control/queues/function-caller.ts';
import { LostControls } from '../control/queues/lost-controls.ts';
import { MessageStore } from '../control/queues/message-store.ts';
import { PublishGroups } from '../control/queues/publish-groups.ts';
import { QueueRates } from '../control/queues/queue-rates.ts';
import { QueueStore } from '../control/queues/queue-store.ts';
import type { Quotas } from '../control/quota/quotas.ts';
import type { Serving } from './serving.ts';

export interface DeliveryStationsOptions {
  readonly db: Database;
  readonly controlId: string;
  readonly bootId: string;
  readonly domain: string;
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** Parts that are made later; asked when the first message or call comes. */
  readonly quota: () => Quotas;
  readonly serving: () => Serving;
  /** Is called when another control has ended; `givenUp`: what it had taken. */
  readonly onLost: (controlId: string, givenUp: number) => void;
  readonly report: (message: string, error: unknown) => void;
}

export interface DeliveryStations {
  readonly queues: QueueStore;
  readonly messages: MessageStore;
  readonly rates: QueueRates;
  readonly groups: PublishGroups;
  readonly calls: CallStore;
  readonly schedules: Schedules;
  /** Looks for calls that are due. */
  wakeCalls(): void;
  start(): void;
  /** Removes what is kept of messages and calls that ended long ago. */
  prune(): Promise<void>;
  /** Takes nothing over from other controls any more. */
  leave(): Promise<void>;
  /** Lets deliveries end, for at most `ms` milliseconds; those that run longer are made again later. */
  close(ms: number): Promise<void>;
}

export function deliveryStations(options: DeliveryStationsOptions): DeliveryStations {
  const { db, controlId, bootId, domain, now, randomBytes, quota, serving, onLost, report } = options;
  const queues = new QueueStore({ db, now, newId: () => newId('q', randomBytes) });
  const rates = new QueueRates({ db, now, report });
  const messages = new MessageStore({
    db,
    queues,
    now,
    newId: () => newId('m', randomBytes),
    onPublished: (queueId, count) => {
      rates.count(queueId, 'published', count);
      consumers.wake(queueId);
    },
  });
  const groups = new PublishGroups(async (ownerId, queue, group) => {
    const bytes = group.reduce((sum, { body }) => sum + body.length, 0);
    await quota().publishing(ownerId, bytes, () => messages.publish(ownerId, queue, group));
  });
  const caller = () => new FunctionCaller({ target: (label) => serving().target(label), domain });
  const taker = { controlId, bootId };
  const deliveries = new Deliveries({ db, now, random: Math.random });
  const consumers: Consumers = new Consumers({
    db,
    queues,
    publish: (ownerId, queue, message) => groups.publish(ownerId, queue, message),
    count: (queueId, event, count) => rates.count(queueId, event, count),
    taker,
    deliveries,
    caller: caller(),
    now,
    report,
  });
  const callDeliveries = new CallDeliveries({ db, now, random: Math.random });
  const schedules = new Schedules({ db, now, newId: () => newId('c', randomBytes) });
  const callMaker = new CallMaker({
    calls: callDeliveries,
    schedules,
    caller: caller(),
    taker,
    now,
    onStored: (handlerId, bytes) => quota().grew(handlerId, 'usage', bytes),
    report,
  });
  const lostControls = new LostControls({
    db,
    controlId,
    elapsedMs: () => performance.now(),
    giveUp: [deliveries, callDeliveries].map((store) => (trx, lost) => store.giveUp(trx, lost)),
    onLost,
    report,
  });
  return {
    queues,
    messages,
    rates,
    groups,
    calls: new CallStore({ db, now }),
    schedules,
    wakeCalls: () => callMaker.wake(),
    start() {
      rates.start();
      consumers.start();
      callMaker.start();
      // A database of its own has no other controls.
      if (db.isShared) lostControls.start();
    },
    async prune() {
      await Promise.all([queues.prune(), callDeliveries.prune()]);
    },
    leave: () => lostControls.close(),
    async close(ms) {
      await Promise.all([consumers.close(ms), callMaker.close(ms)]);
    },
  };
}
