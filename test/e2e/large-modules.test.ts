/** Modules at the limits of size and of tables: pushed by git, called, recycled. */
import { freemem } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB, pushLimits } from '../../src/protocol/limits.ts';
import {
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { moduleOfSize, moduleOfTable } from '../support/large-modules.ts';

/** Of test, git, control, vet child and runner together. */
const neededBytes = 3 * 1024 * MIB;
const isRoomy = freemem() >= neededBytes;
if (!isRoomy)
  console.log(`modules of 100 MiB are not tried: ${Math.round(freemem() / MIB)} MiB of memory are free, 3 GiB needed`);

let platform: TestPlatform;
let user: TestUser;
beforeAll(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  user = await createUser(platform, 'cadey');
});
afterAll(async () => {
  await platform?.stop();
  await removeTemporaryFolders();
});

describe('a module', () => {
  it.skipIf(!isRoomy)('of 100 MiB deploys and answers', { timeout: 300_000 }, async () => {
    const repo = await makeRepo({ 'large.wasm': moduleOfSize(100 * MIB, 1_000) });
    const pushed = await push(platform, user, repo, 'large');
    expect(pushed.status, pushed.stderr).toBe(0);
    expect(pushed.stderr).toContain('found large.wasm (100.0 MiB');
    expect((await call(platform, 'large')).status).toBe(200);
  });

  it.skipIf(!isRoomy)('of a byte more than 128 MiB is refused, with its size', { timeout: 300_000 }, async () => {
    const repo = await makeRepo({ 'large.wasm': moduleOfSize(pushLimits.moduleBytes + 1, 0) });
    const pushed = await push(platform, user, repo, 'larger');
    expect(pushed.status).not.toBe(0);
    const words = pushed.stderr.replace(/\s*\nremote: +/g, ' ');
    expect(words).toContain('large.wasm has 134,217,729 bytes, at most 128.0 MiB are allowed');
  });

  it('with a table as large as that of pandoc deploys, answers again and again, and its neighbour does', {
    timeout: 300_000,
  }, async () => {
    const repo = await makeRepo({ 'table.wasm': moduleOfTable(707_047, 20_000) });
    const pushed = await push(platform, user, repo, 'table');
    expect(pushed.status, pushed.stderr).toBe(0);
    const small = await makeRepo({ 'small.wasm': moduleOfTable(2, 2) });
    expect((await push(platform, user, small, 'small')).status).toBe(0);
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(['table', 'small', 'table', 'small'].map((handler) => call(platform, handler)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    }
  });
});
