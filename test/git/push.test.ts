import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit, git, makeRepo, removeTemporaryFolders } from '../e2e/harness.ts';
import { type DoorPlatform, startDoor } from './platform.ts';

let platform: DoorPlatform;
let hello: Buffer;
beforeAll(async () => {
  platform = await startDoor();
  hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

describe('git push', () => {
  it('deploys a first push, in the words of UX.md', async () => {
    const user = await platform.user();
    const repo = await makeRepo({ 'dist/hello.wasm': hello });
    const { status, stderr } = await platform.push(user, repo, 'swift-otter');
    console.log(stderr, platform.reports, platform.events);
    expect(status).toBe(0);
    const t = performance.now();
    await commit(repo, { 'dist/hello.wasm': Buffer.concat([hello, Buffer.from([0, 3, 1, 65, 66])]) });
    const r2 = await platform.push(user, repo, 'swift-otter');
    console.log(r2.stderr, platform.reports, platform.events, performance.now() - t);
    await git(repo, 'commit', '--allow-empty', '-m', 'x');
    const r3 = await platform.push(user, repo, 'swift-otter');
    console.log(r3.stderr, platform.fleet.calls, await platform.logs('swift-otter'));
  });
});
