/** Components that define resources of their own; names of functions in messages about traps. */
import { describe, expect, it } from 'vitest';
import {
  aliasCore,
  aliases,
  bundle,
  canons,
  component,
  coreBundle,
  coreInstances,
  coreModule,
  exportAs,
  exports,
  funcType,
  instances,
  instantiateCore,
  lift,
  types,
} from '../../support/component-builder.ts';
import { assemble, runGuest } from '../../support/run-guest.ts';

const library = assemble(`(module
  (global $got (mut i32) (i32.const 0))
  (func (export "dtor") (param i32) (global.set $got (i32.add (global.get $got) (local.get 0))))
  (func (export "got") (result i32) (global.get $got)))`);

/** A program with a resource whose destructor adds the representation to `lib.got`. */
function program(run: string): Uint8Array {
  const main = assemble(`(module
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "rep" (func $rep (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "lib" "got" (func $got (result i32)))
    (func $run (export "run") (result i32) (local $h i32) ${run}))`);
  return component(
    coreModule(library),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'dtor')),
    types([0x3f, 0x7f, 1, 0]),
    canons([2, 0], [4, 0], [3, 0]),
    coreInstances(coreBundle({ new: 1, rep: 2, drop: 3 })),
    coreModule(main),
    coreInstances(instantiateCore(1, { host: 1, lib: 0 })),
    aliases(aliasCore(2, 'run')),
    types([0x6a, 0, 0], funcType({}, 1)),
    canons(lift(4, 2)),
    instances(bundle('run', 1, 0)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 0)),
  );
}

describe("a component's own resources", () => {
  it('have handles for representations, and are destroyed by a drop', async () => {
    const { end } = await runGuest(
      program(`(local.set $h (call $new (i32.const 41)))
        (if (i32.ne (call $rep (local.get $h)) (i32.const 41)) (then (return (i32.const 1))))
        (call $drop (local.get $h))
        (i32.ne (call $got) (i32.const 41))`),
    );
    expect(end).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    [
      'a handle that was dropped',
      '(local.set $h (call $new (i32.const 1))) (call $drop (local.get $h)) (call $rep (local.get $h))',
    ],
    ['no handle', '(call $drop (i32.const 7)) (i32.const 0)'],
    ['too many handles', '(loop (drop (call $new (i32.const 1))) (br 0)) (i32.const 0)'],
  ])('trap for %s', async (_what, run) => {
    expect((await runGuest(program(run))).end).toMatchObject({ kind: 'trap', message: /resource handle/ });
  });
});

it('a trap names the function of the core module in which it happened', async () => {
  expect((await runGuest(program('(unreachable)'))).end).toEqual({ kind: 'trap', message: 'unreachable in run' });
});
