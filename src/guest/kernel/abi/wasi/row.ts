/** Makes the rows of WASI functions. */
import type { ValType } from '../../../../protocol/module.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import type { Syscall, SyscallParam } from '../../syscall.ts';
import { Wasi } from './errno.ts';

/** Makes a row. Each of `params` is `name`, for an i32, or `name:i64`. */
export function wasiRow(
  name: string,
  params: readonly string[],
  waits: boolean,
  run: (guest: Process, ...args: never[]) => MaybePromise<number>,
): Syscall {
  // `params` has the names of exactly the arguments that `run` takes, all of them numbers.
  const call = run as unknown as (guest: Process, ...args: unknown[]) => MaybePromise<number>;
  return { name, params: params.map(toParam), result: 'i32', waits, run: guarded(call, params.length) };
}

function toParam(text: string): SyscallParam {
  const [name, type] = text.split(':') as [string, ValType | undefined]; // rows write `name` or `name:type`
  return { name, type: type ?? 'i32' };
}

type Run = (guest: Process, ...args: unknown[]) => MaybePromise<number>;

/** Returns `run` with errno 21, fault, as the result for a pointer outside the memory, which would otherwise trap. */
function guarded(run: Run, arity: number): Run {
  const settle = (result: MaybePromise<number>): MaybePromise<number> =>
    result instanceof Promise ? result.catch(toFault) : result;
  // Each arity has a function of its own: a rest parameter costs an array in every call.
  if (arity <= 2) {
    return (guest, a, b) => {
      try {
        return settle(run(guest, a, b));
      } catch (error) {
        return toFault(error);
      }
    };
  }
  if (arity <= 4) {
    return (guest, a, b, c, d) => {
      try {
        return settle(run(guest, a, b, c, d));
      } catch (error) {
        return toFault(error);
      }
    };
  }
  return (guest, ...args) => {
    try {
      return settle(run(guest, ...args));
    } catch (error) {
      return toFault(error);
    }
  };
}

function toFault(error: unknown): number {
  if (error instanceof GuestFault) return Wasi.fault;
  throw error;
}

/**
 * Calls `next` with `result`, after waiting for it if it is a promise. Returns canceled if the Process has ended
 * meanwhile: its memory may belong to another Process by then.
 */
export function andThen<T>(
  guest: Process,
  result: MaybePromise<T>,
  next: (value: T) => MaybePromise<number>,
): MaybePromise<number> {
  if (!(result instanceof Promise)) return next(result);
  return result.then((value) => (guest.end === null ? next(value) : Wasi.canceled));
}
