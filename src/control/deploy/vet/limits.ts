/** Bounds on vet children. */
import { MIB, pushLimits } from '../../../protocol/limits.ts';

export interface VetLimits {
  /** Vet children at once; each may use a core and a gigabyte. */
  readonly children: number;
  /** Pushes that wait for a vet child: at 20 s each, more would wait for minutes. */
  readonly waiting: number;
  /** Resident memory of one child, in bytes; `forModule` raises it for a large module. */
  readonly rssBytes: number;
  /** Wall clock of one check, in milliseconds; `forModule` raises it for a large module. */
  readonly timeoutMs: number;
  /**
   * Milliseconds between two checks of a child's memory: a module that takes 2 GiB in a second adds 50 MB between them.
   */
  readonly watchMs: number;
}

export const vetLimits: VetLimits = {
  children: 2,
  waiting: 32,
  rssBytes: pushLimits.vetRssBytes,
  timeoutMs: pushLimits.vetTimeoutMs,
  watchMs: 20,
};

/**
 * Returns the limits for a module of `moduleBytes`. Above pushLimits.largeModuleBytes it may take more memory and time,
 * up to 2 GiB and 52 s at pushLimits.moduleBytes. Checking takes about 10 bytes of memory per byte of a module.
 */
export function forModule(limits: VetLimits, moduleBytes: number): VetLimits {
  const beyond = Math.max(0, moduleBytes - pushLimits.largeModuleBytes);
  return {
    ...limits,
    rssBytes: limits.rssBytes + beyond * pushLimits.vetRssBytesPerByte,
    timeoutMs: limits.timeoutMs + (beyond / MIB) * pushLimits.vetTimeoutMsPerMib,
  };
}
