/** A component that speaks wasi:http, served by a real runner over real sockets. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askLines } from '../support/ask-lines.ts';
import { expectEachPart } from '../support/chunked-echo.ts';
import { call, deploymentOf, fixture, TestFleet } from '../support/fleet.ts';

const fleet = new TestFleet();
let url = '';

beforeAll(async () => {
  await fleet.start();
  const bytes = await fixture('component/http.wasm');
  await fleet.deploy(deploymentOf('web', bytes));
  await fleet.deploy(deploymentOf('short', bytes, { limits: { gas: 5_000_000 } }));
  url = `http://127.0.0.1:${fleet.fleet.port}`;
});
afterAll(() => fleet.stop());

const ask = (...lines: readonly string[]) => askLines(fleet.fleet.port, lines);
const codeOf = (text: string): string => (JSON.parse(text) as { readonly code: string }).code;

describe('an http component', () => {
  it('answers with its own status and fields, small bodies in one piece', async () => {
    const answer = await call(`${url}/web/`);
    expect([answer.status, answer.text]).toEqual([200, 'Hello, world!']);
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain', 'content-length': '13' });
    expect(answer.headers['trisiel-invocation']).toBeDefined();
  });

  it('finds a clean instance in every request', async () => {
    for (let round = 0; round < 20; round += 1) expect((await call(`${url}/web/count`)).text).toBe('1\n');
  });

  it('echoes a body of megabytes through its streams', async () => {
    const body = Buffer.alloc(3 * 1024 * 1024, 'abcdefghij');
    const answer = await call(`${url}/web/`, { method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
    // As a component that has no memory for the body.
    const tight = deploymentOf('tight', await fixture('component/http.wasm'), { limits: { memoryPages: 5 } });
    expect(tight.spec.module.plan.memory?.initialPages).toBe(5);
    await fleet.deploy(tight);
    expect((await call(`${url}/tight/`, { method: 'POST', body })).body.equals(body)).toBe(true);
  });

  it('answers each part of a body before the next one is sent', async () => {
    await expectEachPart(fleet.fleet.port, '/web/');
  });

  it('may write its body before it sends the answer', async () => {
    expect((await call(`${url}/web/early`)).text).toBe('early, Hello, world!');
  });

  it('sends no body for HEAD, 204, and where it asked for none', async () => {
    expect(await ask('HEAD /web/ HTTP/1.1')).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
    expect(await ask('GET /web/empty HTTP/1.1')).toMatch(/^HTTP\/1\.1 204 [\s\S]*\r\n\r\n$/);
    const bodiless = await call(`${url}/web/bodiless`);
    expect([bodiless.status, bodiless.text, bodiless.headers['content-length']]).toEqual([200, '', '0']);
  });

  it('sends parts as they are flushed, and waits in between', async () => {
    const answer = await ask('GET /web/tick HTTP/1.1');
    expect(answer).toMatch(/transfer-encoding: chunked/i);
    expect(answer).toContain('7\r\ntick 0\n\r\n7\r\ntick 1\n\r\n7\r\ntick 2\n\r\n');
    expect((await call(`${url}/web/sleep`)).text).toBe('slept\n');
  });

  it('sends trailers behind its body', async () => {
    expect(await ask('GET /web/trailers HTTP/1.1')).toMatch(/with trailers\n\r\n0\r\nx-sum: 42\r\n\r\n$/);
  });

  it.each(['none', 'trap', 'error'])('without an answer is told as 500 no_answer: /%s', async (path) => {
    const answer = await call(`${url}/web/${path}`);
    expect([answer.status, codeOf(answer.text)]).toEqual([500, 'no_answer']);
  });

  it.each(['cut', 'late'])('that does not finish its body breaks the connection off: /%s', async (path) => {
    const answer = await ask(`GET /web/${path} HTTP/1.1`);
    if (answer.startsWith('HTTP/1.1 500')) return;
    expect(answer).toContain('half');
    expect(answer.endsWith('0\r\n\r\n')).toBe(false);
  });

  it('is stopped at its gas limit, in an endless loop of its own and in its realloc', async () => {
    for (const path of ['spin', 'loop']) {
      const answer = await call(`${url}/short/${path}`);
      expect([path, answer.status, codeOf(answer.text)]).toEqual([path, 500, 'out_of_gas']);
    }
    expect((await call(`${url}/web/`)).text).toBe('Hello, world!');
  });

  it('that loops in its realloc leaves others their turn', async () => {
    const limits = { gas: 1e12, timeoutMs: 120_000 };
    await fleet.deploy(deploymentOf('endless', await fixture('component/http.wasm'), { limits }));
    const socket = connect({ port: fleet.fleet.port, host: '127.0.0.1' });
    socket.write('GET /endless/loop HTTP/1.1\r\nHost: localhost\r\n\r\n');
    // Calls that last are reported.
    await fleet.until(() => [...fleet.running.values()].flat()[0]);
    for (let turn = 0; turn < 20; turn += 1) expect((await call(`${url}/web/`)).text).toBe('Hello, world!');
    expect(fleet.records.filter(({ handler }) => handler === 'endless')).toEqual([]);
    socket.destroy();
    expect((await fleet.until(() => fleet.records.find(({ handler }) => handler === 'endless'))).outcome).toBe(
      'aborted',
    );
  });

  it('goes on for a client that leaves with the whole answer', async () => {
    const socket = connect({ port: fleet.fleet.port, host: '127.0.0.1' });
    socket.write('GET /web/after HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let answer = '';
    for await (const part of socket) {
      answer += String(part);
      if (answer.endsWith('Hello, world!') || answer.endsWith('0\r\n\r\n')) break;
    }
    socket.destroy();
    expect(answer).toContain('Hello, world!');
    const record = await fleet.until(() => fleet.records.find(({ path }) => path === '/after'));
    expect([record.status, record.outcome]).toEqual([200, 'ok']);
  });

  it('has its system calls counted by interface', async () => {
    await call(`${url}/web/sleep`);
    const record = await fleet.until(() => fleet.records.find((one) => one.path === '/sleep'));
    expect(JSON.stringify(record)).toContain('"wasi:clocks/monotonic-clock":{"count":1');
  });
});
