/** Runs a script of the specification's tests in a given world, which makes the instances. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { readModule } from '../../../src/guest/wasm/format/read-module.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';
import type { FuncType } from '../../../src/protocol/module.ts';
import { type Exports, type Metered, type MeterOptions, meter, wat } from '../wasm.ts';
import { withOwnTags } from './own-tags.ts';
import { typedCall } from './typed-call.ts';
import { type Bits, bitsOf, matches, type ScriptValue } from './values.ts';

interface Action {
  readonly type: 'invoke' | 'get';
  readonly module?: string;
  readonly field: string;
  readonly args?: readonly ScriptValue[];
}

/** A command in the form of wast2json. */
export interface Command {
  readonly type: string;
  readonly line: number;
  readonly name?: string;
  readonly as?: string;
  readonly filename?: string;
  readonly module_type?: 'binary' | 'text';
  readonly action?: Action;
  readonly expected?: readonly ScriptValue[];
  readonly text?: string;
}

export interface Script {
  readonly commands: readonly Command[];
  /** The binaries by file name, in base64. */
  readonly modules: Readonly<Record<string, string>>;
}

/** All scripts, by `suite/script`. */
export const scripts = JSON.parse(
  gunzipSync(readFileSync(new URL('../../../fixtures/spec/suites.json.gz', import.meta.url))).toString(),
) as Readonly<Record<string, Script>>;

/**
 * Result of a command: as the script expects, different, or not tried. `seen` can be compared between two runs;
 * `reason` is one of a small set of reasons for not trying.
 */
export type Outcome =
  | { readonly kind: 'passed'; readonly seen: string }
  | { readonly kind: 'failed'; readonly seen: string }
  | { readonly kind: 'skipped'; readonly reason: string };

export type Imports = Record<string, Record<string, WebAssembly.ImportValue>>;

/** A way of making instances. */
export interface World {
  /** Throws what the engine throws, or a PlatformError. */
  readonly instantiate: (bytes: Uint8Array<ArrayBuffer>, imports: Imports) => Exports;
  /** Gas used by all instances. */
  readonly used: () => number;
}

/** Makes instances of the unchanged modules. */
export function plainWorld(): World {
  return {
    instantiate: (bytes, imports) =>
      new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as Exports,
    used: () => 0,
  };
}

/** Makes instances of the rewritten modules. */
export function rewrittenWorld(options: Pick<MeterOptions, 'slice' | 'reserve'>): World {
  const made: Metered[] = [];
  return {
    instantiate: (bytes, imports) => {
      const metered = meter(bytes, { ...options, imports });
      made.push(metered);
      return metered.exports;
    },
    used: () => made.reduce((sum, { used }) => sum + used(), 0),
  };
}

/** The host module that scripts may import from, as the specification's own interpreter has it. */
const spectest = new WebAssembly.Module(
  wat(`(module
    (func (export "print")) (func (export "print_i32") (param i32)) (func (export "print_i64") (param i64))
    (func (export "print_f32") (param f32)) (func (export "print_f64") (param f64))
    (func (export "print_i32_f32") (param i32 f32)) (func (export "print_f64_f64") (param f64 f64))
    (global (export "global_i32") i32 (i32.const 666)) (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6)) (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref) (memory (export "memory") 1 2))`),
);

interface Known {
  readonly exports: Exports;
  /** Signatures of the exported functions. */
  readonly types: ReadonlyMap<string, FuncType>;
}

