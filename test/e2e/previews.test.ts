/** Previews as callers and guests meet them: their addresses, their values, their lines, over a restart and a kill. */
import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/protocol/nouns.ts';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
  call,
  commit,
  createUser,
  git,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';

const guest = (name: string) => readFile(new URL(`../../fixtures/guests/cwa/${name}.wasm`, import.meta.url));

let platform: TestPlatform;
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  ada = await createUser(platform, 'ada');
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

/** Pushes a guest to main and to `branches`. */
async function deploy(handler: string, name: string, branches: readonly string[]): Promise<string> {
  const repo = await makeRepo({ 'a.wasm': await guest(name) });
  for (const branch of branches) await git(repo, 'branch', branch);
  const result = await push(platform, ada, repo, handler, '--all');
  expect(result.status, result.stderr).toBe(0);
  return repo;
}

/** Returns what the counter says, called so many times. */
async function counted(label: string, times: number): Promise<string> {
  let body = '';
  for (let i = 0; i < times; i += 1) body = (await call(platform, label)).body;
  return body.trim();
}

const linesOf = async (handler: string, query: string) =>
  ((await api(platform, ada, 'GET', `/handlers/${handler}/logs?${query}`)).body as { lines: LogLine[] }).lines;

describe('a preview', () => {
  it('has kv values of its own, which end with it', async () => {
    const repo = await deploy('tally', 'counter', ['dev', 'other']);
    expect(await counted('tally', 3)).toBe('3');
    expect(await counted('dev--tally', 2)).toBe('2');
    expect(await counted('other--tally', 1)).toBe('1');
    expect(await counted('tally', 1)).toBe('4');
    const removed = await push(platform, ada, repo, 'tally', '--delete', 'dev');
    expect(removed.stderr).toContain('removed the preview of dev');
    expect((await call(platform, 'dev--tally')).status).toBe(404);
    await push(platform, ada, repo, 'tally', 'main:refs/heads/dev');
    expect(await counted('dev--tally', 1)).toBe('1');
    expect(await counted('other--tally', 1)).toBe('2');
  });

  it('gets what is called later: asynchronous requests to its address, and messages where its manifest says so', async () => {
    const repo = await deploy('called', 'counter', []);
    await git(repo, 'checkout', '-q', '-b', 'dev');
    const queues = '[[queue]]\nname = "jobs"\n[preview]\nqueues = true\n';
    await commit(repo, { 'wasmcloud.toml': queues });
    const pushed = await push(platform, ada, repo, 'called', 'dev');
    expect(pushed.stderr).toContain('deployed preview of dev');
    const accepted = await call(platform, 'dev--called', {
      method: 'POST',
      headers: { prefer: 'respond-async' },
      body: 'x',
    });
    expect(accepted.status).toBe(202);
    const state = accepted.headers.location as string;
    await expect
      .poll(async () => JSON.parse((await call(platform, 'dev--called', { path: state })).body).state, {
        timeout: 60_000,
      })
      .toBe('done');
    expect((await api(platform, ada, 'POST', '/queues/jobs/messages', 'a message')).status).toBeLessThan(300);
    await expect
      .poll(async () => (await api(platform, ada, 'GET', '/queues/jobs')).body, { timeout: 60_000 })
      .toMatchObject({ messages: { ready: 0, inflight: 0, done: 1 } });
    // Both have been counted there, and nothing here.
    expect(await counted('dev--called', 1)).toBe('3');
    expect(await counted('called', 1)).toBe('1');
  });

  it('answers under a path of the shared host too', async () => {
    await deploy('shown', 'hello', ['dev']);
    const answer = await fetch(`${platform.runUrl}/dev--shown/`);
    expect([answer.status, await answer.text()]).toEqual([200, 'Hello, world!\n']);
  });

  it('is listed, and is removed by command; the handler and its branch stay', async () => {
    await deploy('listed', 'hello', ['feature/one', 'two']);
    await call(platform, 'two--listed');
    const list = async () => {
      const { body } = await api(platform, ada, 'GET', '/handlers/listed/previews');
      return (body as { previews: { branch: string; slug: string; url: string }[] }).previews;
    };
    expect((await list()).map(({ branch, slug }) => [branch, slug])).toEqual([
      ['feature/one', 'feature-one'],
      ['two', 'two'],
    ]);
    expect((await list())[0]?.url).toContain('feature-one--listed.');
    const path = `/handlers/listed/previews/${encodeURIComponent('feature/one')}`;
    expect(await api(platform, ada, 'GET', path)).toMatchObject({
      status: 200,
      body: { preview: { branch: 'feature/one' } },
    });
    expect((await api(platform, ada, 'DELETE', path)).status).toBe(204);
    expect((await api(platform, ada, 'DELETE', path)).status).toBe(404);
    expect((await call(platform, 'feature-one--listed')).status).toBe(404);
    expect((await list()).map(({ branch }) => branch)).toEqual(['two']);
    expect((await call(platform, 'listed')).status).toBe(200);
  });

  it('marks its log lines, and the log can be read for it alone', async () => {
    await deploy('logged', 'log', ['dev']);
    await call(platform, 'dev--logged');
    await call(platform, 'logged');
    const written = (lines: readonly LogLine[]) => lines.filter(({ stream }) => stream === 'log');
    const counts = () =>
      Promise.all(['preview=dev', 'preview='].map(async (query) => written(await linesOf('logged', query)).length));
    // Both calls write the same, three lines and more.
    await expect
      .poll(async () => (await counts()).every((count, _, [first]) => count >= 3 && count === first))
      .toBe(true);
    const ofDev = await linesOf('logged', 'preview=dev');
    expect(new Set(ofDev.map(({ preview }) => preview))).toEqual(new Set(['dev']));
    const own = await linesOf('logged', 'preview=');
    expect(own.some(({ preview }) => preview !== undefined)).toBe(false);
  });

  it('gets variables of its branch without a push', async () => {
    const repo = await deploy('varied', 'env', ['dev']);
    await commit(repo, {});
    const set = async (query: string, value: string) =>
      (await api(platform, ada, 'PUT', `/handlers/varied/env/GREETING${query}`, { value })).status;
    expect([await set('', 'to all'), await set('?branch=dev', 'to dev')]).toEqual([200, 200]);
    const said = async (label: string) => (await call(platform, label)).body.trim();
    expect([await said('varied'), await said('dev--varied')]).toEqual(['to all', 'to dev']);
    expect((await api(platform, ada, 'GET', '/handlers/varied/env?branch=dev')).body).toMatchObject({
      variables: [{ key: 'GREETING', bytes: 6 }],
    });
  });
});
