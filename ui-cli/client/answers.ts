/** Schemas of the API's answers, one per call. */
import * as z from 'zod/mini';
import { tokenScopes } from '../../src/protocol/nouns.ts';
import { accountAnswer, auditEntryAnswer, inviteAnswer, quotaAnswer, tokenAnswer } from './views/accounts.ts';
import { callAnswer, scheduleAnswer } from './views/calls.ts';
import {
  collaboratorAnswer,
  deploymentAnswer,
  domainAnswer,
  handlerAnswer,
  previewAnswer,
  rolloutAnswer,
  transferAnswer,
  variableAnswer,
} from './views/handlers.ts';
import { drainAnswer, logLineAnswer, logRetentionAnswer } from './views/logs.ts';
import { plain } from './views/parts.ts';
import { publishedAnswer, queueAnswer, queueMessageAnswer } from './views/queues.ts';
import { invocationAnswer, profileAnswer, usageAnswer, usageMinuteAnswer } from './views/usage.ts';

/** Value of `after` for the next page; null: this is the last one. */
const next = z.nullable(plain);

export const token = z.object({ token: plain });
export const who = z.object({
  user: z.object({ name: plain }),
  admin: z.boolean(),
  scope: z.enum(tokenScopes),
  handler: z.nullable(plain),
});
export const secondFactor = z.object({ secret: plain, uri: plain });
export const recoveryCodes = z.object({ recoveryCodes: z.array(plain) });
export const collaborators = z.object({ collaborators: z.array(collaboratorAnswer), next });
export const collaborator = z.object({ collaborator: collaboratorAnswer });
export const transfer = z.object({ transfer: transferAnswer });
export const transfers = z.object({ transfers: z.array(transferAnswer), next });
export const account = z.object({ user: accountAnswer });
export const accounts = z.object({ users: z.array(accountAnswer), next });
export const tokens = z.object({ tokens: z.array(tokenAnswer), next });
export const newToken = z.object({ token: plain, view: tokenAnswer });
export const invites = z.object({ invites: z.array(inviteAnswer), next });
export const newInvite = z.object({ invite: plain, view: inviteAnswer });
export const handler = z.object({ handler: handlerAnswer });
export const handlers = z.object({ handlers: z.array(handlerAnswer), next });
export const deployments = z.object({ deployments: z.array(deploymentAnswer), next: z.nullable(z.number()) });
export const rollout = z.object({ release: z.nullable(rolloutAnswer) });
export const previews = z.object({ previews: z.array(previewAnswer), next: z.nullable(plain) });
export const page = z.object({
  lines: z.array(logLineAnswer),
  cursor: z.number(),
  before: z.nullable(z.number()),
  more: z.boolean(),
  stopped: z.boolean(),
  expired: z.number(),
});
export const retention = logRetentionAnswer;
export const allUsage = z.object({ usage: z.record(z.string(), usageAnswer) });
export const quota = quotaAnswer;
export const audit = z.object({ entries: z.array(auditEntryAnswer), next: z.nullable(z.number()) });
export const usage = z.object({ summary: usageAnswer, minutes: z.array(usageMinuteAnswer) });
export const invocations = z.object({ invocations: z.array(invocationAnswer) });
export const invocation = z.object({ invocation: invocationAnswer });
export const queues = z.object({ queues: z.array(queueAnswer), next });
export const queueMessages = z.object({ messages: z.array(queueMessageAnswer), next: z.nullable(z.number()) });
export const queue = queueAnswer;
export const profile = profileAnswer;
export const drain = drainAnswer;
export const drains = z.object({ drains: z.array(drainAnswer) });
export const calls = z.object({ calls: z.array(callAnswer), next });
export const schedules = z.object({ schedules: z.array(scheduleAnswer), next });
export const schedule = scheduleAnswer;
export const published = publishedAnswer;
export const retried = z.object({ messages: z.number() });
export const purged = z.object({ messages: z.number(), bytes: z.number() });
export const domains = z.object({ domains: z.array(domainAnswer), next });
export const domain = z.object({ domain: domainAnswer });
export const variables = z.object({ variables: z.array(variableAnswer), next });
