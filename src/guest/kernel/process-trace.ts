/** What a Process tells about the parts of its work, where its Invocation is traced. */
import { messageOf } from '../../protocol/errors.ts';
import type { SpanAttributes, SpanKindName } from '../../protocol/spans.ts';
import type { Host } from './net/address.ts';

/** A part that has begun. `end` is called once. */
export interface OpenSpan {
  /** Value of `traceparent` for the callee. */
  readonly traceparent: string;
  /** Value of `tracestate` for the callee; null: none. */
  readonly tracestate: string | null;
  /** Ends the part. `error`: what failed; null: nothing did. */
  end(error: string | null, attributes?: SpanAttributes): void;
}

export interface ProcessTrace {
  begin(part: { readonly name: string; readonly kind: SpanKindName; readonly attributes: SpanAttributes }): OpenSpan;
}

/** Makes the part of a trace for the opening of a connection. It tells only the address and the port. */
export function connectionPart(name: string, { host, port }: { readonly host: Host; readonly port: number }) {
  const address = host.kind === 'name' ? host.name : host.address;
  return { name, kind: 'client' as const, attributes: { 'server.address': address, 'server.port': port } };
}

/** Runs `work` as a part of the trace; only runs it, without a span, where there is no trace. */
export function traced<T>(
  trace: ProcessTrace | undefined,
  part: Parameters<ProcessTrace['begin']>[0],
  work: (span: OpenSpan | null) => Promise<T>,
): Promise<T> {
  if (trace === undefined) return work(null);
  const span = trace.begin(part);
  return work(span).then(
    (value) => {
      span.end(null);
      return value;
    },
    (error: unknown) => {
      span.end(messageOf(error));
      throw error;
    },
  );
}
