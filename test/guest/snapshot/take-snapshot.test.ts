/**
 * Snapshots: a start-up runs once, and every call begins where it has ended. What cannot be held is refused by name.
 */
import { describe, expect, it } from 'vitest';
import { fixture, runGuest, runVetted, text } from '../../support/run-guest.ts';
import { filesOf, take } from '../../support/snapshots.ts';

const cwa = {
  write: '(import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))',
  stdout: '(import "cwa" "io_get_stdout" (func $stdout (result i32)))',
  stderr: '(import "cwa" "io_get_stderr" (func $stderr (result i32)))',
  open: '(import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))',
  close: '(import "cwa" "resource_close" (func $close (param i32)))',
  now: '(import "cwa" "time_now" (func $now (result i64)))',
  random: '(import "cwa" "random_i32" (func $random (result i32)))',
  exit: '(import "cwa" "runtime_exit" (func $exit (param i32)))',
  log: '(import "cwa" "log_write" (func $log (param i32 i32 i32)))',
} as const;

/** A module whose start-up is `body`; its entry point returns `answer`. */
function guest(
  body: string,
  { rest = '', answer = '(i32.const 0)', imports = [] as readonly (keyof typeof cwa)[], pages = '1' } = {},
): string {
  return `(module ${imports.map((name) => cwa[name]).join(' ')}
    (memory (export "memory") ${pages})
    ${rest}
    (func (export "_initialize") ${body})
    (func (export "main") (result i32) ${answer}))`;
}

/** Returns the exit status with which `source` ends from its snapshot, and, with the start-up in the call, without. */
async function both(source: string): Promise<readonly [snapshot: unknown, each: unknown]> {
  const snapshot = await runVetted(await take(source));
  return [snapshot.end, (await runGuest(source)).end];
}

const exits = (status: number) => ({ kind: 'exit', status });

