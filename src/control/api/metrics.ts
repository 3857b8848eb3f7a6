/** Keeps figures for Prometheus. None has a label for handler, user or path of a guest, whose number has no bound. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { LogStore } from '../logs/log-store.ts';
import type { QueueRates } from '../queues/queue-rates.ts';
import type { QueueStore } from '../queues/queue-store.ts';
import type { UsageStore } from '../usage/usage-store.ts';

export class Metrics {
  /** Holds all figures, those of the process included. */
  readonly registry = new Registry();
  readonly #requests: Histogram<'operation' | 'status'>;

  constructor(options: {
    readonly logs: LogStore;
    readonly usage: UsageStore;
    readonly queues: QueueStore;
    readonly rates: QueueRates;
    /** Unix milliseconds. */
    readonly now: () => number;
  }) {
    const { logs, usage, queues, rates, now } = options;
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
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
    const held = new Gauge({
      name: 'trisiel_queue_messages',
      help: 'Messages in all queues, in any state.',
      registers,
      async collect() {
        const { messages, oldestMs } = await queues.backlog();
        held.set(messages);
        oldest.set(oldestMs === null ? 0 : Math.max(0, now() - oldestMs) / 1000);
      },
    });
    const oldest = new Gauge({
      name: 'trisiel_queue_oldest_seconds',
      help: 'Age of the oldest message that waits for a consumer; 0: none waits.',
      registers,
    });
    const gauges: readonly (readonly [name: string, help: string, value: () => number])[] = [
      ['trisiel_log_lines_waiting', 'Log lines waiting for the database.', () => logs.counters.waiting],
      ['trisiel_log_readers', 'Open log streams.', () => logs.counters.tails],
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
}
