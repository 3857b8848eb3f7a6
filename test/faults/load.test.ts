/**
 * docs/safety.md, faults 19 and 24: far more waiting calls than a runner takes, clients that hardly send, a log
 * reader that does not read. On the whole platform; memory is read from /proc, on Linux.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { runnerLimits } from '../../src/protocol/limits.ts';
import type { LogFrame } from '../../src/protocol/nouns.ts';
import { connectionLimits } from '../../src/runner/limits.ts';
import { beforeAttempts } from '../support/attempts.ts';
import {
  answersDuring,
  api,
  call,
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  runnerPid,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { fixture, printing } from '../support/e2e-guests.ts';
import { compileWat } from '../support/fleet.ts';
import { cwaGuest } from '../support/wat.ts';

const mib = 1024 * 1024;

let platform: TestPlatform;
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  ada = await createUser(platform, 'ada');
  await deploy('neighbour', printing('fine\n'));
}, removeTemporaryFolders);
afterAll(removeTemporaryFolders);

async function deploy(handler: string, module: Uint8Array, manifest = ''): Promise<void> {
  const repo = await makeRepo({ 'a.wasm': module, 'wasmcloud.toml': manifest });
  const pushed = await push(platform, ada, repo, handler, '--force', 'main');
  expect(pushed.status, pushed.stderr).toBe(0);
}

/** Connections to `url` that send `text` each and then say nothing. */
async function silentClients(url: string, count: number, text: string): Promise<readonly Socket[]> {
  const port = Number(new URL(url).port);
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          socket.once('close', () => reject(new Error('closed at once')));
          socket.write(text, () => resolve());
        }),
    ),
  );
  return sockets;
}

/** Resident memory in bytes; 0 where there is no /proc. */
function residentBytes(pid: number): number {
  if (process.platform !== 'linux') return 0;
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

describe('fault 19: many more sleeping calls than a runner takes', () => {
  it('are answered with 503 and Retry-After past the cap; others are served; all is over when they go', async () => {
    const sleepsLong = cwaGuest({ pages: '1', body: '(call $sleep (i32.const 1000000000))' });
    await deploy('sleeper', await compileWat(sleepsLong), '[limits]\ntimeout-ms = 600_000\n');
    const pid = await runnerPid(platform);
    // Pipelined: each request of a connection runs at once, only the answers wait for those before. 14,000
    // connections would need more descriptors than many machines give.
    const each = connectionLimits.pipelined + 1;
    const one = 'GET /sleeper/ HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const sockets: Socket[] = [];
    // In portions: 14,000 new instances in one turn of the event loop may take longer than the watchdog waits.
    while (sockets.length < 1_600) {
      sockets.push(...(await silentClients(platform.runUrl, 100, one.repeat(each))));
      expect((await call(platform, 'neighbour')).body).toBe('fine\n');
    }
    expect(sockets.length * each).toBeGreaterThan(1.4 * runnerLimits.inFlight);
    const refused = await firstAnswer(one);
    expect(refused).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused.toLowerCase()).toContain('\r\nretry-after: 1\r\n');
    expect(refused).toContain('Too many invocations are in flight.');
    for (let n = 0; n < 50; n += 1) expect((await call(platform, 'neighbour')).body).toBe('fine\n');
    for (const socket of sockets) socket.destroy();
    await deploy('sleeper', await fixture('cwa/sleep.wasm'));
    await expect
      .poll(() => call(platform, 'sleeper', { path: '/?1' }), { timeout: 120_000, interval: 20 })
      .toMatchObject({ status: 200, body: 'slept\n' });
    expect(await runnerPid(platform)).toBe(pid);
    expect(platform.log()).not.toContain('"runner_ended"');
  });

  /** Asks on ever more connections, as the first ones are let in to sleep; what the first of them is told. */
  async function firstAnswer(text: string): Promise<string> {
    const sockets: Socket[] = [];
    let answer = '';
    while (answer === '') {
      const socket = connect(Number(new URL(platform.runUrl).port), '127.0.0.1').on('error', () => {});
      sockets.push(socket);
      socket.on('data', (chunk) => {
        answer ||= String(chunk);
      });
      socket.write(text);
      await call(platform, 'neighbour');
    }
    for (const socket of sockets) socket.destroy();
    return answer;
  }
});

