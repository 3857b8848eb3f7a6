/** Invocations of a real platform: why one failed, with the functions that were running, and how one is ended. */
import { readFileSync } from 'node:fs';
import { afterAll, expect, it, vi } from 'vitest';
import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
  call,
  commit,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { fixture } from '../support/e2e-guests.ts';
import { compileWat } from '../support/fleet.ts';
import { customSection, sourceMapOf, withSection } from '../support/source-lines.ts';

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

async function deploy(handler: string, module: Uint8Array, manifest = ''): Promise<void> {
  const pushed = await push(platform, ada, await makeRepo({ 'a.wasm': module, 'wasmcloud.toml': manifest }), handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

/** Manifest of what runs until it is ended. */
const patient = '[limits]\ntimeout-ms = 600_000\ngas = 1_000_000_000_000\n';

/** A loaded machine takes seconds for what otherwise takes milliseconds. */
const patiently = { timeout: 60_000 };

/** Returns the record of an invocation once it is kept. */
async function recordOf(handler: string, id: string): Promise<InvocationRecord> {
  return vi.waitFor(async () => {
    const { status, body } = await api(platform, ada, 'GET', `/handlers/${handler}/invocations/${id}`);
    expect(status).toBe(200);
    const { invocation } = body as { invocation: InvocationRecord };
    expect(invocation.outcome).not.toBe('running');
    return invocation;
  }, patiently);
}

/** Returns an invocation that runs, another one than `before`. */
async function running(handler: string, before = ''): Promise<InvocationRecord> {
  return vi.waitFor(async () => {
    const { body } = await api(platform, ada, 'GET', `/handlers/${handler}/invocations`);
    const found = (body as { invocations: InvocationRecord[] }).invocations.find(
      ({ id, outcome }) => outcome === 'running' && id !== before,
    );
    expect(found).toBeDefined();
    return found as InvocationRecord;
  }, patiently);
}

it('one that trapped tells the commit, the trace, the reason and the functions that were running', async () => {
  const module = await compileWat(`(module
    (import "cwa" "runtime_msleep" (func $sleep (param i32)))
    (memory (export "memory") 1)
    (func $divide_by (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
    (func (param i32) (result i32) (call $divide_by (local.get 0)))
    (func $main (export "cwa_main") (result i32) (call $sleep (i32.const 1)) (call 2 (i32.const 0))))`);
  await deploy('trapping', module);
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
  const answer = await call(platform, 'trapping', { path: '/here?a=b&token=secret', headers: { traceparent } });
  expect(answer.status).toBe(500);
  const record = await recordOf('trapping', String(answer.headers['trisiel-invocation']));
  expect(record).toMatchObject({
    ...{ outcome: 'trapped', status: 500, method: 'GET', path: '/here?a=b&token=***', deployment: 1 },
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    error: expect.stringMatching(/^trapped: divide by zero in \$?divide_by/),
    commit: expect.stringMatching(/^[0-9a-f]{40}$/),
    syscalls: { runtime_msleep: { count: 1, waitMs: expect.any(Number) } },
  });
  // Names as the module gives them, else the index that its author knows.
  expect(record.stack).toEqual(['divide_by', 'function 2', 'main']);
  expect(record.trigger).toBeUndefined();
});

it('one that used up its gas tells which functions used it', async () => {
  const spin = await compileWat(`(module (memory (export "memory") 1)
    (func $spin (loop $more (br $more)))
    (func $main (export "cwa_main") (result i32) (call $spin) (i32.const 0)))`);
  await deploy('spinning', spin, '[limits]\ngas = 1000000\n');
  const answer = await call(platform, 'spinning');
  const record = await recordOf('spinning', String(answer.headers['trisiel-invocation']));
  expect(record).toMatchObject({ outcome: 'out_of_gas', error: expect.stringMatching(/^out of gas/) });
  expect(record.stack?.slice(-2)).toEqual(['spin', 'main']);
});

it('frames have lines of the source where the module brings them, or a source map beside it', async () => {
  const stackAfter = async (handler: string): Promise<readonly string[] | undefined> => {
    const answer = await call(platform, handler);
    expect(answer.status).toBe(500);
    return (await recordOf(handler, String(answer.headers['trisiel-invocation']))).stack;
  };
  await deploy('dwarf', readFileSync('fixtures/debug/lines-dwarf5.wasm'));
  expect((await stackAfter('dwarf'))?.[0]).toBe('divide (src/divide.h:4)');

  const wat = '(module (func $main (export "cwa_main") unreachable))';
  const module = withSection(await compileWat(wat), 'sourceMappingURL', customSection.name('./maps/main.map'));
  const repo = await makeRepo({ 'out/a.wasm': module, 'out/maps/main.map': sourceMapOf(module.length, 'main.ts') });
  const pushed = async (files: Parameters<typeof commit>[1]): Promise<string> => {
    await commit(repo, files);
    const { status, stderr } = await push(platform, ada, repo, 'mapped');
    expect(status, stderr).toBe(0);
    return stderr;
  };
  await pushed({ 'README.md': 'a' });
  expect(await stackAfter('mapped')).toEqual([expect.stringMatching(/^main \(main\.ts:\d+\)$/)]);
  expect(await pushed({ 'README.md': 'b' })).toContain('unchanged; v1 stays live');
  // The same module with another map is another version.
  await pushed({ 'out/maps/main.map': sourceMapOf(module.length, 'other.ts') });
  expect(await stackAfter('mapped')).toEqual([expect.stringMatching(/^main \(other\.ts:\d+\)$/)]);
  await pushed({ 'out/maps/main.map': '{' });
  expect(await stackAfter('mapped')).toEqual(['main']);
});

it('a stack without end has its innermost functions', async () => {
  const deep = await compileWat(`(module (memory (export "memory") 1)
    (func $again (param i32) (result i32) (call $again (i32.add (local.get 0) (i32.const 1))))
    (func (export "cwa_main") (result i32) (call $again (i32.const 0))))`);
  await deploy('deep', deep);
  const answer = await call(platform, 'deep');
  const record = await recordOf('deep', String(answer.headers['trisiel-invocation']));
  expect(record.outcome).toBe('trapped');
  expect(record.stack).toEqual(Array.from({ length: 32 }, () => 'again'));
});

it('a linked component keeps the names of its functions', async () => {
  await deploy('web', await fixture('component/http.wasm'));
  const answer = await call(platform, 'web', { path: '/trap' });
  expect(answer.status).toBe(500);
  const record = await recordOf('web', String(answer.headers['trisiel-invocation']));
  expect(record.stack?.length).toBeGreaterThan(0);
  expect(record.stack?.some((name) => !/^function \d+$/.test(name))).toBe(true);
});

it('one that runs is listed, and ended by a member of its team: its caller is told', async () => {
  await deploy('sleeper', await fixture('cwa/sleep.wasm'), patient);
  const answering = call(platform, 'sleeper');
  const { id } = await running('sleeper');
  const path = `/handlers/sleeper/invocations/${id}`;
  const eve = await createUser(platform, 'eve');
  expect((await api(platform, eve, 'DELETE', path)).status).toBe(404);
  // Under another handler of the same owner it is not found.
  expect((await api(platform, ada, 'DELETE', path.replace('sleeper', 'deep'))).status).toBe(404);
  expect((await api(platform, ada, 'DELETE', path)).status).toBe(204);
  const answer = await answering;
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'cancelled']);
  expect(await recordOf('sleeper', id)).toMatchObject({
    outcome: 'cancelled',
    status: 503,
    error: 'ended by a member of its team',
  });
  expect((await api(platform, ada, 'DELETE', path)).status).toBe(409);
});

