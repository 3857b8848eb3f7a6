/** A stack that guests have run on before and a new one must not be told apart. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { stackDriverBytes, stackDriverText } from '../../../src/guest/kernel/stack-driver.ts';
import { type StackJob, StackPool, stackLimits } from '../../../src/guest/kernel/stacks.ts';
import { wat } from '../../support/wasm.ts';

const guestModule = new WebAssembly.Module(
  wat(
    `(module
      (import "host" "wait" (func $wait (param i32) (result i32)))
      (import "host" "fail" (func $fail))
      (tag $own)
      (global $depth (mut i32) (i32.const 0))
      (func (export "nothing"))
      (func (export "status") (result i32) (i32.const 7))
      (func (export "wait") (result i32) (i32.add (call $wait (i32.const 20)) (call $wait (i32.const 22))))
      (func (export "fail") (result i32) (call $fail) (i32.const 1))
      (func (export "trap") (result i32) unreachable)
      (func (export "throw") (result i32) (throw $own))
      (func $down (param $n i32) (result i32)
        (if (result i32) (local.get $n)
          (then (i32.add (call $down (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
          (else (call $wait (i32.const 0)))))
      (func (export "deep") (result i32) (call $down (i32.const 5000)))
      (func (export "overflow") (result i32) (call $down (i32.const 100000000)))
      (func (export "locals") (result i32) (local i64 i64 i64 i64 i64 i64 i64 i64)
        (if (i64.ne (i64.const 0) (i64.or
          (i64.or (i64.or (local.get 0) (local.get 1)) (i64.or (local.get 2) (local.get 3)))
          (i64.or (i64.or (local.get 4) (local.get 5)) (i64.or (local.get 6) (local.get 7)))))
          (then (return (i32.const 1))))
        (local.set 0 (i64.const -1)) (local.set 1 (i64.const -1)) (local.set 2 (i64.const -1)) (local.set 3 (i64.const -1))
        (local.set 4 (i64.const -1)) (local.set 5 (i64.const -1)) (local.set 6 (i64.const -1)) (local.set 7 (i64.const -1))
        (drop (call $wait (i32.const 0)))
        (i32.wrap_i64 (i64.add (i64.const 1) (i64.and (i64.and (local.get 0) (local.get 3)) (local.get 7))))))`,
    { exceptions: true },
  ),
);

type Entry = 'nothing' | 'status' | 'wait' | 'fail' | 'trap' | 'throw' | 'deep' | 'overflow' | 'locals';

class Ended extends Error {}

/** A guest whose waits end when the test says so. */
class Guest {
  readonly exports: WebAssembly.Exports;
  readonly name: string;
  #waiting: { resolve(value: number): void; reject(error: Error): void; value: number } | null = null;

  constructor(name = 'guest', events: string[] = []) {
    this.name = name;
    const wait = (value: number) =>
      new Promise<number>((resolve, reject) => {
        events.push(`${name} waits`);
        this.#waiting = { resolve, reject, value };
      });
    const fail = () => {
      throw new Ended(name);
    };
    const host = { wait: new WebAssembly.Suspending(wait) as unknown as CallableFunction, fail };
    this.exports = new WebAssembly.Instance(guestModule, { host }).exports;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(waiting.value);
  }

  kill(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(new Ended(this.name));
  }

  job(entry: Entry, begins: () => boolean = () => true): StackJob {
    return { entry: this.exports[entry] as WebAssembly.ExportValue, returnsStatus: entry !== 'nothing', begins };
  }
}

/** Runs to the end: waits are answered at once. */
async function run(pool: StackPool, entry: Entry, isKilled = false): Promise<string> {
  const guest = new Guest();
  const ending = pool.run(guest.job(entry)).then(
    (status) => `returned ${status}`,
    (error: unknown) => describeError(error),
  );
  let ended = false;
  void ending.then(() => {
    ended = true;
  });
  while (!ended) {
    await turn();
    if (isKilled) guest.kill();
    else guest.wake();
  }
  return ending;
}

