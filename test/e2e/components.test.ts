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

it('a command component keeps the contract of CGI', async () => {
  await deploy('cli', 'cgi.wasm');
  const answer = await call(platform, 'cli', { method: 'POST', path: '/words?a=b', body: 'some words' });
  expect(answer.status).toBe(200);
  expect(answer.body).toBe('a=b\nsome words\n10 bytes\n');
});

it('a component that speaks wasi:http consumes a queue: a status of 2xx acknowledges', async () => {
  await deploy('consumer', 'http.wasm', '[[queue]]\nname = "work"\n');
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
});
