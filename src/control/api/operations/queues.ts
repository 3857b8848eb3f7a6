/** Operations on a user's queues and their messages (docs/queues.md). */
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import { MIB, queueLimits } from '../../../protocol/limits.ts';
import { storeNamePattern } from '../../../protocol/names.ts';
import { messageStates } from '../../../protocol/nouns.ts';
import type { PublishedView, QueueMessageView } from '../../../protocol/views.ts';
import type { Database } from '../../db/database.ts';
import { exportFormats, exportTypes, lineStream } from '../../exports/lines.ts';
import { bodyFields, exportLines } from '../../queues/download.ts';
import type { Message, MessageStore } from '../../queues/message-store.ts';
import type { QueueStore } from '../../queues/queue-store.ts';
import { upload } from '../../queues/upload.ts';
import type { Quotas } from '../../quota/quotas.ts';
import { readBytes } from '../body.ts';
import { readKey } from '../kept-answers.ts';
import { forUsers, type Operation, StreamedAnswer } from '../operation.ts';
import { queueMessageSchema, queueSchema } from '../schemas/deliveries.ts';
import { wholeNumber } from '../schemas/parts.ts';
import { nextNumber, nextText, pageOf, pageQuery } from './paging.ts';

const tag = 'queues';

export const queueAnswerLimits = {
  /** Queues in one answer. */
  queues: 200,
  /** Messages in one answer. */
  messages: 200,
  /** Bytes of the messages in one answer; at least one message is returned. */
  bytes: MIB,
  /** Milliseconds within which the body of a single message must arrive. */
  publishMs: 30_000,
} as const;

/** Media type of an upload of many messages. */
const ndjson = 'application/x-ndjson';

const state = z.enum(messageStates).optional().describe('messages in this state; without it, in any');
const position = wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER })
  .optional()
  .describe('messages after this position');

const publishedSchema: z.ZodType<PublishedView> = z.object({
  id: z.string().nullable().describe('of the message; null for a message a line'),
  published: z.number(),
  duplicates: z.number().describe('whose key had been used'),
});

