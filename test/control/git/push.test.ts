/** git push as its user sees it: real git against the door, the words of docs/push.md. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PlatformError } from '../../../src/protocol/errors.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import {
  type CommandResult,
  commit,
  git,
  makeRepo,
  type RepoFiles,
  removeTemporaryFolders,
} from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';

let platform: DoorPlatform;
let user: DoorUser;
let hello: Buffer;
/** One repository whose v1 is live, for all pushes that must change nothing. */
let target: { readonly handler: string; readonly id: string; readonly repo: string; readonly base: string } | null =
  null;

beforeAttempts(
  async () => {
    target = null;
    platform = await startDoor();
    user = await platform.user('cadey');
    hello = await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
  },
  () => platform.close(),
);
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

let names = 0;
function freshName(): string {
  names += 1;
  return `handler-${names}`;
}

/** The same function in other bytes: a custom section makes no difference to what it does. */
function variant(text: string): Buffer {
  return Buffer.concat([hello, Buffer.from([0, text.length + 2, 1, 0x76]), Buffer.from(text)]);
}

/** What the platform printed, without what differs from run to run. Checks the width of every line. */
function printed(result: CommandResult): string {
  const lines = result.stderr
    .split('\n')
    .filter((line) => line.startsWith('remote: '))
    .map((line) => line.slice('remote: '.length));
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(72);
  return lines
    .join('\n')
    .replace(/ @ [0-9a-f]{7}/g, ' @ COMMIT')
    .replace(/was [0-9a-f]{7}/g, 'was COMMIT')
    .replace(/commit [0-9a-f]{7}/g, 'commit COMMIT')
    .replace(/sha256 [0-9a-f]{8}\b/g, 'sha256 HASH')
    .replace(/\(\d+ ms\)/g, '(N ms)')
    .replace(/in \d+\.\d s/g, 'in N s');
}

async function refs(handler: string): Promise<ReadonlyMap<string, string>> {
  const found = await platform.handlers.find(handler);
  return found === null ? new Map() : platform.repositories.refs(found.id);
}

async function head(repo: string, ref = 'HEAD'): Promise<string> {
  return (await git(repo, 'rev-parse', ref)).stdout.trim();
}

/** Pushes `files` on top of a deployed version and checks that nothing changed. */
async function refused(files: RepoFiles, options: { readonly keep?: boolean } = {}): Promise<string> {
  if (target === null) {
    const handler = freshName();
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    expect((await platform.push(user, repo, handler)).status).toBe(0);
    await platform.door.idle();
    target = { handler, id: (await platform.handlers.find(handler))!.id, repo, base: await head(repo) };
  }
  const { handler, id, repo, base } = target;
  await git(repo, 'reset', '-q', '--hard', base);
  const before = await refs(handler);
  const objects = await objectFiles(id);
  if (options.keep !== true) await git(repo, 'rm', '-q', 'dist/hello.wasm');
  await commit(repo, files);
  const result = await platform.push(user, repo, handler);
  await platform.door.idle();
  expect(result.status, result.stderr).not.toBe(0);
  expect(result.stderr).toContain('[remote rejected] main -> main');
  expect(await refs(handler)).toEqual(before);
  expect(await objectFiles(id)).toEqual(objects);
  expect(platform.fleet.serving.get(handler)).toBe(1);
  return printed(result);
}

async function objectFiles(id: string): Promise<readonly string[]> {
  return (await readdir(join(platform.repositories.pathOf(id), 'objects'), { recursive: true })).sort();
}

const received = (handler: string) => `-----> ${handler}: received main @ COMMIT`;

