import { randomBytes, randomInt } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Accounts } from '../../../src/control/accounts/accounts.ts';
import type { StreamLimits } from '../../../src/control/api/log-reader.ts';
import { attachLogStream } from '../../../src/control/api/log-stream.ts';
import { Handlers } from '../../../src/control/handlers/handlers.ts';
import { Teams } from '../../../src/control/handlers/teams.ts';
import { tailLimits } from '../../../src/control/logs/log-tail.ts';
import { logLine, openStream, type Platform, signUp, startPlatform } from '../../support/api.ts';

let platform: Platform;
let ada: string;
let bob: string;
const path = '/handlers/otter/logs/stream';

beforeEach(() => start({ perUser: 4 }));

afterEach(() => platform.close());

async function start(limits: Partial<StreamLimits>): Promise<void> {
  platform = await startPlatform({ limits });
  ada = await signUp(platform, 'ada');
  bob = await signUp(platform, 'bob');
  await platform.handlers.create({ name: 'otter', ownerId: (await platform.accounts.actorOfToken(ada))!.user.id });
}

async function restart(limits: Partial<StreamLimits>): Promise<void> {
  await platform.close();
  await start(limits);
}

describe('upgrade', () => {
  test('at the same time: no more of one user, and of all, than the limits say', async () => {
    await restart({ perUser: 4, all: 6 });
    await platform.handlers.create({ name: 'heron', ownerId: (await platform.accounts.actorOfToken(bob))!.user.id });
    const many = async (token: string, at: string) => {
      const opened = await Promise.allSettled(Array.from({ length: 12 }, () => openStream(platform, token, at)));
      const reasons = opened.flatMap((one) =>
        one.status === 'rejected' ? [JSON.parse(one.reason.message).detail] : [],
      );
      return { open: opened.length - reasons.length, reasons: [...new Set(reasons)] };
    };
    expect(await many(ada, path)).toEqual({ open: 4, reasons: ['at most 4 log streams at once'] });
    expect(await many(bob, '/handlers/heron/logs/stream')).toEqual({
      open: 2,
      reasons: ['at most 6 log streams of all users at once'],
    });
  });

  test('without a Token, with a wrong one, for a foreign or a missing handler, elsewhere: refused with a problem', async () => {
    const refusal = async (token: string, at: string, headers?: Record<string, string>) => {
      const error = await openStream(platform, token, at, headers === undefined ? {} : { headers }).catch((e) => e);
      return { status: error.status, code: JSON.parse(error.message).code };
    };
    expect(await refusal('', path, {})).toEqual({ status: 401, code: 'unauthorized' });
    expect(await refusal('tr_wrong', path)).toEqual({ status: 401, code: 'unauthorized' });
    expect(await refusal('', `${path}?token=${ada}`, {})).toEqual({ status: 401, code: 'unauthorized' });
    expect(await refusal(bob, path)).toEqual({ status: 404, code: 'not_found' });
    expect(await refusal(ada, '/handlers/nobody/logs/stream')).toEqual({ status: 404, code: 'not_found' });
    expect(await refusal(ada, '/handlers/%zz/logs/stream')).toEqual({ status: 404, code: 'not_found' });
    expect(await refusal(ada, '/elsewhere')).toEqual({ status: 404, code: 'not_found' });
    for (const query of ['after=NaN', 'after=-1', 'after=1e9', 'level=loud', 'after=1&after=2', 'x=1'])
      expect(await refusal(ada, `${path}?${query}`), query).toEqual({ status: 400, code: 'bad_request' });
    expect(platform.logs.counters.tails).toBe(0);
  });

  test('a page of another origin is refused, one of our own and a program are not', async () => {
    const authorization = `Bearer ${ada}`;
    const from = (origin: string) => openStream(platform, ada, path, { headers: { authorization, origin } });
    await expect(from('https://evil.example')).rejects.toMatchObject({ status: 403 });
    await expect(from('null')).rejects.toMatchObject({ status: 403 });
    (await from(platform.url)).socket.close();
    (await openStream(platform, ada, path)).socket.close();
  });

  test('browsers give the Token as a subprotocol, and it does not come back when another one is offered', async () => {
    const reader = await openStream(platform, ada, path, { headers: {}, protocols: ['trisiel', `bearer.${ada}`] });
    expect(reader.socket.protocol).toBe('trisiel');
    await expect(
      openStream(platform, ada, path, { headers: {}, protocols: ['trisiel', 'bearer.tr_x'] }),
    ).rejects.toMatchObject({ status: 401 });
  });

  test('what is no proper handshake is refused and leaves nothing behind', async () => {
    const port = Number(new URL(platform.url).port);
    const head = (request: string, extra: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(port, '127.0.0.1');
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('close', () => resolve(text.split('\r\n', 1)[0]!));
        socket.write(
          `GET ${request} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer ${ada}\r\n${extra}\r\n`,
        );
      });
    expect(await head(`/api/v1${path}`, '')).toMatch(/ 4\d\d /);
    expect(await head(`/api/v1${path}`, 'Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n')).toMatch(
      / 4\d\d /,
    );
    expect(await head(`/api/v1${path}`, 'Host: y\r\n')).toMatch(/ 400 /);
    expect(await head('//[', '')).toMatch(/ 404 /);
    expect(await head('http://', '')).toMatch(/ 404 /);
    expect(platform.logs.counters.tails).toBe(0);
  });

  test('a user has so many streams and no more; another user is not concerned', async () => {
    const open = await Promise.all(Array.from({ length: 4 }, () => openStream(platform, ada, path)));
    await expect(openStream(platform, ada, path)).rejects.toMatchObject({ status: 429 });
    await platform.handlers.create({ name: 'bobs', ownerId: (await platform.accounts.actorOfToken(bob))!.user.id });
    await openStream(platform, bob, '/handlers/bobs/logs/stream');
    open[0]!.socket.close();
    await open[0]!.closed;
    await openStream(platform, ada, path);
  });
});