describe('fault 24: slow clients', () => {
  it('that send hundreds of requests at once, unasked, lose their connection and nothing else happens', async () => {
    const pid = await runnerPid(platform);
    const text = 'GET /neighbour/ HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1_400);
    const sockets = await silentClients(platform.runUrl, 20, text);
    const closed = Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.once('close', resolve))));
    for (const socket of sockets) socket.resume();
    expect(await answersDuring(platform, 'neighbour', closed)).toEqual(['200 fine\n']);
    expect(await runnerPid(platform)).toBe(pid);
  });

  it('1,000 that hardly send, to functions and to the API, cost little memory and keep nobody out', async () => {
    await deploy('echo', await fixture('cwa/echo.wasm'));
    const runner = await runnerPid(platform);
    const control = platform.child.pid ?? 0;
    const before = [residentBytes(runner), residentBytes(control)] as const;
    const bodies = await silentClients(
      platform.runUrl,
      600,
      'POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx',
    );
    const heads = await silentClients(platform.runUrl, 400, 'GET /echo/ HTTP/1.1\r\nHo');
    const apiHeads = await silentClients(platform.controlUrl, 1_000, 'GET /api/v1/whoami HTTP/1.1\r\nAuth');
    for (let n = 0; n < 50; n += 1) {
      expect((await call(platform, 'neighbour')).body).toBe('fine\n');
      expect((await api(platform, ada, 'GET', '/whoami')).status).toBe(200);
    }
    // The 600 functions that wait have their own memory, touched in part; the rest is a few KiB each.
    expect(residentBytes(runner) - before[0]).toBeLessThan(200 * mib);
    expect(residentBytes(control) - before[1]).toBeLessThan(100 * mib);
    for (const socket of [...bodies, ...heads, ...apiHeads]) socket.destroy();
    expect((await call(platform, 'echo', { method: 'POST', body: 'again' })).body).toContain('again');
    expect(await runnerPid(platform)).toBe(runner);
  });

  it('a log reader that does not read is told how much it has missed, or hung up on; others miss nothing', async () => {
    // 200 lines of 7,500 characters: 1.5 MB a call, more than sockets and the tail's buffer hold after a few.
    const chatty = cwaGuest({
      body: `
        (memory.fill (i32.const 0) (i32.const 120) (i32.const 7500))
        (loop $more
          (call $log (i32.const 6) (i32.const 0) (i32.const 7500))
          (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200))))`,
    });
    await deploy('chatty', await compileWat(chatty));
    const control = platform.child.pid ?? 0;
    const url = `${platform.controlUrl.replace('http', 'ws')}/api/v1/handlers/chatty/logs/stream?after=0`;
    const stalled = new WebSocket(url, { headers: { authorization: `Bearer ${ada.token}` } });
    await new Promise((resolve) => stalled.once('open', resolve));
    stalled.pause();
    const reader = await LogTail.open(platform, ada, 'chatty');
    const before = residentBytes(control);
    const calls = 16;
    for (let n = 0; n < calls; n += 1) {
      const id = (await call(platform, 'chatty')).headers['trisiel-invocation'];
      // Nobody is faster than the log: what is lost is lost to the stalled reader alone.
      await reader.line(({ invocation, seq }) => invocation === id && seq === 200);
    }
    expect(reader.dropped).toBe(0);
    expect(reader.lines.filter(({ stream }) => stream === 'log')).toHaveLength(200 * calls);
    reader.close();
    expect(residentBytes(control) - before).toBeLessThan(200 * mib);

    const mark = new Promise<string>((resolve) => {
      stalled.on('close', (code) => resolve(`closed ${code}`));
      stalled.on('message', (data) => {
        if ((JSON.parse(String(data)) as LogFrame).dropped > 0) resolve('dropped');
      });
    });
    stalled.resume();
    expect(['dropped', 'closed 1013']).toContain(await mark);
    stalled.terminate();
    expect(await platform.stop()).toBe(0);
  });
});
