/** Part of a manifest that a Deployment stores: column `deployments.manifest`, JSON with sorted keys. */
import { z } from 'zod';
import { limitNames } from '../../protocol/limits.ts';
import {
  abiNames,
  policyLists,
  type QueueSettings,
  queueFramings,
  type ScheduleSettings,
  scheduleOverlaps,
} from '../../protocol/nouns.ts';
import type { NodePlacement } from '../../protocol/placement.ts';
import { previewLimits } from '../../protocol/previews.ts';
import { recordOf } from '../../protocol/record-of.ts';
import type { RequestLineSettings } from '../../protocol/request-lines.ts';
import { rolloutLimits } from '../../protocol/rollouts.ts';

const queueSettings = z.object({
  name: z.string(),
  concurrency: z.int(),
  batch: z.int(),
  framing: z.enum(queueFramings),
  maxAttempts: z.int(),
  timeoutMs: z.int(),
  output: z.string().nullable(),
} satisfies Record<keyof QueueSettings, z.ZodType>);

const scheduleSettings = z.object({
  name: z.string(),
  cron: z.string().nullable(),
  timezone: z.string(),
  everyMs: z.int().nullable(),
  path: z.string(),
  body: z.string(),
  overlap: z.enum(scheduleOverlaps),
  catchUp: z.int(),
  timeoutMs: z.int(),
} satisfies Record<keyof ScheduleSettings, z.ZodType>);
/** Settings under `[preview]` of a manifest. */
export interface PreviewSettings {
  /** Whether branches other than the deploy branch get previews. */
  readonly enabled: boolean;
  /** Whether a preview consumes the queues that the manifest names. */
  readonly queues: boolean;
  /** Whether the schedules of the manifest run in a preview too. */
  readonly schedules: boolean;
  /** Days without a call or push after which a preview ends. */
  readonly days: number;
}

const previewSettings = z.object({
  enabled: z.boolean(),
  queues: z.boolean(),
  /** Absent for false, as in manifests of earlier versions. */
  schedules: z.literal(true).optional(),
  days: z.int(),
} satisfies Record<keyof PreviewSettings, z.ZodType>);

/** Returns preview settings in the stored form. */
export function storedPreview({ schedules, ...others }: PreviewSettings): z.infer<typeof previewSettings> {
  return { ...others, ...(schedules ? { schedules } : {}) };
}

/** Preview settings when the manifest sets none. */
export const defaultPreview: PreviewSettings = {
  enabled: true,
  queues: false,
  schedules: false,
  days: previewLimits.days,
};

/** What a manifest says of gradual releases: `[release]`. */
export interface ReleaseSettings {
  /** Share of the calls that a pushed version begins with, 1 to 99; null: it gets all of them at once. */
  readonly percent: number | null;
  /** Header by whose value callers are told apart, in lower case; null: by a cookie alone. */
  readonly header: string | null;
  /** Failed calls of the new version, in percent, above which the release is aborted. */
  readonly errorPercent: number;
}

const releaseSettings = z.object({
  percent: z.int().nullable(),
  header: z.string().nullable(),
  errorPercent: z.number(),
} satisfies Record<keyof ReleaseSettings, z.ZodType>);

/** Hold where the manifest says nothing. */
export const defaultRelease: ReleaseSettings = {
  percent: null,
  header: null,
  errorPercent: rolloutLimits.errorPercent,
};

const effectiveManifest = z.object({
  abi: z.enum(['auto', ...abiNames, 'component']),
  limits: z.object(recordOf(limitNames, () => z.int())),
  /** Absent for false, so that manifests stored before this key existed equal later ones. */
  exactMemory: z.literal(true).optional(),
  snapshot: z.literal(true).optional(),
  policy: z.object(recordOf(policyLists, () => z.array(z.string()))).nullable(),
  env: z.record(z.string(), z.string()),
  /** Files of the Deployment; `bundle` names them in the artifact store. */
  files: z.object({ root: z.string(), bundle: z.string(), count: z.int(), bytes: z.int() }).nullable(),
  passAuthorization: z.boolean(),
  /** Queues that the function consumes. Absent for none, as in manifests of earlier versions. */
  queues: z.array(queueSettings).optional(),
  /** Schedules of the function. Absent for none. */
  schedules: z.array(scheduleSettings).optional(),
  /** Preview settings; absent: the manifest sets none. */
  preview: previewSettings.optional(),
  /** How new versions are released; left out where the manifest says nothing. */
  release: releaseSettings.optional(),
  /** Log lines for calls; left out where the manifest says nothing. */
  requestLines: z
    .object({ enabled: z.boolean(), mask: z.array(z.string()) } satisfies Record<keyof RequestLineSettings, z.ZodType>)
    .optional(),
  /** Which nodes of a cluster hold it; left out where the manifest asks nothing of nodes. */
  placement: z
    .object({ replicas: z.int().nullable(), labels: z.record(z.string(), z.string()) } satisfies Record<
      keyof NodePlacement,
      z.ZodType
    >)
    .optional(),
});

const parts = effectiveManifest.pick({ queues: true, schedules: true, preview: true, release: true });

export type EffectiveManifest = Readonly<z.infer<typeof effectiveManifest>>;

/** Returns a manifest as text. Equal manifests give equal text, so comparing strings shows whether it is unchanged. */
export function writeEffectiveManifest(manifest: EffectiveManifest): string {
  return JSON.stringify(manifest, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Parses a stored manifest. Throws ZodError or SyntaxError for a text that is none. */
export function readEffectiveManifest(text: string): EffectiveManifest {
  return effectiveManifest.parse(JSON.parse(text));
}

/**
 * Returns the parts of a Deployment's manifest that its Release puts into effect: queues, schedules and preview
 * settings.
 */
export function releasedParts(text: string): {
  readonly queues: readonly QueueSettings[];
  readonly schedules: readonly ScheduleSettings[];
  readonly preview: PreviewSettings;
  readonly release: ReleaseSettings;
} {
  const read = parts.parse(JSON.parse(text));
  const { queues = [], schedules = [], preview = defaultPreview, release = defaultRelease } = read;
  return { queues, schedules, preview: { ...defaultPreview, ...preview }, release };
}
