/**
 * Computes the gas that callers pay ahead for each function: the least gas that a call of the function can use. A short
 * way through the function then charges nothing, and its callers charge no more often than before: half the calls of a
 * recursive function are such. Applies only to functions that nothing but `call` and `return_call` can reach: functions
 * that are exported, in an element segment, in a global or started are also entered by code that pays nothing ahead.
 *
 * A function must be read before its first caller is written, so it is read twice. Only short functions are read twice;
 * a charge weighs most in them.
 */
import type { Module } from '../format/model.ts';
import type { CodeScanner } from './scan-code.ts';

/** Most bytes of a body. Larger functions have a credit of 0. */
const bodyBytesMax = 128;

/** Returns the entry credits by function index. `bodies` has start and end of each defined function's body in turn. */
export function entryCredits(module: Module, scanner: CodeScanner, bodies: Int32Array): Uint16Array {
  const imported = module.functionImports.length;
  const credits = new Uint16Array(module.functionTypes.length);
  const others = new Uint8Array(credits.length);
  // `ref.func` can only name functions that are also declared outside of the code (3.4.10, declared references).
  for (let use = 2; use < module.functionIndexUses.length; use += 3) others[module.functionIndexUses[use]!] = 1;
  if (module.start !== null) others[module.start] = 1;
  const refused = module.refused.length;
  for (let index = imported; index < credits.length; index++) {
    const start = bodies[2 * (index - imported)]!;
    const end = bodies[2 * (index - imported) + 1]!;
    if (others[index] === 1 || end - start > bodyBytesMax) continue;
    if (scanner.scan(index, start, end)) credits[index] = scanner.flow.placement.fewest();
  }
  // The second reading of these functions notes their refused uses.
  module.refused.length = refused;
  return credits;
}