it('one that computes is ended too', async () => {
  const spin = await compileWat(`(module (memory (export "memory") 1)
    (func (export "cwa_main") (result i32) (loop $more (br $more)) (i32.const 0)))`);
  await deploy('computing', spin, patient);
  const answering = call(platform, 'computing');
  const { id } = await running('computing');
  expect((await api(platform, ada, 'DELETE', `/handlers/computing/invocations/${id}`)).status).toBe(204);
  expect((await answering).status).toBe(503);
});

it('an asynchronous call that runs is cancelled, not tried again by itself, and tried again by its owner', async () => {
  await deploy('asleep', await fixture('cwa/sleep.wasm'), patient);
  await call(platform, 'asleep', { method: 'POST', headers: { prefer: 'respond-async' } });
  const record = await running('asleep');
  expect(record.trigger?.kind).toBe('async');
  const id = record.trigger?.name ?? '';
  expect((await api(platform, ada, 'POST', `/handlers/asleep/calls/${id}/retry`)).status).toBe(409);
  expect((await api(platform, ada, 'POST', `/handlers/asleep/calls/${id}/cancel`)).status).toBe(204);
  const state = () =>
    api(platform, ada, 'GET', '/handlers/asleep/calls').then(
      ({ body }) => (body as { calls: { id: string; state: string; reason: string | null }[] }).calls[0],
    );
  await expect.poll(state).toMatchObject({ id, state: 'failed', reason: expect.stringMatching(/^cancelled: /) });
  expect((await api(platform, ada, 'POST', `/handlers/asleep/calls/${id}/cancel`)).status).toBe(409);
  expect((await api(platform, ada, 'POST', `/handlers/asleep/calls/${id}/retry`)).status).toBe(204);
  expect((await running('asleep', record.id)).trigger).toEqual({ kind: 'async', name: id });
  expect((await api(platform, ada, 'POST', `/handlers/asleep/calls/${id}/cancel`)).status).toBe(204);
  await expect.poll(state).toMatchObject({ state: 'failed' });
  expect((await api(platform, ada, 'POST', '/handlers/asleep/calls/unknown/cancel')).status).toBe(404);
});