describe('frames', () => {
  test('history, then live lines, filtered as asked, exactly {lines, dropped}', async () => {
    await platform.append([
      logLine('otter', 'ERROR old', { level: 1 }),
      logLine('otter', 'fine'),
      logLine('otter', 'error but quiet'),
    ]);
    const raw: string[] = [];
    const reader = await openStream(platform, ada, `${path}?after=0&level=error&grep=error`);
    reader.socket.on('message', (data) => raw.push(String(data)));
    await platform.append([logLine('otter', 'x'), logLine('otter', 'error new\u001b[31m', { level: 0 })]);
    await reader.until(({ lines }) => lines.length === 2);
    expect(reader.lines.map(({ text }) => text)).toEqual(['ERROR old', 'error new\u001b[31m']);
    expect(Object.keys(JSON.parse(raw.at(-1)!))).toEqual(['lines', 'dropped']);
    expect(Object.keys(reader.lines[0]!).sort()).toEqual(
      ['cursor', 'deployment', 'gas', 'handler', 'invocation', 'level', 'seq', 'stream', 'text', 'timeMs'].sort(),
    );
  });

  test('readers that come and go while lines are appended each see every line once', async () => {
    const total = 3_000;
    const readers = Array.from({ length: 4 }, async () => {
      const seen: number[] = [];
      let cursor = 0;
      while (seen.length < total) {
        const goal = Math.min(total, seen.length + 700);
        const reader = await openStream(platform, ada, `${path}?after=${cursor}`);
        await reader.until(({ lines }) => seen.length + lines.length >= goal);
        reader.socket.terminate();
        await reader.closed;
        seen.push(...reader.lines.map(({ seq }) => seq));
        cursor = reader.lines.at(-1)!.cursor;
        expect(reader.dropped).toBe(0);
      }
      return seen;
    });
    for (let i = 0; i < total; i += 20)
      await platform.append(Array.from({ length: 20 }, (_, n) => logLine('otter', `n${i + n}`, { seq: i + n })));
    const expected = Array.from({ length: total }, (_, i) => i);
    for (const seen of await Promise.all(readers)) expect(seen).toEqual(expected);
  });

  test('losses of a runner are told', async () => {
    const reader = await openStream(platform, ada, path);
    await platform.append([], { otter: 12 });
    await reader.until(({ dropped }) => dropped > 0);
    expect(reader.dropped).toBe(12);
    await reader.until(({ lines }) => lines.length > 0);
    expect(reader.lines[0]!.text).toContain('12 log lines were dropped');
  });
});

