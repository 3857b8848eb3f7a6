/** What /metrics shows, from real stores: each figure that docs/metrics.md names, with the value of what it counts. */
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DrainCounts } from '../../../src/control/drains/drain-counts.ts';
import type { DrainStore } from '../../../src/control/drains/drain-store.ts';
import type { LogStore } from '../../../src/control/logs/log-store.ts';
import { Metrics } from '../../../src/control/metrics/metrics.ts';
import { UsageStore } from '../../../src/control/usage/usage-store.ts';
import { coldSeconds, emptyBuckets, lagSeconds } from '../../../src/protocol/distributions.ts';
import type { RunnerStats } from '../../../src/protocol/messages.ts';
import type { NodeView } from '../../../src/protocol/ports.ts';
import { onEachDatabase } from '../../support/database.ts';
import { type Bench, bench, idOf, line } from '../../support/logs.ts';
import { testQueues } from '../../support/queues.ts';

const stats: RunnerStats = {
  ...{ inFlight: 3, suspended: 2, rssBytes: 1_000, poolBytes: 200, deployments: 5, stallMs: 0, codeBytes: 60 },
  counters: {
    ...{ poolHits: 7, poolMisses: 4, strayRequests: 1, recordsDropped: 9 },
    coldStarts: { buckets: emptyBuckets(coldSeconds).with(3, 2), sum: 0.08 },
    loopLag: { buckets: emptyBuckets(lagSeconds).with(0, 6), sum: 0.003 },
  },
};
const node: NodeView = {
  ...{ id: 'n', url: 'http://n', revision: 1, isServing: true },
  runners: [
    { runnerId: 'serves', pid: 1, isServing: true, stats },
    { runnerId: 'starts', pid: 2, isServing: false, stats: null },
  ],
};

