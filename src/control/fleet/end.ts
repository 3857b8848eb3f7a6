/** How a runner ended, in words, and whether something in it was to blame. */
import { fleetLimits } from './limits.ts';
import type { RunnerEnd } from './runner-process.ts';

export function describeEnd(end: RunnerEnd): string {
  if (end.message !== null) return end.message;
  if (end.isHung) return `its event loop stood still for ${fleetLimits.stallMs} ms`;
  return end.signal === null ? `exit status ${end.status ?? 'unknown'}` : `signal ${end.signal}`;
}

/** Signals that come from outside: an operator, the service manager, the terminal. */
const fromOutside: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

/**
 * Returns whether the runner itself went wrong. SIGKILL counts only from our watchdog: who else sends it (the kernel
 * short of memory, an operator) does not tell why.
 */
export function isOwnFault(end: RunnerEnd): boolean {
  if (end.isHung) return true;
  return end.signal === null ? end.status !== 0 : !fromOutside.has(end.signal);
}

const processorFaults: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE']);

/** Returns whether the code that ran last did something that the processor refuses. */
export function isProcessorFault(end: RunnerEnd): boolean {
  return end.signal !== null && processorFaults.has(end.signal);
}
