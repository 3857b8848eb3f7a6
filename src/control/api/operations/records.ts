/** Operations that read the records, figures and log lines of invocations. */
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import { KIB, logLimits } from '../../../protocol/limits.ts';
import type { Nodes } from '../../../protocol/ports.ts';
import type { Database } from '../../db/database.ts';
import { exportFormats, exportTypes, lineStream } from '../../exports/lines.ts';
import type { GrantedHandler, HandlerAccess } from '../../handlers/access.ts';
import type { Handlers } from '../../handlers/handlers.ts';
import { exportLogLines } from '../../logs/log-export.ts';
import type { OwnKeeping } from '../../logs/log-keeping.ts';
import type { LogStore } from '../../logs/log-store.ts';
import type { Quotas } from '../../quota/quotas.ts';
import { usageLimits } from '../../usage/limits.ts';
import { exportRecords } from '../../usage/record-export.ts';
import { recordLimits } from '../../usage/record-retention.ts';
import type { UsageStore } from '../../usage/usage-store.ts';
import { forHandler, forUsers, type Operation, StreamedAnswer } from '../operation.ts';
import { wholeNumber } from '../schemas/parts.ts';
import {
  invocationSchema,
  logLineSchema,
  logQuerySchema,
  logRetentionSchema,
  logStreamQuerySchema,
  minuteSchema,
  quotaSchema,
  summarySchema,
} from '../schemas/records.ts';
import { nextNumber, nextText, pageOf, pageQuery } from './paging.ts';

/** Returns an object without the keys whose value is undefined. */
function defined({
  days,
  bytes,
}: { readonly [Name in keyof OwnKeeping]?: number | null | undefined }): Partial<OwnKeeping> {
  return { ...(days === undefined ? {} : { days }), ...(bytes === undefined ? {} : { bytes }) };
}

/** Invocations of a page, by default. */
const invocationsUsual = 100;
/** Minutes of figures in one answer: one day. */
const minutesMax = 24 * 60;

