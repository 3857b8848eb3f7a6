/** Schemas of handlers and of what belongs to one: Deployments, previews, rollouts, variables, domains. */
import { z } from 'zod';
import { type DomainView, domainStates } from '../../../protocol/domains.ts';
import { limitMeanings, limitNames } from '../../../protocol/limits.ts';
import { abiNames, handlerRoles, policyLists } from '../../../protocol/nouns.ts';
import { previewLimits } from '../../../protocol/previews.ts';
import { recordOf } from '../../../protocol/record-of.ts';
import type { DeploymentView, HandlerView, PreviewView, RolloutView, VariableView } from '../../../protocol/views.ts';
import { ms } from './parts.ts';

export const handlerSchema: z.ZodType<HandlerView> = z
  .object({
    name: z.string(),
    owner: z.string(),
    role: z.enum(handlerRoles).describe('what the caller is to it'),
    url: z.string().describe('where the function answers, under its own host name'),
    pathUrl: z.string().describe("where it answers too, under a path of the platform's host"),
    gitUrl: z.string(),
    deployBranch: z.string().nullable().describe('null until the first push'),
    settings: z
      .object({
        limits: z.object(recordOf(limitNames, (name) => z.number().optional().describe(limitMeanings[name]))),
        policy: z.object(recordOf(policyLists, () => z.array(z.string()))),
        previews: z.boolean().describe('whether pushes of other branches make previews'),
      })
      .describe('set without a push: limits win over those of the manifest, patterns are added to its policy'),
    state: z.enum(['empty', 'live', 'failed', 'deleted']),
    version: z.number().nullable().describe('number of the live deployment'),
    createdMs: ms,
    deployedMs: ms.nullable(),
    formerNames: z
      .array(
        z.object({
          name: z.string(),
          keptUntilMs: ms.describe('until then only the owner can take the name, from then on every user'),
        }),
      )
      .describe('names that it had before, newest first: git and callers that use one are sent to its name now'),
  })
  .meta({ id: 'Handler' });

export const deploymentSchema: z.ZodType<DeploymentView> = z
  .object({
    number: z.number(),
    state: z.enum(['staged', 'live', 'retired', 'failed']),
    commit: z.string(),
    author: z.string().nullable().describe('who wrote the commit, as it says itself; null: not known'),
    subject: z.string().nullable().describe("first paragraph of the commit's message, cut; null: not known"),
    ref: z.string(),
    preview: z.string().nullable().describe('branch of the preview that it belongs to; null: the handler itself'),
    pushedBy: z.string(),
    createdMs: ms,
    modulePath: z.string(),
    moduleBytes: z.number(),
    moduleSha256: z.string(),
    abis: z.array(z.enum(abiNames)),
    interfaces: z.array(z.string()).describe('interfaces of the platform that the module imports'),
    limits: z.object(recordOf(limitNames, (name) => z.number().describe(limitMeanings[name]))),
    policy: z.object(recordOf(policyLists, () => z.array(z.string()))).nullable(),
    newlyAllowed: z
      .array(z.string())
      .describe('what it may do that the version that was live at its push may not, one sentence each'),
    vetMs: z.number(),
    failure: z.string().nullable(),
  })
  .meta({ id: 'Deployment' });

export const previewSchema: z.ZodType<PreviewView> = z
  .object({
    branch: z.string(),
    slug: z.string().describe('what stands for the branch in SLUG--NAME and marks log lines'),
    url: z.string(),
    pathUrl: z.string(),
    version: z.number().describe('number of the live deployment'),
    commit: z.string(),
    pushedMs: ms,
    calledMs: ms.nullable().describe('last call, to the minute; null: never'),
    endsMs: ms.describe('when it ends unless somebody calls it or pushes to it'),
  })
  .meta({ id: 'Preview' });

const rolloutFigures = z.object({
  invocations: z.number(),
  failures: z.number().describe('calls that ended otherwise than ok'),
  meanMs: z.number().nullable().describe('null: no calls'),
});

export const rolloutSchema: z.ZodType<RolloutView> = z
  .object({
    from: z.number().describe('number of the live deployment'),
    to: z.number().describe('number of the deployment that gets a share of the calls'),
    percent: z.number(),
    header: z.string().nullable().describe('header by whose value callers are told apart; null: by a cookie alone'),
    errorPercent: z
      .number()
      .describe('failures of the new version, in percent of its calls, above which it is aborted'),
    startedMs: ms,
    figures: z.object({ from: rolloutFigures, to: rolloutFigures }).describe('since the start'),
  })
  .meta({ id: 'Rollout' });

/** Name of a branch, in a query or a path. */
export const branchText = z.string().min(1).max(previewLimits.branchBytes);

export const variableSchema: z.ZodType<VariableView> = z
  .object({
    key: z.string(),
    bytes: z.number(),
    tail: z.string().describe("the last 4 characters of a value of at least 16; else ''"),
    updatedMs: ms,
  })
  .meta({ id: 'Variable', description: 'Never the whole value.' });

const recordSchema = z.object({ name: z.string(), value: z.string() });

export const domainSchema: z.ZodType<DomainView> = z
  .object({
    domain: z.string().describe('ASCII form; international names in punycode'),
    state: z.enum(domainStates).describe('served while it is verified or failing'),
    txt: recordSchema.describe('TXT record that proves it'),
    cname: recordSchema.describe('CNAME record that proves it too'),
    problem: z.string().nullable().describe('what the last check found; null: it did not fail'),
    createdMs: ms,
    checkedMs: ms.nullable().describe('last check'),
    verifiedMs: ms.nullable().describe('first check that succeeded'),
    certificate: z
      .object({ problem: z.string().nullable().describe('why callers do not trust it; null: they do'), checkedMs: ms })
      .nullable()
      .describe('what callers over HTTPS are shown; null: it is not served, or nothing is known'),
  })
  .meta({ id: 'Domain' });
