/** What a function's caller sees when something is wrong: the table of docs/http.md. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  call,
  createUser,
  LogTail,
  makeRepo,
  push,
  type RepoFiles,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { fixture, printing } from '../support/e2e-guests.ts';

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

async function deploy(handler: string, files: RepoFiles): Promise<void> {
  const pushed = await push(platform, ada, await makeRepo(files), handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

describe('a function that fails', () => {
  it.each([
    ['traps', 'cwa/trap.wasm', '', {}, 500, 'trapped'],
    ['exits with a status and says nothing', 'cwa/exit.wasm', '', {}, 500, 'exited'],
    ['uses up its gas', 'cwa/spin.wasm', '[limits]\ngas = 5_000_000\n', {}, 500, 'out_of_gas'],
    ['sleeps for ever', 'cwa/sleep.wasm', '[limits]\ntimeout-ms = 300\n', {}, 504, 'deadline_exceeded'],
    [
      'loops for ever',
      'cwa/spin.wasm',
      '[limits]\ntimeout-ms = 300\ngas = 1_000_000_000_000\n',
      {},
      504,
      'deadline_exceeded',
    ],
    [
      'gets too large a body',
      'cwa/echo.wasm',
      '[limits]\nbody-bytes = 10\n',
      { method: 'POST', body: 'x'.repeat(11) },
      413,
      'body_too_large',
    ],
  ])('because it %s is told by its code, and in its log', async (title, module, manifest, options, status, code) => {
    const handler = `fails-${title
      .replace(/[^a-z]+/g, '-')
      .slice(0, 30)
      .replace(/-$/, '')}`;
    await deploy(handler, { 'a.wasm': await fixture(module), 'wasmcloud.toml': manifest });
    const answer = await call(platform, handler, options);
    const problem = JSON.parse(answer.body) as Record<string, unknown>;
    expect([answer.status, problem.status, problem.code]).toEqual([status, status, code]);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    const invocation = String(answer.headers['trisiel-invocation']);
    expect(problem.id).toBe(invocation);
    if (code === 'body_too_large') return;
    const tail = await LogTail.open(platform, ada, handler);
    const line = await tail.line((candidate) => candidate.invocation === invocation && candidate.stream === 'platform');
    expect(line.level).toBe(1);
    tail.close();
  });

  it('because its header block is malformed is told as bad_cgi_output', async () => {
    await deploy('malformed', { 'a.wasm': printing('Status: 99999\n\nbody') });
    const answer = await call(platform, 'malformed');
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([502, 'bad_cgi_output']);
  });

  it('and a name that nobody has, are told apart', async () => {
    const answer = await call(platform, 'nobody-has-this');
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([404, 'handler_not_found']);
  });

  it('leaves its neighbours alone', async () => {
    await deploy('neighbour', { 'a.wasm': printing('fine\n') });
    await deploy('endless', {
      'a.wasm': await fixture('cwa/spin.wasm'),
      'wasmcloud.toml': '[limits]\ngas = 1_000_000_000_000\ntimeout-ms = 2_000\n',
    });
    const endless = Promise.all([call(platform, 'endless'), call(platform, 'endless'), call(platform, 'endless')]);
    for (let i = 0; i < 50; i += 1) expect((await call(platform, 'neighbour')).body).toBe('fine\n');
    expect((await endless).map(({ status }) => status)).toEqual([504, 504, 504]);
  });
});