export function queueOperations(deps: {
  readonly db: Database;
  readonly queues: QueueStore;
  readonly messages: MessageStore;
  readonly quota: Quotas;
  readonly now: () => number;
}): readonly Operation[] {
  const { db, queues, messages, quota, now } = deps;
  return [
    forUsers({
      id: 'listQueues',
      method: 'GET',
      path: '/queues',
      tag,
      summary: 'Your queues, by name, with what they hold.',
      query: z.strictObject({
        ...pageQuery(queueAnswerLimits.queues),
        after: z.string().regex(storeNamePattern).optional().describe('names after this one'),
      }),
      answer: z.object({ queues: z.array(queueSchema), next: nextText }),
      run: async ({ user, query }) => {
        const limit = query.limit ?? queueAnswerLimits.queues;
        const found = await queues.list({ ownerId: user.id, after: query.after ?? '', limit: limit + 1 });
        const { items, next } = pageOf(found, limit, ({ name }) => name);
        return { queues: items, next };
      },
    }),
    forUsers({
      id: 'showQueue',
      method: 'GET',
      path: '/queues/{queue}',
      tag,
      summary: 'One queue with what it holds.',
      answer: queueSchema,
      errors: ['not_found'],
      run: ({ user, params }) => queues.summary(user.id, params.queue),
    }),
    forUsers({
      id: 'putQueue',
      method: 'PUT',
      path: '/queues/{queue}',
      tag,
      summary: 'Make a queue where there is none; pause or resume it. A first message makes it too.',
      body: z.strictObject({ isPaused: z.boolean().optional().describe('true: nothing of it is delivered') }),
      answer: queueSchema,
      errors: ['name_invalid', 'limit_exceeded'],
      run: async ({ user, params, body }) => {
        await queues.put(user.id, params.queue, body);
        return queues.summary(user.id, params.queue);
      },
    }),
    forUsers({
      id: 'deleteQueue',
      method: 'DELETE',
      path: '/queues/{queue}',
      tag,
      summary: 'Remove a queue and every message in it. There is no way back.',
      errors: ['not_found'],
      run: ({ user, params }) => quota.deleting(() => queues.delete(user.id, params.queue)),
    }),
    forUsers({
      id: 'publish',
      method: 'POST',
      path: '/queues/{queue}/messages',
      tag,
      summary: `Publish the body as one message, or with ${ndjson} a message a line. It is durable with the answer.`,
      query: z.strictObject({
        key: z
          .string()
          .optional()
          .describe('a second message with this key within 24 hours is not published; Idempotency-Key stands for it'),
        group: z.string().optional().describe('messages of one group are delivered one after the other'),
        delayMs: wholeNumber({ min: 0, max: queueLimits.delayMs }).optional(),
      }),
      bodyTypes: ['application/octet-stream', ndjson],
      status: 201,
      answer: publishedSchema,
      errors: ['name_invalid', 'storage_full', 'body_too_large', 'request_timeout'],
      run: async ({ user, params, query, request, stillAllowed }) => {
        const add = async (batch: Parameters<MessageStore['publish']>[2], bytes: number) => {
          // The body may have taken long to come, an upload takes as long as its client likes.
          await stillAllowed();
          return quota.publishing(user.id, bytes, () => messages.publish(user.id, params.queue, batch)).catch(noRoom);
        };
        const { 'content-type': type, 'idempotency-key': idempotencyKey } = request.headers;
        if (type?.split(';')[0]?.trim().toLowerCase() === ndjson) {
          if (Object.keys(query).length > 0 || idempotencyKey !== undefined)
            throw new PlatformError('bad_request', 'key, group and delayMs stand in each line here');
          // An upload that is refused in the middle gets an answer, so its request is not destroyed.
          const uploaded = await upload(request.iterator({ destroyOnReturn: false }), {
            nowMs: now(),
            publish: async (batch, bytes) => ({
              duplicates: (await add(batch, bytes)).filter(({ isDuplicate }) => isDuplicate).length,
            }),
          });
          return { id: null, ...uploaded };
        }
        const body = await readBytes(request, { bytes: queueLimits.messageBytes, ms: queueAnswerLimits.publishMs });
        const {
          key = idempotencyKey === undefined ? null : readKey(String(idempotencyKey)),
          group = null,
          delayMs = 0,
        } = query;
        const message = { body, contentType: type ?? null, key, group, dueMs: delayMs === 0 ? 0 : now() + delayMs };
        const [one] = await add([message], body.length);
        if (one === undefined) throw new Error('an answer for each message');
        return { id: one.id, published: one.isDuplicate ? 0 : 1, duplicates: one.isDuplicate ? 1 : 0 };
      },
    }),
    forUsers({
      id: 'readQueue',
      method: 'GET',
      path: '/queues/{queue}/messages',
      tag,
      summary: 'Messages of a queue in the order in which they were published. Reading removes nothing.',
      query: z.strictObject({
        state,
        after: position,
        limit: wholeNumber({ min: 1, max: queueAnswerLimits.messages }).optional(),
      }),
      answer: z.object({ messages: z.array(queueMessageSchema), next: nextNumber }),
      errors: ['not_found'],
      run: async ({ user, params, query }) => {
        const { id } = await queues.find(user.id, params.queue);
        const page = await messages.read(id, {
          state: query.state,
          after: query.after ?? 0,
          limit: query.limit ?? queueAnswerLimits.messages,
          bytesMax: queueAnswerLimits.bytes,
        });
        const last = page.at(-1);
        const hasMore =
          last !== undefined &&
          (await messages.read(id, { state: query.state, after: last.position, limit: 1 })).length > 0;
        return { messages: page.map(shown), next: hasMore ? last.position : null };
      },
    }),
    forUsers({
      id: 'exportQueue',
      method: 'GET',
      path: '/queues/{queue}/export',
      tag,
      summary: 'All messages as they are now, a line each; gzip and zstd by Accept-Encoding.',
      query: z.strictObject({ state, after: position, format: z.enum(exportFormats).optional() }),
      answerTypes: [ndjson, 'text/csv'],
      errors: ['not_found', 'rate_limited'],
      run: async ({ user, params, query }) => {
        const { id } = await queues.find(user.id, params.queue);
        const { format = 'ndjson', after = 0 } = query;
        const lines = exportLines(db, { ownerId: user.id, queueId: id }, { format, after, state: query.state });
        return new StreamedAnswer(exportTypes[format], await lineStream(lines));
      },
    }),
    forUsers({
      id: 'retryQueue',
      method: 'POST',
      path: '/queues/{queue}/retry',
      tag,
      summary: 'Deliver dead letters again, all or one.',
      body: z.strictObject({ id: z.string().optional().describe('of one message') }),
      answer: z.object({ messages: z.number() }),
      errors: ['not_found'],
      run: async ({ user, params, body }) => {
        const { id } = await queues.find(user.id, params.queue);
        if (body.id !== undefined) await messages.find(id, body.id);
        return { messages: await messages.retry(id, body.id) };
      },
    }),
    forUsers({
      id: 'pauseQueue',
      method: 'POST',
      path: '/queues/{queue}/pause',
      tag,
      summary: 'Deliver nothing of the queue until it is resumed; messages are taken as before.',
      answer: queueSchema,
      errors: ['not_found'],
      run: ({ user, params }) => pause(user.id, params.queue, true),
    }),
    forUsers({
      id: 'resumeQueue',
      method: 'POST',
      path: '/queues/{queue}/resume',
      tag,
      summary: 'Deliver messages of a paused queue again.',
      answer: queueSchema,
      errors: ['not_found'],
      run: ({ user, params }) => pause(user.id, params.queue, false),
    }),
    forUsers({
      id: 'purgeQueue',
      method: 'POST',
      path: '/queues/{queue}/purge',
      tag,
      summary:
        'Remove the messages that the queue holds now, but those that are with a consumer. There is no way back.',
      query: z.strictObject({ state }),
      answer: z.object({ messages: z.number(), bytes: z.number() }),
      errors: ['not_found'],
      run: ({ user, params, query }) =>
        quota.deleting(async () => {
          const { id } = await queues.find(user.id, params.queue);
          return queues.purge(user.id, id, query.state);
        }),
    }),
  ];

  async function pause(ownerId: string, name: string, isPaused: boolean) {
    await queues.find(ownerId, name);
    await queues.put(ownerId, name, { isPaused });
    return queues.summary(ownerId, name);
  }
}

/** Throws the error that tells a client: the request is valid, but there is no room for it. */
function noRoom(error: unknown): never {
  if (!(error instanceof PlatformError) || error.code !== 'limit_exceeded') throw error;
  const { hints, details, cause } = error;
  throw new PlatformError('storage_full', error.message, { hints, details, cause });
}

function shown({ body, ...message }: Message): QueueMessageView {
  return { ...message, bytes: body.length, ...bodyFields(body) };
}
