/** git push -> HTTP -> live log, on the whole platform: real git, real processes, real sockets. */
import { afterAll, describe, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import { onEachDatabase, type TemporaryDatabase } from '../support/database.ts';
import {
  api,
  call,
  commit,
  createUser,
  git,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble, fixture, printing } from '../support/e2e-guests.ts';

onEachDatabase('the platform', (dialect) => {
  let platform: TestPlatform;
  let ada: TestUser;
  let database: TemporaryDatabase;
  beforeAttempts(async () => {
    database = await dialect.temporary();
    platform = await startPlatform('url' in database.location ? { TRISIEL_DATABASE: database.location.url } : {});
    ada = await createUser(platform, 'ada');
  }, removeTemporaryFolders);
  afterAll(async () => {
    await platform.stop();
    await database.close();
    await removeTemporaryFolders();
  });

  describe('the main job', () => {
    it('takes a first push, answers under the host name and the path, and streams the log line live', async () => {
      const repo = await makeRepo({ 'dist/hello.wasm': await fixture('cwa/hello.wasm') });
      const pushed = await push(platform, ada, repo, 'first-push');
      expect(pushed).toMatchObject({ status: 0 });
      expect(pushed.stderr).toMatch(/remote: -----> first-push: received main @ [0-9a-f]{7}\n/);
      expect(pushed.stderr).toMatch(/remote: -----> deployed v1 in \d+\.\d s\n/);
      const port = new URL(platform.runUrl).port;
      expect(pushed.stderr).toContain(`remote:        http://first-push.localhost:${port}\n`);

      const tail = await LogTail.open(platform, ada, 'first-push');
      const answer = await call(platform, 'first-push');
      expect(answer).toMatchObject({ status: 200, body: 'Hello, world!\n' });
      const invocation = String(answer.headers['trisiel-invocation']);
      const line = await tail.line((candidate) => candidate.invocation === invocation);
      expect(line).toMatchObject({ handler: 'first-push', deployment: 1, stream: 'log', level: 6, seq: 1 });
      expect(line.gas).toBeGreaterThan(0);
      // The deploy is in the same log, before it.
      expect(tail.lines[0]).toMatchObject({ stream: 'platform', text: expect.stringContaining('deployed v1') });
      tail.close();

      const byPath = await fetch(`${platform.runUrl}/first-push/some/path?x=1`);
      expect([byPath.status, await byPath.text()]).toEqual([200, 'Hello, world!\n']);
    });

    it('updates with the next push and goes back with a rollback', async () => {
      const repo = await makeRepo({ 'a.wasm': printing('one\n') });
      expect((await push(platform, ada, repo, 'updated')).status).toBe(0);
      expect((await call(platform, 'updated')).body).toBe('one\n');
      await commit(repo, { 'a.wasm': printing('two\n') });
      const second = await push(platform, ada, repo, 'updated');
      expect(second.stderr).toMatch(/deployed v2 in .* s, replacing v1/);
      expect((await call(platform, 'updated')).body).toBe('two\n');

      const rolledBack = await api(platform, ada, 'POST', '/handlers/updated/rollback', { number: 1 });
      expect(rolledBack.status).toBeLessThan(300);
      expect((await call(platform, 'updated')).body).toBe('one\n');
      const { body } = await api(platform, ada, 'GET', '/handlers/updated/deployments');
      expect((body as { deployments: { number: number; state: string }[] }).deployments).toMatchObject([
        { number: 2, state: 'retired' },
        { number: 1, state: 'live' },
      ]);
    });

    it('runs C, CGI answers, h, and gives a function its variables', async () => {
      const c = await makeRepo({ 'c.wasm': await fixture('cwa/hello-c.wasm') });
      expect((await push(platform, ada, c, 'in-c')).status).toBe(0);
      expect((await call(platform, 'in-c')).status).toBe(200);

      const headers = await makeRepo({ 'x.wasm': await fixture('cwa/headers.wasm') });
      expect((await push(platform, ada, headers, 'with-headers')).status).toBe(0);
      expect((await call(platform, 'with-headers')).headers['set-cookie']).toHaveLength(2);

      const h = await makeRepo({ 'quine.h': 'h' });
      expect((await push(platform, ada, h, 'in-h')).status).toBe(0);
      expect((await call(platform, 'in-h')).body).toBe('h\n');

      const env = await makeRepo({
        'x.wasm': await fixture('cwa/env.wasm'),
        'wasmcloud.toml': '[env]\nGREETING = "from the manifest"\n',
      });
      expect((await push(platform, ada, env, 'with-env')).status).toBe(0);
      expect((await call(platform, 'with-env')).body).toContain('from the manifest');
      expect(
        (await api(platform, ada, 'PUT', '/handlers/with-env/env/GREETING', { value: 'from the API' })).status,
      ).toBeLessThan(300);
      expect((await call(platform, 'with-env')).body).toContain('from the API');
    });

    it('streams a body through a function', async () => {
      const repo = await makeRepo({ 'echo.wasm': await fixture('cwa/echo.wasm') });
      expect((await push(platform, ada, repo, 'echoing')).status).toBe(0);
      const body = 'x'.repeat(300_000);
      expect((await call(platform, 'echoing', { method: 'POST', body })).body.endsWith(body)).toBe(true);
    });

    it('keeps what a function stores, across runners and deploys, and publishes what it says', async () => {
      const counter = await fixture('cwa/counter.wasm');
      const repo = await makeRepo({ 'counter.wasm': counter });
      expect((await push(platform, ada, repo, 'counting')).status).toBe(0);
      const first = Number((await call(platform, 'counting')).body);
      expect(Number((await call(platform, 'counting')).body)).toBe(first + 1);
      await commit(repo, { 'wasmcloud.toml': '[limits]\ntimeout-ms = 5_000\n' });
      expect((await push(platform, ada, repo, 'counting')).stderr).toContain('replacing v1');
      expect(Number((await call(platform, 'counting')).body)).toBe(first + 2);
      // Another handler with the same bucket and key has a value of its own.
      const other = await makeRepo({ 'counter.wasm': counter });
      expect((await push(platform, ada, other, 'counting-too')).status).toBe(0);
      expect(Number((await call(platform, 'counting-too')).body)).toBe(first);

      const publishing = assemble(`(module
      (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
      (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
      (import "cwa" "resource_flush" (func $flush (param i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "queue://jobs")
      (data (i32.const 32) "a message")
      (func (export "cwa_main") (result i32)
        (local $fd i32)
        (local.set $fd (call $open (i32.const 0) (i32.const 12)))
        (drop (call $write (local.get $fd) (i32.const 32) (i32.const 9)))
        (call $flush (local.get $fd))))`);
      const queueing = await makeRepo({ 'a.wasm': publishing });
      expect((await push(platform, ada, queueing, 'queueing')).status).toBe(0);
      // Exit status 0 is what flush returned: published durably.
      expect((await call(platform, 'queueing')).status).toBe(200);
      const waiting = await api(platform, ada, 'GET', '/queues/jobs/messages');
      expect(waiting.body).toMatchObject({ messages: [{ text: 'a message' }], next: null });
      const purged = await api(platform, ada, 'POST', '/queues/jobs/purge');
      expect(purged.body).toEqual({ messages: 1, bytes: 9 });
    });

    it('makes up a name, and takes a push to it', async () => {
      const created = await api(platform, ada, 'POST', '/handlers', {});
      expect(created.status).toBe(201);
      const { name } = (created.body as { handler: { name: string } }).handler;
      expect(name).toMatch(/^[a-z]+-of-[a-z]+-\d{4}$/);
      expect(await call(platform, name)).toMatchObject({ status: 404, body: expect.stringContaining('not_deployed') });
      const repo = await makeRepo({ 'a.wasm': printing('made up\n') });
      expect((await push(platform, ada, repo, name)).status).toBe(0);
      expect((await call(platform, name)).body).toBe('made up\n');
    });

    it('deletes and restores a handler', async () => {
      const repo = await makeRepo({ 'a.wasm': printing('still here\n') });
      expect((await push(platform, ada, repo, 'comes-back')).status).toBe(0);
      expect((await api(platform, ada, 'DELETE', '/handlers/comes-back')).status).toBeLessThan(300);
      expect(await call(platform, 'comes-back')).toMatchObject({
        status: 404,
        body: expect.stringContaining('handler_not_found'),
      });
      expect((await api(platform, ada, 'POST', '/handlers/comes-back/restore')).status).toBeLessThan(300);
      expect((await call(platform, 'comes-back')).body).toBe('still here\n');
    });
  });

  describe('a refused push changes nothing', () => {
    const unknownImport = assemble('(module (import "env" "foo" (func)) (func (export "_start")))');
    const good = printing('good\n');
    let repo: string;
    beforeAttempts(async () => {
      repo = await makeRepo({ 'a.wasm': good });
      expect((await push(platform, ada, repo, 'steady')).status).toBe(0);
    });

    it.each([
      ['no .wasm', { 'a.wasm': null, 'README.md': 'x' }, 'error: no .wasm file in commit'],
      ['two .wasm', { 'b.wasm': good }, 'error: 2 .wasm files in commit'],
      ['no wasm', { 'a.wasm': 'hello' }, 'is not a valid WebAssembly module'],
      ['HTML', { 'a.wasm': '<!doctype html>' }, 'looks like HTML'],
      [
        'an LFS pointer',
        { 'a.wasm': 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n' },
        'Git LFS pointer',
      ],
      ['an empty component', { 'a.wasm': Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]) }, 'has no entry point'],
      ['unknown imports', { 'a.wasm': unknownImport }, 'imports 1 function that nothing provides'],
      ['a bad manifest', { 'wasmcloud.toml': '[limits]\nmemory = 1\n' }, 'wasmcloud.toml, line 2'],
    ])('with %s', async (_name, files, words) => {
      const base = (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
      const entries = Object.entries(files);
      for (const [path, content] of entries) if (content === null) await git(repo, 'rm', '-q', path);
      await commit(
        repo,
        Object.fromEntries(entries.filter((entry): entry is [string, string | Uint8Array] => entry[1] !== null)),
      );
      const pushed = await push(platform, ada, repo, 'steady');
      await git(repo, 'reset', '-q', '--hard', base);
      expect(pushed.status).toBe(1);
      expect(pushed.stderr.replace(/\nremote: /g, '\n')).toContain(words);
      expect(pushed.stderr).toContain('nothing deployed; v1 is still live');
      expect((await call(platform, 'steady')).body).toBe('good\n');
    });

    it('with a wrong or revoked token, in a line that says what to do', async () => {
      const wrong = await push(platform, { name: 'x', token: 'wrong' }, repo, 'steady');
      expect(wrong.status).toBe(128);
      const eve = await createUser(platform);
      const { body } = await api(platform, eve, 'GET', '/tokens');
      const [token] = (body as { tokens: { id: string }[] }).tokens;
      expect((await api(platform, eve, 'DELETE', `/tokens/${token?.id}`)).status).toBeLessThan(300);
      const revoked = await push(platform, eve, repo, 'not-hers');
      expect(revoked.status).toBe(128);
      expect(revoked.stderr).toMatch(/remote: .*wasmcloud login/);
      expect((await api(platform, eve, 'GET', '/whoami')).status).toBe(401);
    });

    it('with a name that is invalid, or that somebody else has', async () => {
      const eve = await createUser(platform);
      const foreign = await push(platform, eve, repo, 'steady');
      expect(foreign.status).toBe(128);
      expect((await push(platform, eve, repo, 'double--hyphen')).status).toBe(128);
      expect((await call(platform, 'steady')).body).toBe('good\n');
    });
  });

  describe('two users', () => {
    it("cannot see or touch each other's handlers by any operation", async () => {
      const repo = await makeRepo({ 'a.wasm': printing('private\n') });
      expect((await push(platform, ada, repo, 'adas-own')).status).toBe(0);
      const eve = await createUser(platform);
      const attempts: readonly (readonly [string, string, unknown?])[] = [
        ['GET', '/handlers/adas-own'],
        ['PATCH', '/handlers/adas-own', { deployBranch: 'dev' }],
        ['DELETE', '/handlers/adas-own'],
        ['POST', '/handlers/adas-own/restore'],
        ['GET', '/handlers/adas-own/deployments'],
        ['POST', '/handlers/adas-own/rollback', { number: 1 }],
        ['GET', '/handlers/adas-own/env'],
        ['PUT', '/handlers/adas-own/env/A', { value: 'x' }],
        ['DELETE', '/handlers/adas-own/env/A'],
        ['GET', '/handlers/adas-own/invocations'],
        ['GET', '/handlers/adas-own/logs'],
      ];
      for (const [method, path, body] of attempts) {
        const theirs = await api(platform, eve, method, path, body);
        const nobodys = await api(platform, eve, method, path.replace('adas-own', 'nobodys-own'), body);
        expect(theirs.status, `${method} ${path}`).toBe(404);
        expect(nobodys.status).toBe(404);
      }
      await expect(LogTail.open(platform, eve, 'adas-own')).rejects.toThrow('404');
      const clone = await git(
        repo,
        'ls-remote',
        `${platform.controlUrl.replace('://', `://x:${eve.token}@`)}/adas-own.git`,
      );
      expect(clone.status).toBe(128);
      expect((await call(platform, 'adas-own')).body).toBe('private\n');
      const { body } = await api(platform, eve, 'GET', '/handlers');
      expect((body as { handlers: unknown[] }).handlers).toEqual([]);
    });
  });

  describe('deploys under requests', () => {
    it('lose no request over 20 of them, and every answer is one that was deployed', async () => {
      const repo = await makeRepo({ 'a.wasm': printing('v1\n') });
      expect((await push(platform, ada, repo, 'busy')).status).toBe(0);
      let isDone = false;
      const answers = new Map<string, number>();
      const load = Promise.all(
        Array.from({ length: 4 }, async () => {
          while (!isDone) {
            const { status, body } = await call(platform, 'busy');
            answers.set(`${status} ${body}`, (answers.get(`${status} ${body}`) ?? 0) + 1);
          }
        }),
      );
      load.catch(() => {}); // Told where it is awaited.
      for (let version = 2; version <= 21; version += 1) {
        await commit(repo, { 'a.wasm': printing(`v${version}\n`) });
        expect((await push(platform, ada, repo, 'busy')).status).toBe(0);
        // The push answers when every runner has switched.
        expect((await call(platform, 'busy')).body).toBe(`v${version}\n`);
      }
      isDone = true;
      await load;
      expect([...answers.keys()].filter((answer) => !/^200 v\d+\n$/.test(answer))).toEqual([]);
      expect(answers.size).toBeGreaterThan(5);
    }, 240_000);
  });
});
