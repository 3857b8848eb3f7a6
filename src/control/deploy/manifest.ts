/**
 * Reads what a repository says about its deployment: `wasmcloud.toml` and Olin's `handler.policy`, both optional, both
 * in the root (docs/manifest.md). Unknown keys and bad values refuse the push and name the line: a limit that is
 * silently ignored is worse than no limit.
 */
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { type OlinPolicy, parseOlinPolicy } from '../../guest/kernel/olin-policy.ts';
import { PlatformError } from '../../protocol/errors.ts';
import {
  defaultLimits,
  exactMemoryKey,
  type LimitName,
  type Limits,
  limitByKey,
  limitKeys,
  maximumLimits,
  olinLimits,
} from '../../protocol/limits.ts';
import {
  type AbiName,
  abiNames,
  type Policy,
  policyLists,
  type QueueSettings,
  type ScheduleSettings,
} from '../../protocol/nouns.ts';
import type { NodePlacement } from '../../protocol/placement.ts';
import { previewLimits } from '../../protocol/previews.ts';
import { recordOf } from '../../protocol/record-of.ts';
import { defaultRequestLines, type RequestLineSettings, requestLineLimits } from '../../protocol/request-lines.ts';
import { rolloutLimits } from '../../protocol/rollouts.ts';
import { checkKey, envLimits } from '../handlers/env.ts';
import { defaultPreview, defaultRelease, type PreviewSettings, type ReleaseSettings } from './effective-manifest.ts';
import { placementKeys, placementOf, placementTable } from './manifest-placement.ts';
import { queueKeys, queueSettings, queueTables } from './manifest-queues.ts';
import { scheduleKeys, scheduleSettings, scheduleTables } from './manifest-schedules.ts';
import { checkPatterns } from './policy-patterns.ts';
import { TomlLines } from './toml-lines.ts';

export const manifestFile = 'wasmcloud.toml';
export const olinPolicyFile = 'handler.policy';

export interface Manifest {
  /** Path of the module; null: the repository has only one. */
  readonly module: string | null;
  /** ABI that the module must have; `component`: it must be a component, with any imports. */
  readonly abi: AbiName | 'component' | 'auto';
  readonly limits: Limits;
  /** Whether the memory has no reserve (docs/limits.md). */
  readonly exactMemory: boolean;
  /** Whether the start-up runs once, at the push (docs/snapshots.md). */
  readonly snapshot: boolean;
  readonly policy: Policy | null;
  readonly env: Readonly<Record<string, string>>;
  /** Folder of read-only files, '' for the whole repository; null: none. */
  readonly filesRoot: string | null;
  /** Whether the function gets its caller's Authorization header. */
  readonly passAuthorization: boolean;
  /** Queues that the function consumes. */
  readonly queues: readonly QueueSettings[];
  /** When the function is run. */
  readonly schedules: readonly ScheduleSettings[];
  /** Preview settings; null: the manifest sets none. */
  readonly preview: PreviewSettings | null;
  /** How new versions are released; null: the manifest says nothing. */
  readonly release: ReleaseSettings | null;
  /** Which nodes of a cluster hold the function; null: all. */
  readonly placement: NodePlacement | null;
  /** Log lines for calls; null: the manifest says nothing. */
  readonly requestLines: RequestLineSettings | null;
  /** Returns the line of a key in wasmcloud.toml, for errors that only the rest of the commit can show. */
  readonly at: (path: readonly string[]) => string;
}

const abiChoices = ['auto', ...abiNames, 'component'] as const;

const patternsMax = 64;
const patternCharsMax = 512;

const limit = (key: LimitName) =>
  z
    .int(`must be a whole number`)
    .min(1, 'must be at least 1')
    .max(maximumLimits[key], `is above this server's maximum of ${maximumLimits[key]}`);
const relativePath = z
  .string('must be a path in double quotes')
  .max(1_024, 'is longer than 1024 characters')
  .refine((path) => isRelative(path), 'must be a path inside the repository, such as "dist/hello.wasm"');
const patterns = z
  .array(
    z.string('must be a pattern in quotes').max(patternCharsMax, `is longer than ${patternCharsMax} characters`),
    'must be a list of patterns, such as ["^https://api\\\\.example\\\\.com/"]',
  )
  .max(patternsMax, `has more than ${patternsMax} patterns`);

