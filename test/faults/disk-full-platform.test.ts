/** docs/safety.md, fault 22: the disk of the data folder is full during a push and while log lines are written. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import {
  api,
  call,
  commit,
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
} from '../support/e2e.ts';
import { fixture, printing } from '../support/e2e-guests.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const disk = mountSmallDisk(48 * 1024 * 1024);
if (disk === null) console.log('skipped: a full disk (mounting a small tmpfs needs root on Linux)');

afterAll(async () => {
  await removeTemporaryFolders();
  disk?.unmount();
});

describe.skipIf(disk === null)('fault 22: a full disk', () => {
  it('refuses pushes with a reason, serves on, and is over when there is room', async () => {
    if (disk === null) return;
    const platform = await startPlatform({ TRISIEL_DATA: disk.folder });
    const user = await createUser(platform);
    const repo = await makeRepo({ 'a.wasm': printing('one\n') });
    expect((await push(platform, user, repo, 'served')).status).toBe(0);
    const talking = await makeRepo({ 'a.wasm': await fixture('cwa/log.wasm') });
    expect((await push(platform, user, talking, 'talking')).status).toBe(0);

    const filler = disk.fill('filler');
    await commit(repo, { 'a.wasm': printing('two\n'), 'data.bin': randomBytes(300_000) });
    const refused = await push(platform, user, repo, 'served');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/remote: error: .*disk/);
    expect(refused.stderr).not.toContain('success');
    for (let n = 0; n < 20; n += 1) {
      expect((await call(platform, 'served')).body).toBe('one\n');
      expect((await call(platform, 'talking')).status).toBe(200);
    }
    const read = await api(platform, user, 'GET', '/handlers/served');
    expect(read).toMatchObject({ status: 200, body: { handler: { version: 1, state: 'live' } } });
    // Whatever could not be stored was told to the operator, not lost in silence.
    disk.fill('filler');
    for (let n = 0; n < 500; n += 1) await call(platform, 'talking');
    await platform.logged('log lines were lost');
    const write = await api(platform, user, 'PUT', '/handlers/served/env/BIG', { value: 'x'.repeat(8_000) });
    expect(write).toMatchObject({ status: 503, body: { code: 'unavailable' } });

    rmSync(filler);
    const accepted = await push(platform, user, repo, 'served');
    expect(accepted.status, accepted.stderr).toBe(0);
    expect((await call(platform, 'served')).body).toBe('two\n');
    const tail = await LogTail.open(platform, user, 'talking');
    const invocation = String((await call(platform, 'talking')).headers['trisiel-invocation']);
    await tail.line((line) => line.invocation === invocation);
    // What could not be stored has left a mark where it is missing.
    expect(await tail.line((line) => line.stream === 'platform' && line.text.includes('dropped'))).toBeDefined();
    tail.close();
    expect(platform.log()).not.toContain('"runner_ended"');
    expect(platform.child.exitCode).toBe(null);
    expect(await platform.stop()).toBe(0);
  });
});
