/**
 * Asynchronous calls of the host by parts of a composed component: an event is stored in the memory of the part that
 * gets it, with the realloc of that part, whichever function delivers it.
 */
import { describe, expect, it } from 'vitest';
import { linkComponent } from '../../../src/guest/component/link.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
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
  lift,
  lower,
  nested,
  types,
  vector,
} from '../../support/component-builder.ts';
import { assemble } from '../../support/run-guest.ts';

const entry = 'wasi:cli/run@0.3.0';
const pageBytes = 65_536;

/** A canonical function as its part defines it, and the type of its core function. */
interface Canon {
  readonly bytes: readonly number[];
  readonly core: string;
}

/** Each part has two memories and two reallocs, 0 and 1; its type 1 is stream<u8>, its type 2 future<u8>. */
const inMemory = (memory: number) => [...vector([[3, memory], 6])];
const read = (memory: number): Canon => ({
  bytes: [0x0f, 1, ...inMemory(memory)],
  core: '(param i32 i32 i32) (result i32)',
});
const wait = (memory: number): Canon => ({ bytes: [0x20, 0, memory], core: '(param i32 i32) (result i32)' });
const streamCancel: Canon = { bytes: [0x11, 1, 1], core: '(param i32) (result i32)' };
const futureCancel: Canon = { bytes: [0x18, 2, 1], core: '(param i32) (result i32)' };
const subtaskCancel: Canon = { bytes: [6, 1], core: '(param i32) (result i32)' };
const message = (realloc: number): Canon => ({
  bytes: [
    0x1d,
    ...vector([
      [3, 0],
      [4, realloc],
    ]),
  ],
  core: '(param i32 i32)',
});

interface PartShape {
  readonly pages: number;
  /** Address that realloc 0 returns. */
  readonly address: number;
  readonly functions: Readonly<Record<string, Canon>>;
  /** Body of `run`. */
  readonly body: string;
}

/**
 * Returns a part. `outer` imports `f`, which its `run` can call, and is a program that is lifted with a callback and
 * names no memory; else the part exports its `run` as `f`.
 */
function part(kind: 'inner' | 'outer', { pages, address, functions, body }: PartShape): Uint8Array {
  const isOuter = kind === 'outer';
  const names = [...Object.keys(functions), ...(isOuter ? ['f'] : [])];
  const realloc = (name: string, at: number) =>
    `(func (export "${name}") (param i32 i32 i32 i32) (result i32) (i32.const ${at}))`;
  const imported = names.map((name) => `(import "host" "${name}" (func $${name} ${functions[name]?.core ?? ''}))`);
  const run = names.length + 2;
  return component(
    types(funcType({}), [0x66, 1, 0x7d], [0x65, 1, 0x7d]),
    ...(isOuter ? [imports([0, 'f', 1, 0])] : []),
    coreModule(
      assemble(`(module (memory (export "memory") ${pages}) ${realloc('0', address)} ${realloc('1', address + 4)})`),
    ),
    coreModule(assemble('(module (memory (export "memory") 1))')),
    coreInstances(instantiateCore(0), instantiateCore(1)),
    aliases(aliasCore(0, '0'), aliasCore(0, '1'), aliasCore(0, 'memory', 2), aliasCore(1, 'memory', 2)),
    canons(...Object.values(functions).map(({ bytes }) => bytes), ...(isOuter ? [lower(0)] : [])),
    coreInstances(coreBundle(Object.fromEntries(names.map((name, index) => [name, index + 2])))),
    coreModule(
      assemble(`(module ${imported.join('\n')}
        (func (export "run") ${isOuter ? '(result i32)' : ''} ${body})
        (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0)))`),
    ),
    coreInstances(instantiateCore(2, { host: 2 })),
    aliases(aliasCore(3, 'run'), aliasCore(3, 'callback')),
    ...(isOuter
      ? [
          types([0x6a, 0, 0], [0x43, vector([]), 0, 3]),
          canons(lift(run, 4, 6, [7, run + 1])),
          instances(bundle('run', 1, 1)),
          exports(exportAs(entry, 5, 0)),
        ]
      : [canons(lift(run, 0)), exports(exportAs('f', 1, 0))]),
  );
}

type Uses = Partial<Pick<PartShape, 'functions' | 'body'>>;

