/** One owner's slow instances do not keep the thread: rests between them, and calls that would wait too long. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MIB } from '../../src/protocol/limits.ts';
import { InstanceRests } from '../../src/runner/instance-rests.ts';
import { restLimits } from '../../src/runner/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { call, compileWat, deploymentOf, TestFleet, writer } from '../support/fleet.ts';
import { codeOf } from '../support/runner-guests.ts';
import { cwaGuest } from '../support/wat.ts';

const { restFromMs, restFactor, waitMs, waiting } = restLimits;
const periodMs = (takesMs: number) => takesMs * (1 + restFactor);

describe('the rests of an owner', () => {
  it('follow slow instances, one after the other, and are nobody else’s', () => {
    const rests = new InstanceRests();
    expect(rests.book('ada', 30, 1_000)).toBe(0);
    expect(rests.book('ada', 30, 1_000)).toBe(periodMs(30));
    expect(rests.book('ada', 30, 1_010)).toBe(2 * periodMs(30) - 10);
    expect(rests.book('bob', 30, 1_000)).toBe(0);
    expect(rests.book('ada', 30, 60_000)).toBe(0);
  });

  it('are so long that slow instances take less than a hundredth of the time', () => {
    const rests = new InstanceRests();
    let takenMs = 0;
    for (let atMs = 0; atMs < 60_000; atMs += 100) {
      if (rests.book('ada', 20, atMs) === 0) takenMs += 20;
    }
    expect(takenMs).toBeLessThan(600);
  });

  it('do not follow those that take a few slices', () => {
    const rests = new InstanceRests();
    for (let n = 0; n < 3; n += 1) expect(rests.book('ada', restFromMs - 0.1, 1_000)).toBe(0);
  });

  it('are not booked where the wait would be too long', () => {
    const rests = new InstanceRests();
    expect(rests.book('ada', waitMs / (1 + restFactor), 0)).toBe(0);
    expect(rests.book('ada', 30, 0)).toBe(waitMs);
    expect(rests.book('ada', 30, 0)).toBeNull();
    expect(rests.book('ada', 30, 0)).toBeNull();
    expect(rests.book('ada', 30, periodMs(30))).toBe(waitMs);
  });
});

describe('a call that needs a slow instance', () => {
  afterEach(() => void vi.useRealTimers());

  /** A pool of which one slot is taken; `end` gives it back. */
  async function poolInUse(text = '(module (func (export "cwa_main") (result i32) (i32.const 0)))') {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const code = { ...(await codeOf(text)), isSlow: true, rests: true };
    const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
    const slot = pool.take();
    if (slot === null) throw new Error('no slot');
    return { pool, end: (isSound: boolean) => pool.give(slot, isSound) };
  }
  /** What became of waits, in the order in which they ended. */
  function waits(rests: InstanceRests, pool: SlotPool, takesMs: number) {
    const ended: string[] = [];
    return {
      ended,
      wait: (name: string) =>
        void rests.wait('ada', takesMs, pool).then(
          (isMade) => ended.push(`${name} ${isMade ? 'makes one' : 'gets one'}`),
          ({ code }) => ended.push(`${name} ${code}`),
        ),
    };
  }

  it('waits for the rest, or for an instance that another call returns, and then the next may be made earlier', async () => {
    const { pool, end } = await poolInUse();
    const rests = new InstanceRests();
    const { ended, wait } = waits(rests, pool, 20);
    for (const name of ['first', 'second', 'third']) wait(name);
    await vi.advanceTimersByTimeAsync(periodMs(20) - 1);
    expect(ended).toEqual(['first makes one']);
    end(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toEqual(['first makes one', 'second gets one']);
    wait('fourth');
    await vi.advanceTimersByTimeAsync(periodMs(20));
    expect(ended.slice(2)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ended.slice(2).sort()).toEqual(['fourth makes one', 'third makes one']);
    pool.close();
  });

  it('is refused when none comes, and at once where none can come or too many wait', async () => {
    const { pool, end } = await poolInUse();
    const rests = new InstanceRests();
    const { ended, wait } = waits(rests, pool, 30_000);
    wait('first');
    for (let n = 0; n < waiting; n += 1) wait('waiting');
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toEqual(['first makes one']);
    wait('one too many');
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toEqual(['first makes one', 'one too many overloaded']);
    await vi.advanceTimersByTimeAsync(waitMs);
    expect(ended.slice(2)).toEqual(Array(waiting).fill('waiting overloaded'));
    end(false);
    wait('last');
    await vi.advanceTimersByTimeAsync(0);
    expect(ended.at(-1)).toBe('last overloaded');
  });

  it('is refused at once where each call needs a new one', async () => {
    const { pool } = await poolInUse(`(module (table 1 funcref) (func $f) (elem declare func $f)
      (func (export "cwa_main") (result i32) (table.set (i32.const 0) (ref.func $f)) (i32.const 0)))`);
    const { ended, wait } = waits(new InstanceRests(), pool, 30_000);
    wait('first');
    wait('second');
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toEqual(['first makes one', 'second overloaded']);
  });

  it('goes on when the code is dropped: it is loaded again', async () => {
    const { pool } = await poolInUse();
    const { ended, wait } = waits(new InstanceRests(), pool, 20);
    wait('first');
    wait('second');
    await vi.advanceTimersByTimeAsync(0);
    pool.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toEqual(['first makes one', 'second gets one']);
  });
});

