/**
 * Binds system calls. An ABI is a table of rows, one per system call; checks of signatures, binding, accounting and
 * tracing work on rows and are written once, here.
 */
import type { FuncType, FunctionImport, ValType } from '../../protocol/module.ts';
import type { AbiName } from '../../protocol/nouns.ts';
import type { FunctionType as WitFunction } from '../component/wit.ts';
import type { Process } from './process.ts';
import { endOf, ProcessEnded } from './process-end.ts';

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
   * Whether the call may suspend the guest. Such an import costs about 95 ns, not 5 to 16 ns, even if it answers at
   * once, so this is false for calls that never wait.
   */
  readonly waits: boolean;
  /** Whether a guest may declare i64 for any i32 of the row (Dagger, Land). `run` gets i32 numbers in any case. */
  readonly looseInts?: boolean;
  /** Interface type of a host function for components, from which `params` and `result` follow. */
  readonly wit?: WitFunction;
  /** Makes the call. Arguments come in order, i32 as a signed number, i64 as a bigint. */
  readonly run: (guest: Process, ...args: never[]) => SyscallResult;
}

export interface Abi {
  readonly name: AbiName;
  /** Names of the import modules that contain the rows. */
  readonly modules: readonly string[];
  readonly syscalls: readonly Syscall[];
  /**
   * Makes the row of a function that is not in `syscalls`: its name tells its type. Undefined: there is no such
   * function.
   */
  readonly make?: (name: string) => Syscall | undefined;
  /** Whether only the linker's code imports the rows, under names that it makes. The pages of ABIs do not list them. */
  readonly isOfLinker?: boolean;
  /**
   * Called when the guest has returned or exited, before its Process counts as ended without error (the output of
   * Land).
   */
  readonly after?: (guest: Process) => Promise<void> | void;
}

/** Receives every system call, before and after it (wasmcloud run --trace). */
export interface Tracer {
  /** Receives the arguments of a call, in the order of the row's parameters. */
  call(guest: Process, syscall: Syscall, args: readonly SyscallValue[]): void;
  /** Receives the result of the same call, or the error that ended it: a GuestFault, or a ProcessEnded. */
  done(guest: Process, syscall: Syscall, args: readonly SyscallValue[], result: SyscallValue | Error): void;
}

/** Holds the Process that the bound imports serve at present. */
export interface ProcessRef {
  guest: Process;
}

/** Returns whether an import of `type` can be bound to `syscall`. */
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

/** Rows by import module and name: one index for each list of ABIs. */
const indexes = new WeakMap<readonly Abi[], ReadonlyMap<string, readonly Syscall[]>>();

/**
 * Returns the row of `abis` to which `declared` is bound, by module, name and type; undefined if there is none. Takes
 * the same time for any number of rows, so that binding a module is linear in its imports.
 */
export function findSyscall(abis: readonly Abi[], declared: FunctionImport): Syscall | undefined {
  let index = indexes.get(abis);
  if (index === undefined) {
    index = indexRows(abis);
    indexes.set(abis, index);
  }
  const rows = index.get(`${declared.module}\0${declared.name}`) ?? madeFor(abis, declared);
  return rows.find((row) => accepts(row, declared));
}

/** Rows that were made for an import, of which a plan has one for all instances. */
const made = new WeakMap<FunctionImport, readonly Syscall[]>();

function madeFor(abis: readonly Abi[], declared: FunctionImport): readonly Syscall[] {
  let rows = made.get(declared);
  if (rows === undefined) {
    const makers = abis.filter(({ modules }) => modules.includes(declared.module));
    rows = makers.flatMap(({ make }) => make?.(declared.name) ?? []);
    made.set(declared, rows);
  }
  return rows;
}

function indexRows(abis: readonly Abi[]): ReadonlyMap<string, readonly Syscall[]> {
  const index = new Map<string, Syscall[]>();
  for (const abi of abis)
    for (const module of abi.modules)
      for (const row of abi.syscalls) {
        const rows = index.get(`${module}\0${row.name}`);
        if (rows === undefined) index.set(`${module}\0${row.name}`, [row]);
        else rows.push(row);
      }
  return index;
}

/** Host work of every system call, in bytes moved: about a microsecond. */
const callWork = 1024;

type HostFunction = (...args: SyscallValue[]) => SyscallResult;
type Run = (guest: Process, ...args: SyscallValue[]) => SyscallResult;

/**
 * Returns the JavaScript function for one import. `index` is the position of the import in the InstancePlan, under
 * which the Process counts its calls. An error (GuestFault, ProcessEnded) unwinds the guest to GuestInstance.run. It
 * ends the Process first, so that a guest that catches it is stopped at once.
 */
