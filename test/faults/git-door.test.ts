/** Faults 1 to 9 and 12 of the book's page on safety: what the git door and the hooks survive. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate as tick } from 'node:timers/promises';
import { createGzip, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flushPkt, pktLine } from '../../src/control/git/pkt-line.ts';
import { commit, git, makeRepo, removeTemporaryFolders } from '../support/e2e.ts';
import { type DoorPlatform, type DoorUser, startDoor } from '../support/git-platform.ts';
import { basic, commandSection, pushBody, zero } from '../support/git-requests.ts';
import { deltaBomb } from '../support/packs.ts';

let platform: DoorPlatform;
let user: DoorUser;
let hello: Buffer;
beforeAll(async () => {
  platform = await startDoor();
  user = await platform.user();
  hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});
afterAll(async () => {
  await platform.close();
  await removeTemporaryFolders();
});

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

interface SendOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | null;
  readonly body?: Buffer;
}

const agent = new Agent({ keepAlive: false });

function send(path: string, options: SendOptions = {}): Promise<Answer> {
  const { method = 'POST', headers = {}, token = user.token, body } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      // Not as a URL: that would tidy the path up.
      {
        host: '127.0.0.1',
        port: new URL(platform.url).port,
        path,
        method,
        agent,
        headers: { ...(token === null ? {} : { authorization: basic(token) }), ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

interface Deployed {
  readonly handler: string;
  readonly id: string;
  readonly repo: string;
}

let names = 0;
async function deployed(owner = user): Promise<Deployed> {
  names += 1;
  const handler = `fault-${names}`;
  const repo = await makeRepo({ 'hello.wasm': hello });
  const result = await platform.push(owner, repo, handler);
  expect(result.status, result.stderr).toBe(0);
  await platform.door.idle();
  return { handler, repo, id: (await platform.handlers.find(handler))!.id };
}

let sharedTarget: Promise<Deployed> | null = null;
/** One deployed handler for all tests that must not change it. */
function untouched(): Promise<Deployed> {
  sharedTarget ??= deployed();
  return sharedTarget;
}

async function head(repo: string): Promise<string> {
  return (await git(repo, 'rev-parse', 'HEAD')).stdout.trim();
}

/** A Linux process by what it runs in; git children of this process work in our data folder. */
function gitChildren(): readonly string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      const inside =
        command.includes(platform.dataFolder) || readlinkSync(`/proc/${pid}/cwd`).startsWith(platform.dataFolder);
      return inside && /git|hooks/.test(command) ? [command] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Pushes until it goes through: limits that a test makes short are too short for git now and then on a busy machine.
 */
async function pushAtLast(door: DoorPlatform, owner: DoorUser, repo: string, handler: string): Promise<void> {
  while ((await door.push(owner, repo, handler)).status !== 0);
}

/** Until `done` holds; the test's own time-out bounds it. */
async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await tick();
}

/**
 * Returns a function that runs git in `repo` with `input` and returns what it prints: the id of what it has written.
 */
function writerOf(repo: string): (args: readonly string[], input?: string) => string {
  return (args, input = '') =>
    execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.com', ...args], {
      cwd: repo,
      input,
      encoding: 'utf8',
    }).trim();
}