onEachDatabase('metrics', (dialect) => {
  let it_: Bench;
  let logs: LogStore;
  let usage: UsageStore;
  let metrics: Metrics;
  let nowMs: number;

  beforeEach(async () => {
    nowMs = 1_800_000_000_000;
    const now = (): number => nowMs;
    it_ = await bench(dialect);
    logs = await it_.openLogs();
    usage = new UsageStore({ db: it_.db, now, onError: (error) => it_.errors.push(error) });
    const { queues, rates, publish } = testQueues(it_.db, now);
    await publish('u', 'jobs', ['1', '2']);
    await it_.db
      .insertInto('subscriptions')
      .values({ handler_id: idOf('aa'), queue: 'jobs', settings: '{}' })
      .execute();
    const drains = new DrainCounts({ waiting: async () => new Map([['syslog', 12]]) } as Pick<DrainStore, 'waiting'>);
    drains.add('syslog', { sent: 5, lost: 2, failures: 1 });
    metrics = new Metrics({
      ...{ logs, usage, queues, rates, drains, now },
      nodes: () => [node],
      spans: { counters: { exported: 8, dropped: 3 } },
    });
  });
  afterEach(async () => {
    metrics.close();
    await usage.close();
    await logs.close();
    await it_.close();
  });

  it('have the figures of runners, queues, logs, drains, spans and calls', async () => {
    const tail = logs.tail(it_.a, {});
    await logs.append([line('aa', 'one'), line('nobody', 'two')], { [idOf('aa')]: 40 });
    await usage.record({
      records: [],
      counts: [
        {
          ...{ handlerId: it_.a.id, deployment: 1, invocations: 2, failures: 1, gas: 500 },
          ...{ durationMs: 1_500, bytesIn: 10, bytesOut: 20, inFlight: 0 },
        },
      ],
    });
    metrics.observe({ operation: 'listHandlers', status: 200, seconds: 0.01 });
    nowMs += 90_000;
    const { text } = await metrics.scrape('');
    tail.close();
    for (const shown of [
      'trisiel_invocations_in_flight 3',
      'trisiel_invocations_ready 2',
      'trisiel_runners_serving 1',
      'trisiel_runners_starting 1',
      'trisiel_runners_ended_total 0',
      'trisiel_runner_memory_bytes 1000',
      'trisiel_runner_guest_memory_bytes 200',
      'trisiel_runner_code_bytes 60',
      'trisiel_runner_deployments 5',
      'trisiel_pool_hits_total 7',
      'trisiel_pool_misses_total 4',
      'trisiel_stray_requests_total 1',
      'trisiel_runner_records_dropped_total 9',
      'trisiel_cold_start_seconds_bucket{le="0.025"} 0',
      'trisiel_cold_start_seconds_bucket{le="0.05"} 2',
      'trisiel_cold_start_seconds_sum 0.08',
      'trisiel_cold_start_seconds_count 2',
      'trisiel_loop_lag_seconds_count{process="runner"} 6',
      'trisiel_queue_published_total 2',
      'trisiel_queue_acknowledged_total 0',
      'trisiel_queue_retried_total 0',
      'trisiel_queue_dead_total 0',
      'trisiel_queue_messages 2',
      'trisiel_queue_oldest_seconds 90',
      // The line `one`, and the one that tells of the 40.
      'trisiel_log_lines_total 2',
      'trisiel_log_lines_dropped_total 40',
      'trisiel_log_lines_unknown_total 1',
      'trisiel_log_lines_waiting 0',
      'trisiel_log_readers 1',
      'trisiel_drain_lines_total{kind="syslog"} 5',
      'trisiel_drain_lines_lost_total{kind="syslog"} 2',
      'trisiel_drain_failures_total{kind="syslog"} 1',
      'trisiel_drain_lines_waiting{kind="syslog"} 12',
      'trisiel_spans_total 8',
      'trisiel_spans_dropped_total 3',
      'trisiel_invocations_total 2',
      'trisiel_invocation_failures_total 1',
      'trisiel_invocation_gas_total 500',
      'trisiel_invocation_seconds_total 1.5',
      'trisiel_invocation_bytes_in_total 10',
      'trisiel_invocation_bytes_out_total 20',
      'trisiel_invocation_records_total 0',
      'trisiel_invocation_records_dropped_total 0',
      'trisiel_handler_failures_total{handler="aa"} 1',
      'trisiel_api_request_seconds_count{operation="listHandlers",status="200"} 1',
    ])
      expect(text.split('\n')).toContain(shown);
    expect(text).toMatch(/^trisiel_loop_lag_seconds_count\{process="control"\} \d+$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
    expect(it_.errors).toEqual([]);
  });

  it('are those that their page names, no more and no less', async () => {
    const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
    const named = new Set(page.match(/\btrisiel_\w+/g));
    for (const event of ['acknowledged', 'retried', 'dead']) {
      expect(page).toContain(`\`_${event}_total\``);
      named.add(`trisiel_queue_${event}_total`);
    }
    const { text } = await metrics.scrape('');
    const families = [...text.matchAll(/^# TYPE (trisiel_\S+)/gm)].map(([, name]) => name);
    expect([...named].sort()).toEqual(families.sort());
  });

  it('have no native histograms, whatever a scraper asks for', async () => {
    const protobuf = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
    for (const accept of [protobuf, `${protobuf},application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.1`]) {
      const { type, text } = await metrics.scrape(accept);
      expect(type).toMatch(/^(?:text\/plain; version=0\.0\.4|application\/openmetrics-text; version=1\.0\.0);/);
      const families = [...text.matchAll(/^# TYPE (\S+) histogram$/gm)].map(([, name]) => name);
      expect(families).toContain('trisiel_cold_start_seconds');
      for (const row of text.split('\n'))
        expect(row).toMatch(/^(?:# .*|[a-z]\w*(?:\{.*\})? \S+(?: # \{.*\} \S+ \S+)?|)$/);
    }
  });
});
