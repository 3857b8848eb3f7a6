/**
 * Computes what the callers of each function pay ahead for it: the least gas that a call of it can use. A short way
 * through the function then charges nothing, and its callers charge no more often than before: half the calls of a
 * recursive function are such. Only for functions that nothing but `call` and `return_call` can reach: a function that
 * is exported, in an element segment, in a global or started is also entered by code that pays nothing ahead.
 *
 * A function must be read before the first of its callers is written, so it is read twice; only short functions are,
 * where a charge weighs most.
 */
import type { Module } from '../format/model.ts';
import type { CodeScanner } from './scan-code.ts';

/** Bytes of a body. Larger ones are entered with a credit of 0. */
const bodyBytesMax = 128;

/** Returns the credits by function index. `bodies` has the bounds of each defined function's body, start and end in turn. */
export function entryCredits(module: Module, scanner: CodeScanner, bodies: Int32Array): Uint16Array {
  const imported = module.functionImports.length;
  const credits = new Uint16Array(module.functionTypes.length);
  const others = new Uint8Array(credits.length);
  // ref.func names only what is referred to outside of the code as well (3.4.10, declared references).
  for (let use = 2; use < module.functionIndexUses.length; use += 3) others[module.functionIndexUses[use]!] = 1;
  if (module.start !== null) others[module.start] = 1;
  const refused = module.refused.length;
  for (let index = imported; index < credits.length; index++) {
    const start = bodies[2 * (index - imported)]!;
    const end = bodies[2 * (index - imported) + 1]!;
    if (others[index] === 1 || end - start > bodyBytesMax) continue;
    if (scanner.scan(index, start, end)) credits[index] = scanner.flow.placement.fewest();
  }
  // These functions will be read again, and their refused uses noted then.
  module.refused.length = refused;
  return credits;
}
