/** A handler's environment variables. Values go in and never come out in full. */
import { z } from 'zod';
import { KIB } from '../../../protocol/limits.ts';
import type { Deployer } from '../../../protocol/ports.ts';
import type { HandlerEnv } from '../../handlers/env.ts';
import { forHandler, type Operation } from '../operation.ts';
import { variableSchema } from '../schemas.ts';
import { nextText, pageOfAll, pageQuery } from './paging.ts';

const tag = 'environment';
const one = z.object({ variable: variableSchema });

export function envOperations(deps: { readonly env: HandlerEnv; readonly deployer: Deployer }): readonly Operation[] {
  const { env, deployer } = deps;
  return [
    forHandler({
      id: 'listVariables',
      method: 'GET',
      path: '/handlers/{name}/env',
      tag,
      summary: 'Variables by name, without their values.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ variables: z.array(variableSchema), next: nextText }),
      errors: ['not_found'],
      run: async ({ handler, query }) => {
        const { items, next } = pageOfAll(await env.list(handler.id), query, ({ key }) => key);
        return { variables: items, next };
      },
    }),
    forHandler({
      id: 'getVariable',
      method: 'GET',
      path: '/handlers/{name}/env/{key}',
      tag,
      summary: 'One variable, without its value.',
      answer: one,
      errors: ['not_found'],
      run: async ({ handler, params }) => ({ variable: await env.get(handler.id, params.key) }),
    }),
    forHandler({
      id: 'setVariable',
      method: 'PUT',
      path: '/handlers/{name}/env/{key}',
      tag,
      summary: 'Set a variable; the live deployment runs with it from now on.',
      body: z.strictObject({ value: z.string().max(64 * KIB) }),
      answer: one,
      errors: ['not_found', 'limit_exceeded', 'vet_failed'],
      run: async ({ handler, params, body }) => {
        const variable = await env.set(handler.id, params.key, body.value);
        await deployer.environmentChanged(handler.id);
        return { variable };
      },
    }),
    forHandler({
      id: 'removeVariable',
      method: 'DELETE',
      path: '/handlers/{name}/env/{key}',
      tag,
      summary: 'Unset a variable; the live deployment runs without it from now on.',
      errors: ['not_found', 'vet_failed'],
      run: async ({ handler, params }) => {
        await env.remove(handler.id, params.key);
        await deployer.environmentChanged(handler.id);
      },
    }),
  ];
}
