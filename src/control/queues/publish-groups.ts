/**
 * Publishes single messages in groups. Publications for one user wait for each other in the database, since they count
 * in one total; without groups a thousand outputs a second would be a thousand transactions one after the other, each
 * with its wait for the disk.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import { checkMessage, type NewMessage } from './new-message.ts';

export const groupLimits = {
  /** Messages of one group. */
  messages: queueLimits.batch,
  /** Bytes of the bodies of one group; one message is always taken. */
  bytes: 8 * MIB,
} as const;

/** Publishes messages to a queue of a user, all or none. Throws `limit_exceeded`, `name_invalid`. */
export type PublishGroup = (ownerId: string, queue: string, messages: readonly NewMessage[]) => Promise<void>;

interface Waiting {
  readonly queue: string;
  readonly message: NewMessage;
  readonly settle: PromiseWithResolvers<void>;
}

export class PublishGroups {
  readonly #publish: PublishGroup;
  /** Messages that wait, by owner; an owner is here as long as a group of it is being published. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(publish: PublishGroup) {
    this.#publish = publish;
  }

  /**
   * Publishes a message, with those that are handed in while another group of the owner is being published. Resolves when it
   * is durable. Rejects with what is wrong with this message, whatever is wrong with others of its group. Messages for
   * one queue keep the order in which they are handed in.
   */
  async publish(ownerId: string, queue: string, message: NewMessage): Promise<void> {
    checkMessage(message);
    const settle = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(ownerId);
    const one = { queue, message, settle };
    if (waiting !== undefined) waiting.push(one);
    else {
      const first = [one];
      this.#waiting.set(ownerId, first);
      void this.#run(ownerId, first);
    }
    return settle.promise;
  }

  async #run(ownerId: string, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) await this.#publishGroup(ownerId, nextGroup(waiting));
    this.#waiting.delete(ownerId);
  }

  async #publishGroup(ownerId: string, group: readonly Waiting[]): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    try {
      await this.#publish(
        ownerId,
        first.queue,
        group.map(({ message }) => message),
      );
      for (const { settle } of group) settle.resolve();
    } catch (error) {
      // There may be room for some of them; what is wrong with the database is wrong with all.
      if (group.length > 1 && error instanceof PlatformError)
        for (const one of group) await this.#publishGroup(ownerId, [one]);
      else for (const { settle } of group) settle.reject(error);
    }
  }
}

/** Removes the messages that are for the queue of the first one, in order, up to groupLimits, and returns them. */
function nextGroup(waiting: Waiting[]): readonly Waiting[] {
  const queue = waiting[0]?.queue;
  const group: Waiting[] = [];
  const rest: Waiting[] = [];
  let bytes = 0;
  let isFull = false;
  for (const one of waiting) {
    if (one.queue !== queue || isFull) {
      rest.push(one);
      continue;
    }
    const total = bytes + one.message.body.length;
    isFull = group.length >= groupLimits.messages || (group.length > 0 && total > groupLimits.bytes);
    if (isFull) rest.push(one);
    else {
      group.push(one);
      bytes = total;
    }
  }
  waiting.splice(0, waiting.length, ...rest);
  return group;
}
