/**
 * A bystander beside attackers: `npm run bench -- attacks [section…]`, sections: plain instances code sockets dripping
 * search. Each row is the 99th percentile of what another user sees during an attack, and its ratio to the quiet time
 * before (aim: at most 3). SECONDS: length of each measurement. One runner, loopback only.
 *
 * - instances: a module with the largest table that is accepted, whose every call traps and needs a new instance
 * - plain: four ordinary calls at a time of a neighbour's function: what any traffic costs, to compare with
 * - code: handlers with 32 MB of machine code each, called in turn, one and a half times a user's share of the budget:
 *   each call compiles one of them again
 * - sockets: 2,000 connections of one address to the API, half of a request head on each, one side closed
 * - dripping: 8 pushes that send a byte a second, and 64 more that wait
 * - search: 8 searches at a time, of one user, over all lines that a handler may keep
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pushLimits } from '../src/protocol/limits.ts';
import { codeLimits } from '../src/runner/limits.ts';
import {
  commit,
  createUser,
  git,
  makeRepo,
  push,
  remoteUrl,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../test/support/e2e.ts';
import { compileWat, fixture } from '../test/support/fleet.ts';
import { moduleOf } from './modules.ts';
import { openLoad } from './open-load.ts';
import { percentile } from './statistics.ts';

const seconds = Number(process.env.SECONDS ?? 10);
const callsPerSecond = 200;
const pauseMs = 20;

interface Bystander {
  /**
   * 99th percentile in milliseconds of calls of its function; then of reads of the API and /readyz; then the number of
   * failed ones.
   */
  readonly callsMs: number;
  readonly apiMs: number;
  readonly failed: number;
}

const pause = (timeMs: number) => new Promise<void>((resolve) => setTimeout(resolve, timeMs));

/**
 * Makes one GET from an address of its own, so that a limit per address hits only the attacker. Status 0: no answer.
 */
function get(url: string, token: string, agent: Agent): Promise<number> {
  return new Promise((resolve) => {
    const options = { agent, localAddress: '127.0.0.2', headers: { authorization: `Bearer ${token}` } };
    const outgoing = request(url, options, (response) => {
      response.resume();
      response.on('close', () => resolve(response.statusCode ?? 0));
    });
    outgoing.setTimeout(10_000, () => outgoing.destroy());
    outgoing.on('error', () => resolve(0));
    outgoing.end();
  });
}

async function watch(platform: TestPlatform, user: TestUser): Promise<Bystander> {
  const judge = () => (answer: { readonly text: string }) => (answer.text.startsWith('Hello') ? null : 'wrong answer');
  const calls = await openLoad({ url: `${platform.runUrl}/bystander/`, perSecond: callsPerSecond, expect: judge });
  const agent = new Agent({ keepAlive: false });
  const urls = [`${platform.controlUrl}/api/v1/handlers/bystander`, `${platform.controlUrl}/readyz`];
  const times: number[] = [];
  let failed = 0;
  const end = performance.now() + seconds * 1_000;
  for (let n = 0; performance.now() < end; n += 1) {
    const start = performance.now();
    if ((await get(urls[n % urls.length] as string, user.token, agent)) !== 200) failed += 1;
    times.push(performance.now() - start);
    await pause(pauseMs);
  }
  const result = await calls.stop();
  for (const [what, often] of result.failures) console.log(`  a call of the bystander: ${what}, ${often} times`);
  return { callsMs: result.p99Ms, apiMs: percentile(times, 99), failed: failed + result.failed };
}

/** Calls `urls` in turn, `width` at a time, from a separate process, until the returned function is called. */
function calling(width: number, urls: readonly string[], token = ''): () => Promise<void> {
  const script = fileURLToPath(new URL('attacker.ts', import.meta.url));
  const attacker = spawn(process.execPath, [script, String(width), token, ...urls], { stdio: 'inherit' });
  return async () => {
    attacker.kill();
    await once(attacker, 'exit');
  };
}

async function deploy(platform: TestPlatform, user: TestUser, handler: string, wasm: Uint8Array): Promise<boolean> {
  const { status, stderr } = await push(platform, user, await makeRepo({ 'a.wasm': wasm }), handler);
  if (status !== 0) console.log(`  ${handler}: refused: ${/error: (.*)/.exec(stderr)?.[1] ?? stderr}`);
  return status === 0;
}

type Attack = (platform: TestPlatform, attacker: TestUser) => Promise<() => Promise<void>>;

