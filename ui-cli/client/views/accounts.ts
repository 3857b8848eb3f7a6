/** Schemas of users: Tokens, invites, quotas, entries of the audit. */
import * as z from 'zod/mini';
import { storedKinds, tokenScopes } from '../../../src/protocol/nouns.ts';
import { recordOf } from '../../../src/protocol/record-of.ts';
import type { AccountView, AuditEntry, InviteView, QuotaView, TokenView } from '../../../src/protocol/views.ts';
import { number, orNull, plain, text } from './parts.ts';

export const tokenAnswer: z.ZodMiniType<TokenView> = z.object({
  id: text,
  label: text,
  scope: z.enum(tokenScopes),
  handler: orNull(plain),
  createdMs: number,
  lastUsedMs: orNull(number),
  expiresMs: orNull(number),
});

export const inviteAnswer: z.ZodMiniType<InviteView> = z.object({
  id: plain,
  createdMs: number,
  usesMax: number,
  uses: number,
  expiresMs: orNull(number),
  usedBy: z.array(plain),
});

export const accountAnswer: z.ZodMiniType<AccountView> = z.object({
  name: plain,
  createdMs: number,
  admin: z.boolean(),
  suspendedMs: orNull(number),
  secondFactor: z.boolean(),
  handlers: number,
  usedBytes: number,
  handlersMax: orNull(number),
  quotaBytes: orNull(number),
  callsMax: orNull(number),
});

export const quotaAnswer: z.ZodMiniType<QuotaView> = z.object({
  quotaBytes: number,
  usedBytes: number,
  byKind: z.object(recordOf(storedKinds, () => number)),
  handlers: z.array(z.object({ name: plain, bytes: number, deleted: z.boolean() })),
  domains: z.object({ count: number, max: number }),
});

export const auditEntryAnswer: z.ZodMiniType<AuditEntry> = z.object({
  number,
  timeMs: number,
  user: text,
  tokenId: orNull(plain),
  address: text,
  operation: plain,
  handler: orNull(text),
  detail: text,
  outcome: plain,
  hash: plain,
});
