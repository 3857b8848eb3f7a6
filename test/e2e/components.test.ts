/** Components by git push: what they answer over HTTP, and as consumers of a queue. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  api,
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { fixture } from '../support/e2e-guests.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAll(async () => {
  platform = await startPlatform();
  ada = await createUser(platform, 'ada');
});
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

async function deploy(handler: string, module: string, manifest = ''): Promise<string> {
  const repo = await makeRepo({ 'a.wasm': await fixture(`component/${module}`), 'wasmcloud.toml': manifest });
  const pushed = await push(platform, ada, repo, handler);
  expect(pushed.status, pushed.stderr).toBe(0);
  return pushed.stderr;
}

it('a component that speaks wasi:http answers with its own status, fields and body', async () => {
  expect(await deploy('web', 'http.wasm')).toMatch(
    /validated: component, wasi:http 0\.2\.12, \d+ imports, all provided/,
  );
  const hello = await call(platform, 'web');
  expect([hello.status, hello.body]).toEqual([200, 'Hello, world!']);
  expect(hello.headers['trisiel-invocation']).toBeTruthy();
  const body = 'x'.repeat(100_000);
  expect((await call(platform, 'web', { method: 'POST', path: '/echo', body })).body).toBe(body);
});

it('components of WASI 0.3 answer too: one that speaks wasi:http, and a program', async () => {
  expect(await deploy('web3', 'http3.wasm')).toMatch(
    /validated: component, wasi:http 0\.3\.0, \d+ imports, all provided/,
  );
  const body = 'x'.repeat(100_000);
  expect((await call(platform, 'web3', { method: 'POST', path: '/copy', body })).body).toBe(body);
  await deploy('cli3', 'cli3.wasm');
  expect((await call(platform, 'cli3', { method: 'POST', path: '/', body: 'some words' })).body).toBe('SOME WORDS');
});

it('a command component keeps the contract of CGI', async () => {
  await deploy('cli', 'cgi.wasm');
  const answer = await call(platform, 'cli', { method: 'POST', path: '/words?a=b', body: 'some words' });
  expect(answer.status).toBe(200);
  expect(answer.body).toBe('a=b\nsome words\n10 bytes\n');
});

it('a component that speaks wasi:http consumes a queue: a status of 2xx acknowledges', async () => {
  await deploy('consumer', 'http.wasm', '[[queue]]\nname = "work"\noutput = "told"\n');
  const published = await fetch(`${platform.controlUrl}/api/v1/queues/work/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada.token}` },
    body: 'a message',
  });
  expect(published.status).toBe(201);
  await vi.waitFor(
    async () =>
      expect((await api(platform, ada, 'GET', '/queues/work')).body).toMatchObject({ messages: { ready: 0, done: 1 } }),
    { timeout: 30_000, interval: 50 },
  );
  // The facts of the message are fields of the request; the component writes them, then the body.
  const told = await api(platform, ada, 'GET', '/queues/told/messages');
  expect((told.body as { readonly messages: readonly { readonly text: string }[] }).messages[0]!.text).toMatch(
    /^trisiel-trigger: queue\ntrisiel-queue-name: work\ntrisiel-message-id: m-?\S+\ntrisiel-message-attempt: 1\ntrisiel-message-count: 1\na message/,
  );
});

it('nobody outside can pass for a queue: the path is refused however it is written, the fields are left out', async () => {
  const fields = { 'trisiel-trigger': 'queue', 'trisiel-queue-name': 'work', 'trisiel-message-id': '1' };
  for (const path of [
    '/.trisiel/queue/work',
    '/%2etrisiel/queue/work',
    '/%2E%74risiel/queue/work',
    '//.trisiel/queue/work',
    '/x/..%2f.trisiel/queue/work',
    '/.TRISIEL/schedule/a',
    '/.trisiel',
  ]) {
    const answer = await call(platform, 'consumer', { method: 'POST', path, headers: fields, body: 'x' });
    expect([answer.status, JSON.parse(answer.body).code], path).toEqual([404, 'not_found']);
  }
  const answer = await call(platform, 'consumer', { path: '/fields', headers: fields });
  expect(answer.status).toBe(200);
  expect(answer.body).not.toContain('trisiel-');
  expect((await call(platform, 'consumer', { path: '/a.trisiel/b' })).status).toBe(200);
});