describe('what a start-up leaves', () => {
  it('memory, with what it has grown by, is there in every call', async () => {
    const source = guest('(drop (memory.grow (i32.const 3))) (i32.store (i32.const 262140) (i32.const 77))', {
      answer: '(i32.add (i32.load (i32.const 262140)) (memory.size))',
    });
    expect(await both(source)).toEqual([exits(81), exits(81)]);
    const { module } = await take(source);
    expect(module.snapshot.memoryPages).toBe(4);
    expect(module.plan.initialize).toBeNull();
  });

  it('memory that was grown to its limit: calls have all of it and get no more', async () => {
    const source = guest(
      `(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
       (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 77))`,
      {
        answer: `(i32.add (i32.load (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)))
          (i32.add (memory.size) (memory.grow (i32.const 1))))`,
      },
    );
    const snapshot = await take(source, { limits: { memoryPages: 30 } });
    expect(snapshot.module.snapshot.memoryPages).toBe(30);
    expect((await runVetted(snapshot, { limits: { memoryPages: 30 } })).end).toEqual(exits(77 + 30 - 1));
  });

  it('globals of every type keep each bit, a NaN with a payload too', async () => {
    const source = guest(
      `(global.set $i (i32.const -5)) (global.set $l (i64.const -9000000000000000000))
       (global.set $f (f32.reinterpret_i32 (i32.const 0x7fa12345)))
       (global.set $d (f64.reinterpret_i64 (i64.const 0x7ff4123456789abc)))
       (global.set $v (v128.const i64x2 0x123456789abcdef0 -2)) (global.set $r (ref.func $seven))`,
      {
        rest: `(global $i (mut i32) (i32.const 1)) (global $l (mut i64) (i64.const 1)) (global $f (mut f32) (f32.const 1))
          (global $d (mut f64) (f64.const 1)) (global $v (mut v128) (v128.const i64x2 0 0))
          (global $r (mut funcref) (ref.null func)) (table $t 1 funcref) (elem declare func $seven)
          (func $seven (result i32) (i32.const 7)) (type $answer (func (result i32)))`,
        answer: `(table.set $t (i32.const 0) (global.get $r))
          (i32.and
            (i32.and (i32.eq (global.get $i) (i32.const -5)) (i64.eq (global.get $l) (i64.const -9000000000000000000)))
            (i32.and
              (i32.and (i32.eq (i32.reinterpret_f32 (global.get $f)) (i32.const 0x7fa12345))
                       (i64.eq (i64.reinterpret_f64 (global.get $d)) (i64.const 0x7ff4123456789abc)))
              (i32.and (i64.eq (i64x2.extract_lane 1 (global.get $v)) (i64.const -2))
                       (i32.eq (call_indirect $t (type $answer) (i32.const 0)) (i32.const 7)))))`,
      },
    );
    expect((await runVetted(await take(source))).end).toEqual(exits(1));
  });

  it('tables keep their size, their holes and their functions, imported ones too', async () => {
    const source = guest(
      `(drop (table.grow $t (ref.null func) (i32.const 4))) (table.set $t (i32.const 5) (ref.func $nine))
       (table.set $t (i32.const 3) (ref.func $stdout)) (table.set $t (i32.const 0) (ref.null func))`,
      {
        imports: ['stdout'],
        rest: `(table $t 2 funcref) (elem $t (i32.const 0) func $nine $eight) (table $u 1 funcref)
          (elem $e (table $u) (i32.const 0) func $eight) (type $answer (func (result i32)))
          (func $nine (result i32) (i32.const 9)) (func $eight (result i32) (i32.const 8))
          (elem declare func $stdout)`,
        answer: `(i32.add (i32.add (table.size $t) (call_indirect $t (type $answer) (i32.const 5)))
          (i32.add (i32.add (call_indirect $t (type $answer) (i32.const 1)) (call_indirect $u (type $answer) (i32.const 0)))
            (i32.add (ref.is_null (table.get $t (i32.const 0)))
              (i32.mul (i32.const 100) (i32.ge_s (call_indirect $t (type $answer) (i32.const 3)) (i32.const 0))))))`,
      },
    );
    expect(await both(source)).toEqual([exits(6 + 9 + 8 + 8 + 1 + 100), exits(6 + 9 + 8 + 8 + 1 + 100)]);
  });

  it('a dropped segment stays dropped, and one that was not can still be used', async () => {
    const rest = `(data $gone "abc") (data $kept "xyz") (table $t 4 funcref) (func $f) (elem $e func $f $f)`;
    const kept = guest('(data.drop $gone) (elem.drop $e)', {
      rest,
      answer: `(memory.init $kept (i32.const 8) (i32.const 0) (i32.const 3)) (i32.load8_u (i32.const 9))`,
    });
    expect(await both(kept)).toEqual([exits(121), exits(121)]);
    for (const use of [
      '(memory.init $gone (i32.const 8) (i32.const 0) (i32.const 1))',
      '(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))',
    ]) {
      const [snapshot, each] = await both(
        guest('(data.drop $gone) (elem.drop $e)', { rest, answer: `${use} (i32.const 0)` }),
      );
      expect(snapshot).toMatchObject({ kind: 'trap' });
      expect(snapshot).toEqual(each);
    }
  });

  it('the start function has run as well, and runs no more', async () => {
    const source = guest('(global.set $n (i32.add (global.get $n) (i32.const 10)))', {
      rest: '(global $n (mut i32) (i32.const 0)) (func $s (global.set $n (i32.add (global.get $n) (i32.const 1)))) (start $s)',
      answer: '(global.get $n)',
    });
    expect(await both(source)).toEqual([exits(11), exits(11)]);
  });

  it("Wizer's function runs behind _initialize, and wizer.resume is called instead of _start", async () => {
    const { module, bytes } = await take(`(module (memory (export "memory") 1) (global $n (mut i32) (i32.const 1))
      (func (export "_initialize") (global.set $n (i32.mul (global.get $n) (i32.const 3))))
      (func (export "wizer.initialize") (global.set $n (i32.add (global.get $n) (i32.const 4))))
      (func (export "wizer.resume") (i32.store (i32.const 0) (global.get $n)))
      (func (export "_start") unreachable))`);
    expect(module.snapshot.startUp).toEqual(['_initialize', 'wizer.initialize']);
    const run = await runVetted({ module, bytes });
    expect(run.end).toEqual(exits(0));
    expect(run.memory[0]).toBe(7);
  });
});

