/**
 * Writes metrics as text: in Prometheus' own format (version 0.0.4), and in OpenMetrics 1.0, which can carry exemplars.
 * prom-client writes one line at a time from objects, which takes longer than a scrape may with 1,000 handlers, and
 * renames its counters when it writes OpenMetrics.
 */
import type { Bounds, Distribution, TracedCall } from '../../protocol/distributions.ts';

/** Formats of /metrics. */
export const expositionTypes = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openMetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const;
export type ExpositionFormat = keyof typeof expositionTypes;

export interface Family {
  /** Name without `_total`, `_bucket`, `_sum` and `_count`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One sentence. */
  readonly help: string;
}

export type Labels = Readonly<Partial<Record<string, string | number>>>;

/** A value as prom-client returns it. */
export interface Sample {
  readonly metricName?: string | undefined;
  readonly labels: Labels;
  /** The number, in the unit that ends the family's name: seconds, bytes, or none. */
  readonly value: number;
}

/** Returns the format that a client asks for: OpenMetrics only for clients that name it. */
export function expositionFormat(accept: string): ExpositionFormat {
  return /\bapplication\/openmetrics-text\b/i.test(accept) ? 'openMetrics' : 'text';
}

export class Exposition {
  readonly #format: ExpositionFormat;
  readonly #parts: string[] = [];

  constructor(format: ExpositionFormat) {
    this.#format = format;
  }

  /** Begins a family; its values follow. */
  family({ name, type, help }: Family): void {
    // OpenMetrics names the family of a counter without the suffix of its values.
    const named = type === 'counter' && this.#format === 'text' ? `${name}_total` : name;
    this.#parts.push(`# HELP ${named} ${escapeHelp(help)}\n# TYPE ${named} ${type}\n`);
  }

  /** Writes a value of the family. `name`: with the suffix of a counter. `labels`: as `labelsText` returns them. */
  value(name: string, labels: string, value: number): void {
    this.#parts.push(labels === '' ? `${name} ${numberText(value)}\n` : `${name}{${labels}} ${numberText(value)}\n`);
  }

  /** Writes a family of samples that prom-client has collected. */
  collected(family: Family, samples: readonly Sample[]): void {
    this.family(family);
    const usual = family.type === 'counter' ? `${family.name}_total` : family.name;
    for (const { metricName, labels, value } of samples)
      this.value(family.type === 'histogram' ? (metricName ?? usual) : usual, labelsText(labels), value);
  }

  /** Writes one histogram of the family `name`. */
  histogram(
    name: string,
    labels: string,
    {
      bounds,
      buckets,
      sum,
      traced,
    }: Distribution & {
      readonly bounds: Bounds;
      /** Last traced call of each bucket. */
      readonly traced?: readonly (TracedCall | undefined)[];
    },
    /** Value of a traced call in this histogram. */
    measured: (call: TracedCall) => number = ({ seconds }) => seconds,
  ): void {
    const before = labels === '' ? `${name}_bucket{le="` : `${name}_bucket{${labels},le="`;
    let count = 0;
    for (let index = 0; index <= bounds.length; index++) {
      count += buckets[index] ?? 0;
      const bound = bounds[index];
      const line = `${before}${bound === undefined ? '+Inf' : floatText(bound)}"} ${count}`;
      const call = this.#format === 'openMetrics' ? traced?.[index] : undefined;
      const exemplar =
        call === undefined
          ? ''
          : ` # {trace_id="${call.traceId}"} ${numberText(measured(call))} ${(call.timeMs / 1_000).toFixed(3)}`;
      this.#parts.push(`${line}${exemplar}\n`);
    }
    this.value(`${name}_sum`, labels, sum);
    this.value(`${name}_count`, labels, count);
  }

  text(): string {
    return `${this.#parts.join('')}${this.#format === 'openMetrics' ? '# EOF\n' : ''}`;
  }
}

/** Returns labels as text between braces. */
export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${name === 'le' && typeof value === 'number' ? floatText(value) : escapeLabel(String(value))}"`,
    )
    .join(',');
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (char) => (char === '\n' ? '\\n' : '\\\\'));
}

/** OpenMetrics wants bounds as floating-point numbers: 1.0, not 1. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : String(value);
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
