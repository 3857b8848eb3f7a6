/**
 * `npm run demo`: starts the platform on free ports with a temporary data folder, then uses it as a user does, with
 * wasmcloud and git. Prints every step; exits 0 when the answer and the log line over the WebSocket are right.
 */

import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../protocol/errors.ts';
import { expect, print, Shell, title } from './demo-shell.ts';
import { startPlatformChild } from './platform-child.ts';

const handler = 'swift-otter';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'trisiel-demo-'));
const cleanUp: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 10 })];

async function demo(): Promise<void> {
  title('Start the platform: npm start');
  const platform = await startPlatformChild({
    TRISIEL_DATA: join(folder, 'data'),
    TRISIEL_PORT: '0',
    TRISIEL_RUN_PORT: '0',
    TRISIEL_RUNNERS: '2',
  });
  cleanUp.push(() => platform.stop());
  print(`ready control=${platform.controlUrl} run=${platform.runUrl}`);
  const repo = join(folder, 'hello');
  const shell = new Shell(platform.controlUrl, folder, repo);

  title('The first account needs the code that the server printed');
  // A line of the platform's own log.
  const { code } = JSON.parse(await platform.logged('there is no account yet')) as { code: string };
  await shell.run(
    ['wasmcloud', 'signup', 'ada', '--invite', code, '--password-stdin'],
    'correct horse battery staple\n',
  );

  title('A repository with a built module, and a handler for it');
  await mkdir(repo);
  await copyFile(join(root, 'fixtures/guests/cwa/hello.wasm'), join(repo, 'hello.wasm'));
  await shell.run(['git', 'init', '--quiet', '--initial-branch=main']);
  await shell.run(['git', 'add', 'hello.wasm']);
  await shell.run(['git', 'commit', '--quiet', '--message', 'Say hello']);
  await shell.run(['wasmcloud', 'create', handler]);

  title('Push it');
  const pushed = await shell.run(['git', 'push', 'wasmcloud', 'main']);
  expect(pushed, 'success: live', 'the push did not go live');

  title('Watch its log over a WebSocket, and call it over HTTP');
  const tail = shell.start(['wasmcloud', 'logs', handler, '--follow']);
  const answer = await shell.run(['wasmcloud', 'invoke', handler]);
  expect(answer, 'Hello, world!', 'the answer is not what the guest says');
  await tail.until('hello was called');
  tail.child.kill('SIGINT');

  title('What it did');
  await shell.run(['wasmcloud', 'invocations', handler]);
  await shell.run(['wasmcloud', 'deployments', handler]);
  print('\nThat was all of it: push, answer, log. Now your own: see README.md.');
}

try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  for (const step of cleanUp.reverse()) await step();
}