describe('fault 1: requests without the right to make them', () => {
  it('answers 401 to everything without a valid token, and moves no ref', async () => {
    const { handler, repo, id } = await deployed();
    await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 65])]) });
    const old = (await platform.repositories.refs(id)).get('refs/heads/main')!;
    const body = await pushBody(repo, [[old, await head(repo), 'refs/heads/main']]);
    const before = await platform.repositories.refs(id);
    for (const token of [null, 'wrong', `tr_${'A'.repeat(43)}`]) {
      for (const service of ['receive-pack', 'upload-pack']) {
        expect((await send(`/${handler}.git/git-${service}`, { token, body })).status).toBe(401);
        const info = await send(`/${handler}.git/info/refs?service=git-${service}`, { token, method: 'GET' });
        expect(info.status).toBe(401);
        expect(info.body.toString()).toMatch(/Log in first: wasmcloud login\n$/);
      }
      expect((await send('/not-there.git/info/refs?service=git-upload-pack', { token, method: 'GET' })).status).toBe(
        401,
      );
      expect((await send(`/${handler}.git/HEAD`, { token, method: 'GET' })).status).toBe(401);
    }
    expect(await platform.repositories.refs(id)).toEqual(before);
  });

  it('answers 404 to another user, the same as for no handler', async () => {
    const { handler, repo, id } = await untouched();
    const stranger = await platform.user();
    const body = await pushBody(repo, [[zero, await head(repo), 'refs/heads/mine']]);
    const before = await platform.repositories.refs(id);
    for (const path of [`/${handler}.git/git-upload-pack`, `/${handler}.git/git-receive-pack`])
      expect((await send(path, { token: stranger.token, body })).status).toBe(404);
    for (const service of ['upload-pack', 'receive-pack']) {
      const path = `/${handler}.git/info/refs?service=git-${service}`;
      expect((await send(path, { token: stranger.token, method: 'GET' })).status).toBe(404);
    }
    expect(await platform.repositories.refs(id)).toEqual(before);
  });

  it('takes no other spelling of a URL', async () => {
    const { handler } = await untouched();
    const paths = [
      `/${handler}.gitsecret/git-receive-pack`,
      `/${handler}.git/../${handler}.git/git-receive-pack`,
      `//${handler}.git/git-receive-pack`,
      `/x/${handler}.git/git-receive-pack`,
      `/${handler}%2egit/git-receive-pack`,
      `/${handler}.git/git-receive-pack?x=1`,
      `/${handler}.git/git-receive-pack/`,
      `/${handler}.git/info/refs`,
      `/${handler}.git/info/refs?service=git-upload-archive`,
      `/${handler}.git/objects/info/packs`,
      `/${handler}.git/HEAD`,
      `/${handler}/git-receive-pack`,
    ];
    for (const path of paths) {
      for (const method of ['GET', 'POST']) {
        const { status } = await send(path, { method });
        // 418: not for the door at all, as our server answers.
        expect([404, 418], `${method} ${path}`).toContain(status);
      }
    }
    expect(platform.door.handles({ url: `/${handler}.git/HEAD` } as never)).toBe(true);
  });
});

