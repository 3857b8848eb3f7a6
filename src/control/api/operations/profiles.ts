/** Takes gas profiles of functions while they serve (docs/profiles.md). */
import { z } from 'zod';
import { type GasProfile, gasProfileLimits } from '../../../protocol/gas-profile.ts';
import { handlerIdOf } from '../../../protocol/names.ts';
import type { Nodes } from '../../../protocol/ports.ts';
import { forHandler, type Operation } from '../operation.ts';

const gas = z.number();

const profileSchema = z
  .object({
    gas: gas.describe('gas of the profiled calls'),
    calls: z.number().describe('calls that began and ended meanwhile'),
    samples: z.number().describe('stacks that were taken'),
    functions: z.array(z.string()).readonly().describe('names of functions'),
    nodes: z
      .array(z.tuple([z.number(), z.number(), gas]).readonly())
      .readonly()
      .describe(
        'functions in their calling contexts, each after its caller: number of the caller’s node or -1, index in functions, gas of its own',
      ),
  } satisfies Record<keyof GasProfile, z.ZodType>)
  .meta({ id: 'GasProfile' });

export function profileOperations({ nodes }: { readonly nodes: Pick<Nodes, 'profile'> }): readonly Operation[] {
  return [
    forHandler({
      id: 'takeProfile',
      method: 'POST',
      path: '/handlers/{name}/profile',
      tag: 'usage',
      summary:
        'Watch calls for some seconds, and tell which functions of the program use the gas, through which calls.',
      body: z.strictObject({ seconds: z.int().min(1).max(gasProfileLimits.seconds).default(10) }),
      answer: profileSchema,
      errors: ['conflict', 'overloaded', 'unavailable'],
      run: ({ handler, body }) => nodes.profile(handlerIdOf(handler.id), body.seconds * 1_000),
    }),
  ];
}