describe('a push that deploys', () => {
  it('creates the handler, deploys v1 and says where it runs', async () => {
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    const result = await platform.push(user, repo, 'swift-otter');
    expect(result.status, result.stderr).toBe(0);
    const sha256 = createHash('sha256').update(hello).digest('hex');
    expect(result.stderr).toContain(`found dist/hello.wasm (${hello.length} B, sha256 ${sha256.slice(0, 8)})`);
    expect(printed(result)).toBe(
      [
        received('swift-otter'),
        `-----> found dist/hello.wasm (${hello.length} B, sha256 HASH)`,
        '-----> validated: cwa, 3 imports, all provided (N ms)',
        '-----> deployed v1 in N s',
        '       http://swift-otter.localhost:3003',
        'success: live. Logs: wasmcloud logs swift-otter',
      ].join('\n'),
    );
    const handler = await platform.handlers.find('swift-otter');
    expect(handler).toMatchObject({ ownerId: user.id, deployBranch: 'main' });
    expect(platform.fleet.specOf('swift-otter')).toMatchObject({ number: 1, commit: await head(repo), env: {} });
    const spec = platform.fleet.specOf('swift-otter')!;
    expect(WebAssembly.validate(Uint8Array.from(await platform.artifacts.get(spec.artifact)))).toBe(true);
    expect(await platform.logs('swift-otter')).toEqual([
      `deployed v1 from main @ ${(await head(repo)).slice(0, 7)} by cadey`,
    ]);
  });

  it('takes what the manifest asks of nodes, and says that there are none', async () => {
    const handler = freshName();
    const placement = '[placement]\nreplicas = 2\nlabels = { zone = "eu" }\n';
    const repo = await makeRepo({ 'hello.wasm': hello, 'wasmcloud.toml': placement });
    const { status, stderr } = await platform.push(user, repo, handler);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('-----> [placement] has no effect: this server has no nodes');
    expect(platform.fleet.specOf(handler)?.placement).toEqual({ replicas: 2, labels: { zone: 'eu' } });
    await commit(repo, { 'wasmcloud.toml': '[placement]\nreplicas = 3\n' });
    expect((await platform.push(user, repo, handler)).stderr).toContain('deployed v2');
    expect(platform.fleet.specOf(handler)?.placement).toEqual({ replicas: 3, labels: {} });
    await commit(repo, { 'wasmcloud.toml': '[placement]\n' });
    expect((await platform.push(user, repo, handler)).stderr).not.toContain('no effect');
    expect(platform.fleet.specOf(handler)?.placement).toBeUndefined();
  });

  it('updates, tells how to undo it, and pins every deployed commit', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    await platform.push(user, repo, handler);
    const first = await head(repo);
    await commit(repo, { 'dist/hello.wasm': variant('two') });
    const result = await platform.push(user, repo, handler);
    expect(printed(result)).toBe(
      [
        `${received(handler)} (was COMMIT)`,
        `-----> found dist/hello.wasm (${hello.length + 7} B, +7 B, sha256 HASH)`,
        '-----> validated: cwa, 3 imports, all provided (N ms)',
        '-----> deployed v2 in N s, replacing v1',
        `       http://${handler}.localhost:3003`,
        `success: live. Undo: wasmcloud rollback ${handler} v1`,
      ].join('\n'),
    );
    const all = await refs(handler);
    expect(all.get('refs/deployments/1')).toBe(first);
    expect(all.get('refs/deployments/2')).toBe(await head(repo));
    const fetched = await git(repo, 'fetch', platform.remote(user, handler), 'refs/deployments/*:refs/deployed/*');
    expect(fetched.status, fetched.stderr).toBe(0);
    expect(await head(repo, 'refs/deployed/1')).toBe(first);
  });

  it('keeps the version where neither bytes nor manifest changed', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    await platform.push(user, repo, handler);
    await commit(repo, { 'README.md': 'words' });
    const result = await platform.push(user, repo, handler);
    expect(result.status).toBe(0);
    expect(printed(result)).toBe(
      [`${received(handler)} (was COMMIT)`, '-----> dist/hello.wasm unchanged; v1 stays live'].join('\n'),
    );
    expect((await refs(handler)).get('refs/heads/main')).toBe(await head(repo));
    await commit(repo, { 'wasmcloud.toml': '[limits]\ngas = 5000\n' });
    expect(printed(await platform.push(user, repo, handler))).toContain('deployed v2');
    expect(platform.fleet.specOf(handler)?.limits.gas).toBe(5000);
  });

  it('takes a forced push', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    await platform.push(user, repo, handler);
    const first = await head(repo);
    await commit(repo, { 'dist/hello.wasm': variant('x') });
    await git(repo, 'reset', '--soft', first);
    await git(repo, 'commit', '-q', '--amend', '-m', 'other');
    expect((await platform.push(user, repo, handler)).status).not.toBe(0);
    const result = await platform.push(user, repo, handler, '--force', 'main');
    expect(result.status, result.stderr).toBe(0);
    expect(platform.fleet.serving.get(handler)).toBe(2);
    expect((await refs(handler)).get('refs/deployments/1')).toBe(first);
  });

  it('carries manifest, variables, policy and files to the runners', async () => {
    const handler = freshName();
    const repo = await makeRepo({
      'dist/hello.wasm': hello,
      'other.wasm': 'not looked at',
      'public/a.txt': 'A',
      'public/sub/b.bin': Buffer.from([0, 255, 10, 13]),
      'wasmcloud.toml': [
        'module = "./dist/hello.wasm"',
        'authorization = true',
        '[limits]',
        'memory-pages = 64',
        'timeout-ms = 1_000',
        '[policy]',
        'allow = ["^https://api\\\\.example\\\\.com/"]',
        '[env]',
        'GREETING = "hello"',
        '[files]',
        'root = "public"',
      ].join('\n'),
    });
    const result = await platform.push(user, repo, handler);
    expect(result.status, result.stderr).toBe(0);
    const spec = platform.fleet.specOf(handler)!;
    expect(spec).toMatchObject({
      limits: { memoryPages: 64, timeoutMs: 1000, gas: 1_000_000_000, bodyBytes: 10_485_760 },
      policy: { allow: ['^https://api\\.example\\.com/'], disallow: [] },
      env: { GREETING: 'hello' },
      passAuthorization: true,
    });
    expect(spec.files.map(({ path, bytes }) => [path, [...bytes]])).toEqual([
      ['a.txt', [65]],
      ['sub/b.bin', [0, 255, 10, 13]],
    ]);
    const { specs } = await platform.deployments.releaseState();
    const restarted = specs.find(({ handlerId }) => handlerId === spec.handlerId)!;
    expect({ ...restarted, files: [] }).toEqual({ ...spec, files: [] });
    expect(restarted.files.map(({ path, bytes }) => [path, [...bytes]])).toEqual(
      spec.files.map(({ path, bytes }) => [path, [...bytes]]),
    );
  });

  it('says what a version may open that the live one may not', async () => {
    const handler = freshName();
    const policy = (...allow: readonly string[]) => `[policy]\nallow = ${JSON.stringify(allow)}\n`;
    const repo = await makeRepo({ 'hello.wasm': hello, 'wasmcloud.toml': policy('^https://a\\.example\\.com/') });
    expect(printed(await platform.push(user, repo, handler))).not.toContain('allowed');
    const next = policy('^https://a\\.example\\.com/', '^https://api\\.example\\.com/', '^wss?://');
    await commit(repo, { 'wasmcloud.toml': next });
    expect(printed(await platform.push(user, repo, handler))).toContain(
      [
        '-----> validated: cwa, 3 imports, all provided (N ms)',
        '-----> newly allowed: https://api.example.com/',
        '-----> newly allowed: ^wss?://',
        '-----> deployed v2',
      ].join('\n'),
    );
    await commit(repo, { 'wasmcloud.toml': '' });
    expect(printed(await platform.push(user, repo, handler))).toContain('newly allowed: everything');
    const wasi = await readFile(new URL('../../../fixtures/guests/wasi/cgi.wasm', import.meta.url));
    await commit(repo, { 'hello.wasm': wasi });
    expect(printed(await platform.push(user, repo, handler))).toContain(
      '-----> newly imported: wasi_snapshot_preview1\n',
    );
    // The list of versions tells it too, for later.
    const { id } = (await platform.handlers.find(handler))!;
    const rows = await platform.db
      .selectFrom('deployments')
      .select('newly')
      .where('handler_id', '=', id)
      .orderBy('number')
      .execute();
    expect(rows.map(({ newly }) => newly)).toEqual([
      null,
      '["newly allowed: https://api.example.com/","newly allowed: ^wss?://"]',
      '["newly allowed: everything, there is no policy any more"]',
      '["newly imported: wasi_snapshot_preview1"]',
    ]);
  });

  it.each<[what: string, author: string, message: string, kept: { author: string | null; subject: string | null }]>([
    ['words', 'Ada Lovelace', 'Say hello\n\nMore.', { author: 'Ada Lovelace', subject: 'Say hello' }],
    ['a first paragraph of two lines', 'Ada', 'Say\nhello', { author: 'Ada', subject: 'Say hello' }],
    ['no message', 'Ada', '', { author: 'Ada', subject: null }],
    ['very long words', 'Ada', '\u{1f9a6}'.repeat(20_000), { author: 'Ada', subject: '\u{1f9a6}'.repeat(200) }],
    [
      'foreign words',
      'Größe \u202e',
      "'; drop table x; --",
      { author: 'Größe \u202e', subject: "'; drop table x; --" },
    ],
    ['escape sequences', 'A\u001b[2J', '\u001b]0;x\u0007', { author: 'A\u001b[2J', subject: '\u001b]0;x\u0007' }],
    ['words of the format', '%s', '%x00%an', { author: '%s', subject: '%x00%an' }],
  ])('keeps author and subject of a commit with %s', async (_what, author, message, kept) => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await writeFile(join(repo, '.git', 'message'), message);
    const written = ['commit', '-q', '--amend', '--allow-empty-message', '--cleanup=verbatim', '-F', '.git/message'];
    const amended = await git(repo, ...written, `--author=${author} <a@example.com>`);
    expect(amended.status, amended.stderr).toBe(0);
    // Branches besides the first one are asked for by themselves.
    const result = await platform.push(user, repo, handler, 'main', 'main:refs/heads/dev');
    expect(result.status, result.stderr).toBe(0);
    const { id } = (await platform.handlers.find(handler))!;
    const rows = await platform.db
      .selectFrom('deployments')
      .select(['author', 'subject'])
      .where('handler_id', '=', id)
      .execute();
    expect(rows).toEqual([kept, kept]);
  });

  it("takes Olin's policy file with Olin's defaults", async () => {
    const handler = freshName();
    const repo = await makeRepo({
      'hello.wasm': hello,
      'handler.policy': '## words\nallow (\n  ^https://tulpa.dev\n)\ndisallow (\n  ^https://tulpa.dev/admin.*$\n)\n',
    });
    expect((await platform.push(user, repo, handler)).status).toBe(0);
    expect(platform.fleet.specOf(handler)).toMatchObject({
      limits: { memoryPages: 128, gas: 33_554_432 },
      policy: { allow: ['^https://tulpa.dev'], disallow: ['^https://tulpa.dev/admin.*$'] },
    });
  });

  it('compiles a program in h', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'quine.h': 'h' });
    const result = await platform.push(user, repo, handler);
    expect(printed(result)).toContain('-----> found quine.h (compiled: 67 B, sha256 HASH)');
    expect(printed(result)).toContain('-----> validated: h, 1 import, all provided');
    expect(result.stderr).toContain('sha256 8457720a');
    await commit(repo, { README: 'x' });
    expect(printed(await platform.push(user, repo, handler))).toContain('quine.h unchanged; v1 stays live');
  });

  it('names long handlers and long branches without breaking a command', async () => {
    const handler = `a${'b'.repeat(38)}c`;
    const repo = await makeRepo({ [`${'deep/'.repeat(20)}hello.wasm`]: hello });
    const branch = `feature/${'x'.repeat(80)}`;
    await git(repo, 'branch', '-m', branch);
    const result = await platform.push(user, repo, handler, branch);
    expect(result.status, result.stderr).toBe(0);
    printed(result); // checks the width
    expect(result.stderr).toContain(`wasmcloud logs ${handler}\n`);
    expect(result.stderr).toContain('deep/hello.wasm (');
  });
});