describe('fault 2: clients that go away', () => {
  it('ends 200 abandoned pushes without a trace', async () => {
    // A user of its own: pushes of one are counted.
    const owner = await platform.user();
    const { handler, repo, id } = await deployed(owner);
    await commit(repo, { 'big.bin': randomBytes(300_000) });
    const old = (await platform.repositories.refs(id)).get('refs/heads/main')!;
    const body = await pushBody(repo, [[old, await head(repo), 'refs/heads/main']]);
    const head200 = [
      `POST /${handler}.git/git-receive-pack HTTP/1.1`,
      'host: x',
      `authorization: ${basic(owner.token)}`,
      `content-length: ${body.length}`,
      '\r\n',
    ].join('\r\n');
    const { hostname, port } = new URL(platform.url);
    for (let round = 0; round < 10; round += 1) {
      const sockets = Array.from({ length: 20 }, () => connect(Number(port), hostname));
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      sockets.forEach((socket, index) => {
        socket.on('error', () => {});
        socket.write(head200);
        // From nothing of the body to nearly all of it.
        socket.write(body.subarray(0, Math.floor((body.length * index) / 20)), () => socket.destroy());
      });
      await Promise.all(sockets.map((socket) => once(socket, 'close')));
    }
    await platform.door.idle();
    await until(() => gitChildren().length === 0);
    expect((await platform.repositories.refs(id)).get('refs/heads/main')).toBe(old);
    const objects = readdirSync(join(platform.repositories.pathOf(id), 'objects'));
    expect(objects.filter((name) => name.startsWith('tmp_objdir') || name.startsWith('incoming'))).toEqual([]);
    expect((await platform.push(owner, repo, handler)).status).toBe(0);
  });

  it('forgets a push whose client goes while runners compile', async () => {
    const { handler, repo, id } = await deployed();
    await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 79])]) });
    const { promise: compiled, resolve: compile } = Promise.withResolvers<void>();
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const prepare = platform.fleet.prepare.bind(platform.fleet);
    platform.fleet.prepare = async (spec) => {
      start();
      await compiled;
      await prepare(spec);
    };
    const client = spawn('git', ['push', '-q', platform.remote(user, handler), 'main'], {
      cwd: repo,
      detached: true,
      stdio: 'ignore',
    });
    await started;
    // The group: git-remote-http is the one that holds the connection.
    process.kill(-client.pid!, 'SIGKILL');
    await until(() => gitChildren().length === 0);
    compile();
    await platform.door.idle();
    platform.fleet.prepare = prepare;
    const rows = await platform.db
      .selectFrom('deployments')
      .selectAll()
      .where('handler_id', '=', id)
      .orderBy('number')
      .execute();
    expect(rows.map(({ state }) => state)).toEqual(['live', 'failed']);
    expect(platform.fleet.serving.get(handler)).toBe(1);
    expect((await platform.repositories.refs(id)).get('refs/heads/main')).toBe(rows[0]!.commit);
    expect((await platform.push(user, repo, handler)).stderr).toContain('deployed v3');
  });

  it('ends fetches whose client has gone', async () => {
    const { handler, repo } = await deployed();
    await commit(repo, { 'big.bin': randomBytes(3_000_000) });
    await platform.push(user, repo, handler);
    const want = Buffer.concat([
      pktLine(`want ${await head(repo)} side-band-64k ofs-delta\n`),
      flushPkt,
      pktLine('done\n'),
    ]);
    const { hostname, port } = new URL(platform.url);
    const sockets: Socket[] = [];
    for (let index = 0; index < 6; index += 1) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.write(
        [
          `POST /${handler}.git/git-upload-pack HTTP/1.1`,
          'host: x',
          `authorization: ${basic(user.token)}`,
          `content-length: ${want.length}`,
          '\r\n',
        ].join('\r\n'),
      );
      socket.write(want);
      await once(socket, 'readable');
      sockets.push(socket);
    }
    for (const socket of sockets) socket.destroy();
    await platform.door.idle();
    await until(() => gitChildren().length === 0);
  });
});

describe('fault 3: headers and encodings that git does not send', () => {
  it.each([
    ['bad gzip', { 'content-encoding': 'gzip' }, Buffer.from('this is no gzip'), 400],
    ['deflate', { 'content-encoding': 'deflate' }, gzipSync('x'), 400],
    ['Basic without a token', { authorization: 'Basic' }, Buffer.alloc(0), 401],
    ['Basic with an empty token', { authorization: 'Basic eDo=' }, Buffer.alloc(0), 401],
    ['Basic that is not base64', { authorization: 'Basic %%%' }, Buffer.alloc(0), 401],
    ['Bearer', { authorization: 'Bearer x' }, Buffer.alloc(0), 401],
  ])('answers %s at once', async (_name, headers, body, status) => {
    const { handler } = await untouched();
    for (const service of ['receive-pack', 'upload-pack']) {
      const answer = await send(`/${handler}.git/git-${service}`, { headers, body });
      expect(answer.status).toBe(status);
    }
  });
});

describe('fault 4: a gzip bomb', () => {
  it('is stopped with 413 before it fills the memory', async () => {
    const { handler } = await untouched();
    const gzip = createGzip();
    const packed: Buffer[] = [];
    gzip.on('data', (chunk: Buffer) => packed.push(chunk));
    const megabyte = Buffer.alloc(1024 * 1024, '0');
    for (let index = 0; index < 200; index += 1) if (!gzip.write(megabyte)) await once(gzip, 'drain');
    gzip.end();
    await once(gzip, 'end');
    const bomb = Buffer.concat(packed);
    for (const service of ['receive-pack', 'upload-pack']) {
      const before = process.memoryUsage.rss();
      const headers = { 'content-encoding': 'gzip' };
      const answer = await send(`/${handler}.git/git-${service}`, { headers, body: bomb });
      expect(answer.status).toBe(413);
      expect(process.memoryUsage.rss() - before).toBeLessThan(50 * 1024 * 1024);
    }
    const commands = Buffer.concat([pktLine(`${zero} ${'a'.repeat(40)} refs/heads/x\0 report-status`), flushPkt]);
    const before = process.memoryUsage.rss();
    const parts = [gzipSync(commands), bomb]; // RFC 1952, 2.2: members follow each other
    const answer = await send(`/${handler}.git/git-receive-pack`, {
      headers: { 'content-encoding': 'gzip' },
      body: Buffer.concat(parts),
    });
    expect(answer.status).toBe(413);
    expect(process.memoryUsage.rss() - before).toBeLessThan(50 * 1024 * 1024);
    await platform.door.idle();
  });
});

