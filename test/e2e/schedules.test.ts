/** Schedules run functions: through a real server, runners and git pushes. */
import { afterAll, expect, it, vi } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
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
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform();
  ada = await createUser(platform, 'ada');
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

/** Exits with 0 where TRISIEL_TRIGGER has eight bytes ("schedule") and standard input two, else with 1. */
const checker = assemble(`(module
  (import "cwa" "env_get" (func $env (param i32 i32 i32 i32) (result i32)))
  (import "cwa" "io_get_stdin" (func $stdin (result i32)))
  (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "TRISIEL_TRIGGER")
  (func (export "cwa_main") (result i32)
    (i32.or
      (i32.ne (call $env (i32.const 0) (i32.const 15) (i32.const 64) (i32.const 64)) (i32.const 8))
      (i32.ne (call $read (call $stdin) (i32.const 128) (i32.const 64)) (i32.const 2)))))`);

interface Shown {
  readonly name: string;
  readonly isPaused: boolean;
  readonly nextMs: readonly number[];
  readonly runs: readonly {
    readonly state: string;
    readonly invocation: string | null;
    readonly reason: string | null;
  }[];
}
const schedules = async () =>
  ((await api(platform, ada, 'GET', '/handlers/clock/schedules')).body as { readonly schedules: readonly Shown[] })
    .schedules;
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });

it('a push makes them, ticks and requests run the function, a pause ends that', async () => {
  const toml = `[[schedule]]\nname = "often"\ncron = "* * * * * *"\nbody = "go"
[[schedule]]\nname = "rare"\nevery = "366d"\npath = "/x"\nbody = "too long"\n`;
  const repo = await makeRepo({ 'a.wasm': checker, 'wasmcloud.toml': toml });
  const pushed = await push(platform, ada, repo, 'clock');
  expect(pushed.status, pushed.stderr).toBe(0);
  expect(pushed.stderr).toContain('often ticks each second');
  await eventually(async () => expect((await schedules())[0]!.runs.map(({ state }) => state)).toContain('done'));
  const done = (await schedules())[0]!.runs.find(({ state }) => state === 'done')!;
  // Runners report records of calls a moment later.
  await eventually(async () => {
    const { body } = await api(platform, ada, 'GET', `/handlers/clock/invocations/${done.invocation}`);
    expect((body as { readonly invocation?: unknown }).invocation).toMatchObject({
      ...{ method: 'POST', path: '/.trisiel/schedule/often', outcome: 'ok', bytesIn: 2 },
    });
  });
  expect((await api(platform, ada, 'POST', '/handlers/clock/schedules/rare/run')).status).toBe(200);
  await eventually(async () =>
    expect((await schedules())[1]!.runs).toMatchObject([
      { state: 'failed', reason: expect.stringContaining('exited') },
    ]),
  );
  expect((await api(platform, ada, 'POST', '/handlers/clock/schedules/often/pause')).body).toMatchObject({
    isPaused: true,
    nextMs: [],
  });
});

it('a cron that never comes refuses the push, with the line', async () => {
  const repo = await makeRepo({ 'a.wasm': checker, 'wasmcloud.toml': '[[schedule]]\ncron = "0 0 30 2 *"\n' });
  const pushed = await push(platform, ada, repo, 'never');
  expect(pushed.status).not.toBe(0);
  expect(pushed.stderr).toContain('wasmcloud.toml, line 2: schedule.0.cron never comes');
});
