/** The quota as a function meets it: a value that is past it is an error in the guest, and room makes it work again. */
import { afterAll, describe, expect, it } from 'vitest';
import { KIB, MIB } from '../../src/protocol/limits.ts';
import { beforeAttempts } from '../support/attempts.ts';
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
} from '../support/e2e.ts';
import { assemble } from '../support/e2e-guests.ts';
import { cwaGuest } from '../support/wat.ts';

const valueBytes = 64 * KIB;

/**
 * Stores 64 KiB of kv under the name that the query gives. Answers `kept`, or `no` and the error number (denied: 3) as
 * a digit.
 */
const keeper = assemble(
  cwaGuest({
    data: [
      '(data (i32.const 0) "QUERY_STRING")',
      '(data (i32.const 32) "kept\\n")',
      '(data (i32.const 64) "no ")',
      '(data (i32.const 1017) "kv://b/")',
    ],
    pages: '4',
    body: `
      (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 64)))
      (local.set $fd (call $open (i32.const 1017) (i32.add (local.get $n) (i32.const 7))))
      (drop (call $write (local.get $fd) (i32.const 65536) (i32.const ${valueBytes})))
      (local.set $n (call $flush (local.get $fd)))
      (if (i32.eqz (local.get $n))
        (then (drop (call $write (call $stdout) (i32.const 32) (i32.const 5))))
        (else
          (i32.store8 (i32.const 67) (i32.sub (i32.const 48) (local.get $n)))
          (drop (call $write (call $stdout) (i32.const 64) (i32.const 4)))))`,
  }),
);

let platform: TestPlatform;
let ada: TestUser;
beforeAttempts(async () => {
  platform = await startPlatform({ TRISIEL_QUOTA_BYTES: String(MIB) });
  ada = await createUser(platform, 'ada');
  for (const handler of ['ballast', 'keeper']) {
    const { status, stderr } = await push(platform, ada, await makeRepo({ 'a.wasm': keeper }), handler);
    expect(status, stderr).toBe(0);
  }
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

describe('a function that stores past its owner’s quota', () => {
  it('gets an error, its log says why; when something is purged, it stores again', async () => {
    const keep = async (handler: string, key: string) => (await call(platform, handler, { path: `/?${key}` })).body;
    for (let n = 0; n < 4; n += 1) expect(await keep('ballast', `b${n}`)).toBe('kept\n');
    let kept = 0;
    let answer = await keep('keeper', 'k0');
    for (; answer === 'kept\n'; answer = await keep('keeper', `k${kept}`)) {
      kept += 1;
      expect(kept).toBeLessThan(MIB / valueBytes);
    }
    expect(kept).toBeGreaterThan(0);
    expect(answer).toBe('no 3');
    const tail = await LogTail.open(platform, ada, 'keeper', 0);
    await tail.line(({ text }) => /^writing kv:\/\/b\/k\d+ failed: your quota is used up/.test(text));
    tail.close();
    const { body } = await api(platform, ada, 'GET', '/usage');
    expect((body as { usedBytes: number }).usedBytes).toBeLessThanOrEqual(MIB);

    expect((await api(platform, ada, 'DELETE', '/handlers/ballast?purge=true')).status).toBeLessThan(300);
    expect(await keep('keeper', `k${kept}`)).toBe('kept\n');
  });
});