/** Keys of wasmcloud.toml and what each may be. */
export const manifestSchema = z.strictObject({
  module: relativePath.optional(),
  abi: z.enum(abiChoices, `must be one of ${abiChoices.join(', ')}`).optional(),
  limits: z
    .strictObject(
      {
        ...recordOf(limitKeys, (key) => limit(limitByKey[key]).optional()),
        [exactMemoryKey]: z.boolean('must be true or false').optional(),
      },
      'must be a table: [limits]',
    )
    .optional(),
  policy: z
    .strictObject(
      recordOf(policyLists, () => patterns.optional()),
      'must be a table: [policy]',
    )
    .optional(),
  env: z
    .record(z.string(), z.string('must be text in quotes'), 'must be a table: [env]')
    .superRefine(checkVariables)
    .optional(),
  files: z.strictObject({ root: relativePath }, 'must be a table: [files]').optional(),
  authorization: z.boolean('must be true or false').optional(),
  snapshot: z.boolean('must be true or false').optional(),
  queue: queueTables.optional(),
  schedule: scheduleTables.optional(),
  placement: placementTable.optional(),
  preview: z
    .strictObject(
      {
        enabled: z.boolean('must be true or false').optional(),
        queues: z.boolean('must be true or false').optional(),
        schedules: z.boolean('must be true or false').optional(),
        days: z
          .int('must be a whole number')
          .min(1, 'must be at least 1')
          .max(previewLimits.daysMax, `must be at most ${previewLimits.daysMax}`)
          .optional(),
      },
      'must be a table: [preview]',
    )
    .optional(),
  release: z
    .strictObject(
      {
        percent: z.int('must be a whole number').min(1, 'must be at least 1').max(99, 'must be at most 99').optional(),
        header: z
          .string('must be text')
          .max(rolloutLimits.headerChars, `must have at most ${rolloutLimits.headerChars} characters`)
          .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be the name of a header')
          .optional(),
        'error-percent': z
          .number('must be a number')
          .min(0, 'must be at least 0')
          .max(100, 'must be at most 100')
          .optional(),
      },
      'must be a table: [release]',
    )
    .optional(),
  logs: z
    .strictObject(
      {
        requests: z.boolean('must be true or false').optional(),
        mask: z
          .array(
            z
              .string('must be words in quotes')
              .min(1, 'must not be empty')
              .max(requestLineLimits.maskChars, `is longer than ${requestLineLimits.maskChars} characters`),
            'must be a list of words, such as ["token", "key"]',
          )
          .max(requestLineLimits.maskWords, `has more than ${requestLineLimits.maskWords} words`)
          .optional(),
      },
      'must be a table: [logs]',
    )
    .optional(),
});

/** Keys by table, for hints on unknown ones. */
const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': [
    ...['module', 'abi', 'snapshot', 'authorization', 'limits', 'policy', 'env', 'files'],
    ...['queue', 'schedule', 'preview', 'release', 'logs', 'placement'],
  ],
  limits: [...limitKeys, exactMemoryKey],
  policy: policyLists,
  files: ['root'],
  queue: queueKeys,
  schedule: scheduleKeys,
  preview: Object.keys(defaultPreview),
  release: ['percent', 'header', 'error-percent'],
  logs: ['requests', 'mask'],
  placement: placementKeys,
};

/** Returns the manifest of the files' bytes as pushed; null: the commit has no such file. Throws `manifest_invalid`. */
export function readManifest(files: { readonly toml: Uint8Array | null; readonly olin: Uint8Array | null }): Manifest {
  const olin = files.olin === null ? null : parseOlinPolicy(text(files.olin, olinPolicyFile), olinPolicyFile);
  const source = files.toml === null ? '' : text(files.toml, manifestFile);
  const lines = new TomlLines(source);
  const at = (path: readonly PropertyKey[]) => `${manifestFile}, line ${lines.of(path)}`;
  const given = validate(parseToml(source), at);
  if (olin !== null) refuseTwice(given, olin, at);
  const policy =
    olin?.policy ?? (given.policy === undefined ? null : recordOf(policyLists, (list) => given.policy?.[list] ?? []));
  if (policy !== null)
    checkPatterns(policy, (list, index) =>
      olin === null ? at(['policy', list]) : `${olinPolicyFile}, line ${lineOf(files.olin, policy[list][index] ?? '')}`,
    );
  return {
    module: given.module === undefined ? null : normalise(given.module),
    abi: given.abi ?? 'auto',
    limits: limitsOf(given, olin),
    exactMemory: given.limits?.[exactMemoryKey] ?? false,
    policy,
    env: given.env ?? {},
    filesRoot: given.files === undefined ? null : normalise(given.files.root),
    snapshot: given.snapshot ?? false,
    passAuthorization: given.authorization ?? false,
    queues: (given.queue ?? []).map((one) => queueSettings(one, limitsOf(given, olin).timeoutMs)),
    schedules: scheduleSettings(given.schedule ?? [], limitsOf(given, olin).timeoutMs),
    release: given.release === undefined ? null : releaseOf(given.release),
    placement: given.placement === undefined ? null : placementOf(given.placement),
    requestLines: given.logs === undefined ? null : requestLinesOf(given.logs),
    preview: given.preview === undefined ? null : { ...defaultPreview, ...defined(given.preview) },
    at,
  };
}

