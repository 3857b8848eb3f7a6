/** Spans of traces as plain data, from runners to control, which exports them. */

export const spanKinds = ['server', 'client', 'producer', 'consumer', 'internal'] as const;
export type SpanKindName = (typeof spanKinds)[number];

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** One piece of work of a trace that has ended. */
export interface Span {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Id of the span that this one is a part of; null: it is the first one of its trace. */
  readonly parentId: string | null;
  /** Whether that span is a caller's, outside of the platform. */
  readonly isParentRemote: boolean;
  readonly name: string;
  readonly kind: SpanKindName;
  /** Unix milliseconds, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  /** What failed; null: nothing did. */
  readonly error: string | null;
}

/** Which traces are recorded. */
export interface TraceSampling {
  /** Whether a caller that sends a traceparent decides for its trace. */
  readonly isParentBased: boolean;
  /** Share of the other traces, 0 to 1. */
  readonly ratio: number;
}

export const spanLimits = {
  /** Parts of one Invocation that have spans of their own; the number of further ones is an attribute. */
  perInvocation: 128,
  /** Spans that wait in a runner for control, about 0.5 KiB each. */
  waitingInRunner: 4_096,
  /** Spans in one message to control, and in one request to the receiver. */
  batch: 512,
  /** Spans that wait in control for the receiver. */
  waiting: 16_384,
  /** Characters of a name, and of an attribute's text. */
  nameChars: 256,
  textChars: 1_024,
  attributes: 32,
} as const;
