/**
 * Clients of git as people use them: shallow and partial clones, old histories, version 2, a password at the prompt.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountLimits } from '../../../src/control/accounts/accounts.ts';
import { commit, git, makeRepo, removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../../support/git-platform.ts';
import { basic } from '../../support/git-requests.ts';

let platform: DoorPlatform;
let user: DoorUser;
let hello: Buffer;
/** A deployed handler with three commits, and its repository. */
let repo: string;
let commits: readonly string[];
const handler = 'history';

beforeAll(async () => {
  platform = await startDoor();
  user = await platform.user();
  hello = await readFile(new URL('../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
  repo = await makeRepo({ 'hello.wasm': hello });
  const all = [await head(repo)];
  for (const text of ['two', 'three']) {
    await commit(repo, { 'README.md': text });
    all.push(await head(repo));
  }
  commits = all;
  expect((await platform.push(user, repo, handler)).status).toBe(0);
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

async function head(folder: string): Promise<string> {
  return (await git(folder, 'rev-parse', 'HEAD')).stdout.trim();
}

async function clone(...options: readonly string[]): Promise<string> {
  const folder = join(await temporaryFolder(), 'clone');
  const result = await git('/', ...options, platform.remote(user, handler), folder);
  expect(result.status, result.stderr).toBe(0);
  return folder;
}

describe.each([0, 1, 2])('fault 40: a client of protocol version %i', (version) => {
  const protocol = ['-c', `protocol.version=${version}`];

  it('is answered in it', async () => {
    const headers = { authorization: basic(user.token), 'git-protocol': `version=${version}` };
    const answer = await fetch(`${platform.url}/${handler}.git/info/refs?service=git-upload-pack`, { headers });
    const text = await answer.text();
    expect(text.includes('version 2')).toBe(version === 2);
    expect(text.includes('version 1')).toBe(version === 1);
    expect(text.includes('refs/heads/main')).toBe(version !== 2);
    const push = await fetch(`${platform.url}/${handler}.git/info/refs?service=git-receive-pack`, { headers });
    expect(await push.text()).toContain('refs/heads/main');
  });

  it('clones, clones partially, and fetches a commit by its name', async () => {
    const whole = await clone(...protocol, 'clone', '-q');
    expect(await head(whole)).toBe(commits[2]);
    const partial = await clone(...protocol, 'clone', '-q', '--filter=blob:none');
    expect(existsSync(join(partial, 'hello.wasm'))).toBe(true);
    // Its content was not cloned: git asks for the object by name.
    const old = await git(partial, ...protocol, 'show', `${commits[1]}:README.md`);
    expect(old.stdout, old.stderr).toBe('two');
    const other = await makeRepo({ x: 'x' });
    const fetched = await git(other, ...protocol, 'fetch', '-q', platform.remote(user, handler), commits[0]!);
    expect(fetched.status, fetched.stderr).toBe(0);
    expect((await git(other, 'cat-file', '-t', commits[0]!)).stdout).toBe('commit\n');
  });
});

it('the version of one request does not reach another', async () => {
  const get = async (version: number) => {
    const headers = { authorization: basic(user.token), 'git-protocol': `version=${version}` };
    const answer = await fetch(`${platform.url}/${handler}.git/info/refs?service=git-upload-pack`, { headers });
    return (await answer.text()).includes('version 2') ? 2 : 0;
  };
  const versions = [2, 0, 2, 0, 0, 2, 0, 2];
  expect(await Promise.all(versions.map(get))).toEqual(versions);
});

describe('fault 41: a shallow clone', () => {
  it('deploys, as the first push and as a later one', async () => {
    const shallow = await clone('clone', '-q', '--depth', '1');
    const first = await platform.push(user, shallow, 'from-ci');
    expect(first.stderr).toContain('success: live');
    await commit(shallow, { 'README.md': 'more' });
    expect((await platform.push(user, shallow, 'from-ci')).status).toBe(0);
    // A whole clone of the same history goes on from there.
    const merged = await git(repo, 'fetch', '-q', shallow, 'main');
    expect(merged.status, merged.stderr).toBe(0);
    const again = await platform.push(user, repo, 'from-ci', 'FETCH_HEAD:refs/heads/whole');
    expect(again.status, again.stderr).toBe(0);
    const { id } = (await platform.handlers.find('from-ci'))!;
    expect((await git(platform.repositories.pathOf(id), 'fsck')).status).toBe(0);
  });

  it('that is behind is told to fetch first', async () => {
    const shallow = await clone('clone', '-q', '--depth', '1');
    await commit(shallow, { z: 'z' });
    await commit(repo, { 'README.md': 'four' });
    expect((await platform.push(user, repo, handler)).status).toBe(0);
    const { status, stderr } = await git(shallow, 'push');
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/\[rejected\].*fetch first/);
    expect(stderr).not.toMatch(/HTTP|RPC failed/);
  });
});

describe('fault 42: a published history', () => {
  const put = (folder: string, type: string, input: string | Buffer) =>
    execFileSync('git', ['hash-object', '-w', '--stdin', '-t', type, '--literally'], { cwd: folder, input })
      .toString()
      .trim();
  const id = async (folder: string, name: string) => (await git(folder, 'rev-parse', name)).stdout.trim();

  it.each([
    ['a bad time zone', 'A <a@example.com> 1300000000 +51800'],
    ['no space before the address', 'A<a@example.com> 1300000000 +0000'],
    ['no space before the date', 'A <a@example.com>1300000000 +0000'],
    ['no address', 'A 1300000000 +0000'],
    ['no name', '<a@example.com> 1300000000 +0000'],
    ['a zero in front of the date', 'A <a@example.com> 01300000000 +0000'],
    ['a date beyond 64 bits', 'A <a@example.com> 18446744073709551617 +0000'],
  ])('with %s is taken', async (_name, person) => {
    const folder = await makeRepo({ 'hello.wasm': hello });
    const tree = await id(folder, 'HEAD^{tree}');
    const old = put(folder, 'commit', `tree ${tree}\nauthor ${person}\ncommitter ${person}\n\nold\n`);
    await git(folder, 'reset', '-q', '--soft', old);
    await git(folder, 'commit', '-q', '--allow-empty', '-m', 'new');
    const result = await platform.push(user, folder, `old-${names++}`);
    expect(result.status, result.stderr).toBe(0);
  });

  it('with a zero in front of a mode is taken; .git in a tree is not', async () => {
    const folder = await makeRepo({ 'hello.wasm': hello });
    const blob = Buffer.from(await id(folder, 'HEAD:hello.wasm'), 'hex');
    for (const [entry, isTaken] of [
      ['0100644 hello.wasm\0', true],
      ['100644 .git\0', false],
      ['100644 ..\0', false],
    ] as const) {
      const tree = put(folder, 'tree', Buffer.concat([Buffer.from(entry), blob]));
      const made = execFileSync('git', ['commit-tree', tree, '-m', 'old'], { cwd: folder, env: person }).toString();
      const result = await platform.push(user, folder, `old-${names++}`, `${made.trim()}:refs/heads/main`);
      expect(result.status === 0, `${entry}\n${result.stderr}`).toBe(isTaken);
    }
  });
});

let names = 0;
const person = {
  PATH: process.env.PATH,
  GIT_AUTHOR_NAME: 'T',
  GIT_AUTHOR_EMAIL: 't@example.com',
  GIT_COMMITTER_NAME: 'T',
  GIT_COMMITTER_EMAIL: 't@example.com',
};

describe("a name and password at git's prompt", () => {
  const password = 'correct horse battery staple';
  const ask = (name: string, given: string) =>
    fetch(`${platform.url}/${handler}.git/info/refs?service=git-upload-pack`, {
      headers: { authorization: basic(given, name) },
    });

  it('work as in a browser, and make no token', async () => {
    const { user: ada } = await platform.accounts.signUp({ name: 'ada', password, address: '127.0.0.1' });
    const before = (await platform.accounts.listTokens(ada.id)).length;
    const url = new URL(`${platform.url}/ada-1.git`);
    url.username = 'ada';
    url.password = password;
    const result = await git(repo, 'push', url.href, 'main');
    expect(result.status, result.stderr).toBe(0);
    expect(await platform.handlers.find('ada-1')).toMatchObject({ ownerId: ada.id });
    expect(await platform.accounts.listTokens(ada.id)).toHaveLength(before);
  });

  it('are refused when they are wrong, and say how to log in', async () => {
    const answer = await ask('ada', 'wrong password');
    expect(answer.status).toBe(401);
    expect(await answer.text()).toBe('This name and password are wrong. Log in first: wasmcloud login\n');
    expect((await ask('bob', password)).status).toBe(401);
  });

  it('are limited like log-ins', async () => {
    const attempts = accountLimits.logInByAddress.burst + accountLimits.logInByName.burst;
    const statuses = new Set<number>();
    for (let n = 0; n < attempts && !statuses.has(429); n += 1) statuses.add((await ask('eve', `guess ${n}`)).status);
    expect([...statuses]).toEqual([401, 429]);
    // What counts passwords does not stop tokens.
    expect((await ask('x', user.token)).status).toBe(200);
  });
});
