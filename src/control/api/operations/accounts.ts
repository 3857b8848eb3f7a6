/** Operations on the caller's account: password, second factor, Tokens, invites. */
import { z } from 'zod';
import { tokenScopes } from '../../../protocol/nouns.ts';
import type { Accounts } from '../../accounts/accounts.ts';
import { inviteLimits } from '../../accounts/invites.ts';
import { tokenLimits } from '../../accounts/tokens.ts';
import type { HandlerAccess } from '../../handlers/access.ts';
import type { Handlers } from '../../handlers/handlers.ts';
import { forAnyone, forUsers, type Operation } from '../operation.ts';
import { inviteSchema, tokenSchema, userSchema } from '../schemas/accounts.ts';
import { itemsMax, nextText, pageOf, pageOfAll, pageQuery, timeKey } from './paging.ts';

const tag = 'accounts';
const name = z.string().max(200);
/** Longer passwords are refused by the rule for passwords, with its own message. */
const password = z.string().max(10_000);
const newToken = z.string().describe('shown once');
const code = z.string().min(1).max(100).describe("of the second factor: the app's six digits, or a recovery code");
const dayMs = 24 * 60 * 60_000;
/** Cursor made by `timeKey`. */
const inviteCursor = z
  .string()
  .regex(/^\d{16}\.\w{1,100}$/, '`next` of the page before')
  .transform((text) => ({ createdMs: Number(text.slice(0, 16)), id: text.slice(17) }))
  .optional()
  .describe('`next` of the page before; without it the first page');

