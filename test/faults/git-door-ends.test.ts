/** Pushes that end early: every one ends at once in git's own report, with a reason above it. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { flushPkt, pktLine } from '../../src/control/git/pkt-line.ts';
import type { PushSession } from '../../src/protocol/push.ts';
import { beforeAttempts } from '../support/attempts.ts';
import { git, makeRepo, removeTemporaryFolders } from '../support/e2e.ts';
import { type DoorPlatform, type DoorUser, platformHooks, startDoor } from '../support/git-platform.ts';
import { commandSection, openPost, pushBody, zero } from '../support/git-requests.ts';

let platform: DoorPlatform;
let user: DoorUser;
let hello: Buffer;
/** Set by a test: what happens inside of the next pushes. */
let inside: { before?: (id: string) => void; accepted?: (id: string) => void } = {};
const limits = { refs: 3, pushBytes: 4_000_000, drainMs: 30_000 };

beforeAttempts(
  async () => {
    platform = await startDoor({
      limits,
      receiver: (deployments) => ({
        begin(push): PushSession {
          const session = deployments.begin(push);
          const { before, accepted } = inside;
          return {
            preReceive: async (objects, print, signal) => {
              before?.(push.handlerId);
              const isAccepted = await session.preReceive(objects, print, signal);
              accepted?.(push.handlerId);
              return isAccepted;
            },
            refsMoved: (print) => session.refsMoved(print),
            ended: () => session.ended(),
          };
        },
      }),
    });
    user = await platform.user();
    hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
  },
  () => platform.close(),
);
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