describe('an object that is far larger than its bytes in the pack', () => {
  it('is refused before git holds it in memory', async () => {
    const { handler, repo, id } = await untouched();
    const before = await platform.repositories.refs(id);
    const commands = commandSection([[zero, await head(repo), 'refs/heads/bomb']]);
    const answer = await send(`/${handler}.git/git-receive-pack`, { body: Buffer.concat([commands, deltaBomb(11)]) });
    expect(answer.body.toString()).toContain('an object of the push has more than 160.0 MiB when it is unpacked');
    expect(answer.body.toString()).toContain('ng refs/heads/bomb unpacker error');
    expect(await platform.repositories.refs(id)).toEqual(before);
  });

  it('is taken up to the size of the largest module', async () => {
    const { handler, repo } = await deployed();
    const commands = commandSection([[zero, await head(repo), 'refs/heads/large']]);
    const answer = await send(`/${handler}.git/git-receive-pack`, { body: Buffer.concat([commands, deltaBomb(8)]) });
    expect(answer.body.toString()).toContain('ok refs/heads/large');
  });
});

describe('fault 5: refs that are no branches or tags', () => {
  it.each([
    'refs/notes/commits',
    'refs/for/main',
    'refs/deployments/7',
    'refs/heads-x/y',
    'HEAD',
    'refs/heads/.hidden',
  ])('refuses %s visibly', async (ref) => {
    const { handler, repo, id } = await untouched();
    const body = await pushBody(repo, [[zero, await head(repo), ref]]);
    const answer = await send(`/${handler}.git/git-receive-pack`, { body });
    expect(answer.status).toBe(200);
    expect(answer.body.toString('latin1')).toContain(`ng ${ref} `);
    expect(answer.body.toString('latin1')).toContain('error: only branches and tags can be pushed');
    expect((await platform.repositories.refs(id)).size).toBe(2);
  });

  it('shows it in git', async () => {
    const { handler, repo } = await untouched();
    const result = await platform.push(user, repo, handler, 'main:refs/notes/commits');
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('remote: error: only branches and tags can be pushed');
    expect(result.stderr).toContain(
      '! [remote rejected] main -> refs/notes/commits (only branches and tags can be pushed)',
    );
    const pinned = await platform.push(user, repo, handler, 'main:refs/deployments/9');
    expect(pinned.status).not.toBe(0);
  });
});

describe('fault 6: several refs in one push', () => {
  it('moves all or none', async () => {
    const { handler, repo, id } = await deployed();
    const before = await platform.repositories.refs(id);
    await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 66])]) });
    const mixed = await platform.push(user, repo, handler, 'main', 'main:refs/notes/x');
    expect(mixed.status).not.toBe(0);
    expect(await platform.repositories.refs(id)).toEqual(before);
    // One command with an old value that is not true any more.
    const next = await head(repo);
    const body = await pushBody(repo, [
      [before.get('refs/heads/main')!, next, 'refs/heads/main'],
      ['b'.repeat(40), next, 'refs/heads/dev'],
    ]);
    await send(`/${handler}.git/git-receive-pack`, { body });
    await platform.door.idle();
    expect(await platform.repositories.refs(id)).toEqual(before);
    expect(platform.fleet.serving.get(handler)).toBe(1);
    const good = await platform.push(user, repo, handler, 'main', 'main:dev');
    expect(good.status, good.stderr).toBe(0);
    expect(platform.fleet.serving.get(handler)).not.toBe(1);
  });
});

