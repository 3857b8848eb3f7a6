/**
 * System calls are data rows: an ABI is a table of them. Signature checks, binding, accounting and
 * tracing work on the rows and are written once, here.
 */
import type { FuncType, FunctionImport, ValType } from '../../protocol/module.ts';
import type { AbiName } from '../../protocol/nouns.ts';
import { callWork, type Process, ProcessEnded } from './process.ts';

export type SyscallValue = number | bigint | undefined;
export type SyscallResult = SyscallValue | Promise<SyscallValue>;

export interface SyscallParam {
  readonly name: string;
  readonly type: ValType;
}

export interface Syscall {
  readonly name: string;
  readonly params: readonly SyscallParam[];
  readonly result: ValType | null;
  /**
   * True where it may suspend the guest: such an import costs about 95 ns instead of 5 to 16 ns
   * even when it answers at once, so calls that never wait say false.
   */
  readonly waits: boolean;
  /** Dagger and Land: a guest may declare i64 for any i32 here. Values arrive as i32 numbers. */
  readonly looseInts?: boolean;
  /** Arguments in order: i32 as a signed number, i64 as bigint. */
  readonly run: (process: Process, ...args: never[]) => SyscallResult;
}

export interface Abi {
  readonly name: AbiName;
  /** Import module names that provide the rows. */
  readonly modules: readonly string[];
  readonly syscalls: readonly Syscall[];
  /** Called when the guest has returned or exited, before its Process counts as ended well (Land's output). */
  readonly after?: (process: Process) => Promise<void> | void;
}

/** Called around every system call when tracing (wasmcloud run --trace). */
export interface Tracer {
  call(process: Process, syscall: Syscall, args: readonly SyscallValue[]): void;
  done(process: Process, syscall: Syscall, args: readonly SyscallValue[], result: SyscallValue | Error): void;
}

/** Where a bound import finds the Process that is running now: the instance's slot. */
export interface ProcessRef {
  process: Process;
}

/** Whether a guest that declares `type` can be bound to `syscall`. */
export function accepts(syscall: Syscall, type: FuncType): boolean {
  const results = syscall.result === null ? [] : [syscall.result];
  if (type.params.length !== syscall.params.length || type.results.length !== results.length) return false;
  const same = (wanted: ValType, found: ValType | undefined): boolean =>
    wanted === found || (syscall.looseInts === true && wanted === 'i32' && found === 'i64');
  return (
    syscall.params.every((param, i) => same(param.type, type.params[i])) &&
    results.every((r, i) => same(r, type.results[i]))
  );
}

type HostFunction = (...args: SyscallValue[]) => SyscallResult;
type Run = (process: Process, ...args: SyscallValue[]) => SyscallResult;

/**
 * The JavaScript function for one import. `index` is the import's position in the InstancePlan, the
 * key of the Process's counters. Errors are not caught here: a GuestFault or ProcessEnded unwinds
 * the guest (which cannot catch: exception handling is refused at push) to GuestInstance.run.
 */
export function bindSyscall(
  ref: ProcessRef,
  syscall: Syscall,
  declared: FunctionImport,
  index: number,
  tracer: Tracer | null,
): HostFunction | WebAssembly.Suspending {
  // The rows' parameter types are checked against the import by accepts(); the engine hands over just those.
  const run = syscall.run as unknown as Run;
  const arity = syscall.params.length;
  let call: HostFunction;
  if (tracer !== null) call = (...args) => traced(tracer, enter(ref, index), syscall, args, run, index);
  // Written out by arity: a rest parameter costs an array in every call.
  else if (arity === 0) {
    call = () => {
      const process = enter(ref, index);
      return finish(process, index, run(process));
    };
  } else if (arity === 1) {
    call = (a) => {
      const process = enter(ref, index);
      return finish(process, index, run(process, a));
    };
  } else if (arity === 2) {
    call = (a, b) => {
      const process = enter(ref, index);
      return finish(process, index, run(process, a, b));
    };
  } else if (arity === 3) {
    call = (a, b, c) => {
      const process = enter(ref, index);
      return finish(process, index, run(process, a, b, c));
    };
  } else if (arity === 4) {
    call = (a, b, c, d) => {
      const process = enter(ref, index);
      return finish(process, index, run(process, a, b, c, d));
    };
  } else {
    call = (...args) => {
      const process = enter(ref, index);
      return finish(process, index, run(process, ...args));
    };
  }
  const adapted = syscall.looseInts === true ? loosen(call, declared) : call;
  return syscall.waits ? new WebAssembly.Suspending(adapted as (...args: never[]) => unknown) : adapted;
}

function enter(ref: ProcessRef, index: number): Process {
  const process = ref.process;
  if (process.end !== null) throw new ProcessEnded(process.end.kind);
  process.work(callWork);
  if (process.counts !== null) process.counts[index] = (process.counts[index] as number) + 1;
  return process;
}

function finish(process: Process, index: number, result: SyscallResult): SyscallResult {
  return result instanceof Promise ? suspend(process, index, result) : result;
}

async function suspend(process: Process, index: number, promise: Promise<SyscallValue>): Promise<SyscallValue> {
  const before = performance.now();
  try {
    return await process.wait(promise);
  } finally {
    if (process.waitsMs !== null) {
      process.waitsMs[index] = (process.waitsMs[index] as number) + (performance.now() - before);
    }
  }
}

function traced(
  tracer: Tracer,
  process: Process,
  syscall: Syscall,
  args: readonly SyscallValue[],
  run: Run,
  index: number,
): SyscallResult {
  tracer.call(process, syscall, args);
  const fail = (error: unknown): never => {
    tracer.done(process, syscall, args, error instanceof Error ? error : new Error(String(error)));
    throw error;
  };
  try {
    const result = run(process, ...args);
    if (!(result instanceof Promise)) {
      tracer.done(process, syscall, args, result);
      return result;
    }
    return suspend(process, index, result).then((value) => {
      tracer.done(process, syscall, args, value);
      return value;
    }, fail);
  } catch (error) {
    return fail(error);
  }
}

/** Takes i64 arguments as i32 numbers and returns an i64 where the guest declared one. */
function loosen(call: HostFunction, declared: FunctionImport): HostFunction {
  if (!declared.params.includes('i64') && !declared.results.includes('i64')) return call;
  const wide = declared.results[0] === 'i64';
  const widen = (value: SyscallValue): SyscallValue => (wide ? BigInt(value ?? 0) : value);
  return (...args) => {
    const result = call(...args.map((arg) => (typeof arg === 'bigint' ? Number(BigInt.asIntN(32, arg)) : arg)));
    return result instanceof Promise ? result.then(widen) : widen(result);
  };
}