export function accountOperations(deps: {
  readonly accounts: Accounts;
  readonly handlers: Pick<Handlers, 'findById'>;
  readonly access: Pick<HandlerAccess, 'handlerFor'>;
  readonly serverUrl: () => string;
}): readonly Operation[] {
  const { accounts, handlers, access, serverUrl } = deps;
  return [
    forAnyone({
      id: 'signUp',
      method: 'POST',
      path: '/users',
      tag,
      summary: 'Make an account. The first one needs the code that the server printed, as `invite`.',
      body: z.strictObject({ name, password, invite: z.string().max(200).optional() }),
      status: 201,
      answer: z.object({ user: userSchema, token: newToken }),
      errors: ['name_invalid', 'name_taken', 'invite_required', 'registration_closed', 'rate_limited', 'overloaded'],
      run: ({ body, address }) => accounts.signUp({ ...body, address }),
    }),
    forAnyone({
      id: 'logIn',
      method: 'POST',
      path: '/sessions',
      tag,
      summary: 'Get a Token for a name and a password, and a code where the account has a second factor.',
      body: z.strictObject({ name, password, label: z.string().min(1).max(80).optional(), code: code.optional() }),
      status: 201,
      answer: z.object({ user: userSchema, token: newToken }),
      errors: ['code_required', 'forbidden', 'rate_limited', 'overloaded'],
      run: ({ body, address }) => accounts.logIn({ ...body, address }),
    }),
    forUsers({
      id: 'logOut',
      method: 'DELETE',
      path: '/sessions',
      tag,
      summary: 'Revoke the Token of this request.',
      run: ({ user, tokenId }) => accounts.revokeToken(user.id, tokenId),
    }),
    forUsers({
      id: 'whoAmI',
      method: 'GET',
      path: '/whoami',
      tag,
      summary: 'Whose Token this is, and what it is good for.',
      answer: z.object({
        user: userSchema,
        admin: z.boolean().describe('whether the user administers the platform'),
        tokenId: z.string(),
        scope: z.enum(tokenScopes),
        handler: z.string().nullable().describe('the one handler that the Token is good for; null: all'),
        expiresMs: z.number().nullable(),
      }),
      run: async ({ user, isAdmin, tokenId, scope, boundTo, expiresMs }) => {
        const handler = boundTo === null ? null : ((await handlers.findById(boundTo))?.name ?? null);
        return { user, admin: isAdmin, tokenId, scope, handler, expiresMs };
      },
    }),
    forUsers({
      id: 'changePassword',
      method: 'PUT',
      path: '/password',
      tag,
      summary:
        'Change the password. With `endSessions` every other Token of the user is revoked, those of CI jobs too.',
      body: z.strictObject({ current: password, next: password, code: code.optional(), endSessions: z.boolean() }),
      errors: ['code_required', 'rate_limited', 'overloaded'],
      run: ({ user, tokenId, body, address }) => accounts.changePassword({ ...body, user, tokenId, address }),
    }),
    forUsers({
      id: 'startSecondFactor',
      method: 'POST',
      path: '/second-factor',
      tag,
      summary: 'Draw the secret of a second factor (RFC 6238). Log-ins ask for codes once one has been confirmed.',
      status: 201,
      answer: z.object({
        secret: z.string().describe('base32, shown once'),
        uri: z.string().describe('for a QR code'),
      }),
      errors: ['conflict'],
      run: ({ user }) => accounts.secondFactor.start(user, new URL(serverUrl()).host),
    }),
    forUsers({
      id: 'confirmSecondFactor',
      method: 'PUT',
      path: '/second-factor',
      tag,
      summary: 'Put the second factor in force with a first code of the app.',
      body: z.strictObject({ code }),
      answer: z.object({
        recoveryCodes: z.array(z.string()).describe('each stands for one code, once; shown once'),
      }),
      errors: ['conflict', 'rate_limited'],
      run: async ({ user, body }) => ({ recoveryCodes: await accounts.secondFactor.confirm(user.id, body.code) }),
    }),
    forUsers({
      id: 'removeSecondFactor',
      method: 'DELETE',
      path: '/second-factor',
      tag,
      summary: 'Take the second factor away.',
      body: z.strictObject({ code }),
      errors: ['conflict', 'rate_limited'],
      run: ({ user, body }) => accounts.secondFactor.remove(user.id, body.code),
    }),
    forUsers({
      id: 'listTokens',
      method: 'GET',
      path: '/tokens',
      tag,
      summary: 'Tokens in force, the oldest first.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ tokens: z.array(tokenSchema), next: nextText }),
      run: async ({ user, query }) => {
        const all = await accounts.listTokens(user.id);
        const { items, next } = pageOfAll(all, query, ({ createdMs, id }) => timeKey(createdMs, id));
        return { tokens: items, next };
      },
    }),
    forUsers({
      id: 'createToken',
      method: 'POST',
      path: '/tokens',
      tag,
      summary: 'Make a Token, for a machine or a CI job.',
      body: z.strictObject({
        label: z.string().max(200),
        scope: z
          .enum(tokenScopes)
          .optional()
          .describe('read: looks only; deploy: also pushes, rolls back, sets variables; full (default): everything'),
        handler: z.string().max(200).optional().describe('the one handler that it is good for; not with scope full'),
        expiresInDays: z
          .int()
          .min(1)
          .max(tokenLimits.lifeMs / dayMs)
          .optional()
          .describe('by default it never ends'),
      }),
      status: 201,
      answer: z.object({ token: newToken, view: tokenSchema }),
      errors: ['limit_exceeded', 'not_found'],
      run: async ({ body, ...actor }) => {
        const { label, scope = 'full', expiresInDays } = body;
        const handler = body.handler === undefined ? null : await access.handlerFor(actor, 'getHandler', body.handler);
        const lifeMs = expiresInDays === undefined ? null : expiresInDays * dayMs;
        return accounts.createToken(actor.user.id, { label, scope, handler, lifeMs });
      },
    }),
    forUsers({
      id: 'revokeToken',
      method: 'DELETE',
      path: '/tokens/{id}',
      tag,
      summary: 'Revoke a Token. It holds at once, for open log streams too.',
      errors: ['not_found'],
      run: ({ user, params }) => accounts.revokeToken(user.id, params.id),
    }),
    forUsers({
      id: 'listInvites',
      method: 'GET',
      path: '/invites',
      tag,
      summary: 'Invites made by this user, used ones too, the oldest first.',
      query: z.strictObject({ ...pageQuery(), after: inviteCursor }),
      answer: z.object({ invites: z.array(inviteSchema), next: nextText }),
      run: async ({ user, query: { after, limit = itemsMax } }) => {
        const found = await accounts.listInvites(user.id, { after, limit: limit + 1 });
        const { items, next } = pageOf(found, limit, ({ createdMs, id }) => timeKey(createdMs, id));
        return { invites: items, next };
      },
    }),
    forUsers({
      id: 'createInvite',
      method: 'POST',
      path: '/invites',
      tag,
      summary: 'Make a code with which one person, or several, may sign up.',
      body: z.strictObject({
        uses: z.int().min(1).max(inviteLimits.uses).optional().describe('people who may sign up with it; default 1'),
        expiresInDays: z
          .int()
          .min(1)
          .max(inviteLimits.lifeMs / dayMs)
          .optional()
          .describe('by default it never ends'),
      }),
      status: 201,
      answer: z.object({ invite: z.string().describe('shown once'), view: inviteSchema }),
      errors: ['registration_closed', 'limit_exceeded'],
      run: ({ user, body }) =>
        accounts.createInvite(user.id, {
          usesMax: body.uses,
          lifeMs: body.expiresInDays === undefined ? undefined : body.expiresInDays * dayMs,
        }),
    }),
    forUsers({
      id: 'deleteInvite',
      method: 'DELETE',
      path: '/invites/{id}',
      tag,
      summary: 'Take back an invite that somebody could still use.',
      errors: ['not_found'],
      run: ({ user, params }) => accounts.deleteInvite(user.id, params.id),
    }),
  ];
}
