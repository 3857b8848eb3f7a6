/**
 * A platform that people use, with teams, queues, drains, domains, previews and logs, moves from one machine to
 * PostgreSQL and back (`trisiel migrate`): after each step it is the same, and goes on.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storesQuery } from '../support/cluster-guests.ts';
import { command } from '../support/database.ts';
import {
  api,
  call,
  commit,
  createUser,
  git,
  LogTail,
  makeRepo,
  push,
  remoteUrl,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { assemble, printing, variables } from '../support/e2e-guests.ts';
import { type PostgresServer, postgresMissing, startPostgres } from '../support/postgres.ts';
import { trisiel } from '../support/trisiel.ts';

if (postgresMissing !== null) process.stderr.write(`skipped: a platform that moves: ${postgresMissing}\n`);

/** Fails for each message, so that it becomes a dead letter. */
const failing = assemble('(module (memory (export "memory") 1) (func (export "cwa_main") (result i32) (i32.const 1)))');

describe.skipIf(postgresMissing !== null)('a platform that moves', () => {
  let postgres: PostgresServer;
  let receiver: Server;
  /** Texts of lines that the drain has handed on. */
  const drained: string[] = [];
  let platform: TestPlatform;
  let ada: TestUser;
  let bob: TestUser;
  let repo: string;
  let pushed = 0;
  let moves = 0;
  /** Cursor of the newest line before a move. */
  let cursor = 0;
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    postgres = await startPostgres();
    await command(postgres, 'create database moved');
    receiver = createServer(async (request, response) => {
      let text = '';
      for await (const part of request) text += part;
      drained.push(text);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    env = { TRISIEL_DRAIN_ALLOW: `127.0.0.1:${(receiver.address() as AddressInfo).port}`, TRISIEL_RUNNERS: '1' };
  });
  afterAll(async () => {
    await removeTemporaryFolders();
    receiver.closeAllConnections();
    receiver.close();
    await postgres.close();
  });

  const ok = async (user: TestUser, method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await api(platform, user, method, path, body);
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer.body;
  };
  const get = (path: string, user = ada): Promise<unknown> => ok(user, 'GET', path);

  /** What people see, without times at which something was done last. */
  async function everything(): Promise<unknown> {
    const drains = ((await get('/handlers/otter/drains')) as { drains: { name: string }[] }).drains;
    const queue = (await get('/queues/jobs')) as { messages: unknown; maxAttempts: unknown };
    return {
      users: await Promise.all([ada, bob].map((user) => get('/whoami', user))),
      team: await get('/handlers/otter/collaborators'),
      drains: drains.map(({ name }) => name),
      domains: ((await get('/handlers/otter/domains')) as { domains: { domain: string }[] }).domains.map(
        ({ domain }) => domain,
      ),
      previews: (
        (await get('/handlers/otter/previews')) as { previews: { branch: string; slug: string }[] }
      ).previews.map(({ branch, slug }) => [branch, slug]),
      variables: await get('/handlers/otter/env'),
      deployments: (
        (await get('/handlers/otter/deployments')) as { deployments: { number: number; state: string }[] }
      ).deployments.map(({ number, state }) => [number, state]),
      schedules: ((await get('/handlers/otter/schedules')) as { schedules: { name: string }[] }).schedules.map(
        ({ name }) => name,
      ),
      queue: queue.messages,
      dead: (
        (await get('/queues/jobs/messages?state=dead')) as { messages: { id: string; attempts: number }[] }
      ).messages.map(({ id, attempts }) => [id, attempts]),
      lines: (
        (await get('/handlers/storing/logs?limit=100')) as { lines: { cursor: number; text: string }[] }
      ).lines.map(({ cursor: at, text }) => [at, text]),
    };
  }
  const audit = async (): Promise<readonly string[]> => {
    const { entries } = (await get('/handlers/otter/audit?limit=100')) as {
      entries: { id: unknown; operation: string }[];
    };
    return entries.map((entry) => JSON.stringify(entry));
  };
  const invocations = async (): Promise<readonly string[]> =>
    ((await get('/handlers/storing/invocations?limit=100')) as { invocations: { id: string }[] }).invocations.map(
      ({ id }) => id,
    );

  /** Uses everything once, and waits until what it leaves is stored. */
  async function use(text: string): Promise<void> {
    pushed += 1;
    await commit(repo, { 'wasmcloud.toml': manifest(`"${pushed}"`) });
    const result = await push(platform, pushed % 2 === 0 ? bob : ada, repo, 'otter');
    const version = /deployed v\d+/.exec(result.stderr)?.[0] ?? expect.fail(result.stderr);
    expect((await call(platform, 'otter')).body).toContain(`N=${pushed}`);
    expect((await call(platform, 'otter')).body).toContain('SECRET=of ada');
    expect((await call(platform, 'dev--otter')).body).toBe('preview');
    const recorded = (await invocations()).length;
    const stored = await call(platform, 'storing', { path: `/?${text}` });
    expect([stored.status, stored.body]).toEqual([200, text]);
    await expect.poll(async () => (await invocations()).length).toBe(recorded + 1);
    const before = ((await get('/queues/jobs')) as { messages: { dead: number } }).messages.dead;
    const published = await fetch(`${platform.controlUrl}/api/v1/queues/jobs/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'text/plain' },
      body: text,
    });
    expect(published.status).toBe(201);
    await expect
      .poll(async () => ((await get('/queues/jobs')) as { messages: { dead: number } }).messages.dead)
      .toBe(before + 1);
    const tail = await LogTail.open(platform, ada, 'otter', cursor);
    const line = await tail.line((one) => one.text.includes(version));
    expect(tail.lines.every((one) => one.cursor > cursor)).toBe(true);
    ({ cursor } = line);
    tail.close();
    // The drain has come as far.
    await expect.poll(() => drained.join('\n')).toContain(version);
  }
  const manifest = (n: string): string =>
    `[env]\nN = ${n}\n[[schedule]]\nname = "yearly"\ncron = "0 0 1 1 *"\nbody = "go"\n[preview]\n`;

  /** Stops the platform, moves it, and compares. */
  async function move(
    to: string,
    from: Readonly<Record<string, string>>,
    next: Readonly<Record<string, string>>,
  ): Promise<void> {
    const [before, auditBefore, callsBefore] = [await everything(), await audit(), await invocations()];
    // There is something of each kind.
    expect(before).toMatchObject({
      ...{ drains: ['there'], domains: ['otter.example.com'], previews: [['dev', 'dev']], schedules: ['yearly'] },
      ...{ dead: [expect.anything(), ...Array.from({ length: moves }, () => expect.anything())], queue: { ready: 0 } },
    });
    moves += 1;
    expect(await platform.stop()).toBe(0);
    const moved = await trisiel('migrate', ['--to', to], from);
    expect([moved.status, moved.stderr]).toEqual([0, '']);
    platform = await startPlatform({ ...env, ...next });
    expect(await everything()).toEqual(before);
    expect((await audit()).slice(-auditBefore.length)).toEqual(auditBefore);
    expect((await invocations()).slice(-callsBefore.length)).toEqual(callsBefore);
    const clone = await temporaryFolder();
    expect((await git(clone, 'clone', '-q', remoteUrl(platform, bob, 'otter'), 'clone')).status).toBe(0);
    expect((await git(join(clone, 'clone'), 'rev-parse', 'HEAD')).stdout).toBe(
      (await git(repo, 'rev-parse', 'HEAD')).stdout,
    );
  }

  it('to PostgreSQL and back is the same after each step, and goes on', async () => {
    const folder = await temporaryFolder();
    platform = await startPlatform({ ...env, TRISIEL_DATA: folder });
    ada = await createUser(platform, 'ada');
    bob = await createUser(platform, 'bob');
    repo = await makeRepo({ 'a.wasm': variables(['N', 'SECRET']), 'wasmcloud.toml': manifest('"0"') });
    expect((await push(platform, ada, repo, 'otter')).status).toBe(0);
    pushed = 1;
    await git(repo, 'checkout', '-q', '-b', 'dev');
    await commit(repo, { 'a.wasm': printing('preview') });
    expect((await push(platform, ada, repo, 'otter', 'dev')).stderr).toContain('deployed preview of dev');
    await git(repo, 'checkout', '-q', 'main');
    const storing = await makeRepo({ 'a.wasm': storesQuery });
    expect((await push(platform, ada, storing, 'storing')).status).toBe(0);
    const worker = await makeRepo({
      'a.wasm': failing,
      'wasmcloud.toml': '[[queue]]\nname = "jobs"\nmax-attempts = 1\n',
    });
    expect((await push(platform, ada, worker, 'worker')).status).toBe(0);
    await ok(ada, 'PUT', '/handlers/otter/collaborators/bob', { role: 'deployer' });
    await ok(ada, 'PUT', '/handlers/otter/env/SECRET', { value: 'of ada' });
    await ok(ada, 'POST', '/handlers/otter/domains', { domain: 'otter.example.com' });
    const target = `http://${env.TRISIEL_DRAIN_ALLOW}/lines`;
    await ok(ada, 'PUT', '/handlers/otter/drains/there', { kind: 'webhook', url: target });
    await ok(ada, 'PUT', '/queues/jobs', {});
    await use('at-first');

    const url = postgres.url('moved');
    await move(url, { TRISIEL_DATA: folder }, { TRISIEL_DATA: folder, TRISIEL_DATABASE: url });
    await use('on-PostgreSQL');

    const back = join(await temporaryFolder(), 'back');
    await move(`sqlite:${back}`, { TRISIEL_DATA: folder, TRISIEL_DATABASE: url }, { TRISIEL_DATA: back });
    await use('back-again');
    expect(await platform.stop()).toBe(0);
  });
});