describe('branches and tags', () => {
  it('stores another branch that cannot run, without a preview', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await platform.push(user, repo, handler);
    await git(repo, 'checkout', '-q', '-b', 'dev');
    await commit(repo, { 'hello.wasm': 'broken' });
    const result = await platform.push(user, repo, handler, 'dev');
    expect(result.status, result.stderr).toBe(0);
    expect(printed(result)).toBe(
      [
        `-----> ${handler}: received dev @ COMMIT`,
        '-----> dev: found hello.wasm (6 B, sha256 HASH)',
        'warning: no preview of dev: hello.wasm is not a valid WebAssembly module',
      ].join('\n'),
    );
    expect((await refs(handler)).get('refs/heads/dev')).toBe(await head(repo));
    const removed = await platform.push(user, repo, handler, '--delete', 'dev');
    expect(removed.status, removed.stderr).toBe(0);
    expect(printed(removed)).toBe(`-----> ${handler}: deleted dev`);
    expect((await refs(handler)).has('refs/heads/dev')).toBe(false);
  });

  it('makes the first branch pushed the deploy branch, main before others', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await git(repo, 'branch', 'aaa');
    const result = await platform.push(user, repo, handler, '--all');
    expect(result.status, result.stderr).toBe(0);
    expect(await platform.handlers.find(handler)).toMatchObject({ deployBranch: 'main' });
    const trunk = freshName();
    await git(repo, 'branch', 'trunk');
    expect((await platform.push(user, repo, trunk, 'trunk')).status).toBe(0);
    expect(await platform.handlers.find(trunk)).toMatchObject({ deployBranch: 'trunk' });
    const clone = await git(repo, 'clone', '-q', platform.remote(user, trunk), 'clone');
    expect(clone.status, clone.stderr).toBe(0);
    expect(existsSync(join(repo, 'clone', 'hello.wasm'))).toBe(true);
  });

  it('takes many refs in one push, and the log of the server says nothing of it', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    const handler = freshName();
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    const tags = Array.from({ length: 30 }, (_, n) => `v${n}`);
    for (const tag of tags) await git(repo, 'tag', tag);
    expect((await platform.push(user, repo, handler, 'main', '--tags')).status).toBe(0);
    expect([...(await refs(handler)).keys()]).toEqual(expect.arrayContaining(tags.map((tag) => `refs/tags/${tag}`)));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('accepts tags without deploying', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await git(repo, 'tag', '-a', 'v1.0', '-m', 'one');
    const alone = await platform.push(user, repo, handler, 'v1.0');
    expect(alone.status, alone.stderr).toBe(0);
    expect(printed(alone)).toBe(`-----> ${handler}: received tag v1.0 (tags deploy nothing)`);
    expect(platform.fleet.serving.get(handler)).toBe(0);
    const both = await platform.push(user, repo, handler, 'main', 'v1.0');
    expect(both.status, both.stderr).toBe(0);
    expect(platform.fleet.serving.get(handler)).toBe(1);
  });

  it('does not delete the deploy branch, and then nothing else of that push', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await platform.push(user, repo, handler);
    const result = await platform.push(user, repo, handler, ':main', 'main:other');
    expect(result.status).not.toBe(0);
    expect(printed(result)).toContain(
      [
        'error: main is the deploy branch and cannot be deleted',
        `hint: to delete the handler: wasmcloud delete ${handler}`,
        'nothing deployed; v1 is still live',
      ].join('\n'),
    );
    expect([...(await refs(handler)).keys()]).toEqual(['refs/deployments/1', 'refs/heads/main']);
  });
});

