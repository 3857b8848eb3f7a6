/** The record of an Invocation, as control keeps it for its owner. */
import type { Process } from '../guest/kernel/process.ts';
import { processUsage } from '../guest/kernel/usage.ts';
import type { PendingInvocationRecord } from '../protocol/nouns.ts';
import { recordedPath } from '../protocol/request-lines.ts';
import type { FunctionCall } from './function-call.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import type { EndedInvocation } from './usage-reporter.ts';

/** Parts of an Invocation that its record tells of, besides its figures. */
export interface RecordedParts {
  readonly call: Pick<FunctionCall, 'method' | 'address' | 'target' | 'trigger' | 'trace' | 'caller'>;
  readonly guest: Process;
  /** Unix milliseconds. */
  readonly startedMs: number;
  /** Why it failed, for the owner; null: it has not. */
  readonly error: string | null;
}

/** Returns the record of an Invocation that runs or has ended. */
export function invocationRecord(
  ended: EndedInvocation & { readonly deployment: LoadedDeployment },
  { call, guest, startedMs, error }: RecordedParts,
): PendingInvocationRecord {
  const { spec } = ended.deployment;
  const { method, address, target, trigger } = call;
  const traceId = (call.trace ?? call.caller)?.traceId;
  return {
    id: ended.id,
    handlerId: spec.handlerId,
    deployment: spec.number,
    startedMs,
    durationMs: ended.durationMs,
    method,
    path: recordedPath(address.path, target, spec.requestLines),
    status: ended.status,
    outcome: ended.outcome,
    bytesIn: ended.bytesIn,
    bytesOut: ended.bytesOut,
    ...processUsage(guest, spec.module.plan),
    commit: spec.commit,
    ...(trigger === null ? {} : { trigger: { kind: trigger.kind, name: trigger.name } }),
    ...(traceId === undefined ? {} : { traceId }),
    ...(error === null ? {} : { error }),
    ...(guest.stack.length === 0 ? {} : { stack: guest.stack }),
  };
}
