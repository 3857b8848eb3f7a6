/** Describes how a runner ended, and decides whether the runner itself was at fault. */
import type { RunnerEnd } from './runner-process.ts';

export function describeEnd(end: RunnerEnd): string {
  if (end.message !== null) return end.message;
  if (end.silentMs !== null) return `its event loop stood still for ${end.silentMs} ms`;
  return end.signal === null ? `exit status ${end.status ?? 'unknown'}` : `signal ${end.signal}`;
}

/** Signals that are sent from outside: by an operator, the service manager or the terminal. */
const fromOutside: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

/**
 * Returns whether the runner itself was at fault. SIGKILL counts only when the watchdog sent it: other senders (the
 * kernel short of memory, an operator) give no reason.
 */
export function isOwnFault(end: RunnerEnd): boolean {
  if (end.silentMs !== null) return true;
  return end.signal === null ? end.status !== 0 : !fromOutside.has(end.signal);
}

const processorFaults: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE']);

/** Returns whether the processor refused an instruction of the code that ran last. */
export function isProcessorFault(end: RunnerEnd): boolean {
  return end.signal !== null && processorFaults.has(end.signal);
}
