/** What a runner that a guest has taken over may make control remember. */
import { expect, it } from 'vitest';
import { RunningInvocations } from '../../../src/control/usage/running.ts';
import { PendingCounts, toCountRow, whole } from '../../../src/control/usage/usage-counts.ts';
import type { UsageCount } from '../../../src/protocol/messages.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import type { PendingInvocationRecord } from '../../../src/protocol/nouns.ts';

const handlerId = handlerIdOf('otter');
const running = (id: string, startedMs = 1): PendingInvocationRecord =>
  ({ id, handlerId, startedMs }) as PendingInvocationRecord;

it('2,000 running Invocations of each runner are kept, and those of a runner go with it', () => {
  const all = new RunningInvocations();
  const started = Array.from({ length: 2_001 }, (_, at) => running(`i${at}`, at));
  all.change('r1', { started, ended: [] });
  all.change('r2', { started: [running('other', -1)], ended: [] });
  expect(all.of(handlerId)).toHaveLength(2_001);
  expect(all.of(handlerId).at(-1)?.id).toBe('other');
  expect(all.of(handlerIdOf('badger'))).toEqual([]);
  all.change('r1', { started: [], ended: ['i0'] });
  all.change('r1', { started: [running('later')], ended: [] });
  expect(all.of(handlerId).map(({ id }) => id)).toContain('later');
  expect(all.runnerEnded('r1')).toHaveLength(2_000);
  expect(all.runnerEnded('r1')).toEqual([]);
  expect(all.of(handlerId).map(({ id }) => id)).toEqual(['other']);
});

const count = (more: Partial<UsageCount> = {}): UsageCount => ({
  ...{ handlerId, deployment: 1, invocations: 1, failures: 1, refusals: 1, gas: 1, durationMs: 1 },
  ...{ bytesIn: 1, bytesOut: 1, inFlight: 0 },
  ...more,
});

it('counts are added to their row up to the greatest number, and no row beyond 100,000 is taken', () => {
  const pending = new PendingCounts();
  const most = Number.MAX_SAFE_INTEGER;
  const figures = ['invocations', 'failures', 'refusals', 'gas', 'bytesIn', 'bytesOut'] as const;
  const greatest = Object.fromEntries(figures.map((figure) => [figure, most]));
  for (const more of [{}, greatest, greatest]) expect(pending.add(toCountRow(count(more), 0))).toBe(true);
  const [row] = pending;
  expect(row).toMatchObject({ invocations: most, failures: most, refusals: most, gas: most });
  expect(row).toMatchObject({ bytes_in: most, bytes_out: most, duration_ms: 3 });
  for (let deployment = 2; deployment <= 100_000; deployment += 1)
    expect(pending.add(toCountRow(count({ deployment }), 0))).toBe(true);
  expect(pending.size).toBe(100_000);
  expect(pending.add(toCountRow(count({ deployment: 100_001 }), 0))).toBe(false);
  expect(pending.add(toCountRow(count(), 60_000))).toBe(false);
  expect(pending.add(toCountRow(count(), 59_999))).toBe(true);
  expect(pending.size).toBe(100_000);
});

it('a value that is no count becomes 0', () => {
  for (const n of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1' as unknown as number]) {
    expect(whole(n), String(n)).toBe(0);
    expect(toCountRow(count({ invocations: n, gas: n }), 0)).toMatchObject({ invocations: 0, gas: 0 });
  }
  expect(toCountRow(count({ durationMs: -1 }), 0).duration_ms).toBe(0);
  expect(toCountRow(count({ durationMs: Number.NaN }), 0).duration_ms).toBe(0);
  expect(toCountRow(count({ durationMs: 1e300 }), 0).duration_ms).toBe(Number.MAX_SAFE_INTEGER);
});