describe('a reactor of wasi-libc', () => {
  const files = [{ path: 'word.txt', bytes: Buffer.from('word\n') }];
  const env = { GREETING: 'hello' };

  it('answers the same from its snapshot as with its start-up in each call, for a fraction of the gas', async () => {
    const snapshot = await take(fixture('wasi/reactor'), { env, files });
    expect(snapshot.report.output).toEqual(['sieved 78498 primes']);
    expect(snapshot.report.hasReadEnvironment).toBe(true);
    for (const path of ['/a', '/b']) {
      const options = { env: { ...env, PATH_INFO: path }, files: filesOf(files) };
      const each = await runGuest(fixture('wasi/reactor'), options);
      const once = await runVetted(snapshot, options);
      expect(text(each.stdout)).toContain(`78498 primes, largest 999983, hello, word, 9, start-ups 1, call 1, ${path}`);
      expect(text(once.stdout)).toBe(text(each.stdout));
      expect(once.end).toEqual(each.end);
      expect(once.usage.gas * 20).toBeLessThan(each.usage.gas);
      expect(text(once.stderr)).toBe('');
    }
  });

  it('is another snapshot with another variable, another file, or a random number', async () => {
    const name = async (options: Parameters<typeof take>[1]) =>
      (await take(fixture('wasi/reactor'), options)).module.snapshot.sha256;
    const first = await name({ env, files });
    expect(await name({ env, files })).toBe(first);
    expect(await name({ env: { GREETING: 'other' }, files })).not.toBe(first);
    expect(await name({ env, files: [{ path: 'word.txt', bytes: Buffer.from('other') }] })).not.toBe(first);
    const random = guest('(i32.store (i32.const 0) (call $random))', { imports: ['random'] });
    const shas = [await take(random), await take(random)].map(({ module }) => module.snapshot.sha256);
    expect(shas[0]).not.toBe(shas[1]);
  });
});

describe('what is told of a start-up', () => {
  it('its output and its log, line by line and bounded', async () => {
    const source = guest(
      `(local $out i32) (local.set $out (call $stderr))
       (drop (call $write (local.get $out) (i32.const 0) (i32.const 8))) (call $log (i32.const 1) (i32.const 8) (i32.const 4))
       (loop $more (drop (call $write (local.get $out) (i32.const 12) (i32.const 2)))
         (br_if $more (i32.lt_s (global.get $n) (i32.const 200)) (global.set $n (i32.add (global.get $n) (i32.const 1)))))
       (call $close (local.get $out))`,
      {
        imports: ['write', 'stderr', 'close', 'log'],
        rest: '(data (i32.const 0) "one\\ntwo\\nlogsx\\n") (global $n (mut i32) (i32.const 0))',
      },
    );
    const { report } = await take(source);
    expect(report.output.slice(0, 4)).toEqual(['one', 'two', 'logs', 'x']);
    expect([report.output.length, report.outputDropped]).toEqual([100, 104]);
  });

  it('random numbers and times that every call will see again', async () => {
    const url = guest('(call $close (call $open (i32.const 0) (i32.const 7)))', {
      imports: ['open', 'close'],
      rest: '(data (i32.const 0) "random:")',
    });
    expect((await take(url)).report.frozen).toEqual(['random:']);
    const calls = guest('(drop (call $random)) (drop (call $now))', { imports: ['random', 'now'] });
    expect((await take(calls)).report.frozen).toEqual(['random_i32', 'time_now']);
    expect((await take(guest('nop'))).report.frozen).toEqual([]);
  });
});

