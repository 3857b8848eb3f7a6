/** A component of WASI 0.3 that speaks wasi:http, served by a real runner over real sockets. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askLines } from '../support/ask-lines.ts';
import { expectEachPart } from '../support/chunked-echo.ts';
import { call, deploymentOf, fixture, TestFleet } from '../support/fleet.ts';

const fleet = new TestFleet();
let url = '';

beforeAll(async () => {
  await fleet.start();
  const bytes = await fixture('component/http3.wasm');
  await fleet.deploy(deploymentOf('web', bytes));
  await fleet.deploy(deploymentOf('short', bytes, { limits: { gas: 5_000_000 } }));
  url = `http://127.0.0.1:${fleet.fleet.port}`;
});
afterAll(() => fleet.stop());

const ask = (...lines: readonly string[]) => askLines(fleet.fleet.port, lines);
const codeOf = (text: string): string => (JSON.parse(text) as { readonly code: string }).code;

describe('an http component of WASI 0.3', () => {
  it('answers with its own status, fields and a stream', async () => {
    const answer = await call(`${url}/web/`);
    expect([answer.status, answer.text]).toEqual([200, 'Hello, world!']);
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain', 'content-length': '13' });
    expect((await call(`${url}/web/teapot`)).status).toBe(418);
  });

  it.each(['echo', 'copy'])('streams megabytes, by the host and through its own memory: /%s', async (path) => {
    const body = Buffer.alloc(3 * 1024 * 1024, 'abcdefghij');
    const answer = await call(`${url}/web/${path}`, { method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
    expect((await call(`${url}/web/${path}`)).text).toBe('');
  });

  it.each(['echo', 'copy'])('answers each part of a body before the next one is sent: /%s', async (path) => {
    await expectEachPart(fleet.fleet.port, `/web/${path}`);
  });

  it('waits for several calls at once, yields, and cancels a call', async () => {
    expect((await call(`${url}/web/sleep`)).text).toBe('slept\n');
    expect((await call(`${url}/web/yield`)).text).toBe('yielded\n');
    expect((await call(`${url}/web/cancel`)).text).toBe('cancelled\n');
  });

  it('finds a clean instance in every request', async () => {
    for (let round = 0; round < 20; round += 1)
      expect((await call(`${url}/web/copy`, { method: 'POST', body: `round ${round}` })).text).toBe(`round ${round}`);
  });

  it('finds nothing of requests that were cut short: no handle, no stream, no call in progress', async () => {
    for (const left of ['trap', 'cut', 'none', 'error', 'cancel', 'sleep']) {
      // The connection may be broken off.
      await call(`${url}/web/${left}`).catch(() => undefined);
      expect((await call(`${url}/short/spin`)).status).toBe(500);
      const after = await call(`${url}/web/copy`, { method: 'POST', body: 'first' });
      expect([after.status, after.text], left).toEqual([200, 'first']);
      expect((await call(`${url}/web/sleep`)).text).toBe('slept\n');
    }
  });

  it.each(['none', 'trap', 'error'])('without an answer is told as 500 no_answer: /%s', async (path) => {
    const answer = await call(`${url}/web/${path}`);
    expect([answer.status, codeOf(answer.text)]).toEqual([500, 'no_answer']);
  });

  it('that does not finish its body breaks the connection off', async () => {
    const answer = await ask('GET /web/cut HTTP/1.1');
    if (answer.startsWith('HTTP/1.1 500')) return;
    expect(answer).toContain('half');
    expect(answer.endsWith('0\r\n\r\n')).toBe(false);
  });

  it('sends no body for HEAD', async () => {
    expect(await ask('HEAD /web/ HTTP/1.1')).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
  });

  it('is stopped at its gas limit', async () => {
    const answer = await call(`${url}/short/spin`);
    expect([answer.status, codeOf(answer.text)]).toEqual([500, 'out_of_gas']);
    expect((await call(`${url}/web/`)).text).toBe('Hello, world!');
  });
});