describe('calls of functions whose instances take long to make', () => {
  const fleet = new TestFleet();
  beforeAll(() => fleet.start());
  afterAll(() => fleet.stop());

  /** Deploys a module as if vet had measured instances of half a minute. */
  async function deploy(handler: string, text: string, ownerId: string, number = 1): Promise<void> {
    const made = deploymentOf(handler, await compileWat(text), { number });
    const module = { ...made.spec.module, instantiationUs: 30e6 };
    await fleet.deploy({ ...made, spec: { ...made.spec, ownerId, module } });
  }
  const statusOf = async (handler: string) => (await call(`${fleet.url}/${handler}/`)).status;

  it('rest where each needs a new one, also when it ended well; those that are used again are served at once', async () => {
    const changes = `(table 1 funcref) (func $f) (elem declare func $f)
      (func (export "cwa_main") (result i32) (table.set (i32.const 0) (ref.func $f)) (i32.const 0))`;
    await deploy('traps', '(module (func (export "cwa_main") (result i32) unreachable))', 'ada');
    await deploy('changes', `(module ${changes})`, 'bob');
    await deploy('again', writer('fine'), 'eve');
    expect([await statusOf('traps'), await statusOf('traps')]).toEqual([500, 503]);
    expect([await statusOf('changes'), await statusOf('changes')]).toEqual([200, 503]);
    expect([await statusOf('again'), await statusOf('again'), await statusOf('again')]).toEqual([200, 200, 200]);
  });

  it('rest where a memory outgrows its instance: no other is made in place of it', async () => {
    const grows = '(drop (memory.grow (i32.const 500)))';
    await deploy('grows', `(module (memory 1) (func (export "cwa_main") (result i32) ${grows} (i32.const 0)))`, 'tom');
    expect([await statusOf('grows'), await statusOf('grows')]).toEqual([200, 503]);
  });

  /** Answers with a part, then waits for the request's body. */
  const reads = cwaGuest({
    data: ['(data (i32.const 0) "A: b\\n\\nx")'],
    body: `(local.set $fd (call $stdout))
      (drop (call $write (local.get $fd) (i32.const 0) (i32.const 7)))
      (drop (call $flush (local.get $fd)))
      (drop (call $read (call $stdin) (i32.const 4096) (i32.const 100)))`,
  });
  /** Begins a call of `reads`, which ends when `x` is written. */
  async function beginCall(handler: string) {
    const socket = connect(Number(new URL(fleet.url).port), '127.0.0.1');
    socket.write(`POST /${handler}/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n`);
    await once(socket, 'data');
    return socket;
  }

  it('are made one by one for a version that replaces the one they wait for', async () => {
    await deploy('replaced', reads, 'liz');
    await fleet.deployWat('other', writer('other'));
    const socket = await beginCall('replaced');
    const waiting = [1, 2, 3].map(() => statusOf('replaced'));
    await call(`${fleet.url}/other/`);
    await deploy('replaced', writer('new'), 'liz', 2);
    socket.write('x');
    await once(socket, 'end');
    expect(await Promise.all(waiting)).toEqual([503, 503, 503]);
    socket.destroy();
  });

  it('wait for the instance of a call that runs', async () => {
    await deploy('reads', reads, 'zoe');
    await fleet.deployWat('quick', writer('quick'));
    const ended: string[] = [];
    const socket = await beginCall('reads');
    const first = once(socket, 'end').then(() => ended.push('first'));
    const second = call(`${fleet.url}/reads/`).then(({ status }) => ended.push(`second ${status}`));
    await call(`${fleet.url}/quick/`);
    ended.push('quick');
    socket.write('x');
    await Promise.all([first, second]);
    expect(ended[0]).toBe('quick');
    expect(ended.slice(1).sort()).toEqual(['first', 'second 200']);
    socket.destroy();
  });
});
