/** Calls of the API about a user's queues and their messages (docs/queues.md). */
import type { MessageState } from '../../src/protocol/nouns.ts';
import type { PublishedView, QueueMessagePage, QueueView } from '../../src/protocol/views.ts';
import * as answers from './answers.ts';
import { type Api, all, type CallOptions, type TakeBytes } from './api.ts';

/** A message to publish. */
export interface NewMessage {
  readonly bytes: Uint8Array;
  /** Media type; null: none is sent. */
  readonly type: string | null;
  readonly key?: string;
  readonly group?: string;
  /** Milliseconds before it is delivered. */
  readonly delayMs?: number;
}

export class QueuesClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns all queues of the user, by name. */
  async list(options?: CallOptions): Promise<readonly QueueView[]> {
    return all(async (after) => {
      const asked = { method: 'GET', path: '/queues', query: { after } } as const;
      const { queues, next } = await this.#api.call(answers.queues, asked, options);
      return { items: queues, next };
    });
  }

  async show(name: string, options?: CallOptions): Promise<QueueView> {
    return this.#api.call(answers.queue, { method: 'GET', path: queuePath(name) }, options);
  }

  /** Returns the oldest messages of a queue, or those after a position. `state`: only messages in this state. */
  async messages(
    queue: string,
    query: { readonly state?: MessageState; readonly after?: number; readonly limit?: number } = {},
    options?: CallOptions,
  ): Promise<QueueMessagePage> {
    const path = `${queuePath(queue)}/messages`;
    return this.#api.call(answers.queueMessages, { method: 'GET', path, query: { ...query } }, options);
  }

  /** Publishes one message. */
  async publish(queue: string, { bytes, type, ...query }: NewMessage, options?: CallOptions): Promise<PublishedView> {
    const path = `${queuePath(queue)}/messages`;
    return this.#api.call(answers.published, { method: 'POST', path, query, upload: { bytes, type } }, options);
  }

  /** Publishes one message per line of NDJSON. */
  async publishLines(queue: string, bytes: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<PublishedView> {
    const path = `${queuePath(queue)}/messages`;
    const body = { bytes, type: 'application/x-ndjson' };
    return this.#api.upload(answers.published, { method: 'POST', path, upload: body }, options);
  }

  /** Passes the bytes of an export to `take` as they arrive. */
  async export(
    queue: string,
    query: { readonly state?: MessageState; readonly after?: number; readonly format?: 'ndjson' | 'csv' },
    take: TakeBytes,
    options?: CallOptions,
  ): Promise<void> {
    const asked = { method: 'GET', path: `${queuePath(queue)}/export`, query: { ...query } } as const;
    await this.#api.download(asked, take, options);
  }

  async pause(queue: string, isPaused: boolean, options?: CallOptions): Promise<QueueView> {
    const path = `${queuePath(queue)}/${isPaused ? 'pause' : 'resume'}`;
    return this.#api.call(answers.queue, { method: 'POST', path }, options);
  }

  /** Makes dead letters ready again: all, or the one with `id`. Returns their number. */
  async retry(queue: string, id: string | undefined, options?: CallOptions): Promise<number> {
    const body = id === undefined ? {} : { id };
    const asked = { method: 'POST', path: `${queuePath(queue)}/retry`, body } as const;
    return (await this.#api.call(answers.retried, asked, options)).messages;
  }

  /** Removes messages for good, but those that are with a consumer. `state`: only messages in this state. */
  async purge(
    queue: string,
    query: { readonly state?: MessageState } = {},
    options?: CallOptions,
  ): Promise<{ readonly messages: number; readonly bytes: number }> {
    return this.#api.call(answers.purged, { method: 'POST', path: `${queuePath(queue)}/purge`, query }, options);
  }

  /** Removes a queue with every message in it. */
  async delete(queue: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: queuePath(queue) }, options);
  }
}

const queuePath = (queue: string) => `/queues/${encodeURIComponent(queue)}`;
