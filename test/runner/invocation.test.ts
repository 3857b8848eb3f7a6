/** Ends of Invocations that are rare, and must come all the same. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, TestFleet, writer } from '../support/fleet.ts';
import { cwaGuest } from '../support/wat.ts';

const fleet = new TestFleet();
beforeAll(() => fleet.start());
afterAll(() => fleet.stop());

/** Bytes that the runner's pools hold, from its next answer to the watchdog. */
async function poolBytes(): Promise<number> {
  const old = fleet.runners[0]?.stats;
  let now = old;
  await expect
    .poll(() => {
      now = fleet.runners[0]?.stats;
      return now !== old;
    })
    .toBe(true);
  return now?.poolBytes ?? -1;
}

const recordsOf = (handler: string, count: number) =>
  fleet.until(() => {
    const found = fleet.records.filter(({ handlerId }) => handlerId === `id-of-${handler}`);
    return found.length >= count ? found : undefined;
  });

describe('an invocation', () => {
  it('does not give its slot back where its guest has failed, and does where it has ended well', async () => {
    await fleet.deployWat('trap', cwaGuest({ body: 'unreachable' }));
    expect((await call(`${fleet.url}/trap/`)).status).toBe(500);
    expect(await poolBytes()).toBe(0);
    await fleet.deployWat('well', writer('well'));
    expect((await call(`${fleet.url}/well/`)).status).toBe(200);
    expect(await poolBytes()).toBeGreaterThan(0);
  });

  it('ends with its connection, with all others whose requests came on it', async () => {
    const sleeper = cwaGuest({ body: '(call $sleep (i32.const 1000000000))' });
    await fleet.deployWat('sleeper', sleeper, { limits: { timeoutMs: 5_000 } });
    const socket = connect(fleet.fleet.port, '127.0.0.1');
    const text = 'GET /sleeper/ HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(4);
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
    socket.destroy();
    const outcomes = (await recordsOf('sleeper', 4)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['aborted', 'aborted', 'aborted', 'aborted']);
  });

  it('is answered although what it has left open never closes', async () => {
    // A value is stored when its descriptor closes; control never says that it was.
    const asked = new Promise<void>((resolve) => {
      fleet.onRequest = () => {
        resolve();
        return new Promise(() => {});
      };
    });
    const keeper = cwaGuest({
      data: ['(data (i32.const 0) "kv://bucket/key")', '(data (i32.const 32) "answered")'],
      body: `
        (local.set $fd (call $open (i32.const 0) (i32.const 15)))
        (drop (call $write (local.get $fd) (i32.const 32) (i32.const 8)))
        (drop (call $write (call $stdout) (i32.const 32) (i32.const 8)))`,
    });
    await fleet.deployWat('keeper', keeper);
    const answer = call(`${fleet.url}/keeper/`);
    await asked;
    expect(await answer).toMatchObject({ status: 200, text: 'answered' });
  });

  it('shows what its guest wrote to standard error as warnings, and as errors where it failed then', async () => {
    const guest = (end: string) => `(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00") (data (i32.const 16) "words\\n")
      (func (export "_start")
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 64)))
        ${end}))`;
    await fleet.deployWat('grumbles', guest(''));
    await fleet.deployWat('panics', guest('unreachable'));
    for (const [handler, level] of [
      ['grumbles', 3],
      ['panics', 1],
    ] as const) {
      await call(`${fleet.url}/${handler}/`);
      const line = await fleet.until(() => fleet.lines.find(({ handlerId }) => handlerId === `id-of-${handler}`));
      expect(line).toMatchObject({ stream: 'stderr', text: 'words', level });
    }
  });
});
