/**
 * Keeps figures for Prometheus (docs/metrics.md): of this process, of runners, and of handlers up to a number of them.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { CountedDistribution, lagSeconds, statusClasses } from '../../protocol/distributions.ts';
import type { NodeView } from '../../protocol/ports.ts';
import { measureLag } from '../../waiting/loop-lag.ts';
import type { LogStore } from '../logs/log-store.ts';
import type { QueueRates } from '../queues/queue-rates.ts';
import type { QueueStore } from '../queues/queue-store.ts';
import type { NamedFigures, UsageStore } from '../usage/usage-store.ts';
import { Exposition, type ExpositionFormat, expositionFormat, expositionTypes, labelsText } from './exposition.ts';
import { type RunnerCounter, type RunnerGauges, RunnerTotals } from './runner-totals.ts';

/**
 * Milliseconds between two looks at what runners have counted. What they count in the last one before their end is
 * lost.
 */
const lookMs = 1_000;

const runnerGauges: readonly (readonly [name: string, help: string, of: keyof RunnerGauges])[] = [
  ['trisiel_invocations_in_flight', 'Invocations that run now.', 'inFlight'],
  ['trisiel_invocations_ready', 'Invocations that wait for their turn of the processor.', 'suspended'],
  ['trisiel_runners_serving', 'Runners that answer calls.', 'serving'],
  ['trisiel_runners_starting', 'Runners that are being started.', 'starting'],
  ['trisiel_runner_memory_bytes', 'Resident memory of all runners.', 'rssBytes'],
  ['trisiel_runner_guest_memory_bytes', 'Memory of guests, spare instances included.', 'poolBytes'],
  ['trisiel_runner_code_bytes', 'Machine code of functions.', 'codeBytes'],
  ['trisiel_runner_deployments', 'Deployments that a runner can serve.', 'deployments'],
];

const runnerCounts: readonly (readonly [name: string, help: string, of: RunnerCounter])[] = [
  ['trisiel_pool_hits', 'Calls that found a spare instance.', 'poolHits'],
  ['trisiel_pool_misses', 'Calls for which an instance was made.', 'poolMisses'],
  ['trisiel_stray_requests', "Requests at the functions' port that are no function's call.", 'strayRequests'],
  ['trisiel_runner_records_dropped', 'Invocation records dropped in runners.', 'recordsDropped'],
];

type DrainCount = 'sent' | 'lost' | 'failures';

interface DrainSource {
  readonly figures: ReadonlyMap<string, Readonly<Record<DrainCount, number>>>;
  waiting(): Promise<ReadonlyMap<string, number>>;
}