describe('a refused push', () => {
  const html = Buffer.from('<!doctype html><title>404</title>');
  const lfs = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n';
  const component = Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);

  it('finds no .wasm and says how to commit one', async () => {
    const text = await refused({ 'src/main.c': 'int main;', 'README.md': 'x' });
    expect(text).toMatch(/^-----> handler-\d+: received main @ COMMIT \(was COMMIT\)\n/);
    expect(text.split('\n').slice(1).join('\n')).toBe(
      [
        'error: no .wasm file in commit COMMIT (2 files searched)',
        'hint: commit your build output, even if git-ignored:',
        'hint:   git add -f dist/hello.wasm && git commit -m "Add wasm"',
        'nothing deployed; v1 is still live',
      ].join('\n'),
    );
  });

  it('finds two .wasm and lists them', async () => {
    const text = await refused({ 'build/old.wasm': Buffer.alloc(188_416) }, { keep: true });
    expect(text.split('\n').slice(1).join('\n')).toBe(
      [
        'error: 2 .wasm files in commit COMMIT, expected exactly 1',
        '       build/old.wasm    184 KiB',
        `       dist/hello.wasm     ${hello.length} B`,
        'hint: name one in wasmcloud.toml: module = "dist/hello.wasm"',
        'nothing deployed; v1 is still live',
      ].join('\n'),
    );
  });

  it.each([
    ['HTML', html, ['error: dist/hello.wasm is not a valid WebAssembly module', 'looks like HTML']],
    ['a Git LFS pointer', lfs, ['Git LFS pointer']],
    ['an empty component', component, ['has no entry point', 'wasi:http/incoming-handler']],
    ['text', 'hello', ['is not a valid WebAssembly module']],
    ['an empty file', '', ['error: dist/hello.wasm is']],
  ])('is not given a module but %s', async (_name, content, words) => {
    const text = await refused({ 'dist/hello.wasm': content }, { keep: true });
    for (const word of words) expect(text).toContain(word);
    expect(text.endsWith('nothing deployed; v1 is still live')).toBe(true);
  });

  it('names imports that nothing provides, and what was meant', async () => {
    const at = hello.indexOf('resource_write');
    const misspelt = Buffer.from(hello);
    misspelt.write('resource_wirte', at);
    const text = await refused({ 'dist/hello.wasm': misspelt }, { keep: true });
    expect(text).toContain('error: dist/hello.wasm imports 1 function that nothing provides');
    expect(text).toMatch(/ {7}cwa\.resource_wirte +\(i32, i32, i32\) -> i32\s+did you mean resource_write\?/);
    expect(text).toMatch(/hint: provided imports: wasmcloud docs, or\s/);
  });

  it.each([
    [
      'an unknown key',
      'module = "dist/hello.wasm"\n[limits]\nmemory = 5\n',
      /wasmcloud\.toml, line 3: unknown key limits\.memory/,
    ],
    ['a bad value', '[limits]\n\ngas = "many"\n', /wasmcloud\.toml, line 3: limits\.gas must be a whole number/],
    [
      'too much',
      '[limits]\nmemory-pages = 99999\n',
      /line 2: limits\.memory-pages is above this\s+server's maximum of 16384/,
    ],
    ['broken TOML', 'module = \n', /error: wasmcloud\.toml, line 1: /],
    ['a missing module', 'module = "a.wasm"', /wasmcloud\.toml, line 1: there is no file a\.wasm/],
    ['another ABI', '[limits]\n[env]\n', null],
    ['a bad pattern', '[policy]\nallow = ["("]', /wasmcloud\.toml, line 2: "\(" is no regular expression/],
  ])('has a manifest with %s', async (_name, toml, words) => {
    const files = { 'wasmcloud.toml': words === null ? `abi = "wasi"\n${toml}` : toml };
    const text = await refused(files, { keep: true });
    expect(text).toMatch(words ?? /wasmcloud\.toml, line 1: abi is wasi, but dist\/hello\.wasm imports\s+cwa/);
  });

  it('is given WebAssembly text and says how to build it', async () => {
    const text = await refused({ 'hello.wat': '(module)' });
    expect(text).toContain('error: hello.wat is WebAssembly text; the push needs the built .wasm');
    expect(text).toContain('hint:   wat2wasm hello.wat -o hello.wasm');
  });

  it('leaves no handler behind when it is the first', async () => {
    const handler = freshName();
    await platform.door.idle();
    const before = await platform.repositories.list();
    const repo = await makeRepo({ 'README.md': 'x' });
    const result = await platform.push(user, repo, handler);
    expect(result.status).not.toBe(0);
    expect(printed(result).endsWith('\nnothing deployed')).toBe(true);
    await platform.door.idle();
    expect(await platform.handlers.find(handler)).toBeNull();
    expect(await platform.repositories.list()).toEqual(before);
    const other = await platform.user();
    await commit(repo, { 'hello.wasm': hello });
    expect((await platform.push(other, repo, handler)).status).toBe(0);
  });

  it('has a link out of its tree', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await symlink('/etc/passwd', join(repo, 'link'));
    await git(repo, 'add', 'link');
    await git(repo, 'commit', '-q', '-m', 'link');
    const result = await platform.push(user, repo, handler);
    expect(result.status).not.toBe(0);
    expect(printed(result)).toContain('error: commit COMMIT has 1 entry other than plain files');
    expect(printed(result)).toContain('       link  (symbolic link out of the tree)');
  });

  it('keeps control characters of file names off the terminal', async () => {
    const text = await refused({ 'a\u001b[31mred.wasm': 'x', 'b\u202ecod.wasm': 'y' });
    expect(text).not.toMatch(/[\u001b\u202e]/);
    expect(text).toContain('a\\u001b[31mred.wasm');
  });
});

