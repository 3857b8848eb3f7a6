/** A function stops at the same instruction on a laptop (wasmcloud run) and on the platform. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import {
  api,
  call,
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { assemble, fixture } from '../support/e2e-guests.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAll(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  ada = await createUser(platform, 'ada');
});
afterAll(removeTemporaryFolders);

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const launcher = fileURLToPath(new URL('../../bin/wasmcloud.js', import.meta.url));

/** `wasmcloud run` as a user runs it, in a process of its own. */
async function runLocally(bytes: Uint8Array, ...options: readonly string[]): Promise<Run & { gas: number }> {
  const file = join(await temporaryFolder(), 'guest.wasm');
  await writeFile(file, bytes);
  const run = await new Promise<Run>((resolve) => {
    const child = execFile(
      process.execPath,
      [launcher, 'run', '--stats', '--json', ...options, '--cgi', 'GET', '/', file],
      (error, stdout, stderr) => resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end();
  });
  const json = run.stderr.split('\n').findLast((line) => line.startsWith('{'));
  expect(json, run.stderr).toBeDefined();
  return { ...run, gas: (JSON.parse(json ?? '{}') as { gas: number }).gas };
}

/** Deploys, calls once, and reads the invocation's record when control has it. */
async function runOnPlatform(handler: string, bytes: Uint8Array, gas: number): Promise<InvocationRecord> {
  const repo = await makeRepo({ 'a.wasm': bytes, 'wasmcloud.toml': `[limits]\ngas = ${gas}\n` });
  const pushed = await push(platform, ada, repo, handler);
  expect(pushed.status, pushed.stderr).toBe(0);
  const answer = await call(platform, handler);
  const id = String(answer.headers['trisiel-invocation']);
  for (;;) {
    const { status, body } = await api(platform, ada, 'GET', `/handlers/${handler}/invocations/${id}`);
    if (status === 200) return (body as { invocation: InvocationRecord }).invocation;
  }
}

/** Computes for a while: nested loops, calls, memory; then runs into its gas limit or ends. */
const work = assemble(`(module
  (memory (export "memory") 1)
  (func $mix (param i32) (result i32)
    (i32.xor (i32.mul (local.get 0) (i32.const 2654435761)) (i32.shr_u (local.get 0) (i32.const 7))))
  (func (export "cwa_main") (result i32)
    (local $i i32) (local $x i32)
    (loop $outer
      (local.set $x (call $mix (i32.add (local.get $x) (local.get $i))))
      (i32.store (i32.and (local.get $x) (i32.const 0xfffc)) (local.get $x))
      (if (i32.and (local.get $x) (i32.const 1))
        (then (memory.fill (i32.const 0) (i32.const 7) (i32.and (local.get $i) (i32.const 255)))))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30000))))
    (i32.const 0)))`);

describe('gas and traps', () => {
  it('are identical locally and on the platform, in fixtures of four ABIs', async () => {
    for (const name of ['cwa/hello', 'cwa/headers', 'cwa/hello-c', 'dagger/hello', 'land/hello', 'h/words']) {
      const bytes = await fixture(`${name}.wasm`);
      const local = await runLocally(bytes);
      const record = await runOnPlatform(name.replace('/', '-'), bytes, 1_000_000_000);
      expect([name, record.gas, record.outcome]).toEqual([name, local.gas, 'ok']);
      expect(local.status).toBe(0);
      expect(local.gas).toBeGreaterThan(0);
    }
  });

  it('end at the same instruction, for any limit', async () => {
    const whole = await runLocally(work);
    expect(whole.status).toBe(0);
    expect((await runOnPlatform('work-whole', work, 1_000_000_000)).gas).toBe(whole.gas);
    for (const limit of [1, 777, Math.floor(whole.gas / 3), whole.gas - 1]) {
      const local = await runLocally(work, '--gas', `${limit}`);
      const record = await runOnPlatform(`work-${limit}`, work, limit);
      expect([limit, record.gas, record.outcome]).toEqual([limit, local.gas, 'out_of_gas']);
      expect(local.status).toBe(137);
      expect(local.gas).toBeGreaterThan(limit);
    }
    // Enough to the instruction.
    expect((await runLocally(work, '--gas', `${whole.gas}`)).status).toBe(0);
    expect((await runOnPlatform('work-exact', work, whole.gas)).outcome).toBe('ok');
  });

  it('trap with the same words', async () => {
    const bytes = await readFile(new URL('../../fixtures/guests/cwa/trap.wasm', import.meta.url));
    const local = await runLocally(bytes);
    const record = await runOnPlatform('trapping', bytes, 1000);
    expect([record.outcome, local.status]).toEqual(['trapped', 134]);
    expect(record.gas).toBe(local.gas);
    const tail = await LogTail.open(platform, ada, 'trapping');
    const line = await tail.line((candidate) => candidate.invocation === record.id && candidate.stream === 'platform');
    tail.close();
    const words = /unreachable( in \w+)?/.exec(line.text)?.[0] ?? 'no such words';
    expect(local.stderr).toContain(words);
  });
});
