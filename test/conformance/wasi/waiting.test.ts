/** Calls that wait: the guest is suspended, never the thread, and nothing piles up meanwhile. */
import { describe, expect, test } from 'vitest';
import { Errno } from '../../../src/guest/kernel/errno.ts';
import type { Process } from '../../../src/guest/kernel/process.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { type Call, expectMemory, runCalls } from '../../support/calls.ts';
import { runGuest } from '../../support/run-guest.ts';

const again = 6;
const u32 = (...values: readonly number[]) => Buffer.from(new Uint32Array(values).buffer);

/** Standard input that gets its bytes when the test says so. */
class Tap implements Resource {
  readonly scheme = 'stdin';
  #bytes: Uint8Array = new Uint8Array(0);
  #isOver = false;
  #waiting: PromiseWithResolvers<void> | null = null;
  /** How often somebody was told to wait. */
  waits = 0;

  give(text: string): void {
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(text)]);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  read(into: Uint8Array): number | Promise<void> {
    if (this.#bytes.length === 0) return this.#isOver ? Errno.end : this.#wait();
    const part = this.#bytes.subarray(0, into.length);
    into.set(part);
    this.#bytes = this.#bytes.subarray(part.length);
    return part.length;
  }

  write(): number {
    return Errno.notSupported;
  }

  flush(): number {
    return 0;
  }

  close(): number {
    return 0;
  }

  readable(): Promise<void> | null {
    return this.#bytes.length > 0 || this.#isOver ? null : this.#wait();
  }

  #wait(): Promise<void> {
    this.waits += 1;
    this.#waiting ??= Promise.withResolvers<void>();
    return this.#waiting.promise;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }
}

const readInput: Call = ['fd_read', 0, 0x20, 1, 0x10];
const iovec = { 32: u32(0x100, 16) };

describe('fd_read', () => {
  test('waits for standard input while everything else goes on', async () => {
    const tap = new Tap();
    const running = runCalls({ abi: 'wasi', stdin: tap, data: iovec, calls: [readInput] });
    await suspended(tap);
    tap.give('late');
    const done = await running;
    expect(done.results).toEqual([0]);
    expectMemory(done, { 16: u32(4), 256: 'late' });
  });

  test('says again where the descriptor does not wait', async () => {
    const tap = new Tap();
    const calls: Call[] = [['fd_fdstat_set_flags', 0, 4], readInput, ['fd_fdstat_set_flags', 0, 0]];
    const done = await runCalls({ abi: 'wasi', stdin: tap, data: iovec, calls });
    expect(done.results).toEqual([0, again, 0]);
    expectMemory(done);
  });

  test('a Process that is killed while it waits writes no more into its memory', async () => {
    const tap = new Tap();
    let guest: Process | null = null;
    const running = runCalls({
      abi: 'wasi',
      stdin: tap,
      data: iovec,
      calls: [readInput],
      started: (process) => {
        guest = process;
      },
    });
    await suspended(tap);
    (guest as Process | null)?.kill({ kind: 'aborted', message: 'by the test' });
    tap.give('too late');
    const done = await running;
    expect(done.end.kind).toBe('aborted');
    await new Promise((resolve) => setImmediate(resolve));
    expectMemory(done);
  });
});

