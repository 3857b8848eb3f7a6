/** Translates an exception that unwinds a guest into the end of its Process. */
import { GuestFault } from './memory.ts';
import { type ProcessEnd, ProcessEnded } from './process.ts';

/** Returns the end of a Process whose guest is unwound by `error`. */
export function endOf(error: unknown): ProcessEnd {
  if (error instanceof ProcessEnded) return { kind: 'internal', cause: error };
  if (error instanceof GuestFault) return { kind: 'trap', message: error.message };
  if (error instanceof WebAssembly.RuntimeError) return { kind: 'trap', message: describeTrap(error) };
  if (error instanceof WebAssembly.Exception)
    return { kind: 'trap', message: 'uncaught exception: the program threw it and nothing in the program caught it' };
  if (error instanceof RangeError && /call stack/i.test(error.message))
    return { kind: 'trap', message: 'stack overflow' };
  return { kind: 'internal', cause: error };
}

/** Returns the message of a trap, with the name of the function if the module has names. */
function describeTrap(error: WebAssembly.RuntimeError): string {
  const frame = /^\s+at (?:async )?(\S+) \(wasm:/m.exec(error.stack ?? '')?.[1];
  return frame === undefined ? error.message : `${error.message} in ${frame}`;
}
