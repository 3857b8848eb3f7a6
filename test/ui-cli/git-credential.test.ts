import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Session } from '../../ui-cli/config.ts';
import { answerCredential } from '../../ui-cli/git-credential.ts';
import { credentialHelper, credentialUrls, removeCredentials, setUpCredentials } from '../../ui-cli/git-setup.ts';
import { run } from '../support/ui-cli.ts';

const session: Session = { server: 'http://127.0.0.1:3002', token: 'secret', user: 'ada', tokenFrom: 'config' };
const describe = (url: string) => {
  const { protocol, host } = new URL(url);
  return `protocol=${protocol.slice(0, -1)}\nhost=${host}\n\n`;
};

test('get answers with the token of that very server', () => {
  expect(answerCredential('get', describe('http://127.0.0.1:3002'), [session])).toEqual({
    stdout: 'username=wasmcloud\npassword=secret\n',
    stderr: '',
  });
});

test('localhost and 127.0.0.1 are one server', () => {
  expect(answerCredential('get', describe('http://localhost:3002'), [session]).stdout).toContain('secret');
});

test.each([
  'http://127.0.0.1:3003',
  'https://127.0.0.1:3002',
  'http://example.com:3002',
  'http://127.0.0.1.evil.com:3002',
])('%s does not get the token, and git does not ask at a prompt', (url) => {
  const answer = answerCredential('get', describe(url), [session]);
  expect(answer.stdout).toBe('quit=1\n');
  expect(answer.stderr).toContain('wasmcloud login');
});

test('without a login git is told to stop and the user what to do', () => {
  const answer = answerCredential('get', describe(session.server), [{ ...session, token: null }]);
  expect(answer).toEqual({
    stdout: 'quit=1\n',
    stderr: 'wasmcloud: not logged in at http://127.0.0.1:3002\nhint: wasmcloud login\n',
  });
});

test.each(['store', 'erase'])('%s does nothing', (action) => {
  expect(answerCredential(action, describe(session.server), [session])).toEqual({ stdout: '', stderr: '' });
});

test('garbage from git gets no token', () => {
  for (const input of [
    '',
    '\n\n',
    'host',
    '=',
    'host=127.0.0.1:3002',
    'protocol=http\nhost=\n',
    'protocol=http\nhost=:::\n',
  ]) {
    expect(answerCredential('get', input, [session]).stdout).toBe('quit=1\n');
  }
});

test('a path with characters that sh reads is quoted', () => {
  expect(credentialHelper('/opt/my "$tools"/`x`')).toBe('!"/opt/my \\"\\$tools\\"/\\`x\\`" git-credential');
});

test('a server elsewhere has one name, one on this machine two', () => {
  expect(credentialUrls('https://wasm.example.com')).toEqual(['https://wasm.example.com']);
  expect(credentialUrls('http://127.0.0.1:3002')).toEqual(['http://127.0.0.1:3002', 'http://localhost:3002']);
});

let folder: string;
let before: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wasmcloud-git-'));
  before = { ...process.env };
});
afterAll(async () => {
  process.env = before;
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  process.env.GIT_CONFIG_GLOBAL = join(folder, 'gitconfig');
});

async function configured(key: string): Promise<string[]> {
  const { stdout } = await run(['git', 'config', '--global', '--get-all', key], {
    variables: process.env as Record<string, string>,
  });
  return stdout.split('\n').slice(0, -1);
}

test('set-up is idempotent, and logging out removes every trace', async () => {
  const scope = { folder: null };
  const key = 'credential.http://127.0.0.1:3002.helper';
  for (let i = 0; i < 3; i += 1) await setUpCredentials(session.server, '/opt/bin/wasmcloud', scope);
  expect(await configured(key)).toEqual(['', '!"/opt/bin/wasmcloud" git-credential']);
  await setUpCredentials(session.server, '/moved/wasmcloud', scope);
  expect(await configured(key)).toEqual(['', '!"/moved/wasmcloud" git-credential']);
  await removeCredentials(session.server, scope);
  await removeCredentials(session.server, scope);
  expect(await configured(key)).toEqual([]);
});