function describeError(error: unknown): string {
  if (error instanceof WebAssembly.Exception) return 'exception of the guest';
  return error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error);
}

let collect: () => void;
beforeAll(() => {
  setFlagsFromString('--expose-gc');
  collect = runInNewContext('gc') as () => void;
});

describe('the driver', () => {
  it('is the module that its text says', () => {
    const bytes = wat(stackDriverText, { exceptions: true });
    const withoutNames = (module: Uint8Array<ArrayBuffer>) => new WebAssembly.Module(module);
    expect(WebAssembly.Module.imports(withoutNames(stackDriverBytes))).toEqual(
      WebAssembly.Module.imports(withoutNames(bytes)),
    );
    // The assembler of the tests adds a section of names behind the code.
    expect(Buffer.from(bytes.subarray(0, stackDriverBytes.length)).toString('hex')).toBe(
      Buffer.from(stackDriverBytes).toString('hex'),
    );
  });
});

describe('ends of a call', () => {
  const endings: readonly { entry: Entry; isKilled?: boolean; ends: string; keepsStack: boolean }[] = [
    { entry: 'nothing', ends: 'returned 0', keepsStack: true },
    { entry: 'status', ends: 'returned 7', keepsStack: true },
    { entry: 'wait', ends: 'returned 42', keepsStack: true },
    { entry: 'deep', ends: 'returned 5000', keepsStack: true },
    { entry: 'locals', ends: 'returned 0', keepsStack: true },
    { entry: 'fail', ends: 'Ended: guest', keepsStack: true },
    { entry: 'wait', isKilled: true, ends: 'Ended: guest', keepsStack: true },
    { entry: 'deep', isKilled: true, ends: 'Ended: guest', keepsStack: true },
    { entry: 'trap', ends: 'RuntimeError: unreachable', keepsStack: false },
    { entry: 'throw', ends: 'exception of the guest', keepsStack: false },
    { entry: 'overflow', ends: 'RangeError: Maximum call stack size exceeded', keepsStack: false },
  ];

  for (const { entry, isKilled = false, ends, keepsStack } of endings) {
    it(`${entry}${isKilled ? ', killed while it waits' : ''}: ${ends}, and the stack is ${keepsStack ? 'kept' : 'given up'}`, async () => {
      const pool = new StackPool();
      expect(await run(pool, 'status')).toBe('returned 7');
      for (let again = 0; again < 3; again += 1) expect(await run(pool, entry, isKilled)).toBe(ends);
      expect(await run(pool, 'wait')).toBe('returned 42');
      expect(await run(pool, 'deep')).toBe('returned 5000');
      expect(pool.started).toBe(keepsStack ? 1 : 4);
      expect(pool.size).toBe(1);
      expect(pool.idle).toBe(1);
    });
  }

  it('are the same on used stacks as on new ones, for any order of calls', async () => {
    const alone = new Map<string, string>();
    const ways = endings.map(({ entry, isKilled = false }) => ({ entry, isKilled }));
    for (const { entry, isKilled } of ways)
      alone.set(`${entry} ${isKilled}`, await run(new StackPool(), entry, isKilled));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...ways), { minLength: 2, maxLength: 40 }), async (calls) => {
        const pool = new StackPool();
        // Half of them one after the other, half at the same time.
        const half = calls.length >> 1;
        for (const { entry, isKilled } of calls.slice(0, half))
          expect(await run(pool, entry, isKilled)).toBe(alone.get(`${entry} ${isKilled}`));
        await Promise.all(
          calls
            .slice(half)
            .map(async ({ entry, isKilled }) =>
              expect(await run(pool, entry, isKilled)).toBe(alone.get(`${entry} ${isKilled}`)),
            ),
        );
        expect(pool.idle).toBe(pool.size);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the beginning of a call', () => {
  it('is told right before the entry runs, after whatever else began in the same turn', async () => {
    const pool = new StackPool();
    const events: string[] = [];
    const guests = ['a', 'b', 'c'].map((name) => new Guest(name, events));
    const calls = guests.map((guest) =>
      pool.run(
        guest.job('wait', () => {
          events.push(`${guest.name} begins`);
          return true;
        }),
      ),
    );
    expect(events).toEqual([]);
    await turn();
    expect(events).toEqual(['a begins', 'a waits', 'b begins', 'b waits', 'c begins', 'c waits']);
    const ending = Promise.allSettled(calls);
    for (const guest of guests) guest.kill();
    await ending;
  });

  it('can be refused: the entry is not called', async () => {
    const pool = new StackPool();
    expect(await pool.run(new Guest().job('trap', () => false))).toBe(0);
    expect(pool.started).toBe(1);
  });
});

describe('a pool', () => {
  it('runs 10,000 guests at the same time, wakes them in any order, and keeps few stacks afterwards', async () => {
    const pool = new StackPool();
    const guests = Array.from({ length: 10_000 }, (_, index) => new Guest(String(index)));
    const calls = guests.map((guest, index) => pool.run(guest.job(index % 2 === 0 ? 'wait' : 'locals')));
    const ending = Promise.allSettled(calls);
    await turn();
    expect(pool.size).toBe(10_000);
    const left = new Set(guests);
    // Every third is killed, the others are woken from both ends.
    guests.forEach((guest, index) => {
      if (index % 3 === 0) guest.kill();
    });
    while (left.size > 0) {
      for (const guest of [...left].reverse()) {
        guest.wake();
        if (!guest.isWaiting) left.delete(guest);
      }
      await turn();
      for (const guest of guests) if (guest.isWaiting) left.add(guest);
    }
    const ends = await ending;
    ends.forEach((end, index) => {
      if (index % 3 === 0) expect(end).toMatchObject({ status: 'rejected', reason: { message: String(index) } });
      else expect(end).toEqual({ status: 'fulfilled', value: index % 2 === 0 ? 42 : 0 });
    });
    expect(pool.idle).toBe(stackLimits.idleMax);
    expect(pool.size).toBe(stackLimits.idleMax);
  });

  it('gives a stack up after usesMax calls, with the pages that deep calls have touched', async () => {
    const pool = new StackPool();
    const guest = new Guest();
    for (let call = 0; call < stackLimits.usesMax; call += 1) await pool.run(guest.job('status'));
    expect(pool.started).toBe(1);
    await pool.run(guest.job('status'));
    expect(pool.started).toBe(2);
    expect(pool.size).toBe(1);
  });

  it('lets go of stacks that nobody needs, half of them at each sweep', async () => {
    const pool = new StackPool();
    const atOnce = async (count: number) => {
      const guests = Array.from({ length: count }, () => new Guest());
      const calls = guests.map((guest) => pool.run(guest.job('deep')));
      await turn();
      for (const guest of guests) guest.wake();
      expect(await Promise.all(calls)).toEqual(calls.map(() => 5_000));
    };
    await atOnce(100);
    const sizes: number[] = [];
    for (let sweep = 0; sweep < 8; sweep += 1) {
      await atOnce(10);
      pool.sweep();
      sizes.push(pool.size);
    }
    // The first sweep finds none that has been idle since a sweep before.
    expect(sizes).toEqual([100, 55, 32, 21, 15, 12, 11, 10]);
    for (let sweep = 0; sweep < 6; sweep += 1) pool.sweep();
    expect(pool.size).toBe(0);
    await atOnce(20);
    expect(pool.started).toBe(120);
  });

  it('holds neither guest nor result after the call', async () => {
    const pool = new StackPool();
    const instances: WeakRef<object>[] = [];
    const call = async (entry: Entry) => {
      const guest = new Guest();
      instances.push(new WeakRef(guest.exports));
      await pool.run(guest.job(entry)).catch(() => undefined);
    };
    for (const entry of ['status', 'nothing', 'fail', 'trap', 'throw', 'overflow'] as const) await call(entry);
    for (let round = 0; round < 10 && instances.some((instance) => instance.deref() !== undefined); round += 1) {
      await turn();
      collect();
    }
    expect(instances.map((instance) => instance.deref())).toEqual(instances.map(() => undefined));
  });
});
