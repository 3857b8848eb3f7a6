/**
 * A handler gets another name while it is called: real runners, callers that follow redirects, queues and stored calls.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
  call,
  commit,
  createUser,
  type FunctionAnswer,
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
  platform = await startPlatform({ TRISIEL_RUNNERS: '2' });
  ada = await createUser(platform, 'ada');
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

async function deploy(handler: string, name: string, manifest = ''): Promise<string> {
  const repo = await makeRepo({ 'a.wasm': await guest(name), 'wasmcloud.toml': manifest });
  const pushed = await push(platform, ada, repo, handler);
  expect(pushed.status, pushed.stderr).toBe(0);
  return repo;
}

async function rename(from: string, to: string): Promise<void> {
  const answer = await api(platform, ada, 'PATCH', `/handlers/${from}`, { name: to });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  expect(answer.body).toMatchObject({ handler: { name: to } });
}

/** Calls `label` as a client does that follows redirects. */
async function followed(label: string): Promise<FunctionAnswer> {
  let answer = await call(platform, label);
  for (let n = 0; answer.status === 308 && n < 5; n += 1) {
    const url = new URL(answer.headers.location as string, platform.runUrl);
    answer = await call(platform, url.host.split('.')[0]!, { path: url.pathname + url.search });
  }
  return answer;
}

it('callers of the old name are sent to the new one, by host name and by path, with path, query and method', async () => {
  const repo = await deploy('otter', 'echo');
  await git(repo, 'checkout', '-q', '-b', 'dev');
  expect((await push(platform, ada, repo, 'otter', 'dev')).status).toBe(0);
  await rename('otter', 'heron');
  const { port } = new URL(platform.runUrl);
  const posted = await call(platform, 'otter', { method: 'POST', path: '/a%20b/?c=d&e', body: 'x' });
  expect(posted).toMatchObject({
    status: 308,
    headers: { location: `//heron.localhost:${port}/a%20b/?c=d&e`, 'cache-control': 'no-store' },
  });
  const byPath = (path: string) => call(platform, 'x', { path, headers: { host: `localhost:${port}` } });
  expect((await byPath('/otter//evil/?q')).headers.location).toBe('/heron//evil/?q');
  expect((await byPath('/dev--otter/a')).headers.location).toBe('/dev--heron/a');
  expect((await call(platform, 'dev--otter')).headers.location).toBe(`//dev--heron.localhost:${port}/`);
  expect((await call(platform, 'none--otter')).status).toBe(404);
  expect((await call(platform, 'heron', { method: 'POST', body: 'said' })).body).toContain('said');
});

it('no call is lost while a handler is renamed again and again, and its values go along', async () => {
  await deploy('moving-0', 'counter');
  const answers = new Map<string, number>();
  let isOver = false;
  let present = 'moving-0';
  const load = ['moving-0', null].map(async (fixed) => {
    while (!isOver) {
      const answer = await followed(fixed ?? present).catch((error: unknown) => ({ status: 0, body: String(error) }));
      const said = answer.status === 200 ? '200' : `${answer.status} ${answer.body}`;
      answers.set(said, (answers.get(said) ?? 0) + 1);
    }
  });
  for (let n = 1; n <= 6; n += 1) {
    await rename(present, `moving-${n}`);
    present = `moving-${n}`;
  }
  isOver = true;
  await Promise.all(load);
  expect([...answers.keys()]).toEqual(['200']);
  // Two callers may count at once, which loses counts but never all of them.
  expect(Number((await call(platform, present)).body)).toBeGreaterThan(6);
});

it('messages and stored calls go to the new name, and a token for the handler stays good', async () => {
  await deploy('worker', 'counter', '[[queue]]\nname = "jobs"\n');
  const bound = await api(platform, ada, 'POST', '/tokens', { label: 'ci', scope: 'deploy', handler: 'worker' });
  const { token } = bound.body as { token: string };
  expect((await api(platform, ada, 'PUT', '/queues/jobs', {})).status).toBeLessThan(300);
  expect((await api(platform, ada, 'POST', '/queues/jobs/pause')).status).toBeLessThan(300);
  expect((await api(platform, ada, 'POST', '/queues/jobs/messages', 'a message')).status).toBeLessThan(300);
  const asked = { method: 'POST', headers: { prefer: 'respond-async' }, body: 'x' };
  const accepted = await call(platform, 'worker', asked);
  expect(accepted.status).toBe(202);
  await rename('worker', 'clerk');
  const path = accepted.headers.location as string;
  expect((await call(platform, 'worker', { path })).headers.location).toContain('//clerk.localhost');
  await expect
    .poll(async () => JSON.parse((await call(platform, 'clerk', { path })).body).state, { timeout: 60_000 })
    .toBe('done');
  expect((await api(platform, ada, 'POST', '/queues/jobs/resume')).status).toBeLessThan(300);
  await expect
    .poll(async () => (await api(platform, ada, 'GET', '/queues/jobs')).body, { timeout: 60_000 })
    .toMatchObject({ messages: { ready: 0, inflight: 0, dead: 0, done: 1 }, consumers: ['clerk'] });
  expect((await call(platform, 'clerk')).body.trim()).toBe('3');
  expect((await api(platform, { ...ada, token }, 'GET', '/handlers/clerk')).status).toBe(200);
});

it('a taken name serves its new handler, also after a restart; others still lead on', async () => {
  await deploy('first', 'hello');
  await rename('first', 'second');
  await rename('second', 'third');
  const repo = await makeRepo({ 'a.wasm': await guest('echo') });
  expect((await api(platform, ada, 'POST', '/handlers', { name: 'first' })).status).toBe(201);
  await commit(repo, { 'b.txt': '1' });
  expect((await push(platform, ada, repo, 'first')).status).toBe(0);
  const check = async () => {
    expect((await call(platform, 'first', { method: 'POST', body: 'own' })).body).toContain('own');
    expect((await call(platform, 'second')).status).toBe(308);
    expect((await followed('second')).body).toBe('Hello, world!\n');
  };
  await check();
  await platform.stop();
  platform = await startPlatform(platform.env);
  await check();
});

it('what cannot be a name is refused, and nothing changes', async () => {
  await deploy('plain', 'hello');
  await deploy('one', 'hello');
  await rename('one', 'two');
  await rename('two', 'three');
  const status = async (body: object) => (await api(platform, ada, 'PATCH', '/handlers/plain', body)).status;
  expect(await status({ name: 'pl\u0430in' })).toBe(422);
  expect(await status({ name: 'admin' })).toBe(422);
  expect(await status({ name: 'plain-2', deployBranch: 'main' })).toBe(400);
  expect(await status({ name: 'three' })).toBe(409);
  expect((await call(platform, 'plain')).status).toBe(200);
  const { entries } = (await api(platform, ada, 'GET', '/handlers/three/audit')).body as {
    entries: { operation: string; detail: string; handler: string }[];
  };
  expect(entries.filter(({ operation }) => operation === 'changeHandler')).toMatchObject([
    { handler: 'two', detail: '{"name":"three"}' },
    { handler: 'one', detail: '{"name":"two"}' },
  ]);
});
