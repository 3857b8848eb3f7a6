/** Asynchronous HTTP: a call is kept, made later, retried, and its answer read at an address that nobody can guess. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, expect, it, vi } from 'vitest';
import { callLimits } from '../../src/protocol/limits.ts';
import { asyncLimits } from '../../src/runner/limits.ts';
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
  type TestUser,
} from '../support/e2e.ts';
import { assemble, fixture, telling } from '../support/e2e-guests.ts';

let platform: TestPlatform;
let ada: TestUser;

/** Answers 201 with a field, and the trigger, the query and the body that it was called with. */
const teller = telling(['TRISIEL_TRIGGER', 'QUERY_STRING', 'REMOTE_ADDR'], {
  separator: '|',
  head: 'Status: 201\nX-Own: yes\nSet-Cookie: a=b\nContent-Type: text/plain\n\n',
});

async function deploy(handler: string, module: Uint8Array, manifest = ''): Promise<void> {
  const pushed = await push(platform, ada, await makeRepo({ 'a.wasm': module, 'wasmcloud.toml': manifest }), handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

beforeAttempts(async () => {
  platform = await startPlatform();
  ada = await createUser(platform, 'ada');
  await deploy('teller', teller);
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

const prefer = { prefer: 'wait=10, Respond-Async' };
const later = (handler: string, path = '/', body = '') =>
  call(platform, handler, { method: 'POST', path, headers: prefer, body });
interface State {
  readonly state: string;
  readonly status: number | null;
  readonly attempts: number;
  readonly reason: string | null;
  readonly answer: string | null;
}
async function ended(handler: string, path: string): Promise<State> {
  return vi.waitFor(
    async () => {
      const state = JSON.parse((await call(platform, handler, { path })).body) as State;
      expect(['done', 'failed']).toContain(state.state);
      return state;
    },
    { timeout: 90_000, interval: 50 },
  );
}

it('is answered 202 with an address, where its state and then the answer are read', async () => {
  const accepted = await later('teller', '/x?a=b', 'the body');
  expect(accepted.status).toBe(202);
  expect(accepted.headers).toMatchObject({ 'preference-applied': 'respond-async' });
  const url = String(accepted.headers.location);
  expect(url).toMatch(/^\/\.trisiel\/calls\/[0-9a-f]{32}$/);
  expect(await ended('teller', url)).toMatchObject({
    state: 'done',
    status: 201,
    attempts: 1,
    answer: `${url}/answer`,
  });
  const answer = await call(platform, 'teller', { path: `${url}/answer` });
  expect([answer.status, answer.body]).toEqual([201, 'async|a=b|127.0.0.1|the body']);
  expect(answer.headers).toMatchObject({ 'x-own': 'yes', 'set-cookie': expect.anything() });
  expect((await call(platform, 'teller', { method: 'POST', path: url })).status).toBe(405);
});

it('its address is good for its own function only, and nothing else is found', async () => {
  const url = String((await later('teller')).headers.location);
  await ended('teller', url);
  await deploy('other', teller);
  for (const [handler, path] of [
    ['other', url],
    ['other', `${url}/answer`],
    ['teller', `${url.slice(0, -1)}_`],
    ['teller', '/.trisiel/calls/x'],
  ] as const)
    expect((await call(platform, handler, { path })).status, path).toBe(404);
});

it('an unknown function, a body that is too large and a caller without the preference are answered at once', async () => {
  expect((await later('nobody')).status).toBe(404);
  expect((await later('teller', '/', 'x'.repeat(callLimits.bodyBytes + 1))).status).toBe(413);
  expect((await call(platform, 'teller', { headers: { prefer: 'x="a, respond-async, b"' } })).status).toBe(201);
});

it('an answer of more than a mebibyte is not kept, and the state says so; one that is smaller is', async () => {
  const prefix = 'async||127.0.0.1|'.length;
  for (const [bytes, state] of [
    [callLimits.answerBytes - prefix, 'done'],
    [callLimits.answerBytes, 'failed'],
  ] as const) {
    const url = String((await later('teller', '/', 'x'.repeat(bytes))).headers.location);
    const seen = await ended('teller', url);
    expect(seen.state, String(bytes)).toBe(state);
    if (state === 'failed') expect(seen.reason).toContain(`more than ${callLimits.answerBytes} bytes`);
    else expect((await call(platform, 'teller', { path: `${url}/answer` })).body).toHaveLength(callLimits.answerBytes);
  }
});

it('what fails is attempted as often as TRISIEL_RETRY says, once without; its answer is kept', async () => {
  const failing = assemble('(module (memory (export "memory") 1) (func (export "cwa_main") (result i32) unreachable))');
  await deploy('once', failing);
  await deploy('twice', failing, '[env]\nTRISIEL_RETRY = "2"\n');
  for (const [handler, attempts] of [
    ['once', 1],
    ['twice', 2],
  ] as const) {
    const url = String((await later(handler)).headers.location);
    expect(await ended(handler, url)).toMatchObject({
      state: 'failed',
      status: 500,
      attempts,
      reason: expect.stringContaining('trapped'),
    });
    expect(JSON.parse((await call(platform, handler, { path: `${url}/answer` })).body).code).toBe('trapped');
  }
});

it('bodies that drip take half of the places at most: the functions of others are called meanwhile', async () => {
  const grace = await createUser(platform, 'grace');
  const pushed = await push(platform, grace, await makeRepo({ 'a.wasm': teller }), 'of-grace');
  expect(pushed.status, pushed.stderr).toBe(0);
  const base = new URL(platform.runUrl);
  const sockets: Socket[] = [];
  let refused = 0;
  const several = Promise.withResolvers<void>();
  try {
    // Two runners share the connections: more than enough for both.
    for (let n = 0; n < 3 * asyncLimits.accepting; n += 1) {
      const socket = connect(Number(base.port), base.hostname);
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        if (!String(bytes).startsWith('HTTP/1.1 503 ')) return;
        refused += 1;
        if (refused >= asyncLimits.accepting) several.resolve();
      });
      socket.write(`POST / HTTP/1.1\r\nHost: teller.localhost\r\nPrefer: respond-async\r\nContent-Length: 10\r\n\r\n1`);
    }
    await several.promise;
    const answer = await call(platform, 'of-grace', {
      method: 'POST',
      headers: { prefer: 'respond-async' },
      body: 'x',
    });
    expect(answer.status).toBe(202);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

it('a component is called the same way', async () => {
  await deploy('web', await fixture('component/http.wasm'));
  const url = String((await later('web', '/fields', 'echoed')).headers.location);
  expect(await ended('web', url)).toMatchObject({ state: 'done', status: 200 });
  expect((await call(platform, 'web', { path: `${url}/answer` })).body).toBe(
    'trisiel-trigger: async\ntrisiel-call-attempt: 1\nechoed',
  );
});

it('what was accepted is made although control and runners are killed', async () => {
  await deploy(
    'slow',
    assemble(`(module
    (import "cwa" "runtime_msleep" (func $sleep (param i32)))
    (memory (export "memory") 1)
    (func (export "cwa_main") (result i32) (call $sleep (i32.const 1500)) (i32.const 0)))`),
  );
  const urls = await Promise.all(Array.from({ length: 5 }, async () => String((await later('slow')).headers.location)));
  const pid = await runnerPid(platform);
  platform.child.kill('SIGKILL');
  await once(platform.child, 'exit');
  process.kill(pid, 'SIGKILL');
  platform = await startPlatform({ TRISIEL_DATA: platform.dataFolder });
  for (const url of urls) expect(await ended('slow', url)).toMatchObject({ state: 'done', status: 200 });
}, 180_000);