/** Runs all commands of `script`. `used[i]` is the gas of the world after command i. */
export function runScript(script: Script, world: World): { readonly outcomes: Outcome[]; readonly used: number[] } {
  const registered: Imports = {
    spectest: new WebAssembly.Instance(spectest).exports as Record<string, WebAssembly.ImportValue>,
  };
  const named = new Map<string, Known | string>();
  /** The last module, or the reason why there is none. */
  let current: Known | string = 'no module';

  const bytesOf = (file: string | undefined) => {
    const text = script.modules[file ?? ''];
    return text === undefined ? null : Uint8Array.from(Buffer.from(text, 'base64'));
  };

  const instantiate = (bytes: Uint8Array<ArrayBuffer>): Known => {
    const { exports: list, functionTypes, types } = readModule(bytes, 'the module');
    return {
      exports: world.instantiate(bytes, registered),
      types: new Map(
        list
          .filter(({ kind }) => kind === 'function')
          .map(({ name, index }) => [name, types[functionTypes[index] ?? 0] ?? { params: [], results: [] }]),
      ),
    };
  };

  const perform = ({ type, module, field, args = [] }: Action): Bits[] => {
    const known = module === undefined ? current : (named.get(module) ?? 'no module');
    if (typeof known === 'string') throw new NotTried(known);
    const found = known.exports[field];
    if (type === 'get') return [bitsOfGlobal(found)];
    const signature = known.types.get(field);
    // Types of refused features are not parsed to their end.
    if (signature === undefined) throw new NotTried('uses a refused feature');
    if (found === undefined) throw new Error(`no function ${field}`);
    return typedCall(found, signature, args.map(bitsOf));
  };

  const run = (command: Command): Outcome => {
    const { type, action, expected = [], text = '' } = command;
    if (type === 'module') {
      const bytes = bytesOf(command.filename);
      const made =
        bytes === null ? 'text format' : tried(() => instantiate(sharesTags(bytes) ? withOwnTags(bytes) : bytes));
      const failed = made instanceof Error;
      current = failed ? 'its module is refused' : made;
      if (command.name !== undefined) named.set(command.name, current);
      if (typeof made === 'string') return { kind: 'skipped', reason: made };
      return failed ? { kind: 'failed', seen: describeError(made) } : passed;
    }
    if (type === 'register') {
      const known = command.name === undefined ? current : (named.get(command.name) ?? 'no module');
      if (typeof known === 'string') return { kind: 'skipped', reason: known };
      registered[command.as ?? ''] = known.exports as Record<string, WebAssembly.ImportValue>;
      return passed;
    }
    if (action !== undefined) {
      const got = tried(() => perform(action));
      if (got instanceof NotTried) return { kind: 'skipped', reason: got.message };
      if (got instanceof Error) {
        const isWanted =
          (type === 'assert_trap' && got instanceof WebAssembly.RuntimeError && isTrap(text, got)) ||
          (type === 'assert_exhaustion' && got instanceof RangeError) ||
          (type === 'assert_exception' && got instanceof NotCaught);
        return { kind: isWanted ? 'passed' : 'failed', seen: describeError(got) };
      }
      if (type === 'action') return passed;
      const isWanted =
        type === 'assert_return' &&
        got.length === expected.length &&
        got.every((bits, index) => {
          const pattern = expected[index];
          return pattern !== undefined && matches(pattern, bits);
        });
      return { kind: isWanted ? 'passed' : 'failed', seen: isWanted ? '' : shown(got) };
    }
    const bytes = bytesOf(command.filename);
    if (bytes === null) return { kind: 'skipped', reason: 'text format' };
    const made = tried(() => instantiate(bytes));
    if (!(made instanceof Error)) return { kind: 'failed', seen: 'accepted' };
    const isRefused = made instanceof WebAssembly.CompileError || made instanceof PlatformError;
    if (type === 'assert_invalid' || type === 'assert_malformed')
      return { kind: isRefused ? 'passed' : 'failed', seen: isRefused ? '' : describeError(made) };
    const isWanted =
      type === 'assert_unlinkable'
        ? made instanceof WebAssembly.LinkError || made instanceof TypeError
        : made instanceof WebAssembly.RuntimeError && isTrap(text, made);
    return { kind: isWanted ? 'passed' : 'failed', seen: describeError(made) };
  };

  const used: number[] = [];
  const outcomes = script.commands.map((command) => {
    const outcome = run(command);
    used.push(world.used());
    return outcome;
  });
  return { outcomes, used };
}

const passed: Outcome = { kind: 'passed', seen: '' };

/** Thrown where a command cannot be tried; the message is the reason. */
class NotTried extends Error {}

/** Represents an exception of a guest, which is no JavaScript error. */
class NotCaught extends Error {}

function tried<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    if (error instanceof WebAssembly.Exception) return new NotCaught('an exception is not caught');
    if (error instanceof Error) return error;
    throw error;
  }
}

/**
 * Returns the part of an error that is the same for the original and the rewritten module, without the place in the
 * module.
 */
function describeError(error: Error): string {
  if (error instanceof PlatformError) return `refused: ${error.message}`;
  if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) return messageOf(error);
  return error.constructor.name;
}

function shown(values: readonly Bits[]): string {
  return values.map((bits) => (typeof bits === 'bigint' ? `0x${bits.toString(16)}` : String(bits.reference))).join(' ');
}

function sharesTags(bytes: Uint8Array): boolean {
  return readModule(bytes, 'the module').refused.some(({ feature }) => feature === 'exception tags that are shared');
}

function bitsOfGlobal(found: WebAssembly.ExportValue | undefined): Bits {
  if (!(found instanceof WebAssembly.Global)) throw new Error('no global');
  const value: unknown = found.value;
  if (typeof value === 'bigint') return BigInt.asUintN(64, value);
  if (typeof value !== 'number') return { reference: value };
  if (Number.isInteger(value)) return BigInt.asUintN(32, BigInt(value));
  return new BigUint64Array(new Float64Array([value]).buffer)[0] ?? 0n;
}

/** Phrases of the specification for traps, with V8's. */
const traps: readonly (readonly [string, RegExp])[] = [
  ['unreachable', /^unreachable$/],
  ['out of bounds memory access', /^memory access out of bounds$|^data segment \d+ is out of bounds/],
  ['out of bounds table access', /^table (index|access|element).*out of bounds$|^element segment out of bounds$/],
  ['undefined', /^table index is out of bounds$/],
  ['uninitialized element', /signature mismatch$|^dereferencing a null pointer$/],
  ['indirect call type mismatch', /signature mismatch$/],
  ['integer divide by zero', /^(divide|remainder) by zero$/],
  ['integer overflow', /^(divide result|float) unrepresentable/],
  ['invalid conversion to integer', /^float unrepresentable/],
  ['null exception reference', /null/],
];

function isTrap(text: string, error: Error): boolean {
  return traps.some(([words, pattern]) => text.startsWith(words) && pattern.test(messageOf(error)));
}

/** Returns the message without the name of the JavaScript function that was called. */
function messageOf(error: Error): string {
  return error.message.replace(/^WebAssembly\.Instance\(\): /, '');
}
