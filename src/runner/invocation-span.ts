/** The span of an Invocation, as its trace tells it when it has been answered. */
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { InvocationOutcome } from '../protocol/nouns.ts';
import type { FunctionCall } from './function-call.ts';
import type { EndedSpan } from './tracing.ts';

/** What has become of an Invocation. */
export interface SpanEnd {
  readonly outcome: InvocationOutcome;
  /** HTTP status of the answer; 0: there is none. */
  readonly status: number;
  readonly gas: number;
  /** Why it failed, for the owner; null: it has not. */
  readonly error: string | null;
}

/** Values of the attribute `faas.trigger`. */
const faasTriggers = { queue: 'pubsub', schedule: 'timer', async: 'http' } as const;

/** Returns name, kind and attributes of the span (docs/tracing.md). */
export function invocationSpan(
  { id, method, address, trigger }: Pick<FunctionCall, 'id' | 'method' | 'address' | 'trigger'>,
  spec: Pick<DeploymentSpec, 'label' | 'handler' | 'number'>,
  { outcome, status, gas, error }: SpanEnd,
): EndedSpan {
  return {
    name: trigger === null ? `${method} ${spec.label}` : `${trigger.kind} ${trigger.name}`,
    kind: trigger?.kind === 'queue' ? 'consumer' : 'server',
    attributes: {
      'faas.name': spec.handler,
      'faas.version': `v${spec.number}`,
      'faas.invocation_id': id,
      'faas.trigger': trigger === null ? 'http' : faasTriggers[trigger.kind],
      'http.request.method': method,
      // The query is left out: it may hold secrets.
      'url.path': address.path === '' ? '/' : address.path,
      ...(status === 0 ? {} : { 'http.response.status_code': status }),
      'trisiel.gas': gas,
      ...(outcome === 'ok' ? {} : { 'error.type': outcome }),
    },
    error: outcome === 'ok' ? null : (error ?? outcome),
  };
}
