/** Operations on gradual releases, which give a version a share of the calls beside the live one. */
import { z } from 'zod';
import type { Deployer } from '../../../protocol/ports.ts';
import { forHandler, type Operation } from '../operation.ts';
import { rolloutSchema } from '../schemas/handlers.ts';

const tag = 'releases';
const path = '/handlers/{name}/release';
const one = z.object({ release: rolloutSchema.nullable().describe('null: all calls go to the live version') });

export function rolloutOperations({ deployer }: { readonly deployer: Deployer }): readonly Operation[] {
  return [
    forHandler({
      id: 'getRollout',
      method: 'GET',
      path,
      tag,
      summary: 'The gradual release of a handler, with figures of both versions.',
      answer: one,
      errors: ['not_found'],
      run: async ({ handler }) => ({ release: await deployer.rolloutOf(handler.id) }),
    }),
    forHandler({
      id: 'putRollout',
      method: 'PUT',
      path,
      tag,
      summary: 'Let a share of the calls go to another version beside the live one, or change that share.',
      body: z.strictObject({
        number: z.int().min(1).max(Number.MAX_SAFE_INTEGER).describe('of the deployment'),
        percent: z.int().min(1).max(99).describe('share of the callers'),
      }),
      answer: one,
      errors: ['not_found', 'conflict', 'vet_failed'],
      run: async ({ handler, user, body }) => {
        await deployer.startRollout({ handlerId: handler.id, userId: user.id, ...body });
        return { release: await deployer.rolloutOf(handler.id) };
      },
    }),
    forHandler({
      id: 'finishRollout',
      method: 'POST',
      path: `${path}/finish`,
      tag,
      summary: 'Let all calls go to the new version: it is live now, the one before is retired.',
      answer: one,
      errors: ['not_found', 'conflict', 'vet_failed'],
      run: async ({ handler, user }) => {
        await deployer.finishRollout({ handlerId: handler.id, userId: user.id });
        return { release: await deployer.rolloutOf(handler.id) };
      },
    }),
    forHandler({
      id: 'abortRollout',
      method: 'DELETE',
      path,
      tag,
      summary: 'Let all calls go to the version before again.',
      errors: ['not_found'],
      run: ({ handler, user }) => deployer.abortRollout({ handlerId: handler.id, userId: user.id }),
    }),
  ];
}
