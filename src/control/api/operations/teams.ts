/** Operations on a handler's collaborators, and its transfer to another owner. */
import { z } from 'zod';
import { collaboratorRoles } from '../../../protocol/nouns.ts';
import type { Deployer } from '../../../protocol/ports.ts';
import type { Teams } from '../../handlers/teams.ts';
import type { HandlerViews } from '../../handlers/views.ts';
import type { Quotas } from '../../quota/quotas.ts';
import { forHandler, forUsers, type Operation } from '../operation.ts';
import { collaboratorSchema, transferSchema } from '../schemas/accounts.ts';
import { handlerSchema } from '../schemas/handlers.ts';
import { itemsMax, nextText, pageOf, pageOfAll, pageQuery } from './paging.ts';

const tag = 'teams';
const one = z.object({ collaborator: collaboratorSchema });

export function teamOperations(deps: {
  readonly teams: Teams;
  readonly views: HandlerViews;
  readonly deployer: Deployer;
  readonly quota: Quotas;
}): readonly Operation[] {
  const { teams, views, deployer, quota } = deps;
  return [
    forHandler({
      id: 'listCollaborators',
      method: 'GET',
      path: '/handlers/{name}/collaborators',
      tag,
      summary: 'Users who work on the handler besides its owner, by name.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ collaborators: z.array(collaboratorSchema), next: nextText }),
      errors: ['not_found'],
      run: async ({ handler, query }) => {
        const { items, next } = pageOfAll(await teams.list(handler.id), query, ({ user }) => user);
        return { collaborators: items, next };
      },
    }),
    forHandler({
      id: 'getCollaborator',
      method: 'GET',
      path: '/handlers/{name}/collaborators/{user}',
      tag,
      summary: 'One collaborator.',
      answer: one,
      errors: ['not_found'],
      run: async ({ handler, params }) => ({ collaborator: await teams.get(handler.id, params.user) }),
    }),
    forHandler({
      id: 'setCollaborator',
      method: 'PUT',
      path: '/handlers/{name}/collaborators/{user}',
      tag,
      summary:
        'Give a user a role. deployer: pushes, rolls back, sets variables, and all of viewer: reads git, logs, ' +
        'invocations, deployments, queues.',
      body: z.strictObject({ role: z.enum(collaboratorRoles) }),
      answer: one,
      errors: ['not_found', 'conflict', 'limit_exceeded'],
      run: async ({ handler, params, body }) => ({ collaborator: await teams.set(handler, params.user, body.role) }),
    }),
    forHandler({
      id: 'removeCollaborator',
      method: 'DELETE',
      path: '/handlers/{name}/collaborators/{user}',
      tag,
      summary: "Take a user's role away. It holds at once, for open log streams too.",
      errors: ['not_found'],
      run: ({ handler, params }) => teams.remove(handler.id, params.user),
    }),
    forHandler({
      id: 'leaveHandler',
      method: 'DELETE',
      path: '/handlers/{name}/membership',
      tag,
      summary: 'Give the own role as a collaborator up.',
      errors: ['not_found'],
      run: ({ handler, user }) => teams.remove(handler.id, user.name),
    }),
    forHandler({
      id: 'offerTransfer',
      method: 'POST',
      path: '/handlers/{name}/transfer',
      tag,
      summary:
        'Offer the handler to another user, who owns it after accepting, with its variables, queues, logs and ' +
        'collaborators. An offer lapses after 7 days; a new one replaces it.',
      body: z.strictObject({ to: z.string().max(200) }),
      status: 201,
      answer: z.object({ transfer: transferSchema }),
      errors: ['not_found', 'conflict'],
      run: async ({ handler, body }) => ({ transfer: await teams.offer(handler, body.to) }),
    }),
    forHandler({
      id: 'getTransfer',
      method: 'GET',
      path: '/handlers/{name}/transfer',
      tag,
      summary: 'To whom the handler is offered.',
      answer: z.object({ transfer: transferSchema }),
      errors: ['not_found'],
      run: async ({ handler }) => ({ transfer: await teams.offerOf(handler) }),
    }),
    forHandler({
      id: 'withdrawTransfer',
      method: 'DELETE',
      path: '/handlers/{name}/transfer',
      tag,
      summary: 'Take the offer back.',
      errors: ['not_found'],
      run: ({ handler }) => teams.withdraw(handler),
    }),
    forUsers({
      id: 'listTransfers',
      method: 'GET',
      path: '/transfers',
      tag,
      summary: 'Handlers that are offered to the caller, by name.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ transfers: z.array(transferSchema), next: nextText }),
      run: async ({ user, query: { after, limit = itemsMax } }) => {
        const found = await teams.offersTo(user.id, { after, limit: limit + 1 });
        const { items, next } = pageOf(found, limit, ({ handler }) => handler);
        return { transfers: items, next };
      },
    }),
    forUsers({
      id: 'acceptTransfer',
      method: 'POST',
      path: '/transfers/{name}/accept',
      tag,
      summary: 'Become the owner of a handler that is offered. What it stores counts in the own quota from then on.',
      answer: z.object({ handler: handlerSchema }),
      errors: ['not_found', 'limit_exceeded'],
      run: async ({ user, params }) => {
        const offered = await teams.offeredTo(params.name, user.id);
        await quota.admit(user.id, await quota.bytesOf(offered.id));
        const { id } = await teams.accept(params.name, user.id);
        quota.moved(id);
        await deployer.handlerChanged(id, `belongs to ${user.name} now`);
        return { handler: await views.of(id, 'owner') };
      },
    }),
    forUsers({
      id: 'declineTransfer',
      method: 'DELETE',
      path: '/transfers/{name}',
      tag,
      summary: 'Refuse a handler that is offered.',
      errors: ['not_found'],
      run: ({ user, params }) => teams.decline(params.name, user.id),
    }),
  ];
}
