/** Helpers for the tests of src/guest/wasm: text to bytes, and running a module plain and rewritten side by side. */
import wabt from 'wabt';
import { type RewriteOptions, type Rewritten, rewriteModule } from '../../src/guest/wasm/rewrite.ts';
import { PAGE_BYTES } from '../../src/protocol/limits.ts';
import './held-thread.ts';

const wabtModule = await wabt();

/** All accepted features, so that wabt parses them. */
const wabtFeatures = {
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  multi_value: true,
  bulk_memory: true,
  reference_types: true,
  tail_call: true,
  extended_const: true,
  exceptions: true,
  annotations: true,
};

/** Assembles text; `features` adds to the accepted ones, for modules that must be refused. */
export function wat(text: string, features: Record<string, boolean> = {}): Uint8Array<ArrayBuffer> {
  const module = wabtModule.parseWat('test.wat', text, { ...wabtFeatures, ...features });
  try {
    module.resolveNames();
    return new Uint8Array(module.toBinary({ write_debug_names: true }).buffer);
  } finally {
    module.destroy();
  }
}

export type Exports = Record<string, WebAssembly.ExportValue>;

export interface Metered {
  readonly rewritten: Rewritten;
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory | null;
  /** Returns the bytes of the memory up to `memory.size`. */
  readonly visible: () => Buffer | null;
  /** Number of times that the guest asked for gas. */
  readonly asked: () => number;
  readonly gasLeft: { value: number };
  /** Gas used so far. */
  readonly used: () => number;
}

export interface MeterOptions extends RewriteOptions {
  readonly imports?: Record<string, Record<string, WebAssembly.ImportValue>>;
  /** Gas in all; above it the host refuses. */
  readonly limit?: number;
  /** Gas granted at a time. */
  readonly slice?: number;
  readonly memoryPagesMax?: number;
  /** Pages of reserve, as far as the memory's maximum allows. */
  readonly reserve?: number;
}

/** Rewrites, instantiates with `slice` gas at a time up to `limit`, and calls the former start function. */
export function meter(bytes: Uint8Array, options: MeterOptions = {}): Metered {
  const rewritten = rewriteModule(bytes, options);
  const limit = options.limit ?? Number.MAX_SAFE_INTEGER;
  const slice = Math.min(options.slice ?? 2 ** 30, limit);
  const plan = rewritten.plan;
  const maximum = Math.min(plan.memory?.maximumPages ?? 65_536, options.memoryPagesMax ?? 65_536);
  const reserve = Math.min(options.reserve ?? 0, maximum - (plan.memory?.initialPages ?? 0));
  const memory =
    plan.memory === null ? null : new WebAssembly.Memory({ initial: plan.memory.initialPages + reserve, maximum });
  let granted = slice;
  let asked = 0;
  const gas = (left: number): number => {
    asked++;
    // A block may cost more than a slice: grants until the counter is no longer negative.
    while (left < 0 && granted < limit) {
      const grant = Math.min(slice, limit - granted);
      granted += grant;
      left += grant;
    }
    return left;
  };
  const trisiel: Record<string, WebAssembly.ImportValue> = { gas };
  if (memory !== null) trisiel.memory = memory;
  const compiled = new WebAssembly.Module(rewritten.bytes as Uint8Array<ArrayBuffer>);
  const exports = new WebAssembly.Instance(compiled, { ...options.imports, trisiel }).exports as Exports;
  const gasLeft = exports[plan.gasGlobal] as WebAssembly.Global<'i32'>;
  gasLeft.value = slice;
  const left = plan.memory === null ? null : (exports[plan.memory.reserve?.global ?? ''] as WebAssembly.Global<'i32'>);
  if (left !== null) left.value = reserve;
  const visible = () =>
    memory === null || left === null
      ? null
      : Buffer.from(memory.buffer, 0, memory.buffer.byteLength - left.value * PAGE_BYTES);
  if (plan.start !== null) call(exports, plan.start);
  return { rewritten, exports, memory, visible, asked: () => asked, gasLeft, used: () => granted - gasLeft.value };
}

/** Instantiates the plain module, which makes its own memory. */
export function plain(bytes: Uint8Array, imports: MeterOptions['imports'] = {}): Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), imports).exports as Exports;
}

export function call(exports: Exports, name: string, ...args: unknown[]): unknown {
  const found = exports[name];
  if (typeof found !== 'function') throw new Error(`no function ${name}`);
  return (found as (...args: unknown[]) => unknown)(...args);
}

/** Returns a comparable value: the result, the kind of trap, or that an exception was not caught. */
export function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof WebAssembly.Exception) return { exception: true };
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) return { trap: error.message };
    throw error;
  }
}

/** Returns the gas of one exported call. */
export function gasOf(text: string, name = 'run', ...args: unknown[]): number {
  const metered = meter(wat(text));
  call(metered.exports, name, ...args);
  return metered.used();
}
