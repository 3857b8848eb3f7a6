/** Asynchronous HTTP where the owner of the function has no room, or is suspended. */
import { afterAll, expect, it, vi } from 'vitest';
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
import { assemble } from '../support/e2e-guests.ts';

let platform: TestPlatform;
let admin: TestUser;
let ada: TestUser;
const handlers = { full: 'of-ada', rests: 'of-eve' } as const;

beforeAttempts(async () => {
  platform = await startPlatform({ TRISIEL_QUOTA_BYTES: String(1024 * 1024) });
  admin = await createUser(platform, 'admin');
  const module = assemble(`(module
    (import "cwa" "runtime_msleep" (func $sleep (param i32)))
    (memory (export "memory") 1)
    (func (export "cwa_main") (result i32) (call $sleep (i32.const 2000)) (i32.const 0)))`);
  for (const [name, handler] of [
    ['ada', handlers.full],
    ['eve', handlers.rests],
  ] as const) {
    const user = await createUser(platform, name);
    if (name === 'ada') ada = user;
    const pushed = await push(platform, user, await makeRepo({ 'a.wasm': module }), handler);
    expect(pushed.status, pushed.stderr).toBe(0);
  }
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

const later = (handler: string, body = '') =>
  call(platform, handler, { method: 'POST', path: '/', headers: { prefer: 'respond-async' }, body });

it('a request for which the owner has no room is answered 507, and nothing of it is kept', async () => {
  const body = 'x'.repeat(600_000);
  expect((await later(handlers.full, body)).status).toBe(202);
  const refused = await later(handlers.full, body);
  expect([refused.status, JSON.parse(refused.body).code]).toEqual([507, 'storage_full']);
  const { body: listed } = await api(platform, ada, 'GET', `/handlers/${handlers.full}/calls`);
  expect((listed as { readonly calls: readonly unknown[] }).calls).toHaveLength(1);
});

it('a function of a suspended owner takes no request; one that was accepted waits until the owner is back', async () => {
  const url = String((await later(handlers.rests)).headers.location);
  const suspend = (suspended: boolean) => api(platform, admin, 'PATCH', '/users/eve', { suspended });
  expect((await suspend(true)).status).toBe(200);
  const refused = await later(handlers.rests);
  expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, 'suspended']);
  expect((await suspend(false)).status).toBe(200);
  await vi.waitFor(
    async () => {
      const state = JSON.parse((await call(platform, handlers.rests, { path: url })).body);
      expect(state).toMatchObject({ state: 'done', status: 200 });
    },
    { timeout: 60_000, interval: 50 },
  );
});