describe('poll_oneoff', () => {
  const clock = (id: number, nanoseconds: bigint) => {
    const bytes = Buffer.alloc(48);
    bytes.writeBigUInt64LE(BigInt(id), 0);
    bytes.writeUInt32LE(1, 16);
    bytes.writeBigUInt64LE(nanoseconds, 24);
    return bytes;
  };
  const input = (id: number) => {
    const bytes = Buffer.alloc(48);
    bytes.writeBigUInt64LE(BigInt(id), 0);
    bytes.writeUInt8(1, 8);
    return bytes;
  };
  const event = (id: number, type: number, count = 0) => {
    const bytes = Buffer.alloc(32);
    bytes.writeBigUInt64LE(BigInt(id), 0);
    bytes.writeUInt8(type, 10);
    bytes.writeBigUInt64LE(BigInt(count), 16);
    return bytes;
  };
  const hour = 3_600_000_000_000n;

  test('a descriptor that becomes ready ends the wait before its clock', async () => {
    const tap = new Tap();
    const running = runCalls({
      abi: 'wasi',
      stdin: tap,
      data: { 256: Buffer.concat([clock(1, hour), input(2)]) },
      calls: [['poll_oneoff', 0x100, 0x200, 2, 0x10]],
    });
    await suspended(tap);
    tap.give('now');
    const done = await running;
    expect(done.results).toEqual([0]);
    expectMemory(done, { 16: u32(1), 512: event(2, 1, 1) });
  });

  test('a clock ends the wait for a descriptor that stays silent', async () => {
    const done = await runCalls({
      abi: 'wasi',
      stdin: new Tap(),
      data: { 256: Buffer.concat([input(2), clock(1, 1_000_000n)]) },
      calls: [['poll_oneoff', 0x100, 0x200, 2, 0x10]],
    });
    expect(done.results).toEqual([0]);
    expectMemory(done, { 16: u32(1), 512: event(1, 0) });
  });

  test('a time from now is as long as it says, also where the wall clock is set back meanwhile', async () => {
    let wallMs = 1_700_000_000_000;
    const realtime = clock(1, 1_000_000n);
    realtime.writeUInt32LE(0, 16);
    const done = await runCalls({
      abi: 'wasi',
      clock: {
        wallMs: () => {
          wallMs -= 3_600_000;
          return wallMs;
        },
        monotonicNs: () => process.hrtime.bigint(),
      },
      data: { 256: realtime },
      calls: [['poll_oneoff', 0x100, 0x200, 1, 0x10]],
    });
    expect(done.end).toEqual({ kind: 'exit', status: 0 });
    expect(done.results).toEqual([0]);
    expectMemory(done, { 16: u32(1), 512: event(1, 0) });
  });

  test('a deadline ends it at once', async () => {
    const tap = new Tap();
    const done = await runCalls({
      abi: 'wasi',
      stdin: tap,
      limits: { timeoutMs: 50 },
      data: { 256: Buffer.concat([clock(1, hour), input(2)]) },
      calls: [['poll_oneoff', 0x100, 0x200, 2, 0x10]],
    });
    expect(done.end.kind).toBe('deadline');
    expect(done.durationMs).toBeLessThan(2000);
    expectMemory(done);
  });

  test('a guest that polls a silent descriptor in a loop leaves nothing behind on it', async () => {
    const tap = new Tap();
    let reactions = 0;
    const { promise } = Promise.withResolvers<void>();
    const pending = Object.assign(promise, {
      // biome-ignore lint/suspicious/noThenProperty: counts who attaches to the promise.
      then: (...args: Parameters<Promise<void>['then']>) => {
        reactions += 1;
        return Promise.prototype.then.apply(promise, args);
      },
    });
    tap.readable = () => pending;
    const polls = Array.from({ length: 200 }, (): Call => ['poll_oneoff', 0x100, 0x200, 2, 0x10]);
    const done = await runCalls({
      abi: 'wasi',
      stdin: tap,
      data: { 256: Buffer.concat([input(2), clock(1, 0n)]) },
      calls: polls,
    });
    expect(done.results.every((result) => result === 0)).toBe(true);
    expect(reactions).toBe(1);
  });
});

