/** What of a manifest a Deployment keeps: column `deployments.manifest`, as JSON with sorted keys. */
import { z } from 'zod';
import { limitNames } from '../../protocol/limits.ts';
import { abiNames, policyLists } from '../../protocol/nouns.ts';
import { recordOf } from '../../protocol/record-of.ts';

const effectiveManifest = z.object({
  abi: z.enum(['auto', ...abiNames, 'component']),
  limits: z.object(recordOf(limitNames, () => z.int())),
  /** Absent where it is not wanted, so that manifests stored before it existed stay equal to later ones. */
  exactMemory: z.literal(true).optional(),
  policy: z.object(recordOf(policyLists, () => z.array(z.string()))).nullable(),
  env: z.record(z.string(), z.string()),
  /** Name of the file bundle in the artifact store. */
  files: z.object({ root: z.string(), bundle: z.string(), count: z.int(), bytes: z.int() }).nullable(),
  passAuthorization: z.boolean(),
});

export type EffectiveManifest = Readonly<z.infer<typeof effectiveManifest>>;

/** Returns a manifest as text. Equal manifests give equal text, so that `unchanged` is a comparison of strings. */
export function writeEffectiveManifest(manifest: EffectiveManifest): string {
  return JSON.stringify(manifest, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

export function readEffectiveManifest(text: string): EffectiveManifest {
  return effectiveManifest.parse(JSON.parse(text));
}
