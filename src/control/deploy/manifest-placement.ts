/** `[placement]` of a manifest: which nodes of a cluster hold the function. */
import { z } from 'zod';
import { labelPattern, type NodePlacement, placementLimits } from '../../protocol/placement.ts';

export const placementKeys = ['replicas', 'labels'] as const;

export const placementTable = z.strictObject(
  {
    replicas: z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(placementLimits.replicasMax, `must be at most ${placementLimits.replicasMax}`)
      .optional(),
    labels: z
      .record(z.string(), z.string('must be text in quotes'), 'must be a table, such as { zone = "eu" }')
      .superRefine(checkLabels)
      .optional(),
  },
  'must be a table: [placement]',
);

/** Returns what the table asks for; null: nothing. */
export function placementOf({ replicas, labels = {} }: z.infer<typeof placementTable>): NodePlacement | null {
  if (replicas === undefined && Object.keys(labels).length === 0) return null;
  return { replicas: replicas ?? null, labels };
}

function checkLabels(labels: Record<string, string>, ctx: z.RefinementCtx<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > placementLimits.labels)
    ctx.addIssue({ code: 'custom', message: `has more than ${placementLimits.labels} labels` });
  const wanted = 'use 1 to 63 of a-z, 0-9 and -, not - at the ends';
  for (const [name, value] of entries) {
    if (!labelPattern.test(name))
      ctx.addIssue({ code: 'custom', path: [name], message: `cannot name a label: ${wanted}` });
    if (!labelPattern.test(value))
      ctx.addIssue({ code: 'custom', path: [name], message: `is no value of a label: ${wanted}` });
  }
}
