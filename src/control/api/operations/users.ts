/** Operations of administrators on the users of the platform. */
import { z } from 'zod';
import type { Accounts } from '../../accounts/accounts.ts';
import { forUsers, type Operation } from '../operation.ts';
import { accountSchema } from '../schemas/accounts.ts';
import { itemsMax, nextText, pageOf, pageQuery } from './paging.ts';

const tag = 'users';
const one = z.object({ user: accountSchema });
const limit = z.int().min(1).max(Number.MAX_SAFE_INTEGER).nullable().optional();

export function userOperations({ accounts }: { readonly accounts: Accounts }): readonly Operation[] {
  const { users, secondFactor } = accounts;
  return [
    forUsers({
      id: 'listUsers',
      method: 'GET',
      path: '/users',
      tag,
      summary: 'Users by name.',
      query: z.strictObject({
        ...pageQuery(),
        search: z.string().max(200).optional().describe('names that contain this'),
      }),
      answer: z.object({ users: z.array(accountSchema), next: nextText }),
      run: async ({ query: { after = '', limit = itemsMax, search } }) => {
        const found = await users.list({ after, search, limit: limit + 1 });
        const { items, next } = pageOf(found, limit, ({ name }) => name);
        return { users: items, next };
      },
    }),
    forUsers({
      id: 'getUser',
      method: 'GET',
      path: '/users/{user}',
      tag,
      summary: 'One user.',
      answer: one,
      errors: ['not_found'],
      run: async ({ params }) => ({ user: await users.get(params.user) }),
    }),
    forUsers({
      id: 'changeUser',
      method: 'PATCH',
      path: '/users/{user}',
      tag,
      summary:
        "Suspend a user or not (a suspended user's functions answer 503 `suspended`), make an administrator or not, " +
        'set limits (null: those of the platform), take a lost second factor away. In force at once.',
      body: z.strictObject({
        suspended: z.boolean().optional(),
        admin: z.boolean().optional(),
        handlersMax: limit.describe('handlers that the user may have'),
        quotaBytes: limit.describe('bytes that the user may store'),
        callsMax: limit.describe('invocations in flight over all functions of the user'),
        secondFactor: z.literal(false).optional().describe('false takes it away'),
      }),
      answer: one,
      errors: ['not_found', 'conflict'],
      run: async ({ params, body }) => {
        const { secondFactor: kept, ...change } = body;
        const user = await users.change(params.user, change);
        if (kept === undefined) return { user };
        await secondFactor.clear(await users.idOf(params.user));
        return { user: await users.get(params.user) };
      },
    }),
    forUsers({
      id: 'deleteUser',
      method: 'DELETE',
      path: '/users/{user}',
      tag,
      summary:
        'Delete a user who owns neither functions nor queues, at once and for good: tokens and roles go, versions that the ' +
        'user pushed stay, the name is free.',
      errors: ['not_found', 'conflict'],
      run: ({ params }) => users.remove(params.user),
    }),
  ];
}