describe('a snapshot is refused', () => {
  const refused = async (source: string | Uint8Array, options: Parameters<typeof take>[1] = {}) => {
    const error = await take(source, options).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'snapshot_failed' });
    return error as {
      readonly message: string;
      readonly details: readonly string[];
      readonly hints: readonly string[];
    };
  };

  it('where there is no start-up, or it cannot be called', async () => {
    expect((await refused('(module (func (export "main")))')).message).toContain('exports none of _initialize');
    const takes = '(module (func (export "wizer.initialize") (param i32)) (func (export "main")))';
    expect((await refused(takes)).message).toContain('wizer.initialize takes or returns values');
  });

  it('of a component', async () => {
    expect((await refused(fixture('component/http'))).message).toContain('is a component');
  });

  it('where the start-up never ends: by gas, and by time while it waits', async () => {
    const forever = guest('(loop $l (br $l))');
    expect((await refused(forever, { limits: { gas: 1_000_000 } })).message).toContain(
      'more than 1,000,000 instructions',
    );
    expect((await refused(forever, { limits: { gas: 1e12, timeoutMs: 50 } })).message).toContain(
      'still running after 0.05 s',
    );
    const sleeps = `(module (import "cwa" "runtime_msleep" (func $sleep (param i32)))
      (func (export "_initialize") (call $sleep (i32.const 100000000))) (func (export "main")))`;
    expect((await refused(sleeps, { limits: { timeoutMs: 50 } })).message).toContain('still running');
  });

  it('where it is interrupted, before it begins or while it waits', async () => {
    const sleeps = `(module (import "cwa" "runtime_msleep" (func $sleep (param i32)))
      (func (export "_initialize") (call $sleep (i32.const 100000000))) (func (export "main")))`;
    const interrupted = { code: 'bad_request', message: 'the start-up was interrupted' };
    await expect(take(sleeps, { signal: AbortSignal.abort() })).rejects.toMatchObject(interrupted);
    const interrupt = new AbortController();
    setImmediate(() => interrupt.abort());
    await expect(take(sleeps, { signal: interrupt.signal })).rejects.toMatchObject(interrupted);
  });

  it('where it traps, with its last words', async () => {
    const error = await refused(
      guest('(drop (call $write (call $stderr) (i32.const 0) (i32.const 4))) unreachable', {
        imports: ['write', 'stderr'],
        rest: '(data (i32.const 0) "oops")',
      }),
    );
    expect(error.message).toContain('trapped: unreachable');
    expect(error.details).toEqual(['| oops']);
  });

  it('where it exits, with whatever status', async () => {
    for (const status of [0, 1])
      expect((await refused(guest(`(call $exit (i32.const ${status}))`, { imports: ['exit'] }))).message).toContain(
        `ended the program with status ${status} instead of returning`,
      );
  });

  it.each(['tcp://127.0.0.1:1', 'http://example.com/', 'wss://a.example/', 'kv:///bucket/key', 'queue://jobs'])(
    'where it opens %s',
    async (url) => {
      const error = await refused(
        guest(`(drop (call $open (i32.const 0) (i32.const ${url.length})))`, {
          imports: ['open'],
          rest: `(data (i32.const 0) "${url}")`,
        }),
      );
      expect(error.message).toContain(`opens ${url}`);
    },
  );

  it('where it opens what the policy forbids', async () => {
    const source = guest('(drop (call $open (i32.const 0) (i32.const 5)))', {
      imports: ['open'],
      rest: '(data (i32.const 0) "null:")',
    });
    const policy = { allow: ['^zero:'], disallow: [] };
    expect((await refused(source, { policy })).message).toContain('opens null:, which the policy forbids');
  });

  it('where it leaves a descriptor open, a stream closed, a file in scratch', async () => {
    const open = guest('(drop (call $open (i32.const 0) (i32.const 5)))', {
      imports: ['open'],
      rest: '(data (i32.const 0) "zero:")',
    });
    expect((await refused(open)).details).toEqual(['descriptor 0 is open (zero:)']);
    const wasi = (name: string, type: string) => `(import "wasi_snapshot_preview1" "${name}" (func $${name} ${type}))`;
    const closed = `(module ${wasi('fd_close', '(param i32) (result i32)')} (memory (export "memory") 1)
      (func (export "_initialize") (drop (call $fd_close (i32.const 2)))) (func (export "handle")))`;
    expect((await refused(closed)).details).toEqual(['a standard stream or the root directory was closed']);
    const made = `(module ${wasi('path_create_directory', '(param i32 i32 i32) (result i32)')} (memory (export "memory") 1)
      (data (i32.const 0) "tmp/cache")
      (func (export "_initialize") (drop (call $path_create_directory (i32.const 3) (i32.const 0) (i32.const 9))))
      (func (export "handle")))`;
    expect((await refused(made)).details).toEqual(['the file /tmp/cache was left in scratch']);
  });

  it('where it wants more memory than it may have', async () => {
    const grows = guest('(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable))');
    expect((await refused(grows, { memoryPages: 50 })).hints.join()).toContain('may grow to 50 pages');
    expect((await refused(grows, { limits: { memoryPages: 60 } })).hints.join()).toContain('may grow to 60 pages');
  });

  it('where its image or its tables are larger than the budget', async () => {
    const fills = guest('(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))');
    expect((await refused(fills, { limits: { imageBytes: 60_000 } })).message).toContain(
      'the snapshot of guest.wasm would have',
    );
    const grows = guest('(drop (table.grow $t (ref.null func) (i32.const 100)))', { rest: '(table $t 1 funcref)' });
    expect((await refused(grows, { limits: { tableEntries: 100 } })).message).toContain('have 101 entries');
  });

  it('an access beyond memory.size traps, as there is no reserve', async () => {
    // Only code that grows its memory would have one.
    const beyond = guest('(drop (memory.grow (i32.const 0))) (i32.store (i32.const 65536) (i32.const 1))');
    expect((await refused(beyond)).message).toContain('out of bounds');
  });
});
