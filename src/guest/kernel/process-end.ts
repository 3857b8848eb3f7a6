/** Ends of a Process, and the exceptions that unwind its guest. */
import { guardName } from '../component/recognise.ts';
import { GuestFault } from './memory.ts';
import { innermostName } from './wasm-stack.ts';

export type ProcessEnd =
  /** The guest called runtime_exit or proc_exit, or its entry point returned. */
  | { readonly kind: 'exit'; readonly status: number }
  /** A wasm trap, a GuestFault, or an error of Land. */
  | { readonly kind: 'trap'; readonly message: string }
  | { readonly kind: 'policy'; readonly url: string; readonly rule: string }
  /** `used` and `limit` in gas. */
  | { readonly kind: 'gas'; readonly used: number; readonly limit: number }
  | { readonly kind: 'deadline'; readonly timeoutMs: number }
  /** The client has disconnected, or the runner is shutting down. */
  | { readonly kind: 'aborted'; readonly message: string }
  /** An error of the platform; the log has its cause. */
  | { readonly kind: 'internal'; readonly cause: unknown };

/** Thrown by host calls to unwind the guest of an ended Process. GuestInstance.run catches it. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
}

const uncaughtException: ProcessEnd = {
  kind: 'trap',
  message: 'uncaught exception: the program threw it and nothing in the program caught it',
};

/** Returns the end of a Process whose guest is unwound by `error`. */
export function endOf(error: unknown): ProcessEnd {
  if (error instanceof ProcessEnded) return { kind: 'internal', cause: error };
  if (error instanceof GuestFault) return { kind: 'trap', message: error.message };
  if (error instanceof WebAssembly.RuntimeError)
    return innermostName(error) === guardName ? uncaughtException : { kind: 'trap', message: describeTrap(error) };
  if (error instanceof WebAssembly.Exception) return uncaughtException;
  if (error instanceof RangeError && /call stack/i.test(error.message))
    return { kind: 'trap', message: 'stack overflow' };
  return { kind: 'internal', cause: error };
}

/** Returns the message of a trap, with the name of the function if it has one. */
function describeTrap(error: WebAssembly.RuntimeError): string {
  const name = innermostName(error);
  return name === null ? error.message : `${error.message} in ${name}`;
}