const attacks: Readonly<Record<string, Attack>> = {
  async instances(platform, attacker) {
    const table =
      await compileWat(`(module (memory (export "memory") 1) (table ${pushLimits.tableEntries} funcref) (func $f)
      (elem declare func $f) (func (export "cwa_main") (result i32) (table.set (i32.const 0) (ref.func $f)) unreachable))`);
    await deploy(platform, attacker, 'table', table);
    return calling(4, [`${platform.runUrl}/table/`]);
  },

  async plain(platform, attacker) {
    await deploy(platform, attacker, 'plain', await fixture('cwa/hello.wasm'));
    return calling(4, [`${platform.runUrl}/plain/`]);
  },

  async code(platform, attacker) {
    const names: string[] = [];
    const shareBytes = codeLimits.bytes * codeLimits.shareOfOwner;
    const moduleCodeBytes = 32e6; // Measured by the vet of moduleOf(12_000, …).
    for (let n = 0; n * moduleCodeBytes < shareBytes * 1.5; n += 1)
      if (await deploy(platform, attacker, `code-${n}`, moduleOf(12_000, n))) names.push(`code-${n}`);
    return calling(
      2,
      names.map((name) => `${platform.runUrl}/${name}/`),
    );
  },

  async sockets(platform) {
    const { port } = new URL(platform.controlUrl);
    const open = (): Socket => {
      const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {});
      socket.on('connect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nA: '));
      return socket;
    };
    const sockets = Array.from({ length: 2_000 }, open);
    await pause(2_000);
    return async () => {
      for (const socket of sockets) socket.destroy();
    };
  },

  async dripping(platform, attacker) {
    const url = new URL(platform.controlUrl);
    const sockets: Socket[] = [];
    for (let n = 0; n < 72; n += 1) {
      const socket = connect(Number(url.port), '127.0.0.1');
      socket.on('error', () => {});
      const basic = Buffer.from(`x:${attacker.token}`).toString('base64');
      socket.write(
        `POST /drip-${n}.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\n` +
          'Content-Type: application/x-git-receive-pack-request\r\nTransfer-Encoding: chunked\r\n\r\n',
      );
      sockets.push(socket);
    }
    const timer = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('1\r\n0\r\n');
    }, 1_000);
    return async () => {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    };
  },

  async search(platform, attacker) {
    // A call logs 9,000 lines of some 1,000 characters; retention keeps the newest 100,000.
    const text = 'x'.repeat(1_000);
    const source = `(module (import "cwa" "log_write" (func $log (param i32 i32 i32))) (memory (export "memory") 1)
      (data (i32.const 0) "${text}")
      (func (export "_start") (local $n i32) (loop $again
        (call $log (i32.const 6) (i32.const 0) (i32.const 1000))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 9000))))))`;
    await deploy(platform, attacker, 'verbose', await compileWat(source));
    for (let n = 0; n < 11; n += 1) await fetch(`${platform.runUrl}/verbose/`).then((answer) => answer.arrayBuffer());
    await pause(3_000);
    const url = `${platform.controlUrl}/api/v1/handlers/verbose/logs?grep=nothing-has-this&limit=1000`;
    return calling(8, [url], attacker.token);
  },
};

async function attack(name: string): Promise<void> {
  const begin = attacks[name];
  if (begin === undefined) throw new Error(`no section ${name}; there are ${Object.keys(attacks).join(', ')}`);
  console.log(`\n${name}`);
  const platform = await startPlatform({ TRISIEL_RUNNERS: '1', TRISIEL_QUOTA_BYTES: String(4 * 2 ** 30) });
  try {
    const user = await createUser(platform);
    const attacker = await createUser(platform);
    await deploy(platform, user, 'bystander', await fixture('cwa/hello.wasm'));
    await watch(platform, user); // V8 has optimised runner, control and the sender after this.
    const quiet = await watch(platform, user);
    const end = await begin(platform, attacker);
    const during = await watch(platform, user);
    const pushing = await pushTimeMs(platform, user);
    await end();
    const row = (what: string, a: number, b: number) =>
      console.log(
        `  ${what.padEnd(24)}${a.toFixed(1).padStart(9)}${b.toFixed(1).padStart(11)}${(b / a).toFixed(2).padStart(8)}`,
      );
    console.log('                           quiet ms  during ms   ratio');
    row('calls, p99', quiet.callsMs, during.callsMs);
    row('API and readyz, p99', quiet.apiMs, during.apiMs);
    console.log(`  failed: ${quiet.failed} quiet, ${during.failed} during; a push during: ${pushing}`);
  } finally {
    await platform.stop();
    await removeTemporaryFolders();
  }
}

/** Returns the duration of a push of the bystander, or the text of its refusal. */
async function pushTimeMs(platform: TestPlatform, user: TestUser): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-'));
  try {
    await git(folder, 'init', '-q');
    await commit(folder, { 'a.wasm': await fixture('cwa/echo.wasm') });
    await writeFile(join(folder, 'note'), 'x');
    const start = performance.now();
    const { status, stderr } = await git(folder, 'push', remoteUrl(platform, user, 'pushed-meanwhile'), 'main');
    return status === 0 ? `${Math.round(performance.now() - start)} ms` : stderr.split('\n').slice(0, 3).join(' | ');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(attacks)) await attack(name);