describe('a module that runners cannot compile', () => {
  it('refuses the push; the old version goes on', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await platform.push(user, repo, handler);
    await commit(repo, { 'hello.wasm': variant('y') });
    platform.fleet.refuse = new PlatformError('vet_failed', 'runner 1 cannot compile it');
    const result = await platform.push(user, repo, handler).finally(() => {
      platform.fleet.refuse = null;
    });
    expect(result.status).not.toBe(0);
    expect(printed(result)).toContain('error: runner 1 cannot compile it\nnothing deployed; v1 is still live');
    const { id } = (await platform.handlers.find(handler))!;
    expect(await platform.deployments.store.byNumber(id, 2)).toMatchObject({ state: 'failed' });
    expect(await platform.logs(handler)).toContain('push refused: runner 1 cannot compile it');
    expect(printed(await platform.push(user, repo, handler))).toContain('deployed v3 in N s, replacing v1');
  });

  it('leaves no handler behind when it is the first push', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    platform.fleet.refuse = new PlatformError('unavailable', 'no runner is up');
    const result = await platform.push(user, repo, handler).finally(() => {
      platform.fleet.refuse = null;
    });
    expect(result.status).not.toBe(0);
    expect(await platform.handlers.find(handler)).toBeNull();
    expect(platform.fleet.serving.has(handler)).toBe(false);
  });
});