/** Returns two parts, of which the outer one is a program and calls the inner one. */
function parts(outer: Uses, inner: Uses = {}): Uint8Array {
  return component(
    nested(part('inner', { pages: 3, address: 1000, functions: {}, body: '', ...inner })),
    nested(part('outer', { pages: 2, address: 2000, functions: {}, body: '(i32.const 0)', ...outer })),
    instances([0, 0, vector([])]),
    aliases(aliasExport(0, 'f', 1)),
    instances([0, 1, vector([['f', 1, 0]])]),
    aliases(aliasExport(1, entry, 5)),
    exports(exportAs(entry, 5, 2)),
  );
}

const link = (bytes: Uint8Array) => linkComponent(bytes, { provided: [], elements: new Set(['u8']) }).bytes;

/** The windows [part, address, bytes] of the two parts: the larger memory comes first. */
const windows = { inner: [2, 0, 3 * pageBytes], outer: [3, 3 * pageBytes, 2 * pageBytes] } as const;

interface Seen {
  readonly name: string;
  /** The window that was selected when the host was called. */
  readonly window: readonly number[];
  /** What the host got from realloc for it. */
  readonly pointer?: number;
}

/**
 * Runs a linked component with a host that notes calls, and asks for 8 bytes after each error-context.debug-message.
 */
function calls(bytes: Uint8Array): readonly Seen[] {
  const seen: Seen[] = [];
  let window: readonly number[] = [];
  let asked: Seen | null = null;
  const glue: Readonly<Record<string, (...args: number[]) => unknown>> = {
    select: (...args) => {
      window = args;
    },
    'next-allocation': () => (asked === null ? 0 : 8 * 8 + 1),
    put: (pointer) => {
      seen.push({ ...(asked as Seen), window, pointer: pointer as number });
      asked = null;
    },
  };
  const noted = (name: string) => (): number => {
    if (name === 'error-context.debug-message') asked = { name, window };
    else seen.push({ name, window });
    return 0;
  };
  const module = new WebAssembly.Module(link(bytes) as Uint8Array<ArrayBuffer>);
  const given: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const one of WebAssembly.Module.imports(module)) {
    given[one.module] ??= {};
    (given[one.module] as Record<string, WebAssembly.ImportValue>)[one.name] = glue[one.name] ?? noted(one.name);
  }
  (new WebAssembly.Instance(module, given).exports._start as () => unknown)();
  return seen;
}

describe('an event of a part', () => {
  it.each([
    ['stream.cancel-read', streamCancel, 'stream.cancel-read async u8'],
    ['future.cancel-read', futureCancel, 'future.cancel-read async u8'],
    ['subtask.cancel', subtaskCancel, 'subtask.cancel'],
  ])('is stored in the memory of its calls by %s, which names none', (name, canon, host) => {
    const outer = { functions: { read: read(0), [name]: canon }, body: `(call $${name} (i32.const 1))` };
    expect(calls(parts(outer))).toContainEqual({ name: host, window: windows.outer });
    const inner = { functions: { read: read(0), [name]: canon }, body: `(drop (call $${name} (i32.const 1)))` };
    const { outer: caller, inner: callee } = windows;
    const both = calls(parts({ ...outer, body: `(call $f) ${outer.body}` }, inner));
    expect(both.slice(0, 2)).toEqual([callee, caller].map((window) => ({ name: host, window })));
  });

  it('is stored in the memory of its calls when the callback gets it, whose function names none', () => {
    const seen = calls(parts({ functions: { read: read(0) }, body: '(i32.const 2)' }));
    expect(seen).toContainEqual({ name: 'next-event', window: windows.outer });
  });

  it('has memory of the realloc of that part', () => {
    const functions = { message: message(0) };
    const body = '(call $message (i32.const 1) (i32.const 8))';
    const name = 'error-context.debug-message';
    expect(
      calls(parts({ functions, body: `(call $f) ${body} (i32.const 0)` }, { functions, body })).slice(0, 2),
    ).toEqual([
      { name, window: windows.inner, pointer: 1000 },
      { name, window: windows.outer, pointer: 2000 },
    ]);
  });
});

describe('a component is refused whose asynchronous calls name', () => {
  it.each([
    ['two memories', { a: read(0), b: wait(1) }, 'asynchronous calls of one component with several memories'],
    [
      'two reallocs',
      { a: message(0), b: message(1) },
      'asynchronous calls of one component with several realloc functions',
    ],
  ])('%s', (_what, functions, what) => {
    expect(() => link(parts({ functions }))).toThrow(PlatformError);
    expect(() => link(parts({ functions }))).toThrow(what);
  });

  it('but not if two components name one each', () => {
    const functions = { a: read(1), b: wait(1), c: futureCancel };
    expect(() => link(parts({ functions }, { functions: { a: read(0), b: wait(0) } }))).not.toThrow();
  });
});
