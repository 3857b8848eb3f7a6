/** Operations on a handler's environment variables. Values are stored and never returned in full. */
import { z } from 'zod';
import { KIB } from '../../../protocol/limits.ts';
import type { Deployer } from '../../../protocol/ports.ts';
import type { HandlerEnv } from '../../handlers/env.ts';
import type { Handler } from '../../handlers/handlers.ts';
import { forHandler, type Operation } from '../operation.ts';
import { branchText, variableSchema } from '../schemas/handlers.ts';
import { nextText, pageOfAll, pageQuery } from './paging.ts';

const tag = 'environment';
const one = z.object({ variable: variableSchema });
const ofBranch = z.strictObject({
  branch: branchText.optional().describe("variables of this branch's preview, laid over the handler's"),
});

/** Returns the branch whose variables are asked for; '' for the handler's own. */
function branchIn({ branch }: { readonly branch?: string | undefined }, { deployBranch }: Handler): string {
  return branch === undefined || branch === deployBranch ? '' : branch;
}

export function envOperations(deps: { readonly env: HandlerEnv; readonly deployer: Deployer }): readonly Operation[] {
  const { env, deployer } = deps;
  return [
    forHandler({
      id: 'listVariables',
      method: 'GET',
      path: '/handlers/{name}/env',
      tag,
      summary: 'Variables by name, without their values.',
      query: z.strictObject({ ...pageQuery(), ...ofBranch.shape }),
      answer: z.object({ variables: z.array(variableSchema), next: nextText }),
      errors: ['not_found'],
      run: async ({ handler, query }) => {
        const all = await env.list(handler.id, branchIn(query, handler));
        const { items, next } = pageOfAll(all, query, ({ key }) => key);
        return { variables: items, next };
      },
    }),
    forHandler({
      id: 'getVariable',
      method: 'GET',
      path: '/handlers/{name}/env/{key}',
      tag,
      summary: 'One variable, without its value.',
      query: ofBranch,
      answer: one,
      errors: ['not_found'],
      run: async ({ handler, params, query }) => ({
        variable: await env.get(handler.id, params.key, branchIn(query, handler)),
      }),
    }),
    forHandler({
      id: 'setVariable',
      method: 'PUT',
      path: '/handlers/{name}/env/{key}',
      tag,
      summary: 'Set a variable; the live deployment runs with it from now on.',
      query: ofBranch,
      body: z.strictObject({ value: z.string().max(64 * KIB) }),
      answer: one,
      errors: ['not_found', 'limit_exceeded', 'vet_failed'],
      run: async ({ handler, params, query, body }) => {
        const branch = branchIn(query, handler);
        const variable = await env.set(handler.id, params.key, body.value, branch);
        await deployer.environmentChanged(handler.id, branch === '' ? undefined : branch);
        return { variable };
      },
    }),
    forHandler({
      id: 'removeVariable',
      method: 'DELETE',
      path: '/handlers/{name}/env/{key}',
      tag,
      summary: 'Unset a variable; the live deployment runs without it from now on.',
      query: ofBranch,
      errors: ['not_found', 'vet_failed'],
      run: async ({ handler, params, query }) => {
        const branch = branchIn(query, handler);
        await env.remove(handler.id, params.key, branch);
        await deployer.environmentChanged(handler.id, branch === '' ? undefined : branch);
      },
    }),
  ];
}