describe('a damaged artifact', () => {
  it('is mended by the next push, although nothing else changed', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': variant('damaged') });
    await platform.push(user, repo, handler);
    const { artifact } = platform.fleet.specOf(handler)!;
    await writeFile(join(platform.dataFolder, 'artifacts', artifact.slice(0, 2), artifact), 'rust');
    await commit(repo, { README: 'x' });
    expect(printed(await platform.push(user, repo, handler))).toContain('deployed v2 in N s, replacing v1');
    expect(await platform.artifacts.has(artifact)).toBe(true);
  });
});

describe('rollback and environment', () => {
  it('goes back and forth, and the next push gets the next number', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await platform.push(user, repo, handler);
    await commit(repo, { 'hello.wasm': variant('2') });
    await platform.push(user, repo, handler);
    const { id } = (await platform.handlers.find(handler))!;
    await platform.deployments.rollback({ handlerId: id, number: 1, userId: user.id });
    expect(platform.fleet.serving.get(handler)).toBe(1);
    expect((await platform.logs(handler)).at(-1)).toBe('rolled back to v1, replacing v2 by cadey');
    const rollback = (number: number) => platform.deployments.rollback({ handlerId: id, number, userId: user.id });
    await expect(rollback(1)).rejects.toMatchObject({ code: 'conflict' });
    await expect(rollback(9)).rejects.toMatchObject({ code: 'not_found' });
    await rollback(2);
    expect(platform.fleet.serving.get(handler)).toBe(2);
    await rollback(1);
    await commit(repo, { 'README.md': 'only words' });
    expect(printed(await platform.push(user, repo, handler))).toContain('deployed v3 in N s, replacing v1');
    const states = await platform.db
      .selectFrom('deployments')
      .select(['number', 'state'])
      .where('handler_id', '=', id)
      .orderBy('number')
      .execute();
    expect(states).toEqual([
      { number: 1, state: 'retired' },
      { number: 2, state: 'retired' },
      { number: 3, state: 'live' },
    ]);
  });

  it('serves changed variables with the same deployment', async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello, 'wasmcloud.toml': '[env]\nA = "manifest"\nB = "b"\n' });
    await platform.push(user, repo, handler);
    const { id } = (await platform.handlers.find(handler))!;
    const before = platform.fleet.specOf(handler)!.specId;
    await platform.env.set(id, 'A', 'set by command');
    await platform.deployments.environmentChanged(id);
    const spec = platform.fleet.specOf(handler)!;
    expect(spec.env).toEqual({ A: 'set by command', B: 'b' });
    expect(spec.specId).not.toBe(before);
    expect(platform.fleet.specs.has(before)).toBe(false);
    await platform.handlers.delete(id);
    await platform.deployments.handlerDeleted(id);
    expect(platform.fleet.serving.has(handler)).toBe(false);
    const gone = await platform.push(user, repo, handler);
    expect(gone.stderr).toContain(`remote: error: the handler ${handler} is deleted`);
    expect(gone.stderr).toContain(`wasmcloud restore ${handler}`);
    await platform.handlers.restore(handler, user.id);
    await platform.deployments.handlerRestored(id);
    expect(platform.fleet.serving.get(handler)).toBe(1);
  });
});