type Given = z.infer<typeof manifestSchema>;

function requestLinesOf({ requests, mask }: NonNullable<Given['logs']>): RequestLineSettings {
  return {
    enabled: requests ?? defaultRequestLines.enabled,
    mask: mask?.map((word) => word.toLowerCase()) ?? defaultRequestLines.mask,
  };
}

function parseToml(source: string): unknown {
  try {
    // Depth 20, of which four are used: a hostile file must not exhaust the parser's stack.
    return parse(source, { unsafeKeyBehaviour: 'throw', maxDepth: 20 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw new PlatformError('manifest_invalid', `${manifestFile}, line ${error.line}: ${first}`, {
      details: error.codeblock.split('\n').filter((line) => line.trim() !== ''),
      cause: error,
    });
  }
}

function validate(value: unknown, at: (path: readonly PropertyKey[]) => string): Given {
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  const hints = new Set<string>();
  const found = result.error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [`${at(issue.path)}: ${issue.path.join('.')} ${issue.message}`];
    const table = issue.path.join('.');
    const known = knownKeys[table.replace(/\.\d+$/, '')] ?? [];
    hints.add(`${table === '' ? 'the top level' : `[${table}]`} knows ${known.join(', ')}`);
    return issue.keys.map((key) => `${at([...issue.path, key])}: unknown key ${[...issue.path, key].join('.')}`);
  });
  const [first = '', ...others] = found;
  throw new PlatformError('manifest_invalid', first, { details: others.slice(0, 10), hints: [...hints] });
}

function checkVariables(env: Record<string, string>, ctx: z.RefinementCtx<Record<string, string>>): void {
  const bad = (key: string, message: string) => ctx.addIssue({ code: 'custom', path: [key], message });
  let total = 0;
  const entries = Object.entries(env);
  for (const [key, value] of entries) {
    total += Buffer.byteLength(key) + Buffer.byteLength(value);
    try {
      checkKey(key);
    } catch {
      bad(key, 'cannot name a variable: use letters, digits and _');
    }
    if (value.includes('\0')) bad(key, 'contains a NUL character');
    if (Buffer.byteLength(value) > envLimits.valueBytes) bad(key, `has more than ${envLimits.valueBytes} bytes`);
  }
  if (entries.length > envLimits.variables || total > envLimits.totalBytes)
    ctx.addIssue({
      code: 'custom',
      message: `has more than ${envLimits.variables} variables or ${envLimits.totalBytes} bytes`,
    });
}

/** Throws `manifest_invalid` when both files set the same value, so that nobody has to guess which one wins. */
function refuseTwice(given: Given, olin: OlinPolicy, at: (path: readonly string[]) => string): void {
  const twice =
    given.policy !== undefined
      ? ['policy']
      : olin.ramPageLimit !== undefined && given.limits?.['memory-pages'] !== undefined
        ? ['limits', 'memory-pages']
        : olin.gasLimit !== undefined && given.limits?.gas !== undefined
          ? ['limits', 'gas']
          : null;
  if (twice !== null)
    throw new PlatformError('manifest_invalid', `${at(twice)}: ${olinPolicyFile} says ${twice.join('.')} too`, {
      hints: ['keep it in one of the two files'],
    });
}

function limitsOf(given: Given, olin: OlinPolicy | null): Limits {
  const limits: Record<LimitName, number> = { ...(olin === null ? defaultLimits : olinLimits) };
  if (olin?.ramPageLimit !== undefined) limits.memoryPages = olin.ramPageLimit;
  if (olin?.gasLimit !== undefined) limits.gas = olin.gasLimit;
  for (const key of limitKeys) limits[limitByKey[key]] = given.limits?.[key] ?? limits[limitByKey[key]];
  return limits;
}

/** Returns the number of the first line that holds `part`. */
function lineOf(bytes: Uint8Array | null, part: string): number {
  const lines = Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\n');
  return (
    Math.max(
      0,
      lines.findIndex((line) => line.includes(part)),
    ) + 1
  );
}

function releaseOf(given: NonNullable<z.infer<typeof manifestSchema>['release']>): ReleaseSettings {
  const { percent, header, errorPercent } = defaultRelease;
  return {
    percent: given.percent ?? percent,
    header: given.header?.toLowerCase() ?? header,
    errorPercent: given['error-percent'] ?? errorPercent,
  };
}

/** Returns the keys of `given` that are set. */
function defined<T extends object>(given: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  // Has the keys of `given` whose values are not undefined.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}

function text(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PlatformError('manifest_invalid', `${name} is not UTF-8 text`, { cause });
  }
}

function isRelative(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !/[\0\\]/.test(path) && !path.split('/').includes('..');
}

/** Returns a path without `.` and empty segments, as git lists paths. */
function normalise(path: string): string {
  return path
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/');
}