async function head(repo: string): Promise<string> {
  return (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
}

/** Ends the git that works on a push, as a machine without memory does. */
function killGit(id: string): void {
  process.kill(Number(readFileSync(join(platform.repositories.pathOf(id), 'trisiel-git'), 'utf8')), 'SIGKILL');
}

/** Checks that a push was refused in git's own report. */
function expectRejected(stderr: string): void {
  expect(stderr).toMatch(/! \[remote rejected\] \S+ -> \S+ \(/);
  expect(stderr).toContain('remote: nothing deployed');
  expect(stderr).not.toContain('Everything up-to-date');
}

describe('fault 38: git ends before it has taken the pack', () => {
  it('at an object that it refuses', async () => {
    const repo = await makeRepo({ 'hello.wasm': hello, 'big.bin': randomBytes(3_000_000) });
    const make = (args: readonly string[], input: string) =>
      execFileSync('git', [...args], { cwd: repo, input, encoding: 'utf8' }).trim();
    const tree = make(['mktree'], `040000 tree ${make(['rev-parse', 'HEAD^{tree}'], '')}\t.git\n`);
    const person = ['-c', 'user.name=T', '-c', 'user.email=t@example.com'];
    const bad = make([...person, 'commit-tree', tree, '-m', 'bad'], '');
    const { status, stderr } = await platform.push(user, repo, 'refused-object', `${bad}:refs/heads/main`);
    expect(status).not.toBe(0);
    expectRejected(stderr);
    expect(stderr).toMatch(/remote: error: object [0-9a-f]{7} is not safe to store: contains '\.git'/);
    expect(await platform.handlers.find('refused-object')).toBeNull();
  });

  it('when it is killed', async () => {
    inside = { before: killGit };
    const repo = await makeRepo({ 'hello.wasm': hello });
    const { status, stderr } = await platform.push(user, repo, 'killed').finally(() => {
      inside = {};
    });
    expect(status).not.toBe(0);
    expectRejected(stderr);
    expect(stderr).toContain('remote: error: git was ended on the server before it was done');
    await platform.door.idle();
    expect(await platform.handlers.find('killed')).toBeNull();
    expect((await platform.push(user, repo, 'killed')).status).toBe(0);
  });

  it('when it is killed after the push was accepted, and before it has moved the ref', async () => {
    inside = { accepted: killGit };
    const repo = await makeRepo({ 'hello.wasm': hello });
    const { status, stderr } = await platform.push(user, repo, 'killed-between').finally(() => {
      inside = {};
    });
    expect(status).not.toBe(0);
    expectRejected(stderr);
    await platform.door.idle();
    const { id } = (await platform.handlers.find('killed-between'))!;
    expect(await platform.deployments.store.live(id)).toBeNull();
    expect(await platform.deployments.store.byNumber(id, 1)).toMatchObject({ state: 'failed' });
  });

  it('when it is killed after it has moved the ref: the push has succeeded, and git says so', async () => {
    const hooksFolder = await mkdtemp(join(tmpdir(), 'trisiel-hooks-'));
    await symlink(join(platformHooks, 'pre-receive'), join(hooksFolder, 'pre-receive'));
    // git runs this hook when it has moved the refs.
    await writeFile(join(hooksFolder, 'post-receive'), '#!/bin/sh\nkill -9 $PPID\n', { mode: 0o755 });
    const killing = await startDoor({ hooksFolder });
    try {
      const repo = await makeRepo({ 'hello.wasm': hello });
      const { status, stderr } = await killing.push(await killing.user(), repo, 'killed-late');
      expect(stderr).toContain('* [new branch]      main -> main');
      expect(stderr).toContain('remote: success: live.');
      expect(stderr).not.toContain('remote: error');
      expect(status).toBe(0);
      expect(killing.events).toMatchObject([{ kind: 'git_failed', status: null }]);
    } finally {
      await killing.close();
      await rm(hooksFolder, { recursive: true });
    }
  });

  it('because the pack is too large: the rest is read', async () => {
    const repo = await makeRepo({ 'hello.wasm': hello, 'big.bin': randomBytes(9_000_000) });
    const { status, stderr } = await platform.push(user, repo, 'too-large');
    expect(status).not.toBe(0);
    expectRejected(stderr);
    expect(stderr).toContain('remote: error: the request is larger than 4000000 bytes');
  });

  it('because the pack cannot be stored', async () => {
    const folder = platform.repositories.spoolFolder;
    await rm(folder, { recursive: true, force: true });
    await writeFile(folder, '');
    const repo = await makeRepo({ 'hello.wasm': hello, 'big.bin': randomBytes(3_000_000) });
    const { status, stderr } = await platform.push(user, repo, 'no-room').finally(() => rm(folder, { force: true }));
    expect(status).not.toBe(0);
    expectRejected(stderr);
    expect(stderr).toContain('remote: error: something failed on our side');
    expect(platform.events.splice(0).map(({ kind }) => kind)).toContain('failed');
  });

  it('and the client cannot send the rest in time: it is answered, and what git sends then is answered too', async () => {
    const hasty = await startDoor({ limits: { pushBytes: 100_000, drainMs: 1, lingerMs: 60_000 } });
    try {
      const owner = await hasty.user();
      const repo = await makeRepo({ 'hello.wasm': hello, 'big.bin': randomBytes(400_000) });
      const body = await pushBody(repo, [[zero, await head(repo), 'refs/heads/main']]);
      const path = '/cut.git/git-receive-pack';
      const first = openPost(hasty, owner, path);
      first.outgoing.write(body.subarray(0, 200_000));
      const answer = await first.answer;
      expect(answer).toMatchObject({ status: 200, headers: { connection: 'close' } });
      expect(answer.text).toContain('the request is larger than 100000 bytes');
      expect(answer.text).toContain('ng refs/heads/main refused');
      first.outgoing.destroy();
      const rest = openPost(hasty, owner, path);
      rest.outgoing.write(body.subarray(200_000, 300_000));
      expect(await rest.answer).toMatchObject({ status: 200, text: '0005\u0001', headers: { connection: 'close' } });
      rest.outgoing.destroy();
      // git itself gets its report with the last of its requests: it would not wait for that otherwise.
      const itself = { 'user-agent': 'git/2.39.5' };
      const begin = openPost(hasty, owner, path, itself);
      begin.outgoing.write(body.subarray(0, 200_000));
      const { text: words } = await begin.answer;
      expect(words).toContain('nothing deployed');
      expect(words).not.toContain('ng refs/heads/main');
      begin.outgoing.destroy();
      const last = openPost(hasty, owner, path, { ...itself, 'content-length': 50_000 });
      last.outgoing.end(body.subarray(200_000, 250_000));
      expect((await last.answer).text).toMatch(/ng refs\/heads\/main refused\n00000000$/);
      const stranger = openPost(hasty, await hasty.user(), path);
      stranger.outgoing.end(body.subarray(200_000, 300_000));
      expect(await stranger.answer).toMatchObject({ status: 400 });
    } finally {
      await hasty.close();
    }
  });
});

describe('fault 43: commands that cannot be taken', () => {
  it('are too many: git shows each ref', async () => {
    const repo = await makeRepo({ 'hello.wasm': hello });
    for (const name of ['a', 'b', 'c', 'd']) await git(repo, 'branch', name);
    const { status, stderr } = await platform.push(user, repo, 'many', 'a', 'b', 'c', 'd');
    expect(status).not.toBe(0);
    expectRejected(stderr);
    expect(stderr).toContain('remote: error: a push has at most 3 refs');
    expect(stderr.match(/! \[remote rejected\]/g)).toHaveLength(4);
  });

  it.each([
    [
      'has a name that is not UTF-8',
      commandSection([[zero, 'a'.repeat(40), Buffer.from('refs/heads/caf\xe9', 'latin1')]]),
    ],
    [
      'names a ref twice',
      commandSection([
        [zero, 'a'.repeat(40), 'refs/heads/caf'],
        [zero, 'b'.repeat(40), 'refs/heads/caf'],
      ]),
    ],
    ['ends before the flush packet', commandSection([[zero, 'a'.repeat(40), 'refs/heads/caf']]).subarray(0, -4)],
  ])('one %s: git is told in its report', async (_name, body) => {
    const { outgoing, answer } = openPost(platform, user, '/commands.git/git-receive-pack');
    outgoing.end(body);
    const { status, text } = await answer;
    expect(status).toBe(200);
    expect(text).toContain('error: ');
    expect(text).toContain('nothing deployed');
    expect(text).toMatch(/ng refs\/heads\/caf(?:\xe9)? refused\n/);
  });
});

it('a shallow client that can push nothing sends no command, which is no error', async () => {
  const { outgoing, answer } = openPost(platform, user, '/behind.git/git-receive-pack');
  outgoing.end(Buffer.concat([pktLine(`shallow ${'a'.repeat(40)}\n`), flushPkt]));
  expect(await answer).toMatchObject({ status: 200, text: '' });
});