export function recordOperations(deps: {
  readonly db: Database;
  readonly handlers: Handlers;
  readonly access: Pick<HandlerAccess, 'handlerFor'>;
  readonly logs: LogStore;
  readonly usage: UsageStore;
  readonly quota: Quotas;
  readonly nodes: Pick<Nodes, 'cancel'>;
  readonly now: () => number;
}): readonly Operation[] {
  const { db, handlers, access, logs, usage, quota, nodes, now } = deps;
  const keepingOf = ({ days, bytes }: OwnKeeping) => ({ days, bytes, server: logs.keeping.server });
  return [
    forHandler({
      id: 'queryLogs',
      method: 'GET',
      path: '/handlers/{name}/logs',
      tag: 'logs',
      summary: 'Log lines: the newest, or those above or below a cursor. Always ascending.',
      query: logQuerySchema,
      answer: z.object({
        lines: z.array(logLineSchema),
        cursor: z.number().describe('`after` of the next question forward, or of the stream'),
        before: z.number().nullable().describe('`before` of the next question backward; null: nothing older'),
        more: z.boolean().describe('whether that way may have more'),
        stopped: z.boolean().describe('the search reached its limit first: go on with `cursor` or `before`'),
        expired: z.number().describe('lines between `after` and the first of these that are not kept any more'),
        next: nextNumber.describe('as `cursor` where lines above `after` were asked for and there are more; else null'),
      }),
      errors: ['not_found'],
      run: async ({ handler, query: { field, also = [], ...query }, ...caller }) => {
        const others: GrantedHandler[] = [];
        for (const name of new Set(also))
          if (name !== handler.name) others.push(await access.handlerFor(caller, 'queryLogs', name));
        const asked = { ...query, fields: field, userId: caller.user.id };
        const page =
          others.length === 0 ? await logs.query(handler, asked) : await logs.queryAll([handler, ...others], asked);
        return { ...page, next: query.after !== undefined && page.more ? page.cursor : null };
      },
    }),
    forHandler({
      id: 'exportLogs',
      method: 'GET',
      path: '/handlers/{name}/logs/export',
      tag: 'logs',
      summary: 'All log lines that are kept, oldest first, a line each; gzip and zstd by Accept-Encoding.',
      query: z.strictObject({
        after: wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }).optional().describe('lines above this cursor'),
        format: z.enum(exportFormats).optional(),
      }),
      answerTypes: ['application/x-ndjson', 'text/csv'],
      errors: ['not_found', 'rate_limited'],
      run: async ({ handler, user, query }) => {
        const { format = 'ndjson', after = 0 } = query;
        const lines = exportLogLines(db, { userId: user.id, handlerId: handler.id }, { format, after });
        return new StreamedAnswer(exportTypes[format], await lineStream(lines));
      },
    }),
    forHandler({
      id: 'getLogRetention',
      method: 'GET',
      path: '/handlers/{name}/logs/retention',
      tag: 'logs',
      summary: 'How long and how much of its log is kept.',
      answer: logRetentionSchema,
      run: async ({ handler }) => keepingOf(await logs.keeping.ownOf(handler.id)),
    }),
    forHandler({
      id: 'setLogRetention',
      method: 'PATCH',
      path: '/handlers/{name}/logs/retention',
      tag: 'logs',
      summary: 'Keep less of its log than the server does: the oldest lines beyond are removed at once.',
      body: z.strictObject({
        days: z.int().min(1).max(logLimits.retainedDaysMax).nullable().optional(),
        bytes: z
          .int()
          .min(16 * KIB)
          .max(Number.MAX_SAFE_INTEGER)
          .nullable()
          .optional(),
      }),
      answer: logRetentionSchema,
      run: async ({ handler, body }) => keepingOf(await logs.keep(handler.id, defined(body))),
    }),
    forHandler({
      id: 'streamLogs',
      method: 'GET',
      path: '/handlers/{name}/logs/stream',
      tag: 'logs',
      summary:
        'A WebSocket (log-stream.ts): text frames {"lines":[LogLine…],"dropped":0}; one frame has `caughtUp`, the cursor ' +
        'up to which all stored lines have been sent. ' +
        'Close codes: 4401 token revoked or expired, 4403 not allowed any more, 4404 handler deleted, 1013 reader too slow.',
      query: logStreamQuerySchema,
      status: 101,
      errors: ['not_found'],
      run: async () => {
        throw new PlatformError('bad_request', 'open this with a WebSocket');
      },
    }),
    forHandler({
      id: 'listInvocations',
      method: 'GET',
      path: '/handlers/{name}/invocations',
      tag: 'usage',
      summary: 'Invocations, newest first. Of very busy handlers silent successes are a sample.',
      query: z.strictObject({
        ...pageQuery(usageLimits.listed),
        limit: wholeNumber({ min: 1, max: usageLimits.listed })
          .optional()
          .describe(`items of the page; default ${invocationsUsual}`),
        after: z.string().max(100).optional().describe('`next` of the page before: started before this id'),
        before: z.string().max(100).optional().meta({ deprecated: true, description: 'as after' }),
        failed: z.enum(['true', 'false']).optional(),
      }),
      answer: z.object({ invocations: z.array(invocationSchema), next: nextText }),
      errors: ['not_found'],
      run: async ({ handler, query: { after, before = after, limit = invocationsUsual, failed } }) => {
        const found = await usage.list(handler, { limit: limit + 1, before, failed: failed === 'true' });
        const { items, next } = pageOf(found, limit, ({ id }) => id);
        return { invocations: items, next };
      },
    }),
    forHandler({
      id: 'exportInvocations',
      method: 'GET',
      path: '/handlers/{name}/invocations/export',
      tag: 'usage',
      summary:
        'All invocations that are kept and have ended, oldest first, a line each; gzip and zstd by Accept-Encoding.',
      query: z.strictObject({
        after: z.string().max(100).optional().describe('an id: those that started after this one'),
        format: z.enum(exportFormats).optional(),
      }),
      answerTypes: ['application/x-ndjson', 'text/csv'],
      errors: ['not_found', 'rate_limited'],
      run: async ({ handler, user, query }) => {
        const { format = 'ndjson', after = null } = query;
        const lines = exportRecords(db, { userId: user.id, handlerId: handler.id }, { format, after });
        return new StreamedAnswer(exportTypes[format], await lineStream(lines));
      },
    }),
    forHandler({
      id: 'getInvocation',
      method: 'GET',
      path: '/handlers/{name}/invocations/{id}',
      tag: 'usage',
      summary: 'One invocation.',
      answer: z.object({ invocation: invocationSchema }),
      errors: ['not_found'],
      run: async ({ handler, params }) => {
        const invocation = await usage.find(handler, params.id);
        if (invocation === null)
          throw new PlatformError('not_found', 'no such invocation is kept', {
            hints: [`the newest ${recordLimits.retained} of a handler are kept; busy handlers' successes are sampled`],
          });
        return { invocation };
      },
    }),
    forHandler({
      id: 'cancelInvocation',
      method: 'DELETE',
      path: '/handlers/{name}/invocations/{id}',
      tag: 'usage',
      summary:
        'End an invocation that is listed as running. Its caller is answered `cancelled`; a message comes again.',
      errors: ['not_found', 'conflict'],
      run: async ({ handler, params }) => {
        if (usage.isRunning(handler.id, params.id)) return nodes.cancel(params.id);
        if ((await usage.find(handler, params.id)) !== null)
          throw new PlatformError('conflict', 'this invocation has ended');
        throw new PlatformError('not_found', 'no such invocation is kept or listed as running', {
          hints: ['an invocation is listed once it has run for about 0.2 s'],
        });
      },
    }),
    forHandler({
      id: 'getUsage',
      method: 'GET',
      path: '/handlers/{name}/usage',
      tag: 'usage',
      summary: 'Figures of the last minutes, and exact counters by the minute.',
      query: z.strictObject({ minutes: wholeNumber({ min: 1, max: minutesMax }).optional() }),
      answer: z.object({ summary: summarySchema, minutes: z.array(minuteSchema) }),
      errors: ['not_found'],
      run: async ({ handler, query }) => {
        const sinceMs = now() - (query.minutes ?? 60) * 60_000;
        return { summary: usage.summary(handler.id), minutes: await usage.minutes(handler.id, sinceMs) };
      },
    }),
    forUsers({
      id: 'listUsage',
      method: 'GET',
      path: '/usage',
      tag: 'usage',
      summary: 'What of the quota is used, in bytes, and figures of the last minutes for each handler of this user.',
      answer: quotaSchema.extend({ usage: z.record(z.string(), summarySchema) }),
      run: async ({ user }) => {
        const owned = await handlers.list(user.id);
        const figures = Object.fromEntries(owned.map(({ id, name }) => [name, usage.summary(id)]));
        return { ...(await quota.view(user.id)), usage: figures };
      },
    }),
  ];
}
