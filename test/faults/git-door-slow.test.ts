/** Clients that send or read too slowly: they hold no git process, and others push and fetch beside them. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GitLimits } from '../../src/control/git/limits.ts';
import { flushPkt, pktLine } from '../../src/control/git/pkt-line.ts';
import type { PushSession } from '../../src/protocol/push.ts';
import { git, makeRepo, removeTemporaryFolders } from '../support/e2e.ts';
import { type DoorOptions, type DoorPlatform, type DoorUser, startDoor } from '../support/git-platform.ts';
import { basic, commandSection, type OpenRequest, openPost, pushBody, zero } from '../support/git-requests.ts';
import { deltaBomb } from '../support/packs.ts';

let hello: Buffer;
let platform: DoorPlatform;
beforeAll(async () => {
  hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});
afterEach(() => platform.close());
afterAll(removeTemporaryFolders);

async function start(limits: Partial<GitLimits>, receiver?: DoorOptions['receiver']): Promise<void> {
  platform = await startDoor({ limits, ...(receiver === undefined ? {} : { receiver }) });
}

async function head(repo: string): Promise<string> {
  return (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
}

/**
 * Pushes until it goes through: limits that a test makes short are too short for git now and then on a busy machine.
 */
async function pushAtLast(user: DoorUser, repo: string, handler: string): Promise<void> {
  while ((await platform.push(user, repo, handler)).status !== 0);
}

/** Sends a byte now and then until the answer comes or the test ends. Resolves with the number of bytes sent. */
async function drip({ outgoing, answer }: OpenRequest, bytes: Buffer): Promise<number> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  answer.then(over, over);
  let sent = 0;
  for (; sent < bytes.length && !isOver && !outgoing.destroyed; sent += 1) {
    outgoing.write(bytes.subarray(sent, sent + 1));
    await after(50);
  }
  return sent;
}

/** Begins pushes of `user` that have sent all commands and drip their pack. */
async function dripPushes(user: DoorUser, count: number): Promise<readonly OpenRequest[]> {
  const body = await pushBody(await makeRepo({ 'hello.wasm': hello }), []);
  const requests = Array.from({ length: count }, (_, n) => openPost(platform, user, `/slow-${n}.git/git-receive-pack`));
  for (const request of requests) {
    request.outgoing.write(commandSection([[zero, 'a'.repeat(40), 'refs/heads/main']]));
    void drip(request, Buffer.concat([body, Buffer.alloc(10_000)]));
  }
  return requests;
}

describe('a small pack whose objects take git hours', () => {
  it('is given up after a time, which git shows; no process goes on', async () => {
    await start({ objectsMs: 100 });
    const commands = commandSection([[zero, 'a'.repeat(40), 'refs/heads/main']]);
    const { outgoing, answer } = openPost(platform, await platform.user(), '/hours.git/git-receive-pack');
    outgoing.end(Buffer.concat([commands, deltaBomb(8, 1_000)]));
    const { text } = await answer;
    expect(text).toContain('error: git works longer than 1 s on the objects of the push');
    expect(text).toContain('hint: push part of the history at a time');
    expect(text).toContain('ng refs/heads/main ');
    await platform.door.idle();
  });
});

describe('fault 30: pushes that drip', () => {
  it('hold no turn: two users push and fetch beside them', async () => {
    await start({ pushOperations: 2, operations: 2, operationsPerUser: 1, idleMs: 600_000 });
    const attacker = await platform.user();
    const requests = await dripPushes(attacker, 8);
    let answered = 0;
    for (const { answer } of requests)
      answer.then(
        () => (answered += 1),
        () => {},
      );
    for (const other of [await platform.user(), await platform.user()]) {
      const repo = await makeRepo({ 'hello.wasm': hello });
      const result = await platform.push(other, repo, `beside-${other.name}`);
      expect(result.stderr).toContain('success: live');
      expect((await git(repo, 'fetch', '-q', platform.remote(other, `beside-${other.name}`), 'main')).status).toBe(0);
    }
    expect(answered).toBe(0);
    // The attacker's own places are taken.
    const { status, stderr } = await platform.push(attacker, await makeRepo({ 'hello.wasm': hello }), 'ninth');
    expect(status).not.toBe(0);
    expect(stderr).toContain('remote: error: too many pushes and fetches wait already');
    expect(stderr).toContain('[remote rejected]');
    for (const { outgoing } of requests) outgoing.destroy();
  });

  it('are ended by the least transfer rate, in a report', async () => {
    await start({ idleMs: 500, slowBytes: 1_000 });
    const [request] = await dripPushes(await platform.user(), 1);
    const { status, text } = await request!.answer;
    expect(status).toBe(200);
    expect(text).toContain('the request did not arrive in time');
    expect(text).toContain('ng refs/heads/main refused');
  });

  it('are bounded in bytes for each user', async () => {
    await start({ spoolBytesPerUser: 300_000, spoolMemoryBytes: 10_000, idleMs: 600_000 });
    const user = await platform.user();
    const repo = await makeRepo({ 'hello.wasm': hello, 'big.bin': randomBytes(200_000) });
    const body = await pushBody(repo, [[zero, await head(repo), 'refs/heads/main']]);
    const first = openPost(platform, user, '/first.git/git-receive-pack');
    // All but the last byte: its pack stays held.
    await new Promise((resolve) => first.outgoing.write(body.subarray(0, -1), resolve));
    const spooled = () => openFiles().filter((name) => name.includes('/.incoming/'));
    while (spooled().length === 0) await after(5);
    let refused = await platform.push(user, repo, 'second');
    // The bytes of the first are counted as they are read from its connection.
    while (refused.status === 0) refused = await platform.push(user, repo, 'second', '--force', 'main');
    expect(refused.stderr).toContain('remote: error: you push too much at once');
    expect((await platform.push(await platform.user(), repo, 'other')).status).toBe(0);
    first.outgoing.end(body.subarray(-1));
    expect((await first.answer).text).toContain('ok refs/heads/main');
    await platform.door.idle();
    expect(spooled()).toEqual([]);
    expect((await platform.push(user, repo, 'third')).status).toBe(0);
  });
});

