import { expect, test } from 'vitest';
import type { HandlerView } from '../../../src/protocol/views.ts';
import { bodyRows, messageRows } from '../../../ui-cli/frame/layout.ts';
import { overviewLines } from '../../../ui-cli/screens/overview/overview-lines.ts';
import { cells } from '../../../ui-cli/text/width.ts';

const size = { columns: 80, rows: 24 };

test('header, footer, message line and what the screen draws above its body leave the rest', () => {
  expect(bodyRows({ size, message: null, task: null, filtering: false }, 0)).toBe(21);
  expect(bodyRows({ size, message: null, task: null, filtering: false }, 1)).toBe(20);
  expect(
    bodyRows(
      { size, task: null, filtering: false, message: { kind: 'error', lines: ['error: a', 'hint: b', 'request: c'] } },
      1,
    ),
  ).toBe(18);
});

test('a long error is wrapped and cut, so that it does not push the screen away', () => {
  const message = { kind: 'error', lines: Array.from({ length: 30 }, () => 'word '.repeat(40)) } as const;
  const rows = messageRows({ size, message });
  expect(rows).toHaveLength(6);
  for (const row of rows) expect(cells(row.text)).toBeLessThanOrEqual(78);
  expect(bodyRows({ size: { columns: 60, rows: 14 }, message, task: null, filtering: false }, 1)).toBeGreaterThan(5);
});

test('an error is coloured in its first line, its hints are plain', () => {
  const message = { kind: 'error', lines: ['error: a', 'hint: b'] } as const;
  expect(messageRows({ size, message }).map((row) => row.tone)).toEqual(['error', 'plain']);
});

const view: HandlerView = {
  name: 'swift-otter',
  owner: 'ada',
  role: 'owner',
  settings: { limits: {}, policy: { allow: [], disallow: [] }, previews: true },
  url: 'http://swift-otter.localhost:3003',
  pathUrl: 'http://localhost:3003/alpha/',
  gitUrl: '',
  deployBranch: 'main',
  state: 'live',
  version: 3,
  createdMs: 0,
  deployedMs: 0,
  formerNames: [],
};
const nowMs = 100 * 60_000;
const minute = (back: number, invocations: number) => ({
  minuteMs: nowMs - back * 60_000,
  invocations,
  failures: 0,
  gas: invocations * 11,
  durationMs: 1,
  bytesIn: 0,
  bytesOut: 1024,
});
const summary = {
  windowMs: 300_000,
  invocations: 3,
  failures: 0,
  gas: 33,
  requestsPerSecond: 0.05,
  failuresPerSecond: 0,
  p50Ms: 0.4,
  p99Ms: 2.2,
};

test('the overview draws the last minutes, the current one at the right', () => {
  const usage = { summary, minutes: [minute(59, 1), minute(1, 2), minute(0, 4)] };
  const lines = overviewLines({ view, git: 'g', usage, nowMs, width: 100 });
  const requests = lines.find((line) => line.startsWith('requests')) ?? '';
  expect(requests).toMatch(/^requests {2}▃▁{57}▅█ {2} +0\.05\/s +7$/);
  expect(lines.join('\n')).toContain('p50 0.4 ms   p99 2.2 ms   (last 5 min)');
  expect(lines.join('\n')).toContain('3 KiB out');
});

test('the overview fits the narrowest terminal', () => {
  for (const width of [56, 76, 116]) {
    const usage = { summary, minutes: [minute(0, 1_000_000)] };
    for (const line of overviewLines({ view, git: 'http://127.0.0.1:3002/swift-otter.git', usage, nowMs, width })) {
      expect(cells(line)).toBeLessThanOrEqual(width);
    }
  }
});
