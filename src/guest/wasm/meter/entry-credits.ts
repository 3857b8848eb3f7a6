/**
 * What callers pay ahead for a function: the fewest instructions that a call of it can execute. A short
 * way through it then charges nothing, and its callers no more often than before: half the calls of a
 * recursive function are such. Only functions that nothing but `call` and `return_call` can reach: what
 * is exported, in an element segment, in a global or started is entered by others, who pay nothing.
 *
 * A function must be read to know, before the first of its callers is written; so only short ones are,
 * where a charge weighs most.
 */
import type { Module } from '../format/model.ts';
import type { CodeScanner } from './scan-code.ts';

/** Bytes of a body. Larger ones are entered with a credit of 0. */
const bodyBytesMax = 128;

/** By function index. `bodies` has the bounds of each function's body, start and end in turn. */
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
  // They will be read again.
  module.refused.length = refused;
  return credits;
}
