/**
 * Hands spans of runners to a receiver of traces, by OTLP over HTTP (docs/tracing.md). OpenTelemetry's exporter does
 * the sending; it reads address, headers and time limits from OTEL_EXPORTER_OTLP_…, tries again where that may help,
 * and runners never see any of it.
 */
import { type SpanContext, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { type Span, type SpanAttributes, type SpanKindName, spanKinds, spanLimits } from '../../protocol/spans.ts';

export interface SpanExporterOptions {
  /** Facts about the platform, sent with each batch: `service.name` and those of OTEL_RESOURCE_ATTRIBUTES. */
  readonly resource: SpanAttributes;
  readonly version: string;
  /** Takes a failure, for the platform's own log: at most one a minute. */
  readonly report: (message: string, error: unknown) => void;
}

/** Milliseconds for which spans wait for others. */
const flushMs = 1_000;
/** Milliseconds between two reports of failures. */
const reportMs = 60_000;
/** Milliseconds that the end waits for the last spans to be sent. */
const closeMs = 5_000;

const kinds: Readonly<Record<SpanKindName, SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

/** Loads OpenTelemetry's exporter, which reads its settings from the environment, now and not later. */
export async function openTraceExporter(): Promise<OTLPTraceExporter> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  return new OTLPTraceExporter();
}

export class SpanExporter {
  readonly #exporter: OTLPTraceExporter;
  readonly #options: SpanExporterOptions;
  readonly #resource: ReadableSpan['resource'];
  readonly #waiting: ReadableSpan[] = [];
  /** Spans that the receiver has taken. */
  #exported = 0;
  /** Spans that were lost. */
  #dropped = 0;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(exporter: OTLPTraceExporter, options: SpanExporterOptions) {
    this.#exporter = exporter;
    this.#options = options;
    // The exporter reads nothing else of a resource; the package that makes them is a part of the exporter's own.
    this.#resource = { attributes: options.resource } as ReadableSpan['resource'];
  }

  /** Spans that the receiver has taken, and that were lost on the way, in runners or here. */
  get counters(): { readonly exported: number; readonly dropped: number } {
    return { exported: this.#exported, dropped: this.#dropped };
  }

  /** Takes spans of a runner, which runs hostile guests: what is no span is dropped. `dropped`: lost in the runner. */
  take(spans: readonly Span[], dropped: number): void {
    this.#dropped += Number.isSafeInteger(dropped) && dropped > 0 ? dropped : 0;
    for (const span of Array.isArray(spans) ? spans : []) {
      const readable = this.#waiting.length < spanLimits.waiting ? this.#readable(span) : null;
      if (readable === null) this.#dropped += 1;
      else this.#waiting.push(readable);
    }
    if (this.#waiting.length >= spanLimits.batch) this.#send();
    else
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.#send();
      }, flushMs).unref();
  }

  /** Sends what waits, for at most closeMs. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    let late: NodeJS.Timeout | undefined;
    const isLate = new Promise<void>((resolve) => {
      late = setTimeout(resolve, closeMs);
    });
    this.#send();
    await Promise.race([this.#sending, isLate]);
    clearTimeout(late);
    await Promise.race([this.#exporter.shutdown(), isLate]);
  }

  /** Sends batches one after the other until none waits. */
  #send(): void {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, spanLimits.batch);
      const error = await new Promise<unknown>((resolve) =>
        this.#exporter.export(batch, ({ code, error: failure }) => resolve(code === 0 ? null : (failure ?? code))),
      );
      if (error === null) this.#exported += batch.length;
      else {
        this.#dropped += batch.length;
        this.#report(error);
      }
    }
  }

  #report(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#reportedMs < reportMs) return;
    this.#reportedMs = nowMs;
    this.#options.report('spans could not be handed to the receiver of traces', error);
  }

  #readable(span: Span): ReadableSpan | null {
    if (typeof span !== 'object' || span === null) return null;
    const { traceId, spanId, parentId, startMs, endMs } = span;
    const isSound =
      isHex(traceId, 32) &&
      isHex(spanId, 16) &&
      (parentId === null || isHex(parentId, 16)) &&
      Number.isFinite(startMs) &&
      Number.isFinite(endMs) &&
      startMs > 0 &&
      spanKinds.includes(span.kind);
    if (!isSound) return null;
    const context = (id: string, isRemote: boolean): SpanContext => ({
      traceId,
      spanId: id,
      traceFlags: TraceFlags.SAMPLED,
      isRemote,
    });
    const own = context(spanId, false);
    return {
      name: text(span.name, spanLimits.nameChars),
      kind: kinds[span.kind],
      spanContext: () => own,
      ...(parentId === null ? {} : { parentSpanContext: context(parentId, span.isParentRemote === true) }),
      startTime: hrTime(startMs),
      endTime: hrTime(Math.max(startMs, endMs)),
      duration: hrTime(Math.max(0, endMs - startMs)),
      status:
        span.error === null
          ? { code: SpanStatusCode.UNSET }
          : { code: SpanStatusCode.ERROR, message: text(span.error, spanLimits.textChars) },
      attributes: soundAttributes(span.attributes),
      links: [],
      events: [],
      ended: true,
      resource: this.#resource,
      instrumentationScope: { name: 'trisiel', version: this.#options.version },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

function isHex(id: unknown, digits: number): boolean {
  return typeof id === 'string' && id.length === digits && /^[0-9a-f]+$/.test(id);
}

function text(value: unknown, chars: number): string {
  return typeof value === 'string' ? value.slice(0, chars) : '';
}

function soundAttributes(attributes: SpanAttributes): Record<string, string | number | boolean> {
  const sound: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(attributes ?? {}).slice(0, spanLimits.attributes)) {
    if (typeof value === 'string') sound[key.slice(0, spanLimits.nameChars)] = text(value, spanLimits.textChars);
    else if (typeof value === 'boolean' || Number.isFinite(value)) sound[key.slice(0, spanLimits.nameChars)] = value;
  }
  return sound;
}

/** Returns seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1_000) * 1e6))];
}