describe('fault 7: commands that come slowly', () => {
  it('takes them byte by byte', async () => {
    const { handler, repo, id } = await deployed();
    const old = await head(repo);
    await commit(repo, { 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 67])]) });
    const body = await pushBody(repo, [[old, await head(repo), 'refs/heads/main']]);
    const slow = body.subarray(0, 160);
    const answered = new Promise<string>((resolve, reject) => {
      const outgoing = request(
        `${platform.url}/${handler}.git/git-receive-pack`,
        { method: 'POST', headers: { authorization: basic(user.token) } },
        (response) => {
          let text = '';
          response.setEncoding('latin1').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => resolve(text));
        },
      );
      outgoing.on('error', reject);
      outgoing.setNoDelay(true);
      (async () => {
        for (const byte of slow) {
          outgoing.write(Buffer.of(byte));
          await tick();
        }
        outgoing.end(body.subarray(slow.length));
      })();
    });
    expect(await answered).toContain('ok refs/heads/main');
    await platform.door.idle();
    expect((await platform.repositories.refs(id)).get('refs/heads/main')).toBe(await head(repo));
    expect(platform.fleet.serving.get(handler)).toBe(2);
  });

  it('answers 408 when they stall', async () => {
    const commandsMs = 1_500;
    const strict = await startDoor({ limits: { commandsMs } });
    try {
      const owner = await strict.user();
      await pushAtLast(strict, owner, await makeRepo({ 'hello.wasm': hello }), 'stalls');
      for (const service of ['receive-pack', 'upload-pack']) {
        const startMs = performance.now();
        const status = await new Promise<number>((resolve, reject) => {
          const outgoing = request(
            `${strict.url}/stalls.git/git-${service}`,
            { method: 'POST', headers: { authorization: basic(owner.token) } },
            (response) => {
              response.resume();
              resolve(response.statusCode ?? 0);
            },
          );
          outgoing.on('error', reject);
          outgoing.write('00');
        });
        expect(status).toBe(408);
        expect(performance.now() - startMs).toBeGreaterThanOrEqual(commandsMs - 50);
      }
    } finally {
      await strict.close();
    }
  });
});

describe('a client that stops or sends too much in the middle of its pack', () => {
  it.each([
    ['stops', { idleMs: 400, slowBytes: 1_000 }, 'the request did not arrive in time', false],
    ['sends too much', { pushBytes: 200_000 }, 'the request is larger than 200000 bytes', true],
  ] as const)('%s: nothing changes, and it is told', async (_name, limits, words, sendsAll) => {
    const strict = await startDoor({ limits });
    try {
      const owner = await strict.user();
      const repo = await makeRepo({ 'hello.wasm': hello });
      await pushAtLast(strict, owner, repo, 'strict');
      const { id } = (await strict.handlers.find('strict'))!;
      const before = await strict.repositories.refs(id);
      await commit(repo, { 'data.bin': randomBytes(400_000) });
      const body = await pushBody(repo, [[before.get('refs/heads/main')!, await head(repo), 'refs/heads/main']]);
      const answer = await new Promise<string>((resolve, reject) => {
        const outgoing = request(
          `${strict.url}/strict.git/git-receive-pack`,
          { method: 'POST', headers: { authorization: basic(owner.token), 'content-length': body.length } },
          (response) => {
            let text = '';
            response.setEncoding('latin1').on('data', (chunk: string) => {
              text += chunk;
            });
            response.on('end', () => resolve(text));
          },
        );
        outgoing.on('error', reject);
        outgoing.write(sendsAll ? body : body.subarray(0, 100_000));
      });
      expect(answer).toContain(words);
      expect(answer).toContain('ng refs/heads/main');
      await strict.door.idle();
      expect(await strict.repositories.refs(id)).toEqual(before);
      expect((await strict.push(owner, await makeRepo({ 'hello.wasm': hello }), 'other')).status).toBe(0);
    } finally {
      await strict.close();
    }
  });

  it('pushes too often: it is told when to try again', async () => {
    const strict = await startDoor({ limits: { pushes: { burst: 1, everyMs: 600_000, keys: 10 } } });
    try {
      const owner = await strict.user();
      const repo = await makeRepo({ 'hello.wasm': hello });
      expect((await strict.push(owner, repo, 'often')).status).toBe(0);
      await commit(repo, { README: 'x' });
      const second = await strict.push(owner, repo, 'often');
      expect(second.status).not.toBe(0);
      expect(second.stderr).toMatch(/remote: error: too many pushes, try again in \d+ s/);
      const other = await strict.user();
      expect((await strict.push(other, repo, 'other')).status).toBe(0);
    } finally {
      await strict.close();
    }
  });
});

