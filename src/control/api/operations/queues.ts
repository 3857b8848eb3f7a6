/** Messages that functions have published through queue://NAME: listed, read, purged. */
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import { MIB } from '../../../protocol/limits.ts';
import { storeNamePattern } from '../../../protocol/names.ts';
import type { Quotas } from '../../quota/quotas.ts';
import type { QueueMessage, QueueStore } from '../../storage/queue-store.ts';
import { forHandler, type Operation } from '../operation.ts';
import { queueMessageSchema, queueSchema, wholeNumber } from '../schemas.ts';

const tag = 'queues';

export const queueAnswerLimits = {
  /** Queues in one answer. */
  queues: 200,
  /** Messages in one answer. */
  messages: 200,
  /** Bytes of the messages in one answer; one message is always given. */
  bytes: MIB,
} as const;

const handlerName = z.string().describe('name of the handler that the queue belongs to');

export function queueOperations(deps: { readonly queues: QueueStore; readonly quota: Quotas }): readonly Operation[] {
  const { queues, quota } = deps;
  return [
    forHandler({
      id: 'listQueues',
      method: 'GET',
      path: '/queues',
      tag,
      summary: "A handler's queues that hold messages, by name.",
      query: z.strictObject({
        handler: handlerName,
        after: z.string().regex(storeNamePattern).optional().describe('names after this one'),
        limit: wholeNumber({ min: 1, max: queueAnswerLimits.queues }).optional(),
      }),
      answer: z.object({
        queues: z.array(queueSchema),
        next: z.string().nullable().describe('`after` of the next page'),
      }),
      errors: ['not_found'],
      run: async ({ handler, query }) => {
        const limit = query.limit ?? queueAnswerLimits.queues;
        // One more than asked for tells whether there is a next page.
        const found = await queues.list({ handlerId: handler.id, after: query.after ?? '', limit: limit + 1 });
        const page = found.slice(0, limit);
        return { queues: page, next: found.length > limit ? (page.at(-1)?.name ?? null) : null };
      },
    }),
    forHandler({
      id: 'readQueue',
      method: 'GET',
      path: '/queues/{queue}/messages',
      tag,
      summary: 'Messages of a queue in the order in which they were published. Reading removes nothing.',
      query: z.strictObject({
        handler: handlerName,
        after: wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER })
          .optional()
          .describe('messages after this position'),
        limit: wholeNumber({ min: 1, max: queueAnswerLimits.messages }).optional(),
      }),
      answer: z.object({
        messages: z.array(queueMessageSchema),
        next: z.number().nullable().describe('`after` of the next page'),
      }),
      errors: ['not_found'],
      run: async ({ handler, params, query }) => {
        const address = { handlerId: handler.id, queue: queueName(params.queue) };
        const messages = await queues.read({
          ...address,
          after: query.after ?? 0,
          limit: query.limit ?? queueAnswerLimits.messages,
          bytesMax: queueAnswerLimits.bytes,
        });
        const last = messages.at(-1);
        const hasMore =
          last !== undefined && (await queues.read({ ...address, after: last.position, limit: 1 })).length > 0;
        return { messages: messages.map(shown), next: hasMore ? last.position : null };
      },
    }),
    forHandler({
      id: 'purgeQueue',
      method: 'POST',
      path: '/queues/{queue}/purge',
      tag,
      summary: 'Remove every message that the queue holds now. There is no way back.',
      query: z.strictObject({ handler: handlerName }),
      answer: z.object({ messages: z.number(), bytes: z.number() }),
      errors: ['not_found'],
      run: ({ handler, params }) =>
        quota.deleting(async () => {
          const removed = await queues.purge({ handlerId: handler.id, queue: queueName(params.queue) });
          // A function whose messages were refused may publish again at once.
          await quota.measure(handler.id, ['queues']);
          return removed;
        }),
    }),
  ];
}

/** Returns the name; throws `not_found` for one that no queue can have. */
function queueName(name: string): string {
  if (storeNamePattern.test(name)) return name;
  throw new PlatformError('not_found', 'no queue has such a name');
}

/**
 * Returns a message as the API shows it. JSON has no bytes: a message that is UTF-8 is given as text, any other one in
 * base64.
 */
function shown({ position, message, publishedMs }: QueueMessage): z.infer<typeof queueMessageSchema> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const head = { position, publishedMs, bytes: message.length };
  try {
    return { ...head, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), base64: null };
  } catch {
    return { ...head, text: null, base64: bytes.toString('base64') };
  }
}
