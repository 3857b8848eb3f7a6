/** Schemas of handlers and what belongs to one: deployments, previews, people, variables, domains. */
import * as z from 'zod/mini';
import { type DomainView, domainStates } from '../../../src/protocol/domains.ts';
import { limitNames } from '../../../src/protocol/limits.ts';
import { abiNames, collaboratorRoles, handlerRoles, type Policy, policyLists } from '../../../src/protocol/nouns.ts';
import { recordOf } from '../../../src/protocol/record-of.ts';
import type {
  CollaboratorView,
  DeploymentView,
  HandlerView,
  PreviewView,
  RolloutView,
  TransferView,
  VariableView,
} from '../../../src/protocol/views.ts';
import { number, orNull, plain, text } from './parts.ts';

const abi = z.enum(abiNames);

const policy: z.ZodMiniType<Policy> = z.object(recordOf(policyLists, () => z.array(text)));

const limits = z.object(recordOf(limitNames, () => number));

export const handlerAnswer: z.ZodMiniType<HandlerView> = z.object({
  name: plain,
  owner: plain,
  role: z.enum(handlerRoles),
  url: plain,
  pathUrl: plain,
  gitUrl: plain,
  deployBranch: orNull(plain),
  settings: z.object({
    limits: z.object(recordOf(limitNames, () => z.optional(number))),
    policy,
    previews: z.boolean(),
  }),
  state: z.enum(['empty', 'live', 'failed', 'deleted']),
  version: orNull(number),
  createdMs: number,
  deployedMs: orNull(number),
  formerNames: z.array(z.object({ name: plain, keptUntilMs: number })),
});

export const deploymentAnswer: z.ZodMiniType<DeploymentView> = z.object({
  number,
  state: z.enum(['staged', 'live', 'retired', 'failed']),
  commit: plain,
  author: orNull(text),
  subject: orNull(text),
  ref: text,
  preview: orNull(text),
  pushedBy: text,
  createdMs: number,
  modulePath: text,
  moduleBytes: number,
  moduleSha256: plain,
  abis: z.array(abi),
  interfaces: z.array(text),
  limits,
  policy: orNull(policy),
  newlyAllowed: z.array(text),
  vetMs: number,
  failure: orNull(text),
});

export const previewAnswer: z.ZodMiniType<PreviewView> = z.object({
  branch: text,
  slug: plain,
  url: plain,
  pathUrl: plain,
  version: number,
  commit: plain,
  pushedMs: number,
  calledMs: orNull(number),
  endsMs: number,
});

const rolloutFigures = z.object({ invocations: number, failures: number, meanMs: orNull(number) });

export const rolloutAnswer: z.ZodMiniType<RolloutView> = z.object({
  from: number,
  to: number,
  percent: number,
  header: orNull(plain),
  errorPercent: number,
  startedMs: number,
  figures: z.object({ from: rolloutFigures, to: rolloutFigures }),
});

export const collaboratorAnswer: z.ZodMiniType<CollaboratorView> = z.object({
  user: plain,
  role: z.enum(collaboratorRoles),
  addedMs: number,
});

export const transferAnswer: z.ZodMiniType<TransferView> = z.object({
  handler: plain,
  from: plain,
  to: plain,
  offeredMs: number,
  expiresMs: number,
});

export const variableAnswer: z.ZodMiniType<VariableView> = z.object({
  key: plain,
  bytes: number,
  tail: text,
  updatedMs: number,
});

const recordAnswer = z.object({ name: plain, value: plain });

export const domainAnswer: z.ZodMiniType<DomainView> = z.object({
  domain: plain,
  state: z.enum(domainStates),
  txt: recordAnswer,
  cname: recordAnswer,
  problem: orNull(text),
  createdMs: number,
  checkedMs: orNull(number),
  verifiedMs: orNull(number),
  certificate: orNull(z.object({ problem: orNull(text), checkedMs: number })),
});