export function bindSyscall(
  ref: ProcessRef,
  syscall: Syscall,
  declared: FunctionImport,
  index: number,
  tracer: Tracer | null,
): HostFunction | WebAssembly.Suspending {
  // accepts() has compared the parameter types with those of the import, and the engine passes these types.
  const run = syscall.run as unknown as Run;
  const arity = syscall.params.length;
  let call: HostFunction;
  if (tracer !== null) call = (...args) => traced(tracer, enter(ref, index), syscall, args, run, index);
  // Each arity has a function of its own: a rest parameter costs an array in every call.
  else if (arity === 0) {
    call = () => {
      const guest = enter(ref, index);
      try {
        return finish(guest, index, run(guest));
      } catch (error) {
        throw ended(guest, error);
      }
    };
  } else if (arity === 1) {
    call = (a) => {
      const guest = enter(ref, index);
      try {
        return finish(guest, index, run(guest, a));
      } catch (error) {
        throw ended(guest, error);
      }
    };
  } else if (arity === 2) {
    call = (a, b) => {
      const guest = enter(ref, index);
      try {
        return finish(guest, index, run(guest, a, b));
      } catch (error) {
        throw ended(guest, error);
      }
    };
  } else if (arity === 3) {
    call = (a, b, c) => {
      const guest = enter(ref, index);
      try {
        return finish(guest, index, run(guest, a, b, c));
      } catch (error) {
        throw ended(guest, error);
      }
    };
  } else if (arity === 4) {
    call = (a, b, c, d) => {
      const guest = enter(ref, index);
      try {
        return finish(guest, index, run(guest, a, b, c, d));
      } catch (error) {
        throw ended(guest, error);
      }
    };
  } else {
    call = (...args) => {
      const guest = enter(ref, index);
      try {
        return finish(guest, index, run(guest, ...args));
      } catch (error) {
        throw ended(guest, error);
      }
    };
  }
  const adapted = syscall.looseInts === true ? loosen(call, declared) : call;
  return syscall.waits ? new WebAssembly.Suspending(adapted as (...args: never[]) => unknown) : adapted;
}

function enter(ref: ProcessRef, index: number): Process {
  const { guest } = ref;
  if (guest.end !== null) throw new ProcessEnded(guest.end.kind);
  guest.work(callWork);
  if (guest.counts !== null) guest.counts[index] = (guest.counts[index] as number) + 1;
  return guest;
}

/** Ends the Process whose host call failed with `error`. Returns `error`. */
function ended(guest: Process, error: unknown): unknown {
  guest.kill(endOf(error));
  return error;
}

function finish(guest: Process, index: number, result: SyscallResult): SyscallResult {
  return result instanceof Promise ? suspend(guest, index, result) : result;
}

async function suspend(guest: Process, index: number, promise: Promise<SyscallValue>): Promise<SyscallValue> {
  const before = performance.now();
  guest.options.suspending?.();
  try {
    return await guest.wait(promise);
  } catch (error) {
    throw ended(guest, error);
  } finally {
    if (guest.waitsMs !== null) {
      guest.waitsMs[index] = (guest.waitsMs[index] as number) + (performance.now() - before);
    }
  }
}

function traced(
  tracer: Tracer,
  guest: Process,
  syscall: Syscall,
  args: readonly SyscallValue[],
  run: Run,
  index: number,
): SyscallResult {
  tracer.call(guest, syscall, args);
  const fail = (error: unknown): never => {
    tracer.done(guest, syscall, args, error instanceof Error ? error : new Error(String(error)));
    throw ended(guest, error);
  };
  try {
    const result = run(guest, ...args);
    if (!(result instanceof Promise)) {
      tracer.done(guest, syscall, args, result);
      return result;
    }
    return suspend(guest, index, result).then((value) => {
      tracer.done(guest, syscall, args, value);
      return value;
    }, fail);
  } catch (error) {
    return fail(error);
  }
}

/** Returns `call` with i64 arguments converted to i32 numbers, and with an i64 result if the guest declares one. */
function loosen(call: HostFunction, declared: FunctionImport): HostFunction {
  if (!declared.params.includes('i64') && !declared.results.includes('i64')) return call;
  const wide = declared.results[0] === 'i64';
  const widen = (value: SyscallValue): SyscallValue => (wide ? BigInt(value ?? 0) : value);
  return (...args) => {
    const result = call(...args.map((arg) => (typeof arg === 'bigint' ? Number(BigInt.asIntN(32, arg)) : arg)));
    return result instanceof Promise ? result.then(widen) : widen(result);
  };
}
