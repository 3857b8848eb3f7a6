/** What control hands to a receiver of traces: whole spans, in bounded numbers and sizes, whatever a runner sends. */
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { beforeEach, expect, test } from 'vitest';
import { SpanExporter } from '../../../src/control/traces/span-exporter.ts';
import { type Span, spanLimits } from '../../../src/protocol/spans.ts';

const sound: Span = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  parentId: null,
  isParentRemote: false,
  name: 'GET otter',
  kind: 'server',
  startMs: 1_800_000_000_000.25,
  endMs: 1_800_000_000_001.5,
  attributes: { 'url.path': '/' },
  error: null,
};

/** Batches that the receiver got. */
let batches: ReadableSpan[][];
/** Answers of the receiver: one for each batch, in the order of the batches; null: it takes the batch. */
let answer: (batch: readonly ReadableSpan[]) => Promise<Error | null>;
let reported: string[];
let exporter: SpanExporter;

beforeEach(() => {
  batches = [];
  reported = [];
  answer = async () => null;
  const receiver = {
    export: (batch: ReadableSpan[], done: (result: { readonly code: number; readonly error?: Error }) => void) => {
      batches.push(batch);
      void answer(batch).then((error) => done(error === null ? { code: 0 } : { code: 1, error }));
    },
    shutdown: async () => {},
  };
  exporter = new SpanExporter(receiver as unknown as OTLPTraceExporter, {
    ...{ resource: { 'service.name': 'trisiel' }, version: '1.0.0' },
    report: (message) => reported.push(message),
  });
});

const sent = () => batches.flat();

test.each<[string, unknown]>([
  ['nothing', null],
  ['a text', 'span'],
  ['a short trace id', { ...sound, traceId: 'a'.repeat(31) }],
  ['a trace id that is no hexadecimal number', { ...sound, traceId: 'g'.repeat(32) }],
  ['a trace id of another type', { ...sound, traceId: ['a'.repeat(32)] }],
  ['a long span id', { ...sound, spanId: 'b'.repeat(17) }],
  ['a parent that is no id', { ...sound, parentId: '' }],
  ['a start that is no number', { ...sound, startMs: Number.NaN }],
  ['a start before all time', { ...sound, startMs: 0 }],
  ['an end that never comes', { ...sound, endMs: Number.POSITIVE_INFINITY }],
  ['an unknown kind', { ...sound, kind: 'toString' }],
])('%s is dropped and counted, and the spans beside it are sent', async (_what, span) => {
  exporter.take([span as Span, sound], 0);
  await exporter.close();
  expect(sent().map(({ name }) => name)).toEqual(['GET otter']);
  expect(exporter.counters).toEqual({ exported: 1, dropped: 1 });
});

test('what is no list is no span; counts that are none are not added', async () => {
  exporter.take({ length: 3 } as unknown as readonly Span[], Number.NaN);
  exporter.take([], -5);
  exporter.take([], 7);
  await exporter.close();
  expect(exporter.counters).toEqual({ exported: 0, dropped: 7 });
});

test('names, texts and attributes have bounds', async () => {
  const attributes = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`${n}-${'k'.repeat(999)}`, 'v'.repeat(9_999)]),
  );
  const long = { ...sound, name: 'n'.repeat(9_999), error: 'e'.repeat(9_999), attributes };
  const odd = { ...sound, name: 5, attributes: { object: {}, nothing: null, endless: Number.NaN, yes: true, one: 1 } };
  exporter.take([long, odd as unknown as Span], 0);
  await exporter.close();
  const [first, second] = sent();
  expect(first?.name).toHaveLength(spanLimits.nameChars);
  expect(first?.status.message).toHaveLength(spanLimits.textChars);
  expect(Object.keys(first?.attributes ?? {})).toHaveLength(spanLimits.attributes);
  for (const [key, value] of Object.entries(first?.attributes ?? {})) {
    expect(key.length).toBeLessThanOrEqual(spanLimits.nameChars);
    expect(String(value)).toHaveLength(spanLimits.textChars);
  }
  expect(second).toMatchObject({ name: '', attributes: { yes: true, one: 1 } });
  expect(Object.keys(second?.attributes ?? {})).toEqual(['yes', 'one']);
});

test('a span that ends before it starts takes no time', async () => {
  exporter.take([{ ...sound, endMs: sound.startMs - 5 }], 0);
  await exporter.close();
  expect(sent()[0]).toMatchObject({ duration: [0, 0], startTime: sent()[0]?.endTime });
});

test('while the receiver does not answer, a bounded number waits, and the others are counted', async () => {
  const { promise, resolve } = Promise.withResolvers<null>();
  answer = () => promise;
  const many = Array.from({ length: spanLimits.batch }, () => sound);
  exporter.take(many, 0); // under way
  const rounds = spanLimits.waiting / spanLimits.batch + 2;
  for (let n = 0; n < rounds; n += 1) exporter.take(many, 0);
  expect(batches).toHaveLength(1);
  expect(exporter.counters).toEqual({ exported: 0, dropped: 2 * spanLimits.batch });
  resolve(null);
  await exporter.close();
  expect(batches.every((batch) => batch.length <= spanLimits.batch)).toBe(true);
  expect(sent()).toHaveLength(spanLimits.batch + spanLimits.waiting);
});

test('a receiver that fails is told once a minute, its spans are counted, and the next ones are sent', async () => {
  let fails = true;
  answer = async () => (fails ? new Error('away') : null);
  const many = Array.from({ length: 3 * spanLimits.batch }, () => sound);
  exporter.take(many, 0);
  await expect.poll(() => exporter.counters.dropped, { timeout: 60_000 }).toBe(many.length);
  expect(reported).toEqual(['spans could not be handed to the receiver of traces']);
  fails = false;
  exporter.take([sound], 0);
  await exporter.close();
  expect(exporter.counters).toEqual({ exported: 1, dropped: many.length });
});
