/** `snapshot = true` by git push: what the push says, what calls answer, and what changes the snapshot. */
import { readFile } from 'node:fs/promises';
import { afterAll, expect, it } from 'vitest';
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
import { wat } from '../support/wasm.ts';

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

const manifest = (greeting: string, snapshot = true) =>
  `${snapshot ? 'snapshot = true\n' : ''}[env]\nGREETING = "${greeting}"\n[files]\nroot = "public"\n`;

async function deploy(handler: string, toml: string, module: Uint8Array | string = 'wasi/reactor.wasm') {
  const bytes = typeof module === 'string' ? await fixture(module) : module;
  const repo = await makeRepo({ 'a.wasm': bytes, 'wasmcloud.toml': toml, 'public/word.txt': 'word\n' });
  return push(platform, ada, repo, handler, '-f', 'main');
}

it('the push runs the start-up once and says what that saves; calls answer as without a snapshot', async () => {
  const pushed = await deploy('once', manifest('hello'));
  expect(pushed.status, pushed.stderr).toBe(0);
  expect(pushed.stderr).toContain('| sieved 78498 primes');
  expect(pushed.stderr).toMatch(/snapshot: [\d.]+ ms of start-up saved per call, [\d.]+ [KM]iB/);
  expect(pushed.stderr).toContain('the start-up reads variables or arguments');
  expect((await deploy('each', manifest('hello', false))).status).toBe(0);
  for (const path of ['/a', '/b', '/a']) {
    const once = await call(platform, 'once', { path });
    expect(once.status).toBe(200);
    expect(once.body).toBe(`78498 primes, largest 999983, hello, word, 9, start-ups 1, call 1, ${path}\n`);
    expect((await call(platform, 'each', { path })).body).toBe(once.body);
  }
});

it('the same push again changes nothing; another variable in the manifest makes another snapshot', async () => {
  expect((await deploy('again', manifest('hello'))).status).toBe(0);
  const again = await deploy('again', manifest('hello'));
  expect(again.stderr).toContain('unchanged; v1 stays live');
  const other = await deploy('again', manifest('good day'));
  expect(other.status, other.stderr).toBe(0);
  expect((await call(platform, 'again')).body).toContain('999983, good day, word, 12');
});

it('a variable set by command is not seen by the start-up, and the log says so', async () => {
  expect((await deploy('told', manifest('good day'))).status).toBe(0);
  const set = await api(platform, ada, 'PUT', '/handlers/told/env/GREETING', { value: 'secret' });
  expect(set.status).toBeLessThan(300);
  expect((await call(platform, 'told')).body).toContain('good day');
  await expect
    .poll(async () =>
      JSON.stringify((await api(platform, ada, 'GET', '/handlers/told/logs?limit=100&grep=environment')).body),
    )
    .toContain('its snapshot was made with the variables of the manifest');
});

it('a start-up that opens a socket refuses the push, and what was live stays', async () => {
  const url = 'tcp://127.0.0.1:1';
  const opens = wat(`(module (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "${url}")
    (func (export "_initialize") (drop (call $open (i32.const 0) (i32.const ${url.length})))) (func (export "main")))`);
  expect((await deploy('stays', manifest('good day'))).status).toBe(0);
  const refused = await deploy('stays', manifest('good day'), opens);
  expect(refused.status).not.toBe(0);
  expect(refused.stderr.replace(/\s+(?:remote:)?\s*/g, ' ')).toContain(`opens ${url}`);
  expect(refused.stderr).toContain('v1 is still live');
  expect((await call(platform, 'stays')).status).toBe(200);
});

it('a component with snapshot = true is refused in words of its own', async () => {
  const bytes = await readFile(new URL('../../fixtures/guests/component/http.wasm', import.meta.url));
  const refused = await deploy('web', 'snapshot = true\n[files]\nroot = "public"\n', bytes);
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toContain('is a component');
});
