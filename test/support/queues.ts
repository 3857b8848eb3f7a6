/** Makes the stores of queues on a test's database. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../../src/control/db/database.ts';
import { MessageStore } from '../../src/control/queues/message-store.ts';
import type { NewMessage } from '../../src/control/queues/new-message.ts';
import { QueueRates } from '../../src/control/queues/queue-rates.ts';
import { QueueStore } from '../../src/control/queues/queue-store.ts';

export interface TestQueues {
  readonly queues: QueueStore;
  readonly messages: MessageStore;
  /** Counts what is published. */
  readonly rates: QueueRates;
  /** Ids of queues that got messages, in order. */
  readonly woken: readonly string[];
  /** Publishes texts for a user, each in a transaction of its own or, given as a list, together. */
  publish(
    ownerId: string,
    queue: string,
    bodies: string | Uint8Array | readonly string[],
    more?: Partial<NewMessage>,
  ): Promise<void>;
}

export function testQueues(db: Database, now: () => number = Date.now): TestQueues {
  const woken: string[] = [];
  const report = (message: string, error: unknown): never => {
    throw new Error(message, { cause: error });
  };
  const rates = new QueueRates({ db, now, report });
  const queues = new QueueStore({ db, now, newId: randomUUID });
  const messages = new MessageStore({ db, queues, now, newId: randomUUID, onPublished });
  function onPublished(id: string, count: number): void {
    rates.count(id, 'published', count);
    woken.push(id);
  }
  return {
    queues,
    messages,
    rates,
    woken,
    async publish(ownerId, queue, bodies, more = {}) {
      const all = typeof bodies === 'string' || bodies instanceof Uint8Array ? [bodies] : bodies;
      await messages.publish(
        ownerId,
        queue,
        all.map((body) => newMessage(body, more)),
      );
    },
  };
}

export function newMessage(body: string | Uint8Array, more: Partial<NewMessage> = {}): NewMessage {
  return { body: Buffer.from(body as string), contentType: null, key: null, group: null, dueMs: 0, ...more };
}
