/** docs/safety.md, fault 23: no file descriptors are left, in control and in a runner. On Linux, by prlimit(1). */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  call,
  commit,
  createUser,
  git,
  makeRepo,
  push,
  removeTemporaryFolders,
  runnerPid,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';

function hasPrlimit(): boolean {
  try {
    execFileSync('prlimit', ['--pid', `${process.pid}`, '--nofile'], { stdio: 'pipe' });
    return true;
  } catch {
    console.log('skipped: running out of file descriptors (there is no prlimit here)');
    return false;
  }
}

/** Lowers the limit of a running process so that it may open `count` more; files that it has stay open. */
function leaveDescriptors(pid: number, count: number): void {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let limit = 0;
  for (let free = 0; free < count; limit += 1) if (!open.has(limit)) free += 1;
  setLimit(pid, `${limit}`);
}

/** The soft limit only: raising it again needs no privilege. */
function setLimit(pid: number, limit: string): void {
  execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${limit}:`]);
}

describe.runIf(hasPrlimit())('fault 23: file descriptors exhausted', () => {
  let platform: TestPlatform;
  let user: TestUser;
  let repo: string;
  beforeAttempts(async () => {
    platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
    user = await createUser(platform);
    repo = await makeRepo({ 'a.wasm': printing('one\n') });
    expect((await push(platform, user, repo, 'served')).status).toBe(0);
  }, removeTemporaryFolders);
  afterAll(removeTemporaryFolders);

  it('in control: a push is refused with the reason, which is logged; functions go on; it recovers', async () => {
    const pid = platform.child.pid ?? 0;
    const { stdout: head } = await git(repo, 'rev-parse', 'HEAD');
    await commit(repo, { 'a.wasm': printing('two\n') });
    leaveDescriptors(pid, 4);
    const refused = await push(platform, user, repo, 'served');
    expect(refused.status).toBe(128);
    expect(refused.stderr).toContain('remote: error: the platform has too many files and connections open\n');
    expect(await platform.logged('too many files')).toContain('EMFILE');
    // A client that does not ask first, as git does: here git is started by the request that has the body.
    const want = `0032want ${head.trim()}\n00000009done\n`;
    const fetched = await fetch(`${platform.controlUrl}/served.git/git-upload-pack`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`x:${user.token}`).toString('base64')}` },
      body: want,
    });
    expect(fetched.status).toBe(503);
    expect((await call(platform, 'served')).body).toBe('one\n');

    setLimit(pid, '4096');
    const accepted = await push(platform, user, repo, 'served');
    expect(accepted.status, accepted.stderr).toBe(0);
    expect((await call(platform, 'served')).body).toBe('two\n');
    expect(platform.child.exitCode).toBe(null);
  });

  it('in a runner: connections beyond are closed, which is logged; it lives on and recovers', async () => {
    const pid = await runnerPid(platform);
    const { body } = await call(platform, 'served');
    leaveDescriptors(pid, 5);
    const port = Number(new URL(platform.runUrl).port);
    const sockets = Array.from({ length: 40 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await Promise.any(sockets.map(closed));
    await platform.logged('no file descriptor is left');
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(() => call(platform, 'served').then((answer) => answer.body, String), { timeout: 60_000 })
      .toBe(body);
    setLimit(pid, '4096');
    expect(await runnerPid(platform)).toBe(pid);
    expect(platform.log()).not.toContain('"runner_ended"');
    expect(await platform.stop()).toBe(0);
  });
});