describe('fault 8: a large push', () => {
  it('comes in chunks after a probe and deploys once', async () => {
    const { handler, repo, id } = await deployed();
    await commit(repo, {
      'data.bin': randomBytes(8 * 1024 * 1024),
      'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 68])]),
    });
    const calls = platform.fleet.calls.length;
    const result = await platform.push(user, repo, handler);
    expect(result.status, result.stderr).toBe(0);
    expect(platform.fleet.calls.slice(calls).filter((call) => call.startsWith('release'))).toHaveLength(1);
    const rows = await platform.db.selectFrom('deployments').select('number').where('handler_id', '=', id).execute();
    expect(rows).toHaveLength(2);
  });
});

describe('fault 9: trees that are not plain files', () => {
  it.each([
    ['../../a symbolic link', (oid: string) => `120000 blob ${oid}\tlink`, 'symbolic link'],
    ['a module that is a submodule', () => `160000 commit ${'c'.repeat(40)}\ta.wasm`, 'submodule'],
    ['a .git entry', (oid: string) => `040000 tree ${oid}\t.git`, ''],
  ])('refuses %s and keeps nothing of it', async (_name, entry, words) => {
    const { handler, repo, id } = await deployed();
    const main = await head(repo);
    const objects = readdirSync(join(platform.repositories.pathOf(id), 'objects'), { recursive: true }).length;
    const make = (args: readonly string[], input: string) =>
      execFileSync('git', [...args], { cwd: repo, input, encoding: 'utf8' }).trim();
    const blob = make(['hash-object', '-w', '--stdin'], _name);
    const inner = make(['mktree'], `100644 blob ${blob}\tfile\n`);
    const tree = make(['mktree', '--missing'], `${entry(_name === 'a .git entry' ? inner : blob)}\n`);
    const environment = ['-c', 'user.name=T', '-c', 'user.email=t@example.com'];
    const bad = make([...environment, 'commit-tree', tree, '-p', main, '-m', 'bad'], '');
    const result = await platform.push(user, repo, handler, `${bad}:refs/heads/main`);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain(words);
    await platform.door.idle();
    expect(readdirSync(join(platform.repositories.pathOf(id), 'objects'), { recursive: true }).length).toBe(objects);
    expect(platform.fleet.serving.get(handler)).toBe(1);
  });

  it('refuses 100,000 files', async () => {
    const { handler, repo, id } = await deployed();
    const objects = readdirSync(join(platform.repositories.pathOf(id), 'objects'), { recursive: true }).length;
    const blob = execFileSync('git', ['hash-object', '-w', '--stdin'], {
      cwd: repo,
      input: 'x',
      encoding: 'utf8',
    }).trim();
    const folder = Array.from({ length: 1_000 }, (_, n) => `100644 blob ${blob}\tf${n}\n`).join('');
    const inner = execFileSync('git', ['mktree'], { cwd: repo, input: folder, encoding: 'utf8' }).trim();
    const top = Array.from({ length: 100 }, (_, n) => `040000 tree ${inner}\td${n}\n`).join('');
    const tree = execFileSync('git', ['mktree'], { cwd: repo, input: top, encoding: 'utf8' }).trim();
    const bad = execFileSync(
      'git',
      ['-c', 'user.name=T', '-c', 'user.email=t@example.com', 'commit-tree', tree, '-m', 'many'],
      { cwd: repo, encoding: 'utf8' },
    ).trim();
    const result = await platform.push(user, repo, handler, '--force', `${bad}:refs/heads/main`);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('remote: error: the commit has more than 10000 files');
    await platform.door.idle();
    expect(readdirSync(join(platform.repositories.pathOf(id), 'objects'), { recursive: true }).length).toBe(objects);
  });
});

