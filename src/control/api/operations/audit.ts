/** Operations that read the audit: a handler's for its owner, all of it for administrators. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { AuditEntry } from '../../../protocol/views.ts';
import { type AuditFilter, type AuditLog, auditLimits } from '../../audit/audit-log.ts';
import { forHandler, forUsers, type Operation, StreamedAnswer } from '../operation.ts';
import { auditEntrySchema } from '../schemas/accounts.ts';
import { wholeNumber } from '../schemas/parts.ts';
import { nextNumber, pageOf } from './paging.ts';

const tag = 'audit';
const ndjson = 'application/x-ndjson';
/** Characters of a download that are sent at once. */
const pieceChars = 64 * 1024;
const number = wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }).optional();
const filter = {
  user: z.string().max(200).optional().describe('entries of this user'),
  operation: z.string().max(100).optional().describe('entries of this operation, by its id in this document'),
};
const list = {
  ...filter,
  after: number.describe('`next` of the page before: entries older than that'),
  limit: wholeNumber({ min: 1, max: auditLimits.listed }).optional(),
};
const exported = { ...filter, after: number.describe('entries above this number') };
const page = z.object({ entries: z.array(auditEntrySchema), next: nextNumber });

export function auditOperations({ audit }: { readonly audit: AuditLog }): readonly Operation[] {
  return [
    forHandler({
      id: 'listHandlerAudit',
      method: 'GET',
      path: '/handlers/{name}/audit',
      tag,
      summary: 'What was done to the handler, by whom, from where, newest first; of a deleted one too.',
      query: z.strictObject(list),
      answer: page,
      errors: ['not_found'],
      deleted: true,
      run: ({ handler, query: { after, limit, ...rest } }) =>
        entriesOf({ ...rest, handlerId: handler.id }, after, limit),
    }),
    forHandler({
      id: 'exportHandlerAudit',
      method: 'GET',
      path: '/handlers/{name}/audit/export',
      tag,
      summary: 'All entries of the handler, a line of JSON each, oldest first.',
      query: z.strictObject(exported),
      answerTypes: [ndjson],
      errors: ['not_found'],
      deleted: true,
      run: async ({ handler, query: { after, ...rest } }) => lines({ ...rest, handlerId: handler.id }, after),
    }),
    forUsers({
      id: 'listAudit',
      method: 'GET',
      path: '/audit',
      tag,
      summary: 'What was done on the platform, by whom, from where, newest first.',
      query: z.strictObject(list),
      answer: page,
      run: ({ query: { after, limit, ...rest } }) => entriesOf(rest, after, limit),
    }),
    forUsers({
      id: 'exportAudit',
      method: 'GET',
      path: '/audit/export',
      tag,
      summary: 'All entries, a line of JSON each, oldest first. Kept elsewhere, their hashes prove what stood here.',
      query: z.strictObject(exported),
      answerTypes: [ndjson],
      run: async ({ query: { after, ...rest } }) => lines(rest, after),
    }),
  ];

  async function entriesOf(filter: AuditFilter, after: number | undefined, limit: number = auditLimits.listed) {
    const found = await audit.list(filter, { below: after, limit: limit + 1 });
    const { items, next } = pageOf(found, limit, ({ number }) => number);
    return { entries: items, next };
  }

  function lines(filter: AuditFilter, after = 0): StreamedAnswer {
    return new StreamedAnswer(ndjson, Readable.from(asLines(audit.entries(filter, after))));
  }
}

/** Yields the entries as lines of JSON, in pieces of some `pieceChars`. */
async function* asLines(entries: AsyncIterable<AuditEntry>): AsyncGenerator<string> {
  let piece = '';
  for await (const entry of entries) {
    piece += `${JSON.stringify(entry)}\n`;
    if (piece.length < pieceChars) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}
