/** Traces of a real platform at a real receiver of OTLP over HTTP. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble, fixture } from '../support/e2e-guests.ts';
import { OtlpReceiver } from '../support/otlp-receiver.ts';
import { cwaGuest, showVariable } from '../support/wat.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const kinds = { server: 2, client: 3, producer: 4, consumer: 5 };

let receiver: OtlpReceiver;
let upstream: Server;
let platform: TestPlatform;
let ada: TestUser;
/** Fields of the requests that came upstream. */
const asked: IncomingHttpHeaders[] = [];

beforeAttempts(async () => {
  receiver = await OtlpReceiver.start();
  upstream = createServer((request, response) => {
    asked.push(request.headers);
    response.end('from upstream');
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  platform = await startPlatform({
    TRISIEL_RUNNERS: '1',
    TRISIEL_EGRESS_ALLOW: `127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20of-the-receiver',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  });
  ada = await createUser(platform, 'ada');
  await deploy('shows', assemble(showVariable));
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
  await receiver.stop();
  upstream.closeAllConnections();
  upstream.close();
});

async function deploy(handler: string, module: Uint8Array): Promise<void> {
  const pushed = await push(platform, ada, await makeRepo({ 'a.wasm': module }), handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

const traceparent = (sampled: boolean, trace = traceId) => ({
  traceparent: `00-${trace}-${parentId}-0${sampled ? 1 : 0}`,
});
const spansOf = (trace: string) => receiver.spans.filter((span) => span.traceId === trace);
const serverSpan = (trace: string) =>
  receiver.until(() => spansOf(trace).find(({ kind }) => kind === kinds.server || kind === kinds.consumer));

describe('an invocation', () => {
  it('is a span of its caller’s trace, and each request of it one of its own; both are told on', async () => {
    await deploy('fetching', await fixture('cwa/fetch.wasm'));
    const { port } = upstream.address() as AddressInfo;
    const answer = await call(platform, 'fetching', {
      path: `/secret-less?http://127.0.0.1:${port}/path-with-secret`,
      headers: { ...traceparent(true), tracestate: 'vendor=1' },
    });
    expect(answer.body).toContain('from upstream');
    const server = await serverSpan(traceId);
    expect(server).toMatchObject({
      name: 'GET fetching',
      parentSpanId: parentId,
      status: { code: 0 },
      facts: {
        'faas.name': 'fetching',
        'faas.version': 'v1',
        'faas.trigger': 'http',
        'faas.invocation_id': answer.headers['trisiel-invocation'],
        'http.request.method': 'GET',
        'http.response.status_code': 200,
        'url.path': '/secret-less',
        'trisiel.gas': expect.any(Number),
      },
    });
    const client = await receiver.until(() => spansOf(traceId).find(({ kind }) => kind === kinds.client));
    expect(client).toMatchObject({
      name: 'GET',
      parentSpanId: server.spanId,
      facts: { 'server.address': '127.0.0.1', 'server.port': port, 'http.response.status_code': 200 },
    });
    expect(asked.at(-1)).toMatchObject({
      traceparent: `00-${traceId}-${client.spanId}-01`,
      tracestate: 'vendor=1',
    });
    expect(BigInt(client.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(server.startTimeUnixNano) - 2_000_000n);
    expect(BigInt(server.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(client.endTimeUnixNano) - 2_000_000n);
    expect(receiver.resources[0]).toMatchObject({
      'service.name': 'trisiel',
      'deployment.environment': 'test',
      'service.instance.id': expect.any(String),
    });
    // Neither the query nor the path upstream is told.
    expect(receiver.requests.map(({ text }) => text).join()).not.toContain('path-with-secret');
    expect(receiver.requests[0]?.headers.authorization).toBe('Bearer of-the-receiver');
  });

  it('tells the guest its own place in the trace', async () => {
    const trace = 'a'.repeat(32);
    const shown = await call(platform, 'shows', { path: '/?TRACEPARENT', headers: traceparent(true, trace) });
    const { spanId } = await serverSpan(trace);
    expect(shown.body).toBe(`00-${trace}-${spanId}-01`);
    const field = await call(platform, 'shows', { path: '/?HTTP_TRACEPARENT', headers: traceparent(false, trace) });
    expect(field.body).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`));
    expect(field.body).not.toContain(parentId);
  });

  it('begins a trace where its caller has none', async () => {
    await call(platform, 'shows', { path: '/?begins' });
    const span = await receiver.until(() =>
      receiver.spans.find(({ facts, parentSpanId }) => facts['url.path'] === '/' && parentSpanId === undefined),
    );
    expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it('has a failed span where it failed', async () => {
    await deploy('trapping', assemble(cwaGuest({ body: 'unreachable' })));
    const trace = 'b'.repeat(32);
    expect((await call(platform, 'trapping', { headers: traceparent(true, trace) })).status).toBe(500);
    expect(await serverSpan(trace)).toMatchObject({
      status: { code: 2, message: expect.stringMatching(/^trapped/) },
      facts: { 'error.type': 'trapped', 'http.response.status_code': 500 },
    });
  });

  it('of kv values and messages tells bucket and queue, and no more; the message’s own run is a trace of its own', async () => {
    await deploy(
      'keeping',
      assemble(
        cwaGuest({
          data: [
            '(data (i32.const 0) "kv://bucket/secret-key")',
            '(data (i32.const 32) "queue://jobs")',
            '(data (i32.const 64) "secret-value")',
            '(data (i32.const 96) "A: b\\n\\n")',
          ],
          body: `
            (local.set $fd (call $open (i32.const 0) (i32.const 22)))
            (drop (call $write (local.get $fd) (i32.const 64) (i32.const 12)))
            (drop (call $flush (local.get $fd)))
            (local.set $fd (call $open (i32.const 32) (i32.const 12)))
            (drop (call $write (local.get $fd) (i32.const 64) (i32.const 12)))
            (drop (call $flush (local.get $fd)))
            (drop (call $write (call $stdout) (i32.const 96) (i32.const 6)))`,
        }),
      ),
    );
    const trace = 'c'.repeat(32);
    expect((await call(platform, 'keeping', { headers: traceparent(true, trace) })).status).toBe(200);
    const server = await serverSpan(trace);
    const parts = spansOf(trace).filter(({ parentSpanId }) => parentSpanId === server.spanId);
    expect(
      parts.map(({ name, kind, facts }) => [name, kind, facts['db.namespace'] ?? facts['messaging.destination.name']]),
    ).toEqual(
      expect.arrayContaining([
        ['kv put', kinds.client, 'bucket'],
        ['send jobs', kinds.producer, 'jobs'],
      ]),
    );
    expect(receiver.requests.map(({ text }) => text).join()).not.toMatch(/secret-(?:key|value)/);
  });

  it('is not recorded where its caller does not record, and where a field is none a trace begins', async () => {
    const trace = 'd'.repeat(32);
    await call(platform, 'shows', { path: '/?x', headers: traceparent(false, trace) });
    await call(platform, 'shows', { path: '/?x', headers: { traceparent: `00-${'0'.repeat(32)}-${parentId}-01` } });
    const last = 'e'.repeat(32);
    await call(platform, 'shows', { path: '/?x', headers: traceparent(true, last) });
    await serverSpan(last);
    expect(spansOf(trace)).toEqual([]);
    expect(spansOf('0'.repeat(32))).toEqual([]);
  });
});

it('a call of a component is a span as any other', async () => {
  await deploy('web', await fixture('component/http.wasm'));
  const trace = 'f'.repeat(32);
  const answer = await call(platform, 'web', { path: '/fields', headers: traceparent(true, trace) });
  expect(answer.status).toBe(200);
  expect((await serverSpan(trace)).name).toBe('GET web');
});

it('spans that no receiver takes are counted, and calls are answered all the same', async () => {
  const trace = '9'.repeat(32);
  await call(platform, 'shows', { path: '/?x', headers: traceparent(true, trace) });
  await serverSpan(trace);
  receiver.status = 400;
  expect((await call(platform, 'shows', { path: '/?x', headers: traceparent(true) })).status).toBe(404);
  const text = async () => (await fetch(`${platform.controlUrl}/metrics`)).text();
  await expect.poll(text).toMatch(/^trisiel_spans_dropped_total [1-9]/m);
  expect(await text()).toMatch(/^trisiel_spans_total [1-9]/m);
  expect(platform.log()).toContain('spans could not be handed to the receiver of traces');
  expect(platform.log()).not.toContain('of-the-receiver');
});