const drainCounts: readonly (readonly [name: string, help: string, of: DrainCount])[] = [
  ['trisiel_drain_lines_total', 'Log lines that receivers of drains have taken.', 'sent'],
  ['trisiel_drain_lines_lost_total', 'Log lines that drains could not hand on, each counted.', 'lost'],
  ['trisiel_drain_failures_total', 'Attempts of drains that failed.', 'failures'],
];

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<'operation' | 'status'>;
  readonly #usage: UsageStore;
  readonly #runners: RunnerTotals;
  readonly #loopLag = new CountedDistribution(lagSeconds);
  readonly #timer: NodeJS.Timeout;
  readonly #endLag: () => void;

  constructor(options: {
    readonly logs: LogStore;
    readonly usage: UsageStore;
    readonly queues: QueueStore;
    readonly rates: QueueRates;
    readonly nodes: () => readonly NodeView[];
    /** Spans handed to a receiver of traces; null or absent: there is none. */
    readonly spans?: { readonly counters: { readonly exported: number; readonly dropped: number } } | null;
    /** What drains have handed on, by kind; null or absent: there are none. */
    readonly drains?: DrainSource | null;
    /** Unix milliseconds. */
    readonly now: () => number;
  }) {
    const { logs, usage, queues, rates, nodes, spans = null, drains = null, now } = options;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#usage = usage;
    this.#runners = new RunnerTotals(nodes);
    this.#timer = setInterval(() => this.#runners.look(), lookMs).unref();
    this.#endLag = measureLag((seconds) => this.#loopLag.add(seconds));
    this.#requests = new Histogram({
      name: 'trisiel_api_request_seconds',
      help: 'API requests by operation and status.',
      labelNames: ['operation', 'status'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    const counters: readonly (readonly [name: string, help: string, value: () => number])[] = [
      ['trisiel_log_lines_total', 'Log lines stored.', () => logs.counters.stored],
      ['trisiel_log_lines_dropped_total', 'Log lines lost on the way, each counted.', () => logs.counters.dropped],
      ['trisiel_log_lines_unknown_total', 'Log lines of no existing handler.', () => logs.counters.unknown],
      ['trisiel_invocations_total', 'Invocations.', () => usage.totals.invocations],
      ['trisiel_invocation_failures_total', 'Invocations that failed.', () => usage.totals.failures],
      ['trisiel_invocation_gas_total', 'Gas used.', () => usage.totals.gas],
      ['trisiel_invocation_seconds_total', 'Time of invocations.', () => usage.totals.durationMs / 1000],
      ['trisiel_invocation_bytes_in_total', 'Request bodies.', () => usage.totals.bytesIn],
      ['trisiel_invocation_bytes_out_total', 'Answers.', () => usage.totals.bytesOut],
      ['trisiel_invocation_records_total', 'Invocation records stored.', () => usage.totals.recordsStored],
      ['trisiel_invocation_records_dropped_total', 'Records lost.', () => usage.totals.recordsDropped],
      ['trisiel_queue_published_total', 'Messages published.', () => rates.totals.published],
      ['trisiel_queue_acknowledged_total', 'Messages that functions dealt with.', () => rates.totals.acknowledged],
      ['trisiel_queue_retried_total', 'Messages that failed and come again.', () => rates.totals.retried],
      ['trisiel_queue_dead_total', 'Messages that became dead letters.', () => rates.totals.dead],
      ['trisiel_spans_total', 'Spans that the receiver of traces has taken.', () => spans?.counters.exported ?? 0],
      ['trisiel_spans_dropped_total', 'Spans lost on the way to it.', () => spans?.counters.dropped ?? 0],
      ['trisiel_runners_ended_total', 'Runners that have ended.', () => this.#runners.ended],
      ...runnerCounts.map(([name, help, of]) => [`${name}_total`, help, () => this.#runners.total(of)] as const),
    ];
    for (const [name, help, value] of counters)
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    for (const [name, help, of] of drainCounts)
      new Counter({
        ...{ name, help, labelNames: ['kind'], registers },
        collect() {
          this.reset();
          for (const [kind, figures] of drains?.figures ?? []) this.inc({ kind }, figures[of]);
        },
      });
    new Gauge({
      ...{ name: 'trisiel_drain_lines_waiting', help: 'Lines that drains have not handed on.', labelNames: ['kind'] },
      registers,
      async collect() {
        const waiting = drains === null ? new Map<string, number>() : await drains.waiting();
        for (const kind of drains?.figures.keys() ?? []) this.set({ kind }, waiting.get(kind) ?? 0);
      },
    });
    // Both gauges are of one look: that of the first, since a registry collects in the order in which they are made.
    let backlog: ReturnType<QueueStore['backlog']>;
    new Gauge({
      name: 'trisiel_queue_messages',
      help: 'Messages in all queues, in any state.',
      registers,
      async collect() {
        backlog = queues.backlog();
        this.set((await backlog).messages);
      },
    });
    new Gauge({
      name: 'trisiel_queue_oldest_seconds',
      help: 'Age of the oldest message that waits for a consumer; 0: none waits.',
      registers,
      async collect() {
        const { oldestMs } = await backlog;
        this.set(oldestMs === null ? 0 : Math.max(0, now() - oldestMs) / 1000);
      },
    });
    const gauges: readonly (readonly [name: string, help: string, value: () => number])[] = [
      ['trisiel_log_lines_waiting', 'Log lines waiting for the database.', () => logs.counters.waiting],
      ['trisiel_log_readers', 'Open log streams.', () => logs.counters.tails],
      ...runnerGauges.map(([name, help, of]) => [name, help, () => this.#runners.gauges()[of]] as const),
    ];
    for (const [name, help, value] of gauges)
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
  }

  /** Counts a request. `operation`: its id, or a fixed word for requests that reached no operation. */
  observe(request: { readonly operation: string; readonly status: number; readonly seconds: number }): void {
    this.#requests.observe({ operation: request.operation, status: String(request.status) }, request.seconds);
  }

  /** Returns all figures in the format that the field `accept` asks for. */
  async scrape(accept: string): Promise<{ readonly type: string; readonly text: string }> {
    const format = expositionFormat(accept);
    return { type: expositionTypes[format], text: await this.#text(format) };
  }

  /** Ends the measurements. */
  close(): void {
    clearInterval(this.#timer);
    this.#endLag();
  }

  async #text(format: ExpositionFormat): Promise<string> {
    this.#runners.look();
    const [collected, handlers] = await Promise.all([this.#registry.getMetricsAsJSON(), this.#usage.figures()]);
    const exposition = new Exposition(format);
    for (const { name, help, type: collectedType, values } of collected) {
      // Prom-client has no other types.
      const type = String(collectedType) as 'counter' | 'gauge' | 'histogram' | 'summary';
      // Gauges of Node's own that are named like counters: sums of the gauges beside them.
      if (type === 'summary' || (type === 'gauge' && name.endsWith('_total'))) continue;
      exposition.collected({ name: name.replace(/_total$/, ''), help, type }, values);
    }
    this.#processFamilies(exposition);
    handlerFamilies(exposition, handlers);
    return exposition.text();
  }

  #processFamilies(exposition: Exposition): void {
    const lag = 'trisiel_loop_lag_seconds';
    exposition.family({ name: lag, type: 'histogram', help: 'How late an event loop was for a timer.' });
    exposition.histogram(lag, labelsText({ process: 'control' }), this.#loopLag);
    exposition.histogram(lag, labelsText({ process: 'runner' }), this.#runners.loopLag);
    const cold = 'trisiel_cold_start_seconds';
    exposition.family({ name: cold, type: 'histogram', help: 'How long requests waited for code to be loaded.' });
    exposition.histogram(cold, '', this.#runners.coldStarts);
  }
}

/** Writes the figures by handler, a family after the other. */
function handlerFamilies(exposition: Exposition, handlers: readonly NamedFigures[]): void {
  const all = handlers.map(({ name, figures }) => ({ labels: labelsText({ handler: name }), figures }));
  const calls = 'trisiel_handler_invocations';
  exposition.family({ name: calls, type: 'counter', help: 'Invocations by handler and class of status.' });
  for (const { labels, figures } of all)
    statusClasses.forEach((code, index) => {
      const count = figures.classes[index] ?? 0;
      if (count > 0) exposition.value(`${calls}_total`, `${labels},code="${code}"`, count);
    });
  const failures = 'trisiel_handler_failures';
  exposition.family({ name: failures, type: 'counter', help: 'Invocations that failed, by handler.' });
  for (const { labels, figures } of all) exposition.value(`${failures}_total`, labels, figures.failures);
  const seconds = 'trisiel_handler_duration_seconds';
  exposition.family({ name: seconds, type: 'histogram', help: 'How long invocations took, by handler.' });
  for (const { labels, figures } of all) exposition.histogram(seconds, labels, figures.seconds);
  const gas = 'trisiel_handler_gas';
  exposition.family({ name: gas, type: 'histogram', help: 'Gas of an invocation, by handler.' });
  for (const { labels, figures } of all) exposition.histogram(gas, labels, figures.gas, (call) => call.gas);
}