describe('maintenance', () => {
  it('removes what no deployment uses, and nothing else', async () => {
    const handler = freshName();
    const repo = await makeRepo({
      'hello.wasm': variant('kept'),
      'public/a.txt': 'kept',
      'wasmcloud.toml': '[files]\nroot = "public"\n',
    });
    await platform.push(user, repo, handler);
    const gone = freshName();
    const other = await makeRepo({
      'hello.wasm': variant('gone'),
      'public/a.txt': 'gone',
      'wasmcloud.toml': '[files]\nroot = "public"\n',
    });
    await platform.push(user, other, gone);
    const { id } = (await platform.handlers.find(gone))!;
    const before = await platform.artifacts.list();
    await platform.deployments.maintain();
    expect(await platform.artifacts.list()).toEqual(before);
    await platform.deployments.handlerDeleted(id);
    await platform.deployments.store.removeHandler(id);
    await platform.deployments.maintain();
    expect(await platform.artifacts.list()).toHaveLength(before.length - 2);
    const { specs } = await platform.deployments.releaseState();
    expect(specs.find((spec) => spec.handler === handler)?.files).toHaveLength(1);
    // The same bytes may come again.
    await commit(other, { README: 'x' });
    const again = await platform.push(user, other, gone);
    expect(again.status, again.stderr).toBe(0);
  });
});

