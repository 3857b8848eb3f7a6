/**
 * /metrics of a real platform, read by a real Prometheus: what it counts, and that each expression of the rules and the
 * dashboard in deploy/ has an answer.
 */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  runnerPid,
  startPlatform,
  type TestPlatform,
} from '../support/e2e.ts';
import { assemble, printing } from '../support/e2e-guests.ts';
import { noPrometheus, type Prometheus, startPrometheus } from '../support/prometheus.ts';

const deploy = (name: string) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const rulesFile = deploy('prometheus/trisiel.rules.yml');
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const answering = printing('Content-Type: text/plain\n\nhello');
const trapping = assemble('(module (func (export "cwa_main") (result i32) unreachable))');

let platform: TestPlatform;

beforeAttempts(async () => {
  platform = await startPlatform();
  const ada = await createUser(platform, 'ada');
  for (const [name, module] of [
    ['hello-otter', answering],
    ['trap-otter', trapping],
  ] as const) {
    const pushed = await push(platform, ada, await makeRepo({ 'a.wasm': module }), name);
    expect(pushed.status, pushed.stderr).toBe(0);
  }
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

async function scrape(accept = 'text/plain'): Promise<string> {
  const response = await fetch(`${platform.controlUrl}/metrics`, { headers: { accept } });
  expect(response.status).toBe(200);
  return response.text();
}

/** Returns the value of a line; null: there is none. */
function valueIn(text: string, line: string): number | null {
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return found === undefined ? null : Number(found.slice(line.length + 1).split(' ')[0]);
}

const calls = (code: string, handler = 'hello-otter') =>
  `trisiel_handler_invocations_total{handler="${handler}",code="${code}"}`;

describe('/metrics', () => {
  it('counts calls by handler and class of status, with the trace of one in OpenMetrics', async () => {
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    for (let i = 0; i < 5; i++) await call(platform, 'hello-otter', { headers: { traceparent } });
    expect((await call(platform, 'trap-otter')).status).toBe(500);
    expect((await call(platform, 'no-otter')).status).toBe(404);
    await expect.poll(async () => valueIn(await scrape(), calls('2xx'))).toBe(5);
    await expect.poll(async () => valueIn(await scrape(), calls('5xx', 'trap-otter'))).toBe(1);
    await expect.poll(async () => valueIn(await scrape(), 'trisiel_stray_requests_total')).toBeGreaterThan(0);
    const text = await scrape();
    expect(valueIn(text, 'trisiel_handler_failures_total{handler="trap-otter"}')).toBe(1);
    expect(valueIn(text, 'trisiel_handler_duration_seconds_count{handler="hello-otter"}')).toBe(5);
    expect(valueIn(text, 'trisiel_handler_gas_bucket{handler="hello-otter",le="1000.0"}')).toBe(5);
    expect(valueIn(text, 'trisiel_runners_serving')).toBe(2);
    expect(valueIn(text, 'trisiel_pool_misses_total')).toBeGreaterThan(0);
    expect(valueIn(text, 'trisiel_runner_memory_bytes')).toBeGreaterThan(10_000_000);
    expect(valueIn(text, 'trisiel_loop_lag_seconds_count{process="runner"}')).toBeGreaterThan(0);
    expect(text).not.toContain(traceId);
    const open = await scrape('application/openmetrics-text; version=1.0.0');
    expect(open).toMatch(
      new RegExp(
        `^trisiel_handler_duration_seconds_bucket\\{handler="hello-otter",le="[^"]*"\\} \\d+ # \\{trace_id="${traceId}"\\} `,
        'm',
      ),
    );
    expect(open.endsWith('# EOF\n')).toBe(true);
    for (const format of [text, open]) {
      const families = [...format.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
      expect(new Set(families).size).toBe(families.length);
    }
  });

  it('does not go back when a runner ends', async () => {
    const begun = valueIn(await scrape(), calls('2xx')) ?? 0;
    for (const handler of ['trap-otter', 'hello-otter']) await call(platform, handler);
    await expect.poll(async () => valueIn(await scrape(), calls('2xx'))).toBe(begun + 1);
    await expect.poll(async () => valueIn(await scrape(), calls('5xx', 'trap-otter'))).toBeGreaterThan(0);
    const before = await scrape();
    const pid = await runnerPid(platform);
    process.kill(pid, 'SIGKILL');
    await expect.poll(async () => valueIn(await scrape(), 'trisiel_runners_ended_total')).toBe(1);
    await expect.poll(async () => valueIn(await scrape(), 'trisiel_runners_serving')).toBe(2);
    await call(platform, 'hello-otter');
    await expect.poll(async () => valueIn(await scrape(), calls('2xx'))).toBe(begun + 2);
    const after = await scrape();
    const counters = before.split('\n').filter((line) => /^trisiel_\w+(_total|_count|_bucket)[ {]/.test(line));
    expect(counters.length).toBeGreaterThan(40);
    for (const line of counters) {
      const [, name = '', value] = /^(\S+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? [];
      expect(valueIn(after, name), name).toBeGreaterThanOrEqual(Number(value));
    }
  });
});

if (noPrometheus !== null)
  process.stdout.write(`skipped: rules and dashboard in a real Prometheus (${noPrometheus})\n`);

describe.skipIf(noPrometheus !== null)('a real Prometheus', () => {
  let prometheus: Prometheus;

  beforeAttempts(async () => {
    for (const handler of ['trap-otter', 'hello-otter']) await call(platform, handler);
    await prometheus?.stop();
    prometheus = await startPrometheus({ target: new URL(platform.controlUrl).host, rulesFile });
    const isUp = (targets: { activeTargets: { health: string }[] }) =>
      targets.activeTargets.some(({ health }) => health === 'up') ? true : undefined;
    await prometheus.until('/api/v1/targets', {}, isUp);
  });
  afterAll(() => prometheus.stop());

  it('accepts the configuration and the rules', async () => {
    const check = (kind: string, file: string) =>
      execFileSync('promtool', ['check', kind, file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    expect(check('rules', rulesFile)).toContain('SUCCESS');
    expect(check('config', deploy('prometheus/prometheus.yml'))).toContain('SUCCESS');
    execFileSync('promtool', ['check', 'metrics'], { input: await scrape() });
  });

  it('evaluates every rule', async () => {
    type Rules = { groups: { rules: { name: string; health: string; lastError?: string; query: string }[] }[] };
    const rules = await prometheus.until('/api/v1/rules', {}, ({ groups }: Rules) => {
      const all = groups.flatMap((group) => group.rules);
      return all.length > 0 && all.every(({ health }) => health !== 'unknown') ? all : undefined;
    });
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    await checkNames(rules.map(({ query }) => query));
  });

  it('answers every expression of the dashboard, the most with figures', async () => {
    const dashboard = JSON.parse(await readFile(deploy('grafana/trisiel.json'), 'utf8')) as {
      panels: { targets?: { expr: string }[] }[];
    };
    const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(30);
    const filled = expressions.map((expr) =>
      expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*').replaceAll('$handler', '.*'),
    );
    for (const query of filled) expect(query).not.toContain('$');
    // A rate needs two scrapes.
    await prometheus.until('/api/v1/query', { query: filled[0] ?? '' }, ({ result }: { result: unknown[] }) =>
      result.length > 0 ? true : undefined,
    );
    let withFigures = 0;
    for (const query of filled) {
      const { result } = (await prometheus.ask('/api/v1/query', { query })) as { result: unknown[] };
      if (result.length > 0) withFigures += 1;
    }
    expect(withFigures).toBeGreaterThan(20);
    await checkNames(filled);
  });

  it('finds the trace of a call', async () => {
    await call(platform, 'hello-otter', { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
    const now = Date.now() / 1_000;
    const query = {
      query: 'trisiel_handler_duration_seconds_bucket',
      start: String(now - 3_600),
      end: String(now + 3_600),
    };
    type Found = { exemplars: { labels: { trace_id: string } }[] }[];
    const found = await prometheus.until('/api/v1/query_exemplars', query, (series: Found) =>
      series.length > 0 ? series : undefined,
    );
    expect(found[0]?.exemplars[0]?.labels.trace_id).toBe(traceId);
  });

  /** Checks that every metric of these expressions is one that the platform has. */
  async function checkNames(expressions: readonly string[]): Promise<void> {
    const known = new Set((await prometheus.ask('/api/v1/label/__name__/values')) as string[]);
    const named = expressions.flatMap((expression) => expression.match(/\b(?:trisiel|process)_\w+/g) ?? []);
    expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([]);
  }
});
