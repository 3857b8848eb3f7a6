import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { handlerOfRepository, handlersOfRemotes } from '../../ui-cli/git-handler.ts';

const server = 'http://127.0.0.1:3002';
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wasmcloud-handler-'));
  execFileSync('git', ['init', '-q', folder]);
});
afterAll(() => rm(folder, { recursive: true }));

const git = (...words: readonly string[]) => execFileSync('git', ['-C', folder, ...words]);

test('without a remote of the server it says what to name', async () => {
  await expect(handlerOfRepository(folder, server)).rejects.toThrow(
    'no git remote here leads to http://127.0.0.1:3002',
  );
  await expect(handlerOfRepository(tmpdir(), server)).rejects.toThrow('no handler is named');
});

test('the remote of the server names the handler, under either name of this machine', async () => {
  git('remote', 'add', 'origin', 'https://example.com/ada/otter.git');
  git('remote', 'add', 'wasmcloud', 'http://localhost:3002/swift-otter.git');
  expect(await handlerOfRepository(folder, server)).toBe('swift-otter');
  git('remote', 'add', 'other', 'http://127.0.0.1:3002/slow-otter.git');
  expect(await handlerOfRepository(folder, server)).toBe('swift-otter');
});

test('two remotes without the usual name are ambiguous', async () => {
  git('remote', 'rename', 'wasmcloud', 'first');
  await expect(handlerOfRepository(folder, server)).rejects.toThrow('swift-otter and slow-otter');
});

test.each([
  ['http://127.0.0.1:3003/a.git', []],
  ['https://127.0.0.1:3002/a.git', []],
  ['http://example.com:3002/a.git', []],
  ['http://localhost:3002/a.git', ['a']],
  ['http://127.0.0.1:3002/a/b.git', []],
  ['http://127.0.0.1:3002/Not_a_name.git', []],
  ['http://user:secret@127.0.0.1:3002/a.git', ['a']],
  ['git@example.com:a.git', []],
])('the remote %s leads to %j', (url, names) => {
  expect(handlersOfRemotes([{ name: 'wasmcloud', url }], server)).toEqual(names);
});