describe('fd_write', () => {
  test('waits until a slow reader has taken everything', async () => {
    const taken: string[] = [];
    let isFull = false;
    const stdout: Resource = {
      scheme: 'stdout',
      read: () => Errno.notSupported,
      write: (bytes) => {
        isFull = !isFull;
        if (!isFull) return new Promise<void>((resolve) => setImmediate(resolve));
        taken.push(Buffer.from(bytes.subarray(0, 2)).toString());
        return Math.min(2, bytes.length);
      },
      flush: () => 0,
      close: () => 0,
    };
    const done = await runCalls({
      abi: 'wasi',
      stdout,
      data: { 32: u32(0x100, 5, 0x110, 2), 256: 'hello', 272: '!!' },
      calls: [['fd_write', 1, 0x20, 2, 0x10]],
    });
    expect(done.results).toEqual([0]);
    expect(taken.join('')).toBe('hello!!');
    expectMemory(done, { 16: u32(7) });
  });

  test('a stream that was closed is a broken pipe', async () => {
    const stdout: Resource = {
      scheme: 'stdout',
      read: () => 0,
      write: () => Errno.closed,
      flush: () => 0,
      close: () => 0,
    };
    const done = await runCalls({
      abi: 'wasi',
      stdout,
      data: { 32: u32(0x100, 5) },
      calls: [['fd_write', 1, 0x20, 1, 0x10]],
    });
    expect(done.results).toEqual([64]);
    expectMemory(done);
  });
});

test('sched_yield lets another guest run', async () => {
  let order = '';
  // Writes and yields until nobody takes what it writes.
  const wat = `(module
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\01\\00\\00\\00")
    (func (export "_start")
      (loop $more
        (drop (call $yield))
        (br_if $more (i32.eqz (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))))`;
  const guest = (name: string) => {
    const write = (bytes: Uint8Array): number => {
      order += name;
      return /ab.*ab|ba.*ba/.test(order) ? Errno.closed : bytes.length;
    };
    return runGuest(wat, { stdout: { scheme: 'stdout', read: () => 0, write, flush: () => 0, close: () => 0 } });
  };
  const ends = await Promise.all([guest('a'), guest('b')]);
  // A guest that kept the thread to itself would have ended at its deadline.
  expect(ends.map(({ end }) => end)).toEqual(Array(2).fill({ kind: 'exit', status: 0 }));
});

test.each([
  [
    'a path of two thousand names',
    'path_filestat_get',
    '(i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 8192)',
    'i32 i32 i32 i32 i32',
  ],
  [
    'a poll of two hundred descriptors',
    'poll_oneoff',
    '(i32.const 16384) (i32.const 32768) (i32.const 200) (i32.const 8192)',
    'i32 i32 i32 i32',
  ],
])('a loop of calls that are much work lets the event loop turn: %s', async (_title, name, args, params) => {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  const run = await runGuest(
    `(module (import "wasi_snapshot_preview1" "${name}" (func $call (param ${params}) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "${'./'.repeat(2047)}x")
      (func (export "_start") (local $i i32)
        (loop $more
          (drop (call $call ${args}))
          (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))))`,
    { started: () => void setImmediate(count) },
  );
  isOver = true;
  expect(run.end).toEqual({ kind: 'exit', status: 0 });
  // Less gas than a slice: only the host's work makes it yield.
  expect(run.usage.gas).toBeLessThan(100_000);
  expect(turns).toBeGreaterThan(10);
});

test('proc_exit and a terminating signal end the Process for good', async () => {
  const after: Call = ['fd_write', 1, 0x20, 1, 0x10];
  const run = (call: Call) => runCalls({ abi: 'wasi', data: { 32: u32(0x100, 5) }, calls: [call, after] });
  const exited = await run(['proc_exit', 7]);
  expect(exited.end).toEqual({ kind: 'exit', status: 7 });
  expect(String(exited.stdout)).toBe('');
  const raised = await run(['proc_raise', 6]);
  expect(raised.end).toEqual({ kind: 'trap', message: 'raised signal 6 (abrt)' });
  expect(String(raised.stdout)).toBe('');
});

/** Until the guest has been told to wait for its input. */
async function suspended(tap: Tap): Promise<void> {
  while (tap.waits === 0) await new Promise((resolve) => setImmediate(resolve));
}
