/**
 * Parts of an Invocation's trace that control serves: each kv and queue call is a span, and without a trace there is
 * none.
 */
import { expect, it } from 'vitest';
import type { KvService, QueueService } from '../../src/guest/kernel/process.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import { type Span, spanLimits } from '../../src/protocol/spans.ts';
import { CallOptions, type FunctionCall, type GuestParts } from '../../src/runner/function-call.ts';
import type { LoadedDeployment } from '../../src/runner/loaded-deployments.ts';
import type { RunnerServices } from '../../src/runner/services.ts';
import { type InvocationTrace, Tracing } from '../../src/runner/tracing.ts';
import { memoryKv } from '../../ui-cli/run/services.ts';

const bytes = Buffer.from('secret-value');

function callOf(trace: InvocationTrace | null, kv: KvService = memoryKv()): CallOptions {
  const queues: QueueService = { publish: async () => {} };
  // Nothing else is asked of these by kv and queues.
  return new CallOptions(
    {} as RunnerServices,
    { services: { kv, queues } } as unknown as LoadedDeployment,
    { trace } as FunctionCall,
    {} as GuestParts,
  );
}

function tracing(): { trace: InvocationTrace; spans(): readonly Span[] } {
  const sent: Span[] = [];
  const all = new Tracing({
    sampling: { isParentBased: true, ratio: 1 },
    send: (spans) => {
      sent.push(...spans);
      return true;
    },
  });
  return {
    trace: all.begin(null, undefined),
    spans: () => {
      all.flush();
      return sent;
    },
  };
}

async function useAll({ kv, queues }: CallOptions): Promise<void> {
  await kv.put('bucket', 'secret-key', bytes);
  expect(await kv.get('bucket', 'secret-key')).toEqual(bytes);
  expect(await kv.replace('bucket', 'secret-key', bytes, bytes)).toBe(true);
  expect(await kv.keys('bucket', '')).toEqual(['secret-key']);
  await kv.delete('bucket', 'secret-key');
  await queues.publish('jobs', bytes);
}

it('each has a span of its own, with bucket or queue, and neither keys nor values', async () => {
  const { trace, spans } = tracing();
  await useAll(callOf(trace));
  const facts = spans().map(({ name, kind, traceId, attributes, error }) => ({
    ...{ name, kind, error, isOfTrace: traceId === trace.traceId },
    where: attributes['db.namespace'] ?? attributes['messaging.destination.name'],
  }));
  const kv = (operation: string) => ({
    ...{ name: `kv ${operation}`, kind: 'client', error: null, isOfTrace: true, where: 'bucket' },
  });
  expect(facts).toEqual([
    ...['put', 'get', 'replace', 'keys', 'delete'].map(kv),
    { name: 'send jobs', kind: 'producer', error: null, isOfTrace: true, where: 'jobs' },
  ]);
  expect(JSON.stringify(spans())).not.toContain('secret');
});

it('one that fails is a failed span, and fails as without a trace', async () => {
  const { trace, spans } = tracing();
  const failure = new PlatformError('limit_exceeded', 'no room');
  const full: KvService = { ...memoryKv(), put: () => Promise.reject(failure) };
  await expect(callOf(trace, full).kv.put('bucket', 'key', bytes)).rejects.toBe(failure);
  expect(spans()).toMatchObject([{ name: 'kv put', error: 'no room' }]);
});

it('where nobody receives traces they are made without any', async () => {
  const call = callOf(null);
  expect(call.trace).toBeUndefined();
  await useAll(call);
});

it('beyond so many of an Invocation are counted, and told the place of the Invocation', async () => {
  const { trace, spans } = tracing();
  const { kv } = callOf(trace);
  for (let n = 0; n < spanLimits.perInvocation + 2; n += 1) await kv.get('bucket', 'key');
  const part = { name: 'GET', kind: 'client', attributes: {} } as const;
  expect(trace.begin(part).traceparent).toBe(trace.traceparent);
  trace.end({ name: 'GET otter', kind: 'server', attributes: {}, error: null });
  expect(spans()).toHaveLength(spanLimits.perInvocation + 1);
  expect(spans().at(-1)?.attributes).toEqual({ 'trisiel.parts_without_span': 3 });
});

it('that wait for control are bounded, and the others are counted; so are those that control does not get', () => {
  const sent: { spans: number; dropped: number }[] = [];
  let isOpen = true;
  const all = new Tracing({
    sampling: { isParentBased: false, ratio: 1 },
    send: (spans, dropped) => isOpen && sent.push({ spans: spans.length, dropped }) > 0,
  });
  const end = () => all.begin(null, undefined).end({ name: 'GET otter', kind: 'server', attributes: {}, error: null });
  const told = () =>
    sent
      .splice(0)
      .reduce(([a, b], one) => [a + one.spans, b + one.dropped] as const, [0, 0] as readonly [number, number]);
  for (let n = 0; n < spanLimits.waitingInRunner + 5; n += 1) end();
  all.flush();
  expect(told()).toEqual([spanLimits.waitingInRunner, 5]);
  isOpen = false;
  for (let n = 0; n < 7; n += 1) end();
  all.flush();
  isOpen = true;
  end();
  all.flush();
  expect(told()).toEqual([1, 7]);
});
