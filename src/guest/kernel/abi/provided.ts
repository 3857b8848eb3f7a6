/**
 * Describes every function that a guest may import, for inspection: module, name, signatures. It reads the rows of the
 * ABIs, so the functions accepted at the push and those bound at run time are the same.
 */
import type { FuncType, ProvidedFunction, ValType } from '../../../protocol/module.ts';
import type { Abi } from '../syscall.ts';

/**
 * Returns one entry for each module and name. A function with several rows (resource_close) has the signatures of all
 * rows.
 */
export function providedBy(abis: readonly Abi[]): readonly ProvidedFunction[] {
  return abis.flatMap((abi) => {
    const signatures = new Map<string, FuncType[]>();
    for (const row of abi.syscalls) {
      signatures.set(row.name, [...(signatures.get(row.name) ?? []), ...signaturesOf(row)]);
    }
    return abi.modules.flatMap((module) =>
      [...signatures].map(([name, types]) => ({ module, name, abi: abi.name, signatures: types })),
    );
  });
}

function signaturesOf(row: Abi['syscalls'][number]): readonly FuncType[] {
  const results: readonly ValType[] = row.result === null ? [] : [row.result];
  const strict: FuncType = { params: row.params.map((param) => param.type), results };
  if (row.looseInts !== true) return [strict];
  // Each i32, in parameters and result alike, may be an i64: 2^n signatures, n <= 4.
  let all: FuncType[] = [{ params: [], results: [] }];
  for (const type of strict.params) {
    all = all.flatMap((f) => either(type).map((t) => ({ params: [...f.params, t], results: [] })));
  }
  for (const type of results) {
    all = all.flatMap((f) => either(type).map((t) => ({ params: f.params, results: [t] })));
  }
  return all;
}

function either(type: ValType): readonly ValType[] {
  return type === 'i32' ? ['i32', 'i64'] : [type];
}