describe('a tree of very long paths', () => {
  it('is refused before control has read them all', async () => {
    const { handler, repo } = await deployed();
    const make = writerOf(repo);
    const blob = make(['hash-object', '-w', '--stdin'], 'x');
    let tree = make(['mktree'], Array.from({ length: 5_000 }, (_, n) => `100644 blob ${blob}\tf${n}\n`).join(''));
    for (let depth = 0; depth < 5; depth += 1) tree = make(['mktree'], `040000 tree ${tree}\t${'n'.repeat(200)}\n`);
    const long = make(['commit-tree', tree, '-m', 'long']);
    const result = await platform.push(user, repo, handler, '--force', `${long}:refs/heads/main`);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('remote: error: the commit has more than 10000 files, or 4.0 MiB of paths');
    await platform.door.idle();
  });
});

describe('a tree of folders without files, more than can be gone through', () => {
  it('is refused before git has gone through them', async () => {
    const { handler, repo } = await deployed();
    const make = writerOf(repo);
    let tree = make(['mktree']);
    for (let depth = 0; depth < 15; depth += 1)
      tree = make(['mktree'], Array.from({ length: 10 }, (_, n) => `040000 tree ${tree}\td${n}\n`).join(''));
    const empty = make(['commit-tree', tree, '-m', 'empty']);
    const result = await platform.push(user, repo, handler, '--force', `${empty}:refs/heads/main`);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('remote: error: the commit has more than 10000 files, or 4.0 MiB of paths');
    await platform.door.idle();
  });
});

describe('fault 12: pushes at the same time', () => {
  it('come one after the other, and the last accepted is live', async () => {
    const { handler, repo, id } = await deployed();
    const clones = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const copy = await makeRepo({ 'hello.wasm': Buffer.concat([hello, Buffer.from([0, 2, 1, 80 + n])]) });
        return copy;
      }),
    );
    const results = await Promise.all(clones.map((copy) => platform.push(user, copy, handler, '--force', 'main')));
    await platform.door.idle();
    const accepted = results.filter(({ status }) => status === 0);
    expect(accepted.length).toBeGreaterThanOrEqual(1);
    const main = (await platform.repositories.refs(id)).get('refs/heads/main');
    const live = await platform.deployments.store.live(id);
    expect(live?.commit).toBe(main);
    expect(platform.fleet.serving.get(handler)).toBe(live?.number);
    const rows = await platform.db.selectFrom('deployments').selectAll().where('handler_id', '=', id).execute();
    expect(rows.filter(({ state }) => state === 'live')).toHaveLength(1);
    expect(rows.filter(({ state }) => state === 'staged')).toHaveLength(0);
    expect((await git(repo, 'fetch', platform.remote(user, handler), 'main')).status).toBe(0);
  });

  it('to a new name by two users give it to one of them', async () => {
    names += 1;
    const name = `contested-${names}`;
    const other = await platform.user();
    const repos = await Promise.all([1, 2].map(() => makeRepo({ 'hello.wasm': hello })));
    const results = await Promise.all([platform.push(user, repos[0]!, name), platform.push(other, repos[1]!, name)]);
    expect(results.map(({ status }) => status === 0).sort()).toEqual([false, true]);
    const loser = results.find(({ status }) => status !== 0)!;
    expect(loser.stderr).toContain('the name is taken');
    await platform.door.idle();
    const handler = (await platform.handlers.find(name))!;
    expect(handler.ownerId).toBe(results[0]!.status === 0 ? user.id : other.id);
  });
});

it('has lost no promise and logged no failure of its own on the way', () => {
  expect(platform.reports).toEqual([]);
  expect(platform.events.filter(({ kind }) => kind === 'failed')).toEqual([]);
});
