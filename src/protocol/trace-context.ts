/** Reads and writes the field `traceparent` (W3C Trace Context, section 3.2). */

export const traceparentField = 'traceparent';

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the caller's span. */
  readonly spanId: string;
  /** Whether the caller records its part of the trace. */
  readonly isSampled: boolean;
}

/** Version 00 has exactly four parts; later versions may have more after them (section 4, versioning). */
const pattern = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = /^0+$/;

/**
 * Returns the caller's place in a trace; null for a field that is absent or not valid, which is ignored (section 4.2).
 */
export function readTraceparent(field: string | readonly string[] | undefined): TraceContext | null {
  if (typeof field !== 'string' || field.length > 512) return null;
  const match = pattern.exec(field);
  if (match === null) return null;
  const [, version, traceId = '', spanId = '', flags = '', rest] = match;
  if ((version === '00' && rest !== undefined) || noTrace.test(traceId) || noTrace.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Returns the field of version 00 for a callee. */
export function traceparentOf({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}
