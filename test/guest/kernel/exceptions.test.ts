/** A guest that catches whatever it can still ends when, and as, its Process does. */
import { describe, expect, test } from 'vitest';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { checkPolicy } from '../../../src/guest/kernel/open.ts';
import type { Scheme } from '../../../src/guest/kernel/process.ts';
import { type GuestOptions, type GuestRun, runGuest } from '../../support/run-guest.ts';
import { wat } from '../../support/wasm.ts';

/** A write that no check stands in front of but that of the catch, and a call. */
const goingOn = '(if (i32.const 1) (then (i32.store8 (i32.const 0) (i32.const 1)))) (call $escaped)';

/** How a call is guarded, in each form. What stands behind `escaped` must never run. */
const guards: Readonly<Record<string, (risky: string) => string>> = {
  'try and catch_all': (risky) => `(try (do ${risky}) (catch_all)) ${goingOn}`,
  'try and catch_all, again and again': (risky) => `(loop $l (try (do ${risky}) (catch_all (br $l)))) ${goingOn}`,
  'try around a function that catches': (risky) =>
    `(try (do (try (do ${risky}) (catch_all ${goingOn}))) (catch_all ${goingOn})) ${goingOn}`,
  try_table: (risky) => `(block $b (try_table (catch_all $b) ${risky})) ${goingOn}`,
  'try_table, again and again': (risky) => `(loop $l (try_table (catch_all $l) ${risky})) ${goingOn}`,
  'try_table with an exception that is thrown again': (risky) =>
    `(block $b (try_table (catch_all $b)
      (throw_ref (block $r (result exnref) (try_table (catch_all_ref $r) ${risky}) (unreachable))))) ${goingOn}`,
};

function moduleOf(functions: string): Uint8Array {
  return wat(`(module
    (import "cwa" "runtime_exit" (func $exit (param i32)))
    (import "cwa" "runtime_msleep" (func $sleep (param i32)))
    (import "cwa" "log_write" (func $log (param i32 i32 i32)))
    (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 16) "test:")
    (func $escaped (i32.store8 (i32.const 0) (i32.const 1)) (call $log (i32.const 6) (i32.const 16) (i32.const 5)))
    ${functions})`);
}

const guestOf = (body: string) => moduleOf(`(func (export "cwa_main") (result i32) ${body} (i32.const 0))`);

const scheme = (open: Scheme['open']): Partial<GuestOptions> => ({
  schemes: [{ names: ['test'], open }],
  policy: { allow: ['^test:$'], disallow: [] },
});
const open = '(drop (call $open (i32.const 16) (i32.const 5)))';

interface Ending {
  readonly risky: string;
  readonly options?: () => Partial<GuestOptions>;
  readonly end: object;
}

const endings: Readonly<Record<string, Ending>> = {
  exit: { risky: '(call $exit (i32.const 3))', end: { kind: 'exit', status: 3 } },
  'a pointer outside of memory': {
    risky: '(call $log (i32.const 6) (i32.const -1) (i32.const 9))',
    end: { kind: 'trap' },
  },
  'gas that is used up': {
    risky: '(loop (br 0))',
    options: () => ({ limits: { gas: 100_000 } }),
    end: { kind: 'gas', limit: 100_000 },
  },
  'a deadline while it sleeps': {
    risky: '(call $sleep (i32.const 60000))',
    options: () => ({ limits: { timeoutMs: 20 } }),
    end: { kind: 'deadline' },
  },
  'an abort while it waits': {
    risky: open,
    options: () => {
      const abort = new AbortController();
      return {
        ...scheme(() => {
          setImmediate(() => abort.abort());
          return new Promise(() => undefined);
        }),
        signal: abort.signal,
      };
    },
    end: { kind: 'aborted' },
  },
  'a policy that it violates': {
    risky: open,
    options: () =>
      scheme((_url, guest) => {
        checkPolicy(guest, 'test:elsewhere');
        return 0;
      }),
    end: { kind: 'policy', url: 'test:elsewhere' },
  },
  'a mistake of the platform': {
    risky: open,
    options: () =>
      scheme(() => {
        throw new Error('our own');
      }),
    end: { kind: 'internal' },
  },
  'a mistake of the platform while it waits': {
    risky: open,
    options: () => scheme(async () => Promise.reject(new Error('our own'))),
    end: { kind: 'internal' },
  },
};

function ended(run: GuestRun, end: object): void {
  expect(run.end).toMatchObject(end);
  expect(run.memory[0]).toBe(0);
  expect(run.logs.filter(({ text }) => text === 'test:')).toEqual([]);
}

describe.each(Object.entries(endings))('%s', (_ending, { risky, options, end }) => {
  test.each(Object.entries(guards))('caught by %s', async (_guard, guard) => {
    ended(await runGuest(guestOf(guard(risky)), options?.() ?? {}), end);
  });

  test('caught in the last function of all, which then returns', async () => {
    const entry = `(func (export "_start") (try_table (catch_all 0) ${risky}))`;
    ended(await runGuest(moduleOf(entry), options?.() ?? {}), end);
  });
});

describe('catch_all around every host call, for ever', () => {
  const rows = providedFunctions.map(
    ({ module, name, signatures }) => [`${module} ${name}`, { module, name, signatures }] as const,
  );

  test.each(rows)('%s', async (_name, { module, name, signatures: [type] }) => {
    const list = (word: string, types: readonly string[]) => (types.length === 0 ? '' : `(${word} ${types.join(' ')})`);
    const { params = [], results = [] } = type ?? {};
    const call = `${params.map((param) => `(${param}.const -1)`).join(' ')} (call $f) ${'drop '.repeat(results.length)}`;
    const run = await runGuest(
      wat(`(module (import "${module}" "${name}" (func $f ${list('param', params)} ${list('result', results)}))
        (memory (export "memory") 1)
        (func (export "_start")
          (loop $l (try (do ${call}) (catch_all (i32.store8 (i32.const 0) (i32.const 1)))) (br $l))))`),
      { limits: { gas: 20_000, timeoutMs: 200 } },
    );
    expect(['gas', 'trap', 'deadline', 'exit', 'policy']).toContain(run.end.kind);
    if (run.end.kind === 'exit') expect(name).toMatch(/exit/);
    expect(run.memory[0]).toBe(0);
  });
});

test('an exception that nothing catches is a trap that says so', async () => {
  const run = await runGuest(wat('(module (tag $t (param i32)) (func (export "_start") (throw $t (i32.const 1))))'));
  expect(run.end).toEqual({
    kind: 'trap',
    message: 'uncaught exception: the program threw it and nothing in the program caught it',
  });
});

test('exceptions are thrown and caught between host calls that wait', async () => {
  const source = `(module
    (import "cwa" "runtime_msleep" (func $sleep (param i32)))
    (tag $t (param i32)) (memory (export "memory") 1)
    (func $later (param i32) (call $sleep (i32.const 1)) (throw $t (local.get 0)))
    (func (export "cwa_main") (result i32) (local i32)
      (loop $l
        (try (do (call $later (local.get 0)))
          (catch $t (call $sleep (i32.const 1)) (i32.const 1) (i32.add) (local.set 0)))
        (br_if $l (i32.lt_u (local.get 0) (i32.const 5))))
      (local.get 0)))`;
  const run = await runGuest(wat(source));
  expect(run.end).toEqual({ kind: 'exit', status: 5 });
});