describe('who may push', () => {
  it('asks to log in, and says when a token is wrong or revoked', async () => {
    const repo = await makeRepo({ 'hello.wasm': hello });
    const body = await fetch(`${platform.url}/swift-otter.git/info/refs?service=git-receive-pack`);
    expect(body.status).toBe(401);
    expect(body.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect(await body.text()).toBe('Log in first: wasmcloud login\n');
    const wrong = await platform.push({ ...user, token: 'wrong' }, repo, 'x');
    expect(wrong.stderr).toContain('remote: This token is wrong or has been revoked. Log in first: wasmcloud login');
    expect(wrong.stderr).toContain('Authentication failed');
    const other = await platform.user();
    const [token] = await platform.accounts.listTokens(other.id);
    await platform.accounts.revokeToken(other.id, token!.id);
    const revoked = await platform.push(other, repo, 'x');
    expect(revoked.stderr).toContain('This token is wrong or has been revoked');
  });

  it("hides other people's handlers behind the same 404", async () => {
    const handler = freshName();
    const repo = await makeRepo({ 'hello.wasm': hello });
    await platform.push(user, repo, handler);
    const other = await platform.user();
    const mine = await git(repo, 'ls-remote', platform.remote(other, handler));
    const none = await git(repo, 'ls-remote', platform.remote(other, 'no-such-handler'));
    expect(mine.status).not.toBe(0);
    const normal = (text: string, name: string) => text.replaceAll(name, 'NAME');
    expect(normal(mine.stderr, handler)).toBe(normal(none.stderr, 'no-such-handler'));
    const push = await platform.push(other, repo, handler);
    expect(push.status).not.toBe(0);
    expect(push.stderr).toContain(`remote: error: you cannot push to ${handler}: the name is taken`);
    expect(push.stderr).toContain('not found');
    expect(platform.fleet.serving.get(handler)).toBe(1);
  });

  it('says what is wrong with a name', async () => {
    const repo = await makeRepo({ 'hello.wasm': hello });
    for (const name of ['Bad_Name', 'api', 'a--b']) {
      const result = await platform.push(user, repo, name);
      expect(result.status).not.toBe(0);
      expect(result.stderr).toMatch(/remote: error: (?:the name|")/);
      expect(await platform.handlers.find(name)).toBeNull();
    }
  });
});