describe('the end', () => {
  test('a revoked Token closes its streams with 4401, and only its own', async () => {
    const reader = await openStream(platform, ada, path);
    const { token } = await platform.accounts.logIn({ name: 'ada', password: 'correct horse', address: '::1' });
    const other = await openStream(platform, token, path);
    const { user, tokenId } = (await platform.accounts.actorOfToken(ada))!;
    await platform.accounts.revokeToken(user.id, tokenId);
    expect(await reader.closed).toEqual({ code: 4401, reason: 'token revoked' });
    await platform.append([logLine('otter', 'still')]);
    await other.until(({ lines }) => lines.length === 1);
  });

  test('a Token revoked, or a handler deleted, on another control closes its streams here, and only those', async () => {
    await restart({ recheckMs: 50 });
    const { user } = (await platform.accounts.actorOfToken(ada))!;
    await platform.handlers.create({ name: 'goes', ownerId: user.id });
    const other = await platform.accounts.createToken(user.id, { label: 'another machine' });
    // Another control has the same database and no way to tell this one's streams.
    const options = { db: platform.db, now: Date.now, randomBytes };
    const accounts = new Accounts({ ...options, registration: 'open', sealer: platform.sealer });
    const handlers = new Handlers({ ...options, randomInt });
    const stays = await openStream(platform, ada, path);
    const revoked = await openStream(platform, other.token, path);
    const deleted = await openStream(platform, ada, '/handlers/goes/logs/stream');
    await accounts.revokeToken(user.id, other.view.id);
    expect(await revoked.closed).toEqual({ code: 4401, reason: 'token revoked' });
    await handlers.delete((await handlers.find('goes'))!.id);
    expect(await deleted.closed).toEqual({ code: 4404, reason: 'handler deleted' });
    expect(stays.socket.readyState).toBe(stays.socket.OPEN);
    stays.socket.close();
  });

  test('a role taken away, and a transfer, on another control close the streams here, and only those', async () => {
    await restart({ recheckMs: 50 });
    const vera = await signUp(platform, 'vera');
    const carl = await signUp(platform, 'carl');
    const otter = (await platform.handlers.find('otter'))!;
    await platform.teams.set(otter, 'vera', 'viewer');
    await platform.teams.set(otter, 'carl', 'viewer');
    const teams = new Teams({ db: platform.db, handlers: platform.handlers, now: Date.now });
    const [own, lost, stays] = [ada, vera, carl].map((token) => openStream(platform, token, path));
    await Promise.all([own, lost, stays]);
    await teams.remove(otter.id, 'vera');
    expect(await (await lost!).closed).toEqual({ code: 4403, reason: 'not allowed any more' });
    const { socket } = await stays!;
    expect(socket.readyState).toBe(socket.OPEN);
    await teams.offer(otter, 'vera');
    await teams.accept('otter', (await platform.accounts.actorOfToken(vera))!.user.id);
    expect(await (await own!).closed).toEqual({ code: 4403, reason: 'not allowed any more' });
    expect(socket.readyState).toBe(socket.OPEN);
    socket.close();
  });

  test('a deleted handler closes its streams with 4404', async () => {
    const reader = await openStream(platform, ada, path);
    await platform.handlers.delete((await platform.handlers.find('otter'))!.id);
    expect(await reader.closed).toEqual({ code: 4404, reason: 'handler deleted' });
    expect(platform.logs.counters.tails).toBe(0);
  });

  test('the end of the server closes with 1001', async () => {
    const reader = await openStream(platform, ada, path);
    platform.streams.close();
    expect((await reader.closed).code).toBe(1001);
    await expect(openStream(platform, ada, path)).rejects.toMatchObject({ status: 503 });
  });

  test('a reader that answers no ping is hung up on', async () => {
    await restart({ heartbeatMs: 200 });
    const deaf = await rawStream(platform, ada);
    deaf.resume();
    await new Promise((resolve) => deaf.once('close', resolve));
    await vi.waitFor(() => expect(platform.streams.open).toBe(0), { timeout: 60_000 });
  });

  test('a reader may talk, but not much', async () => {
    const reader = await openStream(platform, ada, path);
    reader.socket.send('hello');
    await platform.append([logLine('otter', 'still here')]);
    await reader.until(({ lines }) => lines.length === 1);
    reader.socket.send('x'.repeat(2_000));
    expect((await reader.closed).code).toBe(1009);
  });

  test('a Token revoked, a role taken away or a handler deleted while the upgrade is under way closes it as well', async () => {
    const breakInBetween = async (
      inBetween: (caller: { id: string; tokenId: string }) => Promise<void>,
      name = 'ada',
    ) => {
      const { token } = await platform.accounts.logIn({ name, password: 'correct horse', address: '::1' });
      const { user, tokenId } = (await platform.accounts.actorOfToken(token))!;
      const server = createServer();
      const { access } = platform;
      const streams = attachLogStream(server, {
        ...platform,
        allowedOrigins: () => [],
        access: {
          members: (ids) => access.members(ids),
          async handlerFor(actor, operation, name) {
            const found = await access.handlerFor(actor, operation, name);
            await inBetween({ id: user.id, tokenId });
            return found;
          },
        },
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { code } = await (await openStream({ ...platform, url }, token, path)).closed;
      streams.close();
      server.close();
      return code;
    };
    expect(await breakInBetween(({ id, tokenId }) => platform.accounts.revokeToken(id, tokenId))).toBe(4401);
    const otter = (await platform.handlers.find('otter'))!;
    await signUp(platform, 'vera');
    await platform.teams.set(otter, 'vera', 'viewer');
    // She gets no event of a loss before the stream is open, and asking again finds no such handler.
    expect(await breakInBetween(() => platform.teams.remove(otter.id, 'vera'), 'vera')).toBe(4403);
    expect(await breakInBetween(() => platform.handlers.delete(otter.id))).toBe(4404);
  });

  test('a stalled reader costs bounded memory and is closed; others see everything', async () => {
    await restart({ stallMs: 300, closeMs: 100 });
    const stalled = await openStream(platform, ada, path);
    stalled.socket.pause();
    const fine = await openStream(platform, ada, path);
    const before = process.memoryUsage().rss;
    const closed = new Promise((resolve) => stalled.socket.once('close', resolve));
    const text = 'x'.repeat(8_000);
    let n = 0;
    while (platform.streams.open > 1) {
      n += 100;
      await platform.append(Array.from({ length: 100 }, () => logLine('otter', text)));
      await fine.until(({ lines, dropped }) => lines.length + dropped === n);
      if (n > 100_000) throw new Error('the stalled reader was never closed');
    }
    expect(fine.dropped).toBe(0);
    const grown = process.memoryUsage().rss - before - n * text.length * 3; // what `fine` itself holds
    expect(grown).toBeLessThan(150 * 1024 * 1024);
    stalled.socket.resume();
    stalled.socket.terminate();
    await closed;
  });

  test('a reader that takes nothing for too long is told so when it reads again', async () => {
    await restart({ stallMs: 300, closeMs: 120_000 });
    const stalled = await openStream(platform, ada, path);
    stalled.socket.pause();
    const text = 'x'.repeat(8_000);
    for (let n = 0; platform.logs.counters.tails > 0; n += 100) {
      await platform.append(Array.from({ length: 100 }, () => logLine('otter', text)));
      if (n > 100_000) throw new Error('the stalled reader was never given up');
    }
    stalled.socket.resume();
    expect((await stalled.closed).code).toBe(1013);
  });

  test('a slow reader gets the count of what it missed', async () => {
    await restart({}); // with the usual patience
    const reader = await openStream(platform, ada, path);
    reader.socket.pause();
    const text = 'y'.repeat(8_000);
    // More than socket buffers and the tail hold.
    const total = 3_000;
    for (let i = 0; i < total; i += 500)
      await platform.append(Array.from({ length: 500 }, (_, n) => logLine('otter', text, { seq: i + n })));
    reader.socket.resume();
    await reader.until(({ lines, dropped }) => lines.length + dropped >= total);
    expect(reader.lines.length + reader.dropped).toBe(total);
    expect(reader.dropped).toBeGreaterThan(0);
    expect(reader.lines.length).toBeGreaterThanOrEqual(tailLimits.bytes / text.length);
    const seqs = reader.lines.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(seqs.at(-1)).toBe(total - 1);
  });
});

/** A WebSocket that answers nothing: only the handshake is spoken. */
function rawStream(to: Platform, token: string): Promise<Socket> {
  const socket = connect(Number(new URL(to.url).port), '127.0.0.1');
  socket.write(
    `GET /api/v1${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Authorization: Bearer ${token}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
  });
}
