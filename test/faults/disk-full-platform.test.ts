/** docs/safety.md, fault 22: the disk of the data folder is full during a push and while log lines are written. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
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
  temporaryFolder,
} from '../support/e2e.ts';
import { fixture, printing } from '../support/e2e-guests.ts';

const diskBytes = 48 * 1024 * 1024;
const disks: string[] = [];

/** A small disk of its own in memory; null where this user may not mount one. */
async function mountDisk(): Promise<string | null> {
  const folder = await temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return null;
  }
  disks.push(folder);
  return folder;
}

const disk = process.platform === 'linux' ? await mountDisk() : null;
if (disk === null) console.log('skipped: a full disk (mounting a small tmpfs needs root on Linux)');

afterAll(async () => {
  await removeTemporaryFolders().catch(() => {}); // The mount points cannot be removed yet; platforms have ended.
  for (const folder of disks) {
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Writes until nothing more fits. */
function fill(file: string): void {
  const handle = openSync(file, 'a');
  for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2)) {
    const zeros = Buffer.alloc(size);
    try {
      while (writeSync(handle, zeros) === size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(handle);
}

describe.skipIf(disk === null)('fault 22: a full disk', () => {
  it('refuses pushes with a reason, serves on, and is over when there is room', async () => {
    const folder = disk ?? '';
    const platform = await startPlatform({ TRISIEL_DATA: folder });
    const user = await createUser(platform);
    const repo = await makeRepo({ 'a.wasm': printing('one\n') });
    expect((await push(platform, user, repo, 'served')).status).toBe(0);
    const talking = await makeRepo({ 'a.wasm': await fixture('cwa/log.wasm') });
    expect((await push(platform, user, talking, 'talking')).status).toBe(0);

    const filler = join(folder, 'filler');
    fill(filler);
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
    fill(filler);
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
