/** Shifts function indices in sections other than code while copying them. */
import type { Module } from './model.ts';
import type { ByteWriter } from './writer.ts';

/** Returns the index of a function in the rewritten module, which has one more imported function after the guest's. */
export function shiftedFunction(module: Module, index: number): number {
  return index < module.functionImports.length ? index : index + 1;
}

/** Copies bytes `start` to `end` and shifts the function indices that `functionIndexUses` lists. */
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

/** Returns the index of the first triple at or after `position`, by binary search. */
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
