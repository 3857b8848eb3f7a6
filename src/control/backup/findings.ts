/** What the checks of a data folder find. */

/** One fault. `check` is a stable name, for scripts. */
export interface FolderFinding {
  readonly check: Check;
  /** The fault in one sentence. */
  readonly what: string;
  /** What to type or do. */
  readonly advice: string;
  /** Whether `--repair` repairs the fault. */
  readonly isRepairable: boolean;
  /** Whether the fault has been repaired. */
  readonly isRepaired: boolean;
}

/** Names of the checks, for scripts. */
export type Check =
  | 'database'
  | 'schema'
  | 'identity'
  | 'modes'
  | 'key'
  | 'artifacts'
  | 'repositories'
  | 'audit'
  | 'leftovers'
  | 'disk';

/** One fault as a check finds it. */
export interface Complaint {
  readonly check: Check;
  readonly what: string;
  readonly advice: string;
  /** Repairs the fault; absent when no repair is safe. */
  readonly mend?: () => Promise<unknown>;
}

/** Returns a handler of errors that answers `value` for a file that is not there, and throws all others. */
export function ifMissing<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
