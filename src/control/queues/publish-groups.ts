/**
 * Publishes single messages in groups. Publications for one user run one after the other in the database, because they
 * count in one total; without groups, a thousand outputs per second would be a thousand transactions, each with its own
 * wait for the disk.
 */
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, queueLimits } from '../../protocol/limits.ts';
import { checkMessage, type NewMessage } from './new-message.ts';

export const groupLimits = {
  /** Messages of one group. */
  messages: queueLimits.batch,
  /** Bytes of the bodies of one group; at least one message is taken. */
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
  /** Waiting messages by owner; an owner has an entry while a group of the owner is being published. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(publish: PublishGroup) {
    this.#publish = publish;
  }

  /**
   * Publishes a message, together with those that arrive while another group of the owner is being published. Resolves
   * when it is durable. Rejects only for an error of this message. Messages for one queue keep the order in which they
   * were passed.
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
      // Some of the messages may fit; an error of the database concerns all of them.
      if (group.length > 1 && error instanceof PlatformError)
        for (const one of group) await this.#publishGroup(ownerId, [one]);
      else for (const { settle } of group) settle.reject(error);
    }
  }
}

/** Removes and returns the messages for the queue of the first one, in order, up to groupLimits. */
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
