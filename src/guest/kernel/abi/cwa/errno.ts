/** Translates errors into those of CommonWA (specification 0.1, "Errors"). */
import { Errno } from '../../errno.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';
import type { MaybePromise } from '../../resource.ts';
import type { Syscall, SyscallParam } from '../../syscall.ts';

export const CwaError = { unknown: -1, invalid: -2, denied: -3, notFound: -4, end: -5 } as const;

const fromErrno = new Map<number, number>([
  [Errno.invalid, CwaError.invalid],
  [Errno.denied, CwaError.denied],
  [Errno.notFound, CwaError.notFound],
  [Errno.end, CwaError.end],
  [Errno.badDescriptor, CwaError.invalid],
  [Errno.unknownScheme, CwaError.notFound],
  // What is above a limit of the platform is refused by it, hence `denied`.
  [Errno.tooManyOpen, CwaError.denied],
  [Errno.overQuota, CwaError.denied],
  [Errno.exists, CwaError.invalid],
  [Errno.notDirectory, CwaError.notFound],
  [Errno.isDirectory, CwaError.invalid],
  [Errno.loop, CwaError.notFound],
  [Errno.nameTooLong, CwaError.invalid],
  [Errno.readOnly, CwaError.denied],
  [Errno.tooBig, CwaError.invalid],
  [Errno.overflow, CwaError.invalid],
  [Errno.illegalSequence, CwaError.invalid],
]);

/**
 * Returns `result` if it is a count, else the error number of CommonWA for that Errno. An Errno without a number of its
 * own gives -1, never a success.
 */
export function toCwa(result: number): number {
  return result >= 0 ? result : (fromErrno.get(result) ?? CwaError.unknown);
}

type Run = (guest: Process, ...args: number[]) => MaybePromise<number>;

/**
 * Makes a row whose result is a count or an error. A pointer outside the memory gives -2, invalid argument, and does
 * not trap.
 */
export function cwaRow(row: {
  readonly name: string;
  readonly params: readonly SyscallParam[];
  readonly waits: boolean;
  readonly run: Run;
}): Syscall {
  const { run } = row;
  return {
    name: row.name,
    params: row.params,
    result: 'i32',
    waits: row.waits,
    run: (guest: Process, ...args: number[]) => {
      try {
        const result = run(guest, ...args);
        return result instanceof Promise ? result.then(toCwa, faultToInvalid) : toCwa(result);
      } catch (error) {
        return faultToInvalid(error);
      }
    },
  };
}

/** Returns the parameter list `(name: i32, …)`. */
export function i32s(...names: readonly string[]): readonly SyscallParam[] {
  return names.map((name) => ({ name, type: 'i32' }));
}

function faultToInvalid(error: unknown): number {
  if (error instanceof GuestFault) return CwaError.invalid;
  throw error;
}