describe('fault 30: pushes of one user that wait', () => {
  it('leave places for others', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const blocked = new Set<string>();
    await start({}, (deployments) => ({
      begin(push): PushSession {
        const session = deployments.begin(push);
        return {
          preReceive: async (objects, print, signal) => {
            if (!push.handlerName.startsWith('blocked')) return session.preReceive(objects, print, signal);
            blocked.add(push.handlerName);
            await released;
            return false;
          },
          refsMoved: (print) => session.refsMoved(print),
          ended: () => session.ended(),
        };
      },
    }));
    const attacker = await platform.user();
    const repo = await makeRepo({ 'hello.wasm': hello });
    const body = await pushBody(repo, [[zero, await head(repo), 'refs/heads/main']]);
    const answers: Promise<string>[] = [];
    for (let n = 0; n < 16; n += 1) {
      const { outgoing, answer } = openPost(platform, attacker, `/blocked-${n}.git/git-receive-pack`);
      outgoing.end(body);
      answers.push(answer.then(({ text }) => text));
    }
    // 4 run, 8 wait, 4 are told at once.
    const refused = await Promise.any(answers);
    expect(refused).toContain('too many pushes and fetches wait already');
    while (blocked.size < 4) await after(5);
    const other = await platform.user();
    expect((await platform.push(other, await makeRepo({ 'hello.wasm': hello }), 'other')).stderr).toContain('success');
    expect(blocked.size).toBe(4);
    release();
    const texts = await Promise.all(answers);
    expect(texts.filter((text) => text.includes('too many pushes'))).toHaveLength(4);
    expect(texts.filter((text) => text.includes('pre-receive hook declined'))).toHaveLength(12);
  });
});

describe('a push whose turn does not come', () => {
  it('is refused in a report, with the time that it has waited', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: holds, resolve: hold } = Promise.withResolvers<void>();
    await start({ turnMs: 1_000 }, () => ({
      begin: () => ({
        preReceive: async () => {
          hold();
          await released;
          return false;
        },
        refsMoved: async () => {},
        ended: async () => {},
      }),
    }));
    const user = await platform.user();
    const repo = await makeRepo({ 'hello.wasm': hello });
    const first = platform.push(user, repo, 'waited');
    await holds;
    const { status, stderr } = await platform.push(user, repo, 'waited');
    expect(status).not.toBe(0);
    expect(stderr).toContain('remote: error: no turn has come in 1 s: others push and fetch');
    expect(stderr).toContain('remote: nothing deployed');
    expect(stderr).toContain('[remote rejected]');
    release();
    expect((await first).stderr).toContain('pre-receive hook declined');
  });
});

describe('a client that is slow elsewhere', () => {
  it.each(['receive-pack', 'upload-pack'])(
    'drips its commands: the deadline is for all of them (%s)',
    async (service) => {
      await start({ commandsMs: 700 });
      const user = await platform.user();
      await pushAtLast(user, await makeRepo({ 'hello.wasm': hello }), 'drips');
      const request = openPost(platform, user, `/drips.git/git-${service}`);
      const section = commandSection([[zero, 'a'.repeat(40), 'refs/heads/main']]);
      const sent = drip(request, section);
      expect((await request.answer).status).toBe(408);
      // The deadline is over while bytes still come: silence has not ended it.
      expect(await sent).toBeLessThan(section.length);
    },
  );

  it('stops to read a fetch: git is ended', async () => {
    await start({ idleMs: 300 });
    const user = await platform.user();
    const socket = await stalledFetch(user, user.token);
    await platform.door.idle();
    while (gitRuns()) await after(5); // its children see their output closed
    socket.destroy();
  });

  it('stops to read a fetch, and loses the right to it: git is ended, and the connection', async () => {
    await start({ idleMs: 600_000, recheckMs: 50 });
    const user = await platform.user();
    const { token, view } = await platform.accounts.createToken(user.id, { label: 'x', scope: 'deploy' });
    const socket = await stalledFetch(user, token);
    await platform.accounts.revokeToken(user.id, view.id);
    await platform.door.idle();
    await new Promise((resolve) => socket.on('close', resolve).resume());
  });
});

/** Begins a fetch of a large repository of `user`, of which the client reads nothing. Resolves when git runs. */
async function stalledFetch(user: DoorUser, token: string): Promise<Socket> {
  const repo = await makeRepo({ 'hello.wasm': hello, 'big.bin': randomBytes(24_000_000) });
  await pushAtLast(user, repo, 'fetched');
  const want = pktLine(`want ${await head(repo)} side-band-64k ofs-delta\n`);
  const body = Buffer.concat([want, flushPkt, pktLine('done\n')]);
  const { hostname, port } = new URL(platform.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.pause();
  socket.write(
    [
      'POST /fetched.git/git-upload-pack HTTP/1.1',
      'host: x',
      `authorization: ${basic(token)}`,
      `content-length: ${body.length}`,
      '\r\n',
    ].join('\r\n'),
  );
  socket.write(body);
  // The push's connection is closed; what comes now is the fetch.
  while (!gitRuns()) await after(5);
  return socket;
}

/** Files that this process has open, deleted ones too. */
function openFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** Whether a git works in the platform's data folder. */
function gitRuns(): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(`${platform.dataFolder}/repos/`);
    } catch {
      return false;
    }
  });
}
