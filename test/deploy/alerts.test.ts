/**
 * Every alert of deploy/prometheus fires when what it is for goes on, alone, and none does while all is well
 * (promtool).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { blocksOf } from '../support/page-blocks.ts';
import { noPrometheus } from '../support/prometheus.ts';

const rulesFile = join(import.meta.dirname, '../../deploy/prometheus/trisiel.rules.yml');
const minutes = 40;

/** Series by name with labels, each a first value and what is added each minute. */
type Figures = Readonly<Record<string, readonly [first: number, each: number]>>;

const well: Figures = {
  'up{job="trisiel",instance="a"}': [1, 0],
  'trisiel_runners_serving{instance="a"}': [2, 0],
  'trisiel_runners_ended_total{instance="a"}': [0, 0],
  'trisiel_invocations_total{instance="a"}': [0, 6_000],
  'trisiel_invocation_failures_total{instance="a"}': [0, 6],
  'trisiel_handler_invocations_total{instance="a",handler="otter"}': [0, 6_000],
  'trisiel_handler_failures_total{instance="a",handler="otter"}': [0, 6],
  'trisiel_loop_lag_seconds_bucket{instance="a",process="runner",le="0.1"}': [0, 600],
  'trisiel_loop_lag_seconds_bucket{instance="a",process="runner",le="0.5"}': [0, 600],
  'trisiel_loop_lag_seconds_bucket{instance="a",process="runner",le="+Inf"}': [0, 600],
  'trisiel_pool_hits_total{instance="a"}': [0, 6_000],
  'trisiel_pool_misses_total{instance="a"}': [0, 6],
  'trisiel_cold_start_seconds_count{instance="a"}': [0, 6],
  'trisiel_log_lines_dropped_total{instance="a"}': [0, 0],
  'trisiel_invocation_records_dropped_total{instance="a"}': [0, 0],
  'trisiel_runner_records_dropped_total{instance="a"}': [0, 0],
  'trisiel_queue_oldest_seconds{instance="a"}': [1, 0],
  'trisiel_queue_dead_total{instance="a"}': [0, 0],
  'trisiel_api_request_seconds_count{instance="a",status="200"}': [0, 600],
  'trisiel_api_request_seconds_count{instance="a",status="503"}': [0, 0],
  'process_resident_memory_bytes{job="trisiel",instance="a"}': [300_000_000, 0],
  'trisiel_drain_lines_total{instance="a",kind="webhook"}': [0, 600],
  'trisiel_drain_failures_total{instance="a",kind="webhook"}': [0, 1],
  'trisiel_drain_lines_lost_total{instance="a",kind="webhook"}': [0, 0],
};

/** What differs from `well` where an alert is to fire. */
const wrong: Readonly<Record<string, Figures>> = {
  TrisielDown: { 'up{job="trisiel",instance="a"}': [0, 0] },
  TrisielNoRunner: { 'trisiel_runners_serving{instance="a"}': [0, 0] },
  TrisielRunnersEnd: { 'trisiel_runners_ended_total{instance="a"}': [0, 1] },
  TrisielCallsFail: { 'trisiel_invocation_failures_total{instance="a"}': [0, 1_200] },
  TrisielHandlerFails: { 'trisiel_handler_failures_total{instance="a",handler="otter"}': [0, 4_000] },
  TrisielLoopLag: { 'trisiel_loop_lag_seconds_bucket{instance="a",process="runner",le="0.1"}': [0, 500] },
  TrisielPoolMisses: { 'trisiel_pool_misses_total{instance="a"}': [0, 7_000] },
  TrisielColdStarts: { 'trisiel_cold_start_seconds_count{instance="a"}': [0, 120] },
  TrisielLogLinesLost: { 'trisiel_log_lines_dropped_total{instance="a"}': [0, 1] },
  TrisielRecordsLost: { 'trisiel_runner_records_dropped_total{instance="a"}': [0, 1] },
  TrisielQueueWaits: { 'trisiel_queue_oldest_seconds{instance="a"}': [700, 0] },
  TrisielDeadLetters: { 'trisiel_queue_dead_total{instance="a"}': [0, 1] },
  TrisielApiFails: { 'trisiel_api_request_seconds_count{instance="a",status="503"}': [0, 60] },
  TrisielControlMemory: { 'process_resident_memory_bytes{job="trisiel",instance="a"}': [3_000_000_000, 0] },
  TrisielDrainsFail: { 'trisiel_drain_lines_total{instance="a",kind="webhook"}': [0, 0] },
  TrisielDrainLinesLost: { 'trisiel_drain_lines_lost_total{instance="a",kind="webhook"}': [0, 1] },
};

/** Returns what promtool says where other alerts than these fire after all minutes; '': they do. */
async function checkFiring(figures: Figures, firing: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-alerts-'));
  try {
    const file = join(folder, 'test.yml');
    const test = {
      interval: '1m',
      input_series: Object.entries(figures).map(([series, [first, each]]) => ({
        series,
        values: `${first}+${each}x${minutes}`,
      })),
      promql_expr_test: [
        {
          expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: `${minutes}m`,
          exp_samples: firing.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
        },
      ],
    };
    await writeFile(file, JSON.stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests: [test] }));
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
    return status === 0 ? '' : `${stdout}${stderr}`;
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (noPrometheus !== null) process.stdout.write(`skipped: alerts in promtool (${noPrometheus})\n`);

describe('an alert', () => {
  it('of the rules has figures for which it fires', () => {
    type Rules = { readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[] };
    const { groups } = parse(readFileSync(rulesFile, 'utf8')) as Rules;
    expect(groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))).toEqual(Object.keys(wrong));
  });

  it.skipIf(noPrometheus !== null)('does not fire while all is well', async () => {
    expect(await checkFiring(well, [])).toBe('');
  });

  it.skipIf(noPrometheus !== null).each(Object.entries(wrong))('%s fires alone', async (name, figures) => {
    expect(Object.keys(figures).filter((series) => !(series in well))).toEqual([]);
    expect(await checkFiring({ ...well, ...figures }, [name])).toBe('');
  });
});

describe.skipIf(noPrometheus !== null)('a scrape configuration in a page', () => {
  it.each(blocksOf('scrapes'))('is taken by Prometheus: $page, line $line', async ({ text }) => {
    const folder = await mkdtemp(join(tmpdir(), 'trisiel-scrape-'));
    try {
      await writeFile(join(folder, 'trisiel.token'), 'token');
      await writeFile(join(folder, 'prometheus.yml'), text.replace('/etc/prometheus', folder));
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', join(folder, 'prometheus.yml')]);
      expect(status, `${stdout}${stderr}`).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
