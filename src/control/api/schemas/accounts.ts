/** Schemas of users, of what gives them access, of teams, and of the audit. */
import { z } from 'zod';
import { collaboratorRoles, tokenScopes, type User } from '../../../protocol/nouns.ts';
import type {
  AccountView,
  AuditEntry,
  CollaboratorView,
  InviteView,
  TokenView,
  TransferView,
} from '../../../protocol/views.ts';
import { ms } from './parts.ts';

export const userSchema: z.ZodType<User> = z
  .object({ id: z.string(), name: z.string(), createdMs: ms })
  .meta({ id: 'User' });

export const tokenSchema: z.ZodType<TokenView> = z
  .object({
    id: z.string(),
    label: z.string(),
    scope: z.enum(tokenScopes),
    handler: z.string().nullable().describe('the one handler that it is good for; null: all'),
    createdMs: ms,
    lastUsedMs: ms.nullable(),
    expiresMs: ms.nullable().describe('null: it never ends by itself'),
  })
  .meta({ id: 'Token' });

export const inviteSchema: z.ZodType<InviteView> = z
  .object({
    id: z.string(),
    createdMs: ms,
    usesMax: z.number().describe('people who may sign up with it'),
    uses: z.number(),
    expiresMs: ms.nullable(),
    usedBy: z.array(z.string()),
  })
  .meta({ id: 'Invite' });

export const collaboratorSchema: z.ZodType<CollaboratorView> = z
  .object({ user: z.string(), role: z.enum(collaboratorRoles), addedMs: ms })
  .meta({ id: 'Collaborator' });

export const transferSchema: z.ZodType<TransferView> = z
  .object({
    handler: z.string(),
    from: z.string(),
    to: z.string(),
    offeredMs: ms,
    expiresMs: ms,
  })
  .meta({ id: 'Transfer' });

export const accountSchema: z.ZodType<AccountView> = z
  .object({
    name: z.string(),
    createdMs: ms,
    admin: z.boolean(),
    suspendedMs: ms.nullable().describe('since when; null: not suspended'),
    secondFactor: z.boolean(),
    handlers: z.number(),
    usedBytes: z.number().describe('as last measured'),
    handlersMax: z.number().nullable().describe("null: the platform's limit"),
    quotaBytes: z.number().nullable().describe("null: the platform's limit"),
    callsMax: z.number().nullable().describe('invocations in flight; null: no limit of the user'),
  })
  .meta({ id: 'Account', description: 'A user as administrators see it.' });

export const auditEntrySchema: z.ZodType<AuditEntry> = z
  .object({
    number: z.number().describe('from 1, without gaps'),
    timeMs: ms,
    user: z.string().describe('who did it, by the name of that time'),
    tokenId: z.string().nullable().describe('the Token it was done with; null: a name and a password'),
    address: z.string().describe('where from'),
    operation: z.string().describe("the operation's id in this document, or gitPush"),
    handler: z.string().nullable().describe('what it was done to, by the name of that time'),
    detail: z.string().describe('what was asked for, as JSON without secrets'),
    outcome: z.string().describe('ok, or the code of a failure that may have changed something'),
    hash: z.string().describe('SHA-256 over the entry and the hash of the one before'),
  })
  .meta({ id: 'AuditEntry' });
