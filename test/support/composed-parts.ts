/**
 * Two components in one, of which one calls the other, for tests of the code between them
 * (src/guest/component/adapter.ts). The callee, component instance 2, exports `f`; the caller exports `wasi:cli/run`.
 * Each has a memory of one page and a `realloc` that only goes up, from 8192.
 */
import {
  aliasCore,
  aliasExport,
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
  imports,
  instances,
  instantiateCore,
  leb,
  lift,
  lower,
  nested,
  types,
  vector,
} from './component-builder.ts';
import { assemble } from './run-guest.ts';
import { withSourceMap } from './source-lines.ts';

type Bytes = readonly (number | string | Uint8Array | Bytes)[];

export interface Parts {
  /** Definitions of types that `param` and `result` may name by index; none names another. */
  readonly types?: readonly Bytes[];
  readonly param: Bytes;
  readonly result?: Bytes;
  /** Core type and body of `f`: `(param i32) (result i32) (local.get 0)`. */
  readonly f: string;
  /** Core type of `f` as the caller imports it, if it differs: `(param i32 i32)`. */
  readonly lowered?: string;
  /** Body of the caller's `run`, which calls `$f`; it returns 0 for success. */
  readonly run: string;
  /** Body of a caller's or callee's `realloc` instead of the one that goes up. */
  readonly reallocs?: { readonly caller?: string; readonly callee?: string };
  /** Whether the modules bring source maps: their byte N comes from line N of a source named for the part. */
  readonly hasLines?: boolean;
  /** Options of the canonical ABI besides memory and realloc: string encodings, post-return. */
  readonly options?: { readonly caller?: readonly Bytes[]; readonly callee?: readonly Bytes[] };
}

const bump = `(local $at i32)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
                          (i32.sub (i32.const 0) (local.get 2))))
  (global.set $top (i32.add (local.get $at) (local.get 3)))
  (local.get $at)`;

const allocator = (body = bump) => `(memory (export "memory") 1) (global $top (mut i32) (i32.const 8192))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) ${body})`;

export function composedParts({
  types: defined = [],
  param,
  result,
  f,
  lowered = f,
  run,
  reallocs,
  hasLines = false,
  options,
}: Parts): Uint8Array {
  const code = (source: string, text: string) => (hasLines ? withSourceMap(assemble(text), source) : assemble(text));
  const count = defined.length;
  /** Types that records and the like are part of must have names: type `index` is passed on as `t${index}`. */
  const named = (ref: Bytes): number[] =>
    (ref as number[]).map((one) => (typeof one === 'number' && one < count ? one + count : one));
  const definitions = types(...(defined as number[][]));
  const func = types(funcType({ x: named(param) }, result === undefined ? null : named(result)));
  const of = 2 * count;
  const names = defined.map((_, index) => `t${index}`);
  const callee = component(
    coreModule(
      code(
        'callee.ts',
        `(module ${allocator(reallocs?.callee)} (func (export "f") ${f})
        (global $posted (mut i32) (i32.const 0))
        (func (export "post") (param i32) (global.set $posted (local.get 0))))`,
      ),
    ),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'f'), aliasCore(0, 'realloc'), aliasCore(0, 'post'), aliasCore(0, 'memory', 2)),
    definitions,
    exports(...names.map((name, index) => exportAs(name, 3, index))),
    func,
    canons(lift(0, of, [3, 0], [4, 1], ...((options?.callee ?? []) as number[][]))),
    exports(exportAs('f', 1, 0)),
  );
  const type = /^(?:\s*\((?:param|result|type)[^)]*\))*/.exec(lowered)?.[0] ?? '';
  const caller = component(
    definitions,
    imports(...names.map((name, index) => [0, name, 3, 0, ...leb(index)])),
    func,
    imports([0, 'f', 1, ...leb(of)]),
    coreModule(assemble(`(module ${allocator(reallocs?.caller)})`)),
    coreInstances(instantiateCore(0)),
    aliases(aliasCore(0, 'realloc'), aliasCore(0, 'memory', 2)),
    canons(lower(0, [3, 0], [4, 0], ...((options?.caller ?? []) as number[][]))),
    coreInstances(coreBundle({ f: 1 })),
    coreModule(
      code(
        'caller.ts',
        `(module (import "host" "f" (func $f ${type})) (import "lib" "memory" (memory 1))
        (func (export "run") (result i32) ${run}))`,
      ),
    ),
    coreInstances(instantiateCore(1, { host: 1, lib: 0 })),
    aliases(aliasCore(2, 'run')),
    types([0x6a, 0, 0], funcType({}, leb(of + 1))),
    canons(lift(2, of + 2)),
    instances(bundle('run', 1, 1)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 0)),
  );
  return component(
    nested(callee),
    nested(caller),
    instances([0, 0, vector([])]),
    aliases(aliasExport(0, 'f', 1), ...names.map((name) => aliasExport(0, name, 3))),
    instances([0, 1, vector([['f', 1, 0], ...names.map((name, index) => [name, 3, ...leb(index)])])]),
    aliases(aliasExport(1, 'wasi:cli/run@0.2.0', 5)),
    exports(exportAs('wasi:cli/run@0.2.0', 5, 2)),
  );
}
