/**
 * Traces of Invocations: one span for each, one for each request, kv or queue call that it makes. Without a receiver of
 * traces there is no Tracing, and nothing of this is made.
 */
import { randomBytes } from 'node:crypto';
import type { OpenSpan, ProcessTrace } from '../guest/kernel/process-trace.ts';
import {
  type Span,
  type SpanAttributes,
  type SpanKindName,
  spanLimits,
  type TraceSampling,
} from '../protocol/spans.ts';
import { type TraceContext, traceparentOf } from '../protocol/trace-context.ts';

/** Milliseconds for which spans wait for others on their way to control. */
const flushMs = 1_000;

/** Characters of tracestate that are handed on, as W3C Trace Context (section 3.3.1.5) asks for at least. */
const stateChars = 512;

export class Tracing {
  readonly #sampling: TraceSampling;
  readonly #send: (spans: readonly Span[], dropped: number) => boolean;
  #spans: Span[] = [];
  /** Spans dropped since the last message. */
  #dropped = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `send` hands spans to control; false: there is none, and they are dropped. */
  constructor(options: {
    readonly sampling: TraceSampling;
    readonly send: (spans: readonly Span[], dropped: number) => boolean;
  }) {
    this.#sampling = options.sampling;
    this.#send = options.send;
  }

  /** Begins the span of an Invocation. `caller`: place in the caller's trace; null: a trace begins here. */
  begin(caller: TraceContext | null, state: string | readonly string[] | undefined): InvocationTrace {
    const traceId = caller?.traceId ?? randomBytes(16).toString('hex');
    const { isParentBased, ratio } = this.#sampling;
    const isSampled = isParentBased && caller !== null ? caller.isSampled : isChosen(traceId, ratio);
    const tracestate = caller !== null && typeof state === 'string' && state.length <= stateChars ? state : null;
    return new InvocationTrace(this, {
      traceId,
      isSampled,
      parentId: caller?.spanId ?? null,
      tracestate,
      startMs: nowMs(),
    });
  }

  add(span: Span): void {
    if (this.#spans.length >= spanLimits.waitingInRunner) this.#dropped += 1;
    else this.#spans.push(span);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, flushMs).unref();
  }

  /** Hands all spans to control. */
  flush(): void {
    while (this.#spans.length > 0 || this.#dropped > 0) {
      const spans = this.#spans.splice(0, spanLimits.batch);
      const dropped = this.#dropped;
      this.#dropped = 0;
      if (this.#send(spans, dropped)) continue;
      this.#dropped = dropped + spans.length + this.#spans.length;
      this.#spans = [];
      return;
    }
  }
}

/** What is known of a span when it ends. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: SpanKindName;
  readonly attributes: SpanAttributes;
  /** Why it failed; null: it has not. */
  readonly error: string | null;
}

/** Span of one Invocation, and the trace that its Process tells its parts. */
export class InvocationTrace implements ProcessTrace {
  readonly traceId: string;
  readonly isSampled: boolean;
  /** Values of the fields for the guest. */
  readonly traceparent: string;
  readonly tracestate: string | null;
  readonly #tracing: Tracing;
  readonly #spanId = newSpanId();
  readonly #parentId: string | null;
  readonly #startMs: number;
  #parts = 0;

  constructor(
    tracing: Tracing,
    options: {
      readonly traceId: string;
      readonly isSampled: boolean;
      readonly parentId: string | null;
      readonly tracestate: string | null;
      readonly startMs: number;
    },
  ) {
    this.#tracing = tracing;
    this.traceId = options.traceId;
    this.isSampled = options.isSampled;
    this.tracestate = options.tracestate;
    this.#parentId = options.parentId;
    this.#startMs = options.startMs;
    this.traceparent = traceparentOf({ traceId: this.traceId, spanId: this.#spanId, isSampled: this.isSampled });
  }

  /**
   * Begins the span of a part of the Invocation. Returns what the callee is told of it; `end` records it, unless the
   * trace is not sampled or has spanLimits.perInvocation spans.
   */
  begin({
    name,
    kind,
    attributes,
  }: {
    readonly name: string;
    readonly kind: SpanKindName;
    readonly attributes: SpanAttributes;
  }): OpenSpan {
    const { traceId, tracestate } = this;
    this.#parts += 1;
    const isRecorded = this.isSampled && this.#parts <= spanLimits.perInvocation;
    // A part without a span of its own is shown to the callee as a part of the Invocation.
    if (!isRecorded) return { traceparent: this.traceparent, tracestate, end: () => {} };
    const spanId = newSpanId();
    const startMs = nowMs();
    return {
      traceparent: traceparentOf({ traceId, spanId, isSampled: true }),
      tracestate,
      end: (error, more = {}) => {
        this.#tracing.add({
          ...{ traceId, spanId, parentId: this.#spanId, isParentRemote: false, name, kind, startMs },
          ...{ endMs: nowMs(), attributes: { ...attributes, ...more }, error },
        });
      },
    };
  }

  /** Ends the span of the Invocation. */
  end(ended: EndedSpan): void {
    if (!this.isSampled) return;
    const more = this.#parts - spanLimits.perInvocation;
    this.#tracing.add({
      traceId: this.traceId,
      spanId: this.#spanId,
      parentId: this.#parentId,
      isParentRemote: this.#parentId !== null,
      startMs: this.#startMs,
      endMs: nowMs(),
      ...ended,
      attributes: more > 0 ? { ...ended.attributes, 'trisiel.parts_without_span': more } : ended.attributes,
    });
  }
}

/** Returns whether a trace is among the share `ratio`: by its id, so that all that see the trace agree. */
function isChosen(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-8), 16) < ratio * 2 ** 32;
}

function newSpanId(): string {
  return randomBytes(8).toString('hex');
}

/**
 * Unix milliseconds, with fractions. One clock for all spans, which no change of the system's time moves against each
 * other.
 */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
