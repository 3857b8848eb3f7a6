/** Copies parts of sections other than code while shifting the function indices in them. */
import type { Module } from './model.ts';
import type { ByteWriter } from './writer.ts';

/** The index in the rewritten module: behind the guest's function imports stands one of ours. */
export function shiftedFunction(module: Module, index: number): number {
  return index < module.functionImports.length ? index : index + 1;
}

/** Copies `start` to `end`, where `functionIndexUses` tells which bytes are function indices. */
export function copyShifted(writer: ByteWriter, module: Module, start: number, end: number): void {
  const uses = module.functionIndexUses;
  let from = start;
  for (let at = firstUse(uses, start); at < uses.length && uses[at]! < end; at += 3) {
    const index = uses[at + 2]!;
    if (index < module.functionImports.length) continue;
    writer.raw(module.bytes, from, uses[at]!);
    writer.u32(index + 1);
    from = uses[at]! + uses[at + 1]!;
  }
  writer.raw(module.bytes, from, end);
}

/** Binary search: where the triples at or behind `position` begin. */
function firstUse(uses: readonly number[], position: number): number {
  let low = 0;
  let high = uses.length / 3;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (uses[middle * 3]! < position) low = middle + 1;
    else high = middle;
  }
  return low * 3;
}
