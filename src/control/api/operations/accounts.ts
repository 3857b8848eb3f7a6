/** Users, Tokens, invites. */
import { z } from 'zod';
import type { Accounts } from '../../accounts/accounts.ts';
import { forAnyone, forUsers, type Operation } from '../operation.ts';
import { inviteSchema, tokenSchema, userSchema } from '../schemas.ts';

const tag = 'accounts';
const name = z.string().max(200);
/** Longer ones are refused by the rule for passwords, with its own message. */
const password = z.string().max(10_000);
const newToken = z.string().describe('shown once');

export function accountOperations({ accounts }: { readonly accounts: Accounts }): readonly Operation[] {
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
      summary: 'Get a Token for a name and a password.',
      body: z.strictObject({ name, password, label: z.string().min(1).max(80).optional() }),
      status: 201,
      answer: z.object({ user: userSchema, token: newToken }),
      errors: ['rate_limited', 'overloaded'],
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
      summary: 'Whose Token this is.',
      answer: z.object({ user: userSchema, tokenId: z.string() }),
      run: async ({ user, tokenId }) => ({ user, tokenId }),
    }),
    forUsers({
      id: 'listTokens',
      method: 'GET',
      path: '/tokens',
      tag,
      summary: 'Tokens in force.',
      answer: z.object({ tokens: z.array(tokenSchema) }),
      run: async ({ user }) => ({ tokens: await accounts.listTokens(user.id) }),
    }),
    forUsers({
      id: 'createToken',
      method: 'POST',
      path: '/tokens',
      tag,
      summary: 'Make a Token, for a machine or a CI job.',
      body: z.strictObject({ label: z.string().max(200) }),
      status: 201,
      answer: z.object({ token: newToken, view: tokenSchema }),
      errors: ['limit_exceeded'],
      run: ({ user, body }) => accounts.createToken(user.id, body.label),
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
      summary: 'Invites made by this user.',
      answer: z.object({ invites: z.array(inviteSchema) }),
      run: async ({ user }) => ({ invites: await accounts.listInvites(user.id) }),
    }),
    forUsers({
      id: 'createInvite',
      method: 'POST',
      path: '/invites',
      tag,
      summary: 'Make a code with which one person may sign up.',
      status: 201,
      answer: z.object({ invite: z.string().describe('shown once'), view: inviteSchema }),
      errors: ['registration_closed', 'limit_exceeded'],
      run: ({ user }) => accounts.createInvite(user.id),
    }),
    forUsers({
      id: 'deleteInvite',
      method: 'DELETE',
      path: '/invites/{id}',
      tag,
      summary: 'Take back an invite that nobody has used.',
      errors: ['not_found'],
      run: ({ user, params }) => accounts.deleteInvite(user.id, params.id),
    }),
  ];
}
