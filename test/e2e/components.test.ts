/** Components by git push: what they answer over HTTP, and as consumers of a queue. */
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, it, vi } from 'vitest';
import { ArtifactStore } from '../../src/control/artifacts/artifact-store.ts';
import { openDatabase } from '../../src/control/db/database.ts';
import { LINKER_VERSION } from '../../src/guest/component/recognise.ts';
import { linkerVersionOf } from '../../src/protocol/module.ts';
import { beforeAttempts } from '../support/attempts.ts';
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
import { goneFunction, linkedBefore } from '../support/linked-before.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform();
  ada = await createUser(platform, 'ada');
}, removeTemporaryFolders);
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

it('a program of Rust’s standard library keeps it as well', async () => {
  await deploy('rust', 'std.wasm');
  const answer = await call(platform, 'rust', { method: 'POST', path: '/', body: 'b a b' });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain');
  expect(answer.body).toContain('[("a", 1), ("b", 2)]\n6789 4 ["g"] Err(NotFound)\ntrue\nErr(Unsupported)\n');
  expect((await call(platform, 'rust', { method: 'POST', path: '/', body: 'panic' })).status).toBe(500);
});

it('QuickJS as a component answers with JavaScript, and logs the stack of what it throws', async () => {
  const wasm = gunzipSync(await fixture('component/quickjs.wasm.gz'));
  const repo = await makeRepo({ 'a.wasm': wasm, 'wasmcloud.toml': '' });
  expect((await push(platform, ada, repo, 'quickjs')).status).toBe(0);
  const answer = await call(platform, 'quickjs', { method: 'POST', path: '/words', body: 'hello wörld hello' });
  expect(answer.headers['content-type']).toBe('application/json');
  const counts = [
    ['hello', 2],
    ['wörld', 1],
  ];
  // An empty variable stays empty.
  expect(JSON.parse(answer.body)).toEqual({ method: 'POST', path: '/words', query: '', counts });
  expect((await call(platform, 'quickjs', { path: '/fail' })).status).toBe(500);
  await vi.waitFor(
    async () => {
      const logs = JSON.stringify((await api(platform, ada, 'GET', '/handlers/quickjs/logs')).body);
      expect(logs).toContain('RangeError: no /fail');
      expect(logs).toContain('at fail (handler.js:1');
    },
    { timeout: 60_000, interval: 50 },
  );
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
    { timeout: 60_000, interval: 50 },
  );
  // The facts of the message are fields of the request; the component writes them, then the body.
  const told = await api(platform, ada, 'GET', '/queues/told/messages');
  expect((told.body as { readonly messages: readonly { readonly text: string }[] }).messages[0]!.text).toMatch(
    /^trisiel-trigger: queue\ntrisiel-queue-name: work\ntrisiel-message-id: m-?\S+\ntrisiel-message-attempt: 1\ntrisiel-message-count: 1\na message/,
  );
});

it('nobody outside can pass for a queue: the path is refused however it is written, the fields are left out', async () => {
  await deploy('guarded', 'http.wasm', '[[queue]]\nname = "guarded"\n');
  const fields = { 'trisiel-trigger': 'queue', 'trisiel-queue-name': 'guarded', 'trisiel-message-id': '1' };
  for (const path of [
    '/.trisiel/queue/guarded',
    '/%2etrisiel/queue/guarded',
    '/%2E%74risiel/queue/guarded',
    '//.trisiel/queue/guarded',
    '/x/..%2f.trisiel/queue/guarded',
    '/.TRISIEL/schedule/a',
    '/.trisiel',
  ]) {
    const answer = await call(platform, 'guarded', { method: 'POST', path, headers: fields, body: 'x' });
    expect([answer.status, JSON.parse(answer.body).code], path).toEqual([404, 'not_found']);
  }
  const answer = await call(platform, 'guarded', { path: '/fields', headers: fields });
  expect(answer.status).toBe(200);
  expect(answer.body).not.toContain('trisiel-');
  expect((await call(platform, 'guarded', { path: '/a.trisiel/b' })).status).toBe(200);
});

it('after an upgrade, components that the version before has linked are linked anew, and answer', async () => {
  const earlier = await startPlatform();
  const owner = await createUser(earlier, 'ada');
  const module = await fixture('component/http.wasm');
  for (const [name, bytes] of [
    ['web', module],
    ['stuck', Buffer.concat([module, Buffer.from([0, 2, 1, 0x76])])],
  ] as const)
    expect((await push(earlier, owner, await makeRepo({ 'a.wasm': bytes }), name)).status).toBe(0);
  await earlier.stop();
  const file = join(earlier.dataFolder, 'trisiel.db');
  const db = await openDatabase({ file });
  const artifacts = await ArtifactStore.open(join(earlier.dataFolder, 'artifacts'));
  const rows = await db.selectFrom('deployments').select(['artifact', 'manifest', 'handler_id']).execute();
  for (const { artifact } of rows) await linkedBefore({ db, artifacts }, artifact);
  // Refused when it is linked anew: its memory limit is below what it starts with.
  const stuck = db.selectFrom('handlers').select('id').where('name', '=', 'stuck');
  const manifest = JSON.parse(rows[0]!.manifest);
  const tight = JSON.stringify({ ...manifest, limits: { ...manifest.limits, memoryPages: 1 } });
  await db.updateTable('deployments').set({ manifest: tight }).where('handler_id', '=', stuck).execute();
  await db.close();

  const upgraded = await startPlatform({ ...earlier.env, TRISIEL_DATA: earlier.dataFolder });
  await expect.poll(async () => (await call(upgraded, 'web')).status).toBe(200);
  expect((await call(upgraded, 'web', { method: 'POST', path: '/echo', body: 'new' })).body).toBe('new');
  const logOf = async (name: string): Promise<string> =>
    JSON.stringify((await api(upgraded, owner, 'GET', `/handlers/${name}/logs`)).body);
  await expect.poll(() => logOf('web')).toContain('v1 was linked anew');
  const refused = await call(upgraded, 'stuck');
  expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, 'unavailable']);
  await expect.poll(() => logOf('stuck')).toContain('v1 stays as it was linked');
  await expect.poll(() => logOf('stuck')).toContain(`${goneFunction}, which this version`);
  await upgraded.stop();
  const after = await openDatabase({ file });
  const kept = await after.selectFrom('deployments').select('artifact').orderBy('created_ms').execute();
  await after.close();
  expect(kept.map(({ artifact }) => linkerVersionOf(artifact))).toEqual([LINKER_VERSION, LINKER_VERSION - 1]);
});
