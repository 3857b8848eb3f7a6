/**
 * Operations on handlers and their Deployments. Another user's handler is answered `not_found`, like one that does not
 * exist.
 */
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import { limitMeanings, limitNames, maximumLimits } from '../../../protocol/limits.ts';
import { policyLists } from '../../../protocol/nouns.ts';
import type { Deployer } from '../../../protocol/ports.ts';
import { previewLimits } from '../../../protocol/previews.ts';
import { recordOf } from '../../../protocol/record-of.ts';
import { type Handlers, missing } from '../../handlers/handlers.ts';
import { type HandlerViews, viewLimits } from '../../handlers/views.ts';
import type { Quotas } from '../../quota/quotas.ts';
import { forHandler, forUsers, type Operation } from '../operation.ts';
import { branchText, deploymentSchema, handlerSchema, previewSchema } from '../schemas/handlers.ts';
import { wholeNumber } from '../schemas/parts.ts';
import { itemsMax, nextNumber, nextText, pageOf, pageOfAll, pageQuery } from './paging.ts';

const tag = 'handlers';
const one = z.object({ handler: handlerSchema });
const deploymentNumber = { min: 1, max: Number.MAX_SAFE_INTEGER };

export function handlerOperations(deps: {
  readonly handlers: Handlers;
  readonly views: HandlerViews;
  readonly deployer: Deployer;
  readonly quota: Quotas;
}): readonly Operation[] {
  const { handlers, views, deployer, quota } = deps;
  return [
    forUsers({
      id: 'listHandlers',
      method: 'GET',
      path: '/handlers',
      tag,
      summary: 'Handlers that this user owns or works on, by name; deleted ones only of the owner.',
      query: z.strictObject({
        ...pageQuery(),
        search: z.string().max(200).optional().describe('names that contain this, in any case'),
        deleted: z.enum(['true', 'false']).optional().describe('true: those that can be restored, and only those'),
      }),
      answer: z.object({ handlers: z.array(handlerSchema), next: nextText }),
      run: async ({ user, boundTo, query: { after = '', limit = itemsMax, search = '', deleted } }) => {
        const options = { boundTo, deleted: deleted === 'true', after, search, limit: limit + 1 };
        const { items, next } = pageOf(await views.list(user.id, options), limit, ({ name }) => name);
        return { handlers: items, next };
      },
    }),
    forUsers({
      id: 'createHandler',
      method: 'POST',
      path: '/handlers',
      tag,
      summary: 'Make a handler; without a name it gets a generated one.',
      body: z.strictObject({ name: z.string().max(200).optional() }),
      status: 201,
      answer: one,
      errors: ['name_invalid', 'name_taken', 'limit_exceeded'],
      run: async ({ user, body }) => {
        await quota.admit(user.id, 0);
        const { id } = await handlers.create({ name: body.name, ownerId: user.id });
        await deployer.handlerCreated(id);
        return { handler: await views.of(id, 'owner') };
      },
    }),
    forHandler({
      id: 'getHandler',
      method: 'GET',
      path: '/handlers/{name}',
      tag,
      summary: 'One handler.',
      answer: one,
      errors: ['not_found'],
      run: async ({ handler }) => ({ handler: await views.of(handler.id, handler.role) }),
    }),
    forHandler({
      id: 'changeHandler',
      method: 'PATCH',
      path: '/handlers/{name}',
      tag,
      summary:
        'Choose the branch whose pushes are deployed; set limits (null: that of the manifest) and policy patterns ' +
        '(they replace those added before) without a push. The live deployment runs with them from now on. ' +
        'A `name` renames the handler, and stands alone; git and callers that use the name before are redirected.',
      body: z.strictObject({
        name: z.string().max(200).optional().describe('new name; not together with other fields'),
        deployBranch: z.string().max(1_000).optional(),
        limits: z
          .strictObject(
            recordOf(limitNames, (name) =>
              z.int().min(1).max(maximumLimits[name]).nullable().optional().describe(limitMeanings[name]),
            ),
          )
          .optional(),
        policy: z.strictObject(recordOf(policyLists, () => z.array(z.string().max(512)).max(64))).optional(),
        previews: z.boolean().optional().describe('whether pushes of other branches make previews'),
      }),
      answer: one,
      errors: ['not_found', 'name_invalid', 'name_taken', 'limit_exceeded', 'vet_failed'],
      run: async ({ handler, user, body }) => {
        const { name, deployBranch, limits = {}, policy = null, previews } = body;
        if (name !== undefined) {
          // Several changes could end half done.
          if (Object.keys(body).length > 1)
            throw new PlatformError('bad_request', 'a new name cannot come with other changes');
          await deployer.renameHandler({ handlerId: handler.id, name, userId: user.id });
        }
        if (Object.keys(limits).length > 0 || policy !== null || previews !== undefined)
          await deployer.changeSettings({ handlerId: handler.id, limits, policy, previews });
        if (deployBranch !== undefined)
          await deployer.changeDeployBranch({ handlerId: handler.id, branch: deployBranch, userId: user.id });
        return { handler: await views.of(handler.id, handler.role) };
      },
    }),
    forHandler({
      id: 'deleteHandler',
      method: 'DELETE',
      path: '/handlers/{name}',
      tag,
      summary:
        'Stop serving it. It can be restored for 30 days; its name stays taken and its bytes count meanwhile. ' +
        'With `purge` everything of it is removed for good, also of one that is deleted already.',
      query: z.strictObject({ purge: z.enum(['true', 'false']).optional() }),
      errors: ['not_found'],
      deleted: true,
      run: ({ handler, query }) =>
        quota.deleting(async () => {
          const purge = query.purge === 'true';
          if (handler.deletedMs === null) {
            await handlers.delete(handler.id);
            await deployer.handlerDeleted(handler.id);
          } else if (!purge) throw missing(handler.name);
          if (purge) await deployer.handlerPurged(handler.id);
        }),
    }),
    forHandler({
      id: 'restoreHandler',
      method: 'POST',
      path: '/handlers/{name}/restore',
      tag,
      summary: 'Bring a deleted handler back as it was.',
      answer: one,
      errors: ['not_found', 'conflict', 'limit_exceeded'],
      deleted: true,
      run: async ({ handler }) => {
        const { id } = await handlers.restore(handler.name, handler.ownerId);
        await deployer.handlerRestored(id);
        return { handler: await views.of(id, handler.role) };
      },
    }),
    forHandler({
      id: 'listDeployments',
      method: 'GET',
      path: '/handlers/{name}/deployments',
      tag,
      summary: 'Deployments, newest first.',
      query: z.strictObject({
        ...pageQuery(viewLimits.deployments),
        after: wholeNumber(deploymentNumber).optional().describe('`next` of the page before: older than this number'),
        before: wholeNumber(deploymentNumber).optional().meta({ deprecated: true, description: 'as after' }),
        branch: branchText.optional().describe("those of this branch's preview, or of the deploy branch"),
      }),
      answer: z.object({ deployments: z.array(deploymentSchema), next: nextNumber }),
      errors: ['not_found'],
      run: async ({ handler, query: { after, before = after, branch: asked, limit = viewLimits.deployments } }) => {
        const branch = asked === handler.deployBranch ? '' : asked;
        const found = await views.deployments(handler.id, { limit: limit + 1, before, branch });
        const { items, next } = pageOf(found, limit, ({ number }) => number);
        return { deployments: items, next };
      },
    }),
    forHandler({
      id: 'rollBack',
      method: 'POST',
      path: '/handlers/{name}/rollback',
      tag,
      summary: 'Make an earlier deployment live again; one of a preview with the name of its branch.',
      body: z.strictObject({
        number: z.int().min(deploymentNumber.min).max(deploymentNumber.max),
        branch: branchText.optional(),
      }),
      answer: one,
      errors: ['not_found', 'conflict', 'vet_failed'],
      run: async ({ handler, user, body }) => {
        const branch = body.branch === handler.deployBranch ? undefined : body.branch;
        await deployer.rollback({ handlerId: handler.id, number: body.number, userId: user.id, branch });
        return { handler: await views.of(handler.id, handler.role) };
      },
    }),
    forHandler({
      id: 'listPreviews',
      method: 'GET',
      path: '/handlers/{name}/previews',
      tag,
      summary: 'Previews of branches that are not the deploy branch, by slug.',
      query: z.strictObject(pageQuery(previewLimits.previews)),
      answer: z.object({ previews: z.array(previewSchema), next: nextText }),
      errors: ['not_found'],
      run: async ({ handler, query }) => {
        const { items, next } = pageOfAll(await views.previews(handler), query, ({ slug }) => slug);
        return { previews: items, next };
      },
    }),
    forHandler({
      id: 'getPreview',
      method: 'GET',
      path: '/handlers/{name}/previews/{branch}',
      tag,
      summary: 'One preview.',
      answer: z.object({ preview: previewSchema }),
      errors: ['not_found'],
      run: async ({ handler, params }) => {
        const preview = (await views.previews(handler)).find(({ branch }) => branch === params.branch);
        if (preview === undefined) throw new PlatformError('not_found', 'this branch has no preview');
        return { preview };
      },
    }),
    forHandler({
      id: 'deletePreview',
      method: 'DELETE',
      path: '/handlers/{name}/previews/{branch}',
      tag,
      summary: 'Remove the preview of a branch with its kv values, variables and versions; the branch in git stays.',
      errors: ['not_found'],
      run: async ({ handler, user, params }) =>
        deployer.previewDeleted({ handlerId: handler.id, branch: params.branch, why: `by ${user.name}` }),
    }),
  ];
}
